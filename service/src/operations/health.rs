//! Whether a server is up and can answer, its figures, and the description of its routes.

use std::time::{Duration, Instant};

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use datamanager::{DataManager, Mode};

use super::Operations;
use crate::api::ErrorBody;
use crate::server::in_maintenance;
use crate::{Context, Error, ErrorKind, Service};

/// How long the store may take to tell whether this instance has all that there is.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(3);
/// How long what the log has answered holds, so that whoever asks often causes no work.
const READINESS_AGE_MAX: Duration = Duration::from_millis(500);
/// The format of the figures.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why a server is not ready, in a form that can be told several times.
#[derive(Clone, Debug)]
pub(crate) struct NotReady {
    kind: ErrorKind,
    code: String,
    message: String,
}

impl NotReady {
    fn of(error: &Error) -> NotReady {
        NotReady {
            kind: error.kind(),
            code: error.code().to_owned(),
            message: error.to_string(),
        }
    }
}

impl From<NotReady> for Error {
    fn from(not_ready: NotReady) -> Error {
        Error::new(not_ready.kind, not_ready.message).with_code(not_ready.code)
    }
}

/// Whether the process is up.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "It is up.")))]
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .body("ok")
}

/// Whether requests can be answered from the newest state.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "They can."),
    (status = 503, description = "Not now; the code says why: starting, maintenance, stopping, unavailable.", body = ErrorBody)
))]
pub(crate) async fn readyz<S: Service>(
    request: HttpRequest,
    context: Context,
) -> Result<HttpResponse, Error> {
    let operations: Operations<S> = super::of(&request)?;
    look(&operations, &context).await?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::plaintext())
        .body("ready"))
}

async fn look<S: Service>(operations: &Operations<S>, context: &Context) -> Result<(), Error> {
    if context.is_stopping() {
        return Err(Error::unavailable("the service is stopping").with_code("stopping"));
    }
    if context.has_store() {
        let store = context.store()?;
        operations.inner.state.get()?;
        catch_up(operations, store).await?;
        if store.maintenance().mode != Mode::Normal {
            return Err(in_maintenance());
        }
    }
    let state = operations.inner.state.get()?;
    operations.inner.service.ready(state).await
}

/// Asks the log for what is not applied here yet; not more often than once in [`READINESS_AGE_MAX`].
async fn catch_up<S: Service>(
    operations: &Operations<S>,
    store: &DataManager,
) -> Result<(), Error> {
    let mut last = operations.inner.caught_up.lock().await;
    if let Some((at, found)) = &*last
        && at.elapsed() < READINESS_AGE_MAX
    {
        return found.clone().map_err(Error::from);
    }
    let caught_up = tokio::time::timeout(CATCH_UP_TIMEOUT, store.latest_snapshot()).await;
    let found = match caught_up {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Error::from(error)),
        Err(_) => Err(Error::unavailable("the store's log does not answer")),
    };
    *last = Some((
        Instant::now(),
        found.as_ref().map(drop).map_err(NotReady::of),
    ));
    found
}

/// Figures in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, description = "The figures.")))]
pub(crate) async fn metrics(context: Context) -> Result<HttpResponse, Error> {
    let text = context.figures()?;
    Ok(HttpResponse::Ok().content_type(METRICS_TYPE).body(text))
}

/// The description of all routes.
#[utoipa::path(get, path = "/api/v1alpha/openapi.json", tag = "operations", responses((status = 200, description = "It.")))]
pub(crate) async fn openapi<S: Service>(request: HttpRequest) -> Result<HttpResponse, Error> {
    let operations: Operations<S> = super::of(&request)?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(operations.inner.openapi.clone()))
}
