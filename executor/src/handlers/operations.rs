//! Routes for operators.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use service::{Context, Opened};

use crate::Error;
use crate::engine::Engine;

/// The format of the figures.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Figures in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, description = "The figures.")))]
pub(super) async fn metrics(
    Opened(engine): Opened<Engine>,
    context: Context,
) -> Result<HttpResponse, Error> {
    let text = context.figures()? + &engine.figures()?;
    Ok(HttpResponse::Ok().content_type(METRICS_TYPE).body(text))
}

/// The description of all routes.
#[utoipa::path(get, path = "/api/v1alpha/openapi.json", tag = "operations", responses((status = 200, description = "It.")))]
pub(super) async fn openapi() -> Result<HttpResponse, Error> {
    let description = serde_json::to_vec(&super::openapi()).map_err(Error::internal)?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(description))
}
