//! The server: a socket, a thread, and how to reach it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as ConnectionBuilder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::opened;
use super::s3_service::{OneWriteAtATime, PAGE_ENTRIES_MAX, Requests};
use crate::ost_url::Provider;
use crate::{AccessKey, Ost, OstOptions};

const BUCKET: &str = "bucket";
const REGION: &str = "eu-test-1";
const ACCESS_KEY_ID: &str = "test-key";
const SECRET_ACCESS_KEY: &str = "test-secret";

/// The server's own threads, so that it also runs while the test's runtime waits or its time stands still.
const THREADS: usize = 2;

/// An S3 service on a free port of this machine, with one empty bucket and one user, until it is dropped.
///
/// It speaks the protocol with signatures (crate `s3s`) and keeps its objects in a temporary directory (crate
/// `s3s-fs`). Writes take effect one after the other, so that of parallel creates exactly one wins, in all
/// processes that use it. Keys of any characters and up to 1024 bytes are kept, `a` beside `a/b` too. Lists have
/// pages of at most 1,000 keys. Of S3's operations it has those that [`Ost`] uses.
pub struct S3Server {
    address: SocketAddr,
    requests: Arc<Requests>,
    page_entries_max: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
    _directory: TempDir,
}

impl S3Server {
    /// Starts a server; it can be reached when this returns. Needs no runtime.
    ///
    /// # Errors
    /// There is no temporary directory, port or thread for it.
    pub fn start() -> io::Result<S3Server> {
        let directory = tempfile::tempdir()?;
        let requests = Arc::new(Requests::default());
        let page_entries_max = Arc::new(AtomicUsize::new(PAGE_ENTRIES_MAX));
        let objects = OneWriteAtATime::new(
            directory.path(),
            BUCKET,
            Arc::clone(&requests),
            Arc::clone(&page_entries_max),
        )?;
        let mut service = S3ServiceBuilder::new(objects);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("s3-server")
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = {
            let _in_runtime = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(serve(listener, service.build()));
        Ok(S3Server {
            address,
            requests,
            page_entries_max,
            runtime: Some(runtime),
            _directory: directory,
        })
    }

    /// The URL of a base path in the bucket, with all settings but the credentials.
    pub fn url(&self, base_path: &str) -> String {
        format!(
            "s3://{BUCKET}/{base_path}?endpoint={}&region={REGION}&path_style=true",
            self.endpoint()
        )
    }

    /// The credentials, as names and values of the environment of a process that opens [`S3Server::url`].
    pub fn environment(&self) -> [(&'static str, &'static str); 2] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        ]
    }

    /// Opens a base path of the bucket in this process, as its URL would with the credentials in the environment.
    ///
    /// # Panics
    /// The base path is none.
    pub fn open(&self, base_path: &str) -> Ost {
        self.open_through(&self.endpoint(), base_path)
    }

    /// As [`S3Server::open`], with requests that go to `endpoint`: a proxy in front of [`S3Server::address`].
    ///
    /// # Panics
    /// The base path is none.
    pub fn open_through(&self, endpoint: &str, base_path: &str) -> Ost {
        let options = OstOptions {
            endpoint: Some(endpoint.to_owned()),
            region: Some(REGION.to_owned()),
            path_style: Some(true),
            access_key: Some(AccessKey {
                id: ACCESS_KEY_ID.to_owned(),
                secret: SECRET_ACCESS_KEY.to_owned(),
            }),
            ..OstOptions::default()
        };
        let store = crate::bucket::s3_builder(BUCKET, &options).build();
        opened(store, Provider::S3, BUCKET, base_path)
    }

    /// The requests for an operation, by S3's name for it (`PutObject`, `ListObjectsV2`), that were let in so far.
    pub fn count(&self, operation: &str) -> u64 {
        self.requests.count(operation)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts lists into pages of at most `entries_max` keys from now on, so that a few objects fill several.
    pub fn set_page_entries_max(&self, entries_max: usize) {
        self.page_entries_max.store(entries_max, Ordering::Relaxed);
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A server may be dropped within the test's runtime, which must not be blocked.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for S3Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "S3Server({})", self.address)
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        // Without this the content of an object waits until the client has acknowledged the head of the answer.
        if let Err(error) = socket.set_nodelay(true) {
            log::debug!("answers of the S3 server may be late: {error}");
        }
        let service = service.clone();
        tokio::spawn(async move {
            let connections = ConnectionBuilder::new(TokioExecutor::new());
            let connection = connections.serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                log::debug!("a connection to the S3 server broke: {error}");
            }
        });
    }
}
