//! What a running server has, for its handlers.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::{Arc, OnceLock};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use datamanager::DataManager;
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::auth::BearerToken;
use crate::config::Limits;
use crate::metrics::Metrics;
use crate::{Error, ErrorKind};

/// A running server: its name, its store once it is open, its limits, and whether it is stopping. Handlers take it as an
/// argument. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    instance: String,
    limits: Limits,
    token: Option<BearerToken>,
    metrics: Metrics,
    has_store: bool,
    store: OnceLock<DataManager>,
    stopping: watch::Sender<bool>,
    /// Long work goes there, so that it does not hold up the threads that answer requests.
    runtime: Handle,
}

impl Context {
    /// Within a tokio runtime.
    pub(crate) fn new(
        instance: String,
        limits: Limits,
        token: Option<BearerToken>,
        has_store: bool,
    ) -> Result<Context, Error> {
        let metrics = Metrics::new(&instance)?;
        Ok(Context {
            inner: Arc::new(Inner {
                instance,
                limits,
                token,
                metrics,
                has_store,
                store: OnceLock::new(),
                stopping: watch::Sender::new(false),
                runtime: Handle::current(),
            }),
        })
    }

    /// The unique name of this server and of its store, which their log lines carry as `instance`.
    pub fn instance(&self) -> &str {
        &self.inner.instance
    }

    /// What a request may take.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The figures of `/metrics`, to which a server can add its own.
    pub fn metrics(&self) -> &prometheus::Registry {
        self.inner.metrics.registry()
    }

    pub(crate) fn own_metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// All figures of `/metrics`, in the text format of Prometheus.
    ///
    /// # Errors
    /// `Internal`: two of them have one name.
    pub fn figures(&self) -> Result<String, Error> {
        let stats = self.inner.store.get().map(DataManager::stats);
        self.inner.metrics.render(stats.as_ref())
    }

    pub(crate) fn token(&self) -> Option<&BearerToken> {
        self.inner.token.as_ref()
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }

    /// The store.
    ///
    /// # Errors
    /// `Unavailable` with code `starting` until it is open.
    pub fn store(&self) -> Result<&DataManager, Error> {
        self.inner.store.get().ok_or_else(starting)
    }

    /// Whether the server works on a store, be it open or not.
    pub(crate) fn has_store(&self) -> bool {
        self.inner.has_store
    }

    pub(crate) fn set_store(&self, store: DataManager) {
        // It is opened once.
        let _ = self.inner.store.set(store);
    }

    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        *self.inner.stopping.borrow()
    }

    pub(crate) fn stop(&self) {
        self.inner.stopping.send_replace(true);
    }

    /// Returns once the server is stopping.
    pub async fn stopped(&self) {
        let mut stopping = self.inner.stopping.subscribe();
        // The sender lives as long as this context.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// The stream, which ends when the server stops: for bodies that follow something.
    pub fn until_stopped<T>(
        &self,
        stream: impl Stream<Item = T> + 'static,
    ) -> impl Stream<Item = T> + 'static {
        let context = self.clone();
        stream.take_until(async move { context.stopped().await })
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("instance", &self.inner.instance)
            .finish_non_exhaustive()
    }
}

impl FromRequest for Context {
    type Error = Error;
    type Future = Ready<Result<Context, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(of(request))
    }
}

/// The context of the server that got a request.
pub(crate) fn of(request: &HttpRequest) -> Result<Context, Error> {
    let context = request.app_data::<Context>().cloned();
    context.ok_or_else(|| Error::internal("a request came to an app without a context"))
}

fn starting() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the service is starting and cannot answer yet",
    )
    .with_code("starting")
}

/// Where a server's state is put once there is one.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    state: Arc<OnceLock<T>>,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Slot<T> {
        Slot {
            state: Arc::new(OnceLock::new()),
        }
    }

    pub(crate) fn set(&self, state: T) {
        // It is made once.
        let _ = self.state.set(state);
    }

    pub(crate) fn get(&self) -> Result<&T, Error> {
        self.state.get().ok_or_else(starting)
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Slot<T> {
        Slot {
            state: self.state.clone(),
        }
    }
}

/// The [`Service::State`](crate::Service::State) of a server, as an argument of its handlers. Until there is one the
/// request is answered with 503 and code `starting`.
#[derive(Clone, Copy, Debug)]
pub struct Opened<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromRequest for Opened<T> {
    type Error = Error;
    type Future = Ready<Result<Opened<T>, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let slot = request.app_data::<Slot<T>>();
        let slot = slot
            .ok_or_else(|| Error::internal("a handler asks for a state that is not the server's"));
        ready(slot.and_then(Slot::get).cloned().map(Opened))
    }
}
