//! Running a server: its socket, its store, and its graceful stop.

mod around;
mod front;
mod http;
mod tls;

use std::future::{Future, ready};
use std::net::{TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use datamanager::{Builder, Conversion, DataManager, Expansion, ExportFormat};
use futures::stream::BoxStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use utoipa::openapi::OpenApi;

use crate::config::{self, Limits, Web};
use crate::context::Slot;
use crate::operations::{self, Operations};
use crate::{Context, Error, ErrorKind, StoreOptions, store};
use http::Http;

pub(crate) use around::in_maintenance;
pub use front::{Front, run_front};
pub use http::HttpOptions;

/// The path below which a server's routes are.
pub(crate) const API: &str = "/api/v1alpha";
/// How long closing the store may take at the end of a stop, out of the time for all of it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const START_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The bytes of an export, up to its end or to an error, which cuts the connection off.
pub type ExportStream = BoxStream<'static, Result<Bytes, Error>>;

/// What makes a server on a store: its routes, and what they work with.
///
/// [`run`] adds the socket, the store, and the routes of [`operations`](crate::operations).
pub trait Service: Send + Sync + 'static {
    /// What handlers work with once the store is open; they get it as [`Opened`](crate::Opened).
    type State: Clone + Send + Sync + 'static;

    /// The component, as its section of the configuration is called. Names of instances begin with it.
    fn name(&self) -> &'static str;

    /// Makes the state when the store has been opened: this is the place for declaring document types.
    ///
    /// # Errors
    /// After `Unavailable` it is called again. Any other error ends the server.
    fn start(&self, store: DataManager) -> impl Future<Output = Result<Self::State, Error>> + Send;

    /// Adds the routes below `/api/v1alpha`. A path with several methods is one `web::resource`, so that other methods
    /// are answered with 405.
    fn routes(&self, routes: &mut web::ServiceConfig);

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
    /// The store.
    pub store: StoreOptions,
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
    /// Plain HTTP, no token, and the defaults.
    pub fn new(store: StoreOptions) -> Options {
        let http = HttpOptions::default();
        Options {
            store,
            web: http.web,
            bearer_token_file: http.bearer_token_file,
            limits: http.limits,
            shutdown_timeout: http.shutdown_timeout,
            workers: http.workers,
        }
    }

    fn http(&self) -> HttpOptions {
        HttpOptions {
            web: self.web.clone(),
            bearer_token_file: self.bearer_token_file.clone(),
            limits: self.limits.clone(),
            shutdown_timeout: self.shutdown_timeout,
            workers: self.workers,
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
    http: Http,
    state: Slot<S::State>,
    opening: JoinHandle<Error>,
}

impl<S: Service> Running<S> {
    fn begin(listener: TcpListener, service: S, options: &Options) -> Result<Running<S>, Error> {
        let name = service.name();
        let instance = http::instance_name(name)?;
        let builder = options.store.builder()?.instance(&instance);
        let context = Context::new(instance, name, &options.http(), true)?;
        let state = Slot::new();
        let service = Arc::new(service);
        let operations = Operations::new(service.clone(), state.clone())?;
        let (routed, slot) = (service.clone(), state.clone());
        let routes = move |routes: &mut web::ServiceConfig| {
            let unknown = routed.clone();
            let unknown_path = move || ready(Err::<HttpResponse, Error>(unknown.unknown_path()));
            let api = web::scope(API)
                .configure(operations::api_routes::<S>)
                .configure(|routes| routed.routes(routes))
                .default_service(web::to(unknown_path));
            routes
                .app_data(slot.clone())
                .app_data(operations.clone())
                .configure(operations::routes::<S>)
                .service(api);
        };
        let http = Http::begin(listener, name, &options.http(), context.clone(), routes)?;
        let opening = keep_open(service.clone(), builder, context, state.clone());
        Ok(Running {
            opening: tokio::spawn(opening),
            service,
            http,
            state,
        })
    }

    async fn until(mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let failure = tokio::select! {
            () = shutdown => None,
            error = &mut self.opening => Some(error.unwrap_or_else(Error::internal)),
            error = self.http.ended() => Some(error),
        };
        self.stop().await;
        match failure {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    async fn stop(mut self) {
        let context = self.http.context().clone();
        let instance = context.instance();
        self.opening.abort();
        let deadline = self.http.stop().await;
        if let Ok(state) = self.state.get() {
            let within = deadline.max(Instant::now() + CLOSE_TIMEOUT / 2);
            let stop = self.service.stop(state);
            if tokio::time::timeout_at(within, stop).await.is_err() {
                log::warn!(instance = instance; "what the service runs in the background did not end in time");
            }
        }
        if let Ok(store) = context.store() {
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
        self.opening.abort();
    }
}

/// Opens the store, and returns why it cannot be used, or cannot be used any more.
async fn keep_open<S: Service>(
    service: Arc<S>,
    builder: Builder,
    context: Context,
    state: Slot<S::State>,
) -> Error {
    let opened = open(&*service, builder, &context, &state).await;
    match opened {
        Ok(store) => {
            let message = "the store cannot be used any more; the service has to be started again";
            Error::new(ErrorKind::Internal, message).with_source(store.ended().await)
        }
        Err(error) => error,
    }
}

async fn open<S: Service>(
    service: &S,
    builder: Builder,
    context: &Context,
    state: &Slot<S::State>,
) -> Result<DataManager, Error> {
    let instance = context.instance();
    let store = store::open(builder, instance).await?;
    context.set_store(store.clone());
    loop {
        match service.start(store.clone()).await {
            Ok(started) => {
                state.set(started);
                log::info!(instance = instance; "the store is open, {} serves", service.name());
                return Ok(store);
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                log::warn!(instance = instance; "{} cannot start yet: {}", service.name(), error.chain());
                tokio::time::sleep(START_RETRY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}
