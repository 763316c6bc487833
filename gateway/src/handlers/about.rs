//! What the gateway tells about itself.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use bytes::Bytes;
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
    // Made once, since anybody may ask for it.
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = match DOCUMENT.get() {
        Some(document) => document.clone(),
        None => {
            let made = serde_json::to_vec(&super::openapi()).map_err(Error::internal)?;
            DOCUMENT.get_or_init(|| made.into()).clone()
        }
    };
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
