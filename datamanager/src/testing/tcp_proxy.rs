//! A proxy for TCP connections, and what goes wrong in it.

mod connection;
mod faults;
mod replies;
mod state;

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub use self::faults::{Loss, LostReplies, ProxyFaults, Reply};
pub use self::state::ProxyCounts;
use self::state::State;
use super::ports::{free_port, local};

/// How soon a port is tried again that cannot be opened.
const BIND_INTERVAL: Duration = Duration::from_millis(5);
/// How often another port is tried for a new proxy.
const STARTS_MAX: usize = 5;

/// A proxy on a free port of this machine that passes connections on to another address, until it is dropped.
///
/// It has a thread of its own. What it draws follows from its seed; what arrives when does not, for the network is real.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
///
/// use datamanager::testing::{ProxyFaults, TcpProxy};
///
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let proxy = TcpProxy::start(server.local_addr()?, 1)?;
/// let mut client = TcpStream::connect(proxy.address())?;
/// client.write_all(b"?")?;
/// let (mut accepted, _) = server.accept()?;
/// accepted.read_exact(&mut [0])?;
/// proxy.set_faults(ProxyFaults {
///     refuse: true,
///     ..ProxyFaults::default()
/// })?;
/// assert!(TcpStream::connect(proxy.address()).is_err());
/// proxy.cut();
/// assert_eq!(client.read(&mut [0])?, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpProxy {
    address: SocketAddr,
    state: Arc<State>,
    runtime: Option<Runtime>,
}

impl TcpProxy {
    /// Starts a proxy to `target`, through which everything passes; clients can connect when this returns. Nothing needs
    /// to listen at the target yet.
    ///
    /// # Errors
    /// The target cannot be resolved, or there is no port or thread.
    pub fn start(target: impl ToSocketAddrs, seed: u64) -> io::Result<TcpProxy> {
        let target = first_address(target)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("tcp-proxy")
            .enable_all()
            .build()?;
        let listener = runtime.block_on(listen_anywhere())?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(target, seed));
        runtime.spawn(accept(listener, address, state.clone()));
        Ok(TcpProxy {
            address,
            state,
            runtime: Some(runtime),
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a URL, for clients of HTTP.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets what goes wrong from now on; the port is closed, or open, when this returns.
    ///
    /// # Errors
    /// Something else has taken the port that was closed.
    pub fn set_faults(&self, faults: ProxyFaults) -> io::Result<()> {
        self.state.set_faults(faults)
    }

    /// What goes wrong now.
    pub fn faults(&self) -> ProxyFaults {
        self.state.faults()
    }

    /// Ends all connections that are open, with what is under way in them.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// Passes new connections on to another address; those that are open stay where they are.
    ///
    /// # Errors
    /// The target cannot be resolved.
    pub fn set_target(&self, target: impl ToSocketAddrs) -> io::Result<()> {
        self.state.set_target(first_address(target)?);
        Ok(())
    }

    /// What has gone through so far.
    pub fn counts(&self) -> ProxyCounts {
        self.state.counts()
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A proxy may be dropped within the test's runtime, which must not be blocked.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for TcpProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "TcpProxy({} to {})",
            self.address,
            self.state.target()
        )
    }
}

fn first_address(target: impl ToSocketAddrs) -> io::Result<SocketAddr> {
    let mut addresses = target.to_socket_addrs()?;
    addresses
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the target has no address"))
}

/// Listens on a port that an outgoing connection never gets by itself, so that it can be closed and opened again.
async fn listen_anywhere() -> io::Result<TcpListener> {
    for _ in 1..STARTS_MAX {
        if let Ok(listener) = TcpListener::bind(local(free_port()?)).await {
            return Ok(listener);
        }
    }
    TcpListener::bind(local(free_port()?)).await
}

/// Accepts connections, unless they are to be refused.
async fn accept(listener: TcpListener, address: SocketAddr, state: Arc<State>) {
    let mut faults = state.watch_faults();
    let mut listener = Some(listener);
    loop {
        if faults.borrow_and_update().refuse {
            listener = None;
            state.set_listening(false);
            if faults.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => match TcpListener::bind(address).await {
                Ok(open) => open,
                Err(error) => {
                    log::warn!("a proxy cannot listen on {address}: {error}");
                    tokio::time::sleep(BIND_INTERVAL).await;
                    continue;
                }
            },
        };
        state.set_listening(true);
        match select(pin!(faults.changed()), pin!(open.accept())).await {
            Either::Left((Err(_), _)) => return,
            Either::Left((Ok(()), _)) | Either::Right((Err(_), _)) => {}
            Either::Right((Ok((client, _)), _)) => {
                // From here on a cut ends it.
                let cut = state.watch_cuts();
                tokio::spawn(pass_on(client, state.clone(), cut));
            }
        }
        listener = Some(open);
    }
}

async fn pass_on(client: TcpStream, state: Arc<State>, mut cut: watch::Receiver<u64>) {
    let random = state.add_connection();
    let passed = async {
        let server = TcpStream::connect(state.target()).await?;
        connection::serve(client, server, &state, random).await
    };
    if let Either::Right((Err(error), _)) = select(pin!(cut.changed()), pin!(passed)).await {
        log::debug!("a connection through a proxy has broken: {error}");
    }
}

#[cfg(test)]
mod tests;
