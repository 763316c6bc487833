//! Running a server: its socket, its store, and its graceful stop.

mod around;
mod tls;

use std::future::{Future, ready};
use std::net::{TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;
use datamanager::{Builder, Conversion, DataManager, Expansion, ExportFormat};
use futures::stream::BoxStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use utoipa::openapi::OpenApi;

use crate::auth::BearerToken;
use crate::config::{self, Limits, Web};
use crate::context::Slot;
use crate::operations::{self, Operations};
use crate::{Context, Error, ErrorKind, StoreOptions, json, store};

pub(crate) use around::in_maintenance;

/// The path below which a server's routes are.
pub(crate) const API: &str = "/api/v1alpha";
/// How long closing the store may take at the end of a stop, out of the time for all of it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const START_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Connections that wait for being accepted.
const BACKLOG: u32 = 1024;

/// The bytes of an export, up to its end or to an error, which cuts the connection off.
pub type ExportStream = BoxStream<'static, Result<Bytes, Error>>;

/// What makes a server: its routes, and what they work with.
///
/// [`run`] adds the socket, the store if the server has one, and the routes of [`operations`](crate::operations).
/// [`Service::start`] makes the state of a server on a store, [`Service::start_without_store`] that of one without.
pub trait Service: Send + Sync + 'static {
    /// What handlers work with once the store is open; they get it as [`Opened`](crate::Opened).
    type State: Clone + Send + Sync + 'static;

    /// The component, as its section of the configuration is called. Names of instances begin with it.
    fn name(&self) -> &'static str;

    /// Makes the state when the store has been opened: this is the place for declaring document types.
    ///
    /// # Errors
    /// After `Unavailable` it is called again. Any other error ends the server.
    fn start(
        &self,
        _store: DataManager,
    ) -> impl Future<Output = Result<Self::State, Error>> + Send {
        async { Err(Error::internal("the server does not work on a store")) }
    }

    /// Makes the state of a server whose options have no store.
    ///
    /// # Errors
    /// As [`Service::start`].
    fn start_without_store(
        &self,
        _context: &Context,
    ) -> impl Future<Output = Result<Self::State, Error>> + Send {
        async { Err(Error::internal("the server does not work without a store")) }
    }

    /// Adds the routes below `/api/v1alpha`. A path with several methods is one `web::resource`, so that other methods
    /// are answered with 405.
    fn routes(&self, routes: &mut web::ServiceConfig);

    /// Adds routes with their whole paths, which go before all others: for what is not below `/api/v1alpha`, and for servers
    /// that do something around their API. Default: none.
    fn whole_routes(&self, _routes: &mut web::ServiceConfig) {}

    /// The description of these routes. That of the shared ones is added.
    fn openapi(&self) -> OpenApi {
        OpenApi::default()
    }

    /// What a request below `/api/v1alpha` is answered for which there is no route. Default: 404.
    fn unknown_path(&self) -> Error {
        around::nothing_here()
    }

    /// Whether requests can be answered, for `/readyz`; what the store needs is looked at before.
    ///
    /// # Errors
    /// Why not yet.
    fn ready(&self, _state: &Self::State) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// A whole export in this format that the service makes by itself; none: the store makes it.
    ///
    /// # Errors
    /// Why it cannot begin.
    fn export(
        &self,
        _state: &Self::State,
        _format: ExportFormat,
    ) -> impl Future<Output = Result<Option<ExportStream>, Error>> + Send {
        async { Ok(None) }
    }

    /// How entries are changed on their way into an export of this format; none: as they are stored.
    fn export_conversion(&self, _state: &Self::State, _format: ExportFormat) -> Option<Conversion> {
        None
    }

    /// How entries of an import in this format are changed and checked. An error refuses the import, which changes nothing
    /// then; its text is told to the client.
    fn import_conversion(&self, _state: &Self::State, _format: ExportFormat) -> Option<Conversion> {
        None
    }

    /// What entries of an import in this format are made into; none: they stay what they are. Goes before
    /// [`Service::import_conversion`]. An error refuses the import, as there.
    fn import_expansion(&self, _state: &Self::State, _format: ExportFormat) -> Option<Expansion> {
        None
    }

    /// Ends what the state has begun, when no more requests come and before the store is closed.
    fn stop(&self, _state: &Self::State) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// How a server is run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The store, if there is to be one.
    pub store: Option<StoreOptions>,
    /// TLS. The address is not looked at: [`bind`] makes the socket.
    pub web: Web,
    /// A file with the token that callers have to show. Without one everybody is let in.
    pub bearer_token_file: Option<PathBuf>,
    /// What requests may take.
    pub limits: Limits,
    /// How long a stop may take. Default 10 s.
    pub shutdown_timeout: Duration,
    /// Threads that answer requests. The default is one for each processor.
    pub workers: Option<usize>,
}

impl Options {
    /// A store, plain HTTP, no token, and the defaults.
    pub fn new(store: StoreOptions) -> Options {
        Options {
            store: Some(store),
            ..Options::without_store()
        }
    }

    /// No store, plain HTTP, no token, and the defaults.
    pub fn without_store() -> Options {
        Options {
            store: None,
            web: Web::default(),
            bearer_token_file: None,
            limits: Limits::default(),
            shutdown_timeout: Duration::from_secs(10),
            workers: None,
        }
    }
}

/// Makes the socket of a server; `section` is for messages.
///
/// # Errors
/// An address that is no address, or is in use: named.
pub fn bind(section: &str, web: &Web) -> Result<TcpListener, Error> {
    let key = format!("{section}.web.listenAddress");
    let address = web.listen_address.as_str();
    if address.is_empty() {
        return Err(config::missing(&key, "host:port or :port is expected"));
    }
    let candidates = match address.strip_prefix(':') {
        // All addresses, of IPv4 too where the machine has both.
        Some(port) => vec![format!("[::]:{port}"), format!("0.0.0.0:{port}")],
        None => vec![address.to_owned()],
    };
    let mut cause = None;
    for candidate in candidates {
        let addresses = candidate.to_socket_addrs();
        match addresses.and_then(|addresses| TcpListener::bind(&*addresses.collect::<Vec<_>>())) {
            Ok(listener) => return Ok(listener),
            Err(error) => cause = Some(error),
        }
    }
    let cause = cause.map(|cause| cause.to_string()).unwrap_or_default();
    Err(config::invalid(
        &key,
        address,
        &format!("cannot listen there: {cause}"),
    ))
}

/// Returns once the process gets SIGTERM or SIGINT.
///
/// # Errors
/// The signals cannot be waited for.
pub fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Runs a server on `listener` until `shutdown` is done, and stops it: running requests get their answers, streams end, and
/// the store is closed, all within [`Options::shutdown_timeout`].
///
/// Without a store there are no routes about one, and all others answer 503 until the server has started.
///
/// While the store's storage or log does not answer, the server waits for it: `/healthz` is fine, `/readyz` and all other
/// routes answer 503. It needs a tokio runtime.
///
/// # Errors
/// What in the options cannot be used, with the key; a store that cannot be opened, for a reason that does not pass; the
/// error of [`Service::start`].
pub async fn run<S: Service>(
    listener: TcpListener,
    service: S,
    options: Options,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let running = Running::begin(listener, service, &options)?;
    running.until(shutdown).await
}

struct Running<S: Service> {
    service: Arc<S>,
    context: Context,
    state: Slot<S::State>,
    server: JoinHandle<std::io::Result<()>>,
    handle: ServerHandle,
    opening: JoinHandle<Error>,
    shutdown_timeout: Duration,
}

impl<S: Service> Running<S> {
    fn begin(listener: TcpListener, service: S, options: &Options) -> Result<Running<S>, Error> {
        let name = service.name();
        let instance = instance_name(name)?;
        let token = match &options.bearer_token_file {
            Some(path) => Some(BearerToken::read(&format!("{name}.bearerTokenFile"), path)?),
            None => None,
        };
        let certificate = match options.web.tls {
            true => Some(tls::Certificate::load(name, &options.web)?),
            false => None,
        };
        let builder = match &options.store {
            Some(store) => Some(store.builder()?.instance(&instance)),
            None => None,
        };
        let has_store = builder.is_some();
        let context = Context::new(instance, options.limits.clone(), token, has_store)?;
        let state = Slot::new();
        let service = Arc::new(service);
        let address = listener.local_addr().map_err(Error::internal)?;
        let tls = certificate.as_ref().map(tls::Certificate::server_config);
        let server = http_server(
            listener,
            &service,
            &context,
            &state,
            options,
            tls.transpose()?,
        )?;
        let handle = server.handle();
        let server = tokio::spawn(server);
        if let Some(certificate) = certificate {
            tokio::spawn(certificate.keep_current(context.clone()));
        }
        log::info!(
            instance = context.instance(), address:% = address, tls = options.web.tls;
            "{name} listens on {address}"
        );
        let opening = keep_open(service.clone(), builder, context.clone(), state.clone());
        Ok(Running {
            opening: tokio::spawn(opening),
            service,
            context,
            state,
            server,
            handle,
            shutdown_timeout: options.shutdown_timeout,
        })
    }

    async fn until(mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let failure = tokio::select! {
            () = shutdown => None,
            error = &mut self.opening => Some(error.unwrap_or_else(Error::internal)),
            ended = &mut self.server => Some(match ended {
                Ok(Err(cause)) => Error::internal(cause),
                Ok(Ok(())) | Err(_) => Error::internal("the HTTP server has ended by itself"),
            }),
        };
        self.stop().await;
        match failure {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    async fn stop(self) {
        let instance = self.context.instance();
        let deadline = Instant::now() + self.shutdown_timeout;
        log::info!(instance = instance; "stopping");
        self.context.stop();
        self.opening.abort();
        // The server itself gives up a little earlier, so that there is time for the store.
        let stopped = tokio::time::timeout_at(deadline, self.handle.stop(true)).await;
        if stopped.is_err() {
            log::warn!(instance = instance; "requests were still being answered at the end of the time for stopping");
            self.server.abort();
        }
        if let Ok(state) = self.state.get() {
            let within = deadline.max(Instant::now() + CLOSE_TIMEOUT / 2);
            let stop = self.service.stop(state);
            if tokio::time::timeout_at(within, stop).await.is_err() {
                log::warn!(instance = instance; "what the service runs in the background did not end in time");
            }
        }
        if let Ok(store) = self.context.store() {
            let within = deadline.max(Instant::now() + CLOSE_TIMEOUT / 2);
            match tokio::time::timeout_at(within, store.close()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    log::warn!(instance = instance; "the store was not closed well: {}", error.chain());
                }
                Err(_) => log::warn!(instance = instance; "the store did not close in time"),
            }
        }
        log::info!(instance = instance; "stopped");
    }
}

/// A server whose call is dropped ends at once. After a stop there is nothing left to end.
impl<S: Service> Drop for Running<S> {
    fn drop(&mut self) {
        self.context.stop();
        self.opening.abort();
        self.server.abort();
    }
}

/// Opens the store, if there is to be one, and returns why the server cannot work, or cannot work any more.
async fn keep_open<S: Service>(
    service: Arc<S>,
    builder: Option<Builder>,
    context: Context,
    state: Slot<S::State>,
) -> Error {
    let opened = open(&*service, builder, &context, &state).await;
    match opened {
        Ok(None) => std::future::pending().await,
        Ok(Some(store)) => {
            let message = "the store cannot be used any more; the service has to be started again";
            Error::new(ErrorKind::Internal, message).with_source(store.ended().await)
        }
        Err(error) => error,
    }
}

async fn open<S: Service>(
    service: &S,
    builder: Option<Builder>,
    context: &Context,
    state: &Slot<S::State>,
) -> Result<Option<DataManager>, Error> {
    let (instance, name) = (context.instance(), service.name());
    let store = match builder {
        Some(builder) => {
            let store = store::open(builder, instance).await?;
            context.set_store(store.clone());
            log::info!(instance = instance; "the store is open");
            Some(store)
        }
        None => None,
    };
    loop {
        let started = match &store {
            Some(store) => service.start(store.clone()).await,
            None => service.start_without_store(context).await,
        };
        match started {
            Ok(started) => {
                state.set(started);
                log::info!(instance = instance; "{name} serves");
                return Ok(store);
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                log::warn!(instance = instance; "{name} cannot start yet: {}", error.chain());
                tokio::time::sleep(START_RETRY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn http_server<S: Service>(
    listener: TcpListener,
    service: &Arc<S>,
    context: &Context,
    state: &Slot<S::State>,
    options: &Options,
    tls: Option<rustls::ServerConfig>,
) -> Result<Server, Error> {
    let has_store = context.has_store();
    let operations = Operations::new(service.clone(), state.clone(), has_store)?;
    let (service, context, state) = (service.clone(), context.clone(), state.clone());
    let factory = move || {
        let unknown = service.clone();
        let unknown_path = move || ready(Err::<HttpResponse, Error>(unknown.unknown_path()));
        let api = web::scope(API)
            .configure(|routes| operations::api_routes::<S>(routes, has_store))
            .configure(|routes| service.routes(routes))
            .default_service(web::to(unknown_path));
        App::new()
            .app_data(context.clone())
            .app_data(state.clone())
            .app_data(operations.clone())
            .configure(json::extractors)
            .configure(|routes| service.whole_routes(routes))
            .configure(operations::routes::<S>)
            .service(api)
            .default_service(web::to(|| {
                ready(Err::<HttpResponse, Error>(around::nothing_here()))
            }))
            .wrap(from_fn(around::handle))
    };
    let limits = &options.limits;
    let stop_timeout = options.shutdown_timeout.saturating_sub(CLOSE_TIMEOUT);
    let mut server = HttpServer::new(factory)
        .disable_signals()
        .backlog(BACKLOG)
        .keep_alive(limits.keep_alive)
        .client_request_timeout(limits.head_timeout)
        // Also how long what is left of a body is read and dropped behind an answer that came early.
        .client_disconnect_timeout(limits.body_timeout)
        .max_connections(limits.connections_max)
        // Who has gone is noticed also while there is nothing to send.
        .h1_allow_half_closed(false)
        .shutdown_timeout(stop_timeout.as_secs().max(1));
    if let Some(workers) = options.workers {
        server = server.workers(workers.max(1));
    }
    let server = match tls {
        Some(tls) => server
            .tls_handshake_timeout(limits.head_timeout)
            .listen_rustls_0_23(listener, tls),
        None => server.listen(listener),
    };
    server.map(HttpServer::run).map_err(Error::internal)
}

/// A name that no other instance has.
fn instance_name(service: &str) -> Result<String, Error> {
    let random = getrandom::u32().map_err(|cause| Error::internal(cause.to_string()))?;
    Ok(format!("{service}-{random:08x}"))
}
