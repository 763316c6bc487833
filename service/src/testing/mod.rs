//! Servers on free ports, in the test's own process.
//!
//! What is wrong here is a failed test, so most of it panics instead of giving errors.

mod dependencies;
mod description;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::client::{Builder, Client};
use crate::config::Web;
use crate::{Error, Options, Service, run};

pub use dependencies::assert_client_stands_alone;
pub use description::{assert_description_is_checked_in, assert_description_is_complete};

/// How long a test waits for what has to come.
const DEADLINE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Is done once a server is to stop.
pub type Stopped = BoxFuture<'static, ()>;

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Error>>,
    tls: bool,
}

impl TestServer {
    /// Starts a server on a free port of the loopback address, with two threads for requests. It may not be ready yet.
    ///
    /// # Panics
    /// There is no free port.
    pub fn start<S: Service>(service: S, options: Options) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        TestServer::start_on(listener, service, options)
    }

    /// Starts a server on a socket.
    ///
    /// # Panics
    /// It is no socket that listens.
    pub fn start_on<S: Service>(
        listener: TcpListener,
        service: S,
        mut options: Options,
    ) -> TestServer {
        options.workers = options.workers.or(Some(2));
        let tls = options.web.tls;
        TestServer::serve(listener, tls, |listener, stopped| {
            run(listener, service, options, stopped)
        })
    }

    /// Starts what a program runs on a socket, on a free port of the loopback address.
    ///
    /// # Panics
    /// There is no free port.
    pub fn run<R>(tls: bool, program: impl FnOnce(TcpListener, Stopped) -> R) -> TestServer
    where
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        TestServer::serve(listener, tls, program)
    }

    fn serve<R>(
        listener: TcpListener,
        tls: bool,
        program: impl FnOnce(TcpListener, Stopped) -> R,
    ) -> TestServer
    where
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let address = listener.local_addr().expect("the socket has an address");
        let (stop, stopped) = oneshot::channel();
        let stopped = Box::pin(async move {
            // A server that is dropped is stopped, too.
            let _ = stopped.await;
        });
        TestServer {
            address,
            stop: Some(stop),
            task: tokio::spawn(program(listener, stopped)),
            tls,
        }
    }

    /// Starts a server and waits until it is ready.
    ///
    /// # Panics
    /// It does not become ready.
    pub async fn ready<S: Service>(service: S, options: Options) -> TestServer {
        let server = TestServer::start(service, options);
        server.wait_until_ready().await;
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base of its URLs.
    pub fn url(&self) -> String {
        let (scheme, host) = match self.tls {
            true => ("https", "localhost"),
            false => ("http", "127.0.0.1"),
        };
        format!("{scheme}://{host}:{}", self.address.port())
    }

    /// Options of a client of it.
    pub fn client_builder(&self) -> Builder {
        Client::builder(self.url())
    }

    /// A client of it.
    ///
    /// # Panics
    /// The client cannot be made.
    pub fn client(&self) -> Client {
        self.client_builder()
            .build()
            .expect("a plain client can be made")
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Panics
    /// The server has ended, or is not ready in time.
    pub async fn wait_until_ready(&self) {
        let client = self.client();
        wait_until("the server is ready", async || {
            assert!(!self.task.is_finished(), "the server has ended");
            client.ready().await.is_ok()
        })
        .await;
    }

    /// Stops the server, and returns what [`run`] has.
    ///
    /// # Errors
    /// Those of [`run`].
    ///
    /// # Panics
    /// The server has panicked.
    pub async fn stop(mut self) -> Result<(), Error> {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        self.task.await.expect("the server does not panic")
    }

    /// What [`run`] returns, without being asked to stop.
    ///
    /// # Errors
    /// Those of [`run`].
    ///
    /// # Panics
    /// The server has panicked.
    pub async fn ended(self) -> Result<(), Error> {
        // Kept, since dropping it stops the server.
        let _stop = self.stop;
        self.task.await.expect("the server does not panic")
    }
}

/// Waits for a condition.
///
/// # Panics
/// It does not come true within a minute.
pub async fn wait_until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// A certificate for `localhost` that is signed with its own key, as files.
#[derive(Clone, Debug)]
pub struct TestCertificate {
    /// The certificate, PEM.
    pub certificate_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl TestCertificate {
    /// Makes one in a directory.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn make(directory: &Path) -> TestCertificate {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
        let certificate = TestCertificate {
            certificate_file: directory.join("certificate.pem"),
            key_file: directory.join("key.pem"),
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        };
        std::fs::write(&certificate.certificate_file, &certificate.certificate)
            .expect("the directory can be written");
        std::fs::write(&certificate.key_file, &certificate.key)
            .expect("the directory can be written");
        certificate
    }

    /// TLS with it.
    pub fn web(&self) -> Web {
        Web {
            tls: true,
            tls_cert_file: self.certificate_file.clone(),
            tls_key_file: self.key_file.clone(),
            ..Web::default()
        }
    }
}
