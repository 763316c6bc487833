//! What the gateway tells about itself.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use service::{Context, Error};

use super::parts::{Forced, Reply, ok};
use crate::api::VersionResponse;
use crate::config::NAME;
use crate::error::forbidden;

/// What this program is.
#[utoipa::path(get, path = "/api/v1alpha/version", tag = "about",
    responses((status = 200, description = "The version.", body = VersionResponse)))]
pub(super) async fn version() -> HttpResponse {
    ok(&VersionResponse {
        service: NAME.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// The description of all routes.
#[utoipa::path(get, path = "/api/v1alpha/openapi.json", tag = "about",
    responses((status = 200, description = "It.")))]
pub(super) async fn openapi() -> Reply {
    let document = super::openapi().to_json().map_err(Error::internal)?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(document))
}

/// Figures in the text format of Prometheus, for an administrator.
#[utoipa::path(get, path = "/metrics", tag = "about",
    responses((status = 200, description = "The figures.", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(who: Forced, context: Context) -> Reply {
    if !who.caller.is_admin() {
        return Err(forbidden("only an administrator may do this"));
    }
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(context.figures()?))
}

/// What needs a git provider and has no route of its own for each method.
pub(super) async fn needs_git() -> Reply {
    Err(crate::error::needs_git("this"))
}
