//! Servers without a store of their own.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::http::header::ContentType;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::http::{Http, instance_name};
use crate::context::Slot;
use crate::operations::health;
use crate::{Context, Error, HttpOptions};

/// What makes a server that has no store: its routes, and what they work with.
///
/// [`run_front`] adds the socket, `/healthz` and `/readyz`.
pub trait Front: Send + Sync + 'static {
    /// What handlers work with; they get it as [`Opened`](crate::Opened).
    type State: Clone + Send + Sync + 'static;

    /// The component, as its section of the configuration is called. Names of instances begin with it.
    fn name(&self) -> &'static str;

    /// Adds the routes, all with their whole paths. A path with several methods is one `web::resource`, so that other
    /// methods are answered with 405.
    fn routes(&self, routes: &mut ServiceConfig);

    /// Whether requests can be answered, for `/readyz`. It should not cost more for being asked often.
    ///
    /// # Errors
    /// Why not yet.
    fn ready(&self, _state: &Self::State) -> impl Future<Output = Result<(), Error>> {
        async { Ok(()) }
    }

    /// Ends what the state has begun, when no more requests come.
    fn stop(&self, _state: &Self::State) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Runs a server without a store on `listener` until `shutdown` is done, and stops it: running requests get their answers,
/// and streams end, all within [`HttpOptions::shutdown_timeout`]. It needs a tokio runtime.
///
/// # Errors
/// What in the options cannot be used, with the key.
pub async fn run_front<F: Front>(
    listener: TcpListener,
    front: F,
    state: F::State,
    options: HttpOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let name = front.name();
    let context = Context::new(instance_name(name)?, name, &options, false)?;
    let (front, slot) = (Arc::new(front), Slot::new());
    slot.set(state.clone());
    let routed = front.clone();
    let routes = move |routes: &mut ServiceConfig| {
        routes
            .app_data(slot.clone())
            .app_data(routed.clone())
            .service(web::resource("/healthz").get(health::healthz))
            .service(web::resource("/readyz").get(readyz::<F>));
        routed.routes(routes);
    };
    let mut http = Http::begin(listener, name, &options, context, routes)?;
    let failure = tokio::select! {
        () = shutdown => None,
        error = http.ended() => Some(error),
    };
    let deadline = http.stop().await;
    if tokio::time::timeout_at(deadline, front.stop(&state))
        .await
        .is_err()
    {
        log::warn!(
            instance = http.context().instance();
            "what the service runs in the background did not end in time"
        );
    }
    log::info!(instance = http.context().instance(); "stopped");
    match failure {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

async fn readyz<F: Front>(request: HttpRequest, context: Context) -> Result<HttpResponse, Error> {
    if context.is_stopping() {
        return Err(Error::unavailable("the service is stopping").with_code("stopping"));
    }
    let front = request.app_data::<Arc<F>>();
    let state = request.app_data::<Slot<F::State>>();
    let (Some(front), Some(state)) = (front, state) else {
        return Err(Error::internal(
            "a request came to an app without its front",
        ));
    };
    front.ready(state.get()?).await?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .body("ready"))
}
