//! The routes that the run service calls.

mod files;
mod tasks;

use actix_web::web::{ServiceConfig, get, post, resource};
use utoipa::OpenApi;

/// Adds all routes below `/api/v1alpha` but those that every server has.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/executor").route(post().to(tasks::take)))
        .service(resource("/executor/logs").route(get().to(files::log)))
        .service(resource("/executor/archives").route(get().to(files::archive)));
}

/// The description of all routes of the executor but those that every server has.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    service::openapi::complete(Routes::openapi(), |_| "An id.")
}

#[derive(OpenApi)]
#[openapi(
    info(title = "executor", description = "Executes the tasks of runs."),
    components(schemas(service::api::ErrorBody)),
    paths(tasks::take, files::log, files::archive,)
)]
struct Routes;
