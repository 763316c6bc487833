//! What is done around every request: who is let in, from which state it is answered, and what all answers have.

use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use datamanager::{DataManager, Mode};

use super::API;
use crate::api::ErrorBody;
use crate::position::{MIN_POSITION, POSITION, Position};
use crate::{Context, Error, ErrorKind};

/// How long a request waits for the state that it asks for.
const STATE_TIMEOUT: Duration = Duration::from_secs(5);
/// Routes that are served without a token.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];
/// Routes that are served in maintenance and before the store is open, below [`API`] and beside it.
const OPERATIONS: [&str; 6] = [
    "/maintenance",
    "/export",
    "/import",
    "/instances",
    "/store",
    "/openapi.json",
];
const METRICS: &str = "/metrics";

/// The answer where there is no route.
pub(super) fn nothing_here() -> Error {
    Error::not_found("there is nothing at this path")
}

pub(super) async fn handle(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let context = crate::context::of(request.request())?;
    let started = Instant::now();
    let in_flight = context.own_metrics().begin();
    let method = request.method().clone();
    let response = match admit(&context, &request).await {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(error) => request.error_response(error),
    };
    drop(in_flight);
    Ok(finish(&context, &method, started, response))
}

/// Refuses what is not to be served, and waits for the state that it is to be served from.
async fn admit(context: &Context, request: &ServiceRequest) -> Result<(), Error> {
    let path = request.path();
    if OPEN.contains(&path) {
        return Ok(());
    }
    if let Some(token) = context.token() {
        token.check(request.headers())?;
    }
    let below = path.strip_prefix(API);
    if path == METRICS || below.is_some_and(|below| OPERATIONS.contains(&below)) {
        return Ok(());
    }
    if !context.has_store() {
        return Ok(());
    }
    let store = context.store()?;
    if store.maintenance().mode != Mode::Normal {
        return Err(in_maintenance());
    }
    await_state(store, request).await
}

/// Not 404: to clients that would mean that what they ask for is gone.
pub(crate) fn in_maintenance() -> Error {
    let message = "the service is in maintenance";
    Error::unavailable(message).with_code("maintenance")
}

async fn await_state(store: &DataManager, request: &ServiceRequest) -> Result<(), Error> {
    if let Some(position) = request.headers().get(MIN_POSITION) {
        let text = position.to_str().unwrap_or_default();
        let position: Position = text.parse()?;
        // Positions of the state that is there already are the rule.
        if store.position().seq < position.seq {
            let waiting = store.wait_for(position.into());
            let waited = tokio::time::timeout(STATE_TIMEOUT, waiting).await;
            waited.map_err(|_| {
                let message =
                    format!("position {position} was not reached within {STATE_TIMEOUT:?}");
                Error::unavailable(message).with_code("behind")
            })??;
        }
    }
    if asks_for_latest(request.query_string())? {
        let caught_up = tokio::time::timeout(STATE_TIMEOUT, store.latest_snapshot()).await;
        caught_up.map_err(|_| Error::unavailable("the store's log does not answer"))??;
    }
    Ok(())
}

fn asks_for_latest(query: &str) -> Result<bool, Error> {
    if !query.contains("consistency") {
        return Ok(false);
    }
    let mut parameters = url::form_urlencoded::parse(query.as_bytes());
    match parameters.find(|(name, _)| name == "consistency") {
        None => Ok(false),
        Some((_, value)) if value == "latest" => Ok(true),
        Some((_, value)) => {
            let value: String = value.chars().take(40).collect();
            Err(Error::bad_request(format!(
                "consistency is {value:?}: only \"latest\" is accepted"
            )))
        }
    }
}

/// Counts and logs a request, and gives its answer what all answers have.
fn finish(
    context: &Context,
    method: &Method,
    started: Instant,
    response: ServiceResponse<BoxBody>,
) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let time = started.elapsed();
    let route = response.request().match_pattern();
    let route = route.as_deref().unwrap_or("none");
    context.own_metrics().observe(method, route, status, time);
    log::debug!(
        target: "access", instance = context.instance(), method:% = method, route = route, status = status.as_u16(),
        time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        "{method} {route} {status}"
    );
    log_failure(context, method, route, &response);
    let mut response = match status.as_u16() >= 400 && !is_json(&response) {
        true => with_error_body(response, status),
        false => response,
    };
    if let Ok(store) = context.store() {
        let position = Position::from(store.position()).to_string();
        if let Ok(value) = HeaderValue::from_str(&position) {
            let name = HeaderName::from_static(POSITION);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Faults of the server are logged with all that is known.
fn log_failure(
    context: &Context,
    method: &Method,
    route: &str,
    response: &ServiceResponse<BoxBody>,
) {
    // Probes ask again and again; what they are told is logged where it happens.
    if !response.status().is_server_error() || OPEN.contains(&route) {
        return;
    }
    let Some(cause) = response.response().error() else {
        return;
    };
    let Some(error) = cause.as_error::<Error>() else {
        log::error!(instance = context.instance(); "{method} {route} failed: {cause}");
        return;
    };
    match error.kind() {
        // These tell of what an operator does, and of what is logged where it is tried.
        ErrorKind::Unavailable if matches!(error.code(), "maintenance" | "starting") => {}
        ErrorKind::Unavailable => {
            log::warn!(instance = context.instance(); "{method} {route} failed: {}", error.chain());
        }
        _ => {
            log::error!(instance = context.instance(); "{method} {route} failed: {}", error.chain())
        }
    }
}

fn is_json(response: &ServiceResponse<BoxBody>) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// Gives a failure that the framework told in its own way the body that all failures have.
fn with_error_body(
    response: ServiceResponse<BoxBody>,
    status: StatusCode,
) -> ServiceResponse<BoxBody> {
    let kind = ErrorKind::of_status(status.as_u16());
    let message = match kind {
        ErrorKind::MethodNotAllowed => "this path does not have the method",
        _ => status.canonical_reason().unwrap_or("the request failed"),
    };
    let body = ErrorBody {
        code: kind.code().to_owned(),
        message: message.to_owned(),
    };
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = response.map_body(|_, _| BoxBody::new(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
