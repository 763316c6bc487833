//! Tasks.

use actix_web::HttpResponse;
use runservice::api::ExecutorTask;
use service::{Json, Opened};

use crate::Error;
use crate::engine::Engine;

/// The run service hands a task out, or asks that it stops. A task for another executor is ignored; one that there is no
/// room for is found again when the executor asks for tasks.
#[utoipa::path(post, path = "/api/v1alpha/executor", tag = "tasks",
    request_body(content = serde_json::Value, description = "An ExecutorTask, as the run service describes it."),
    responses((status = 200, description = "It was taken in.")))]
pub(super) async fn take(
    Opened(engine): Opened<Engine>,
    Json(task): Json<ExecutorTask>,
) -> Result<HttpResponse, Error> {
    engine.take(task)?;
    Ok(HttpResponse::Ok().finish())
}
