//! Logs and workspace archives.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONNECTION, ContentType};
use service::{Audit, Context, Opened, Parameters};

use super::parts::{Reply, bytes, cut_at_stop, done};
use crate::Error;
use crate::actions::LogPart;
use crate::server::State;

/// Which log a query means.
struct LogQuery {
    run_id: String,
    task_id: String,
    part: LogPart,
}

impl LogQuery {
    fn of(parameters: &Parameters) -> Result<LogQuery, Error> {
        let named = |name: &str| match parameters.value(name) {
            "" => Err(Error::bad_request(format!(
                "the parameter {name} is missing"
            ))),
            value => Ok(value.to_owned()),
        };
        let step = parameters.number("step")?;
        let part = match (parameters.flag("setup"), step) {
            (true, None) => LogPart::Setup,
            // Greater than the number of steps of any task.
            (false, Some(step)) => LogPart::Step(usize::try_from(step).unwrap_or(usize::MAX)),
            _ => return Err(Error::bad_request("either setup or step has to be given")),
        };
        Ok(LogQuery {
            run_id: named("runid")?,
            task_id: named("taskid")?,
            part,
        })
    }
}

/// The log of a step, or of the executor's preparations.
#[utoipa::path(get, path = "/api/v1alpha/logs", tag = "logs", params(
    ("runid" = String, Query, description = "The run."),
    ("taskid" = String, Query, description = "The task."),
    ("setup" = Option<String>, Query, description = "The preparations; only its presence counts."),
    ("step" = Option<u32>, Query, description = "The step, from 0 on."),
    ("follow" = Option<String>, Query,
        description = "Goes on until the step has ended; only its presence counts."),
), responses((status = 200, description = "The log.", content_type = "application/octet-stream")))]
pub(super) async fn read(
    Opened(state): Opened<State>,
    context: Context,
    parameters: Parameters,
) -> Reply {
    let query = LogQuery::of(&parameters)?;
    let follow = parameters.flag("follow");
    let log = state
        .actions
        .log(&query.run_id, &query.task_id, query.part, follow)
        .await?;
    let mut response = HttpResponse::Ok();
    response.content_type(ContentType::octet_stream());
    if log.is_live {
        response
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((CONNECTION, "keep-alive"));
    }
    Ok(response.streaming(cut_at_stop(log.stream, &context)))
}

/// Deletes a log that is collected.
#[utoipa::path(delete, path = "/api/v1alpha/logs", tag = "logs", params(
    ("runid" = String, Query, description = "The run."),
    ("taskid" = String, Query, description = "The task."),
    ("setup" = Option<String>, Query, description = "The preparations; only its presence counts."),
    ("step" = Option<u32>, Query, description = "The step, from 0 on."),
), responses((status = 200, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(state): Opened<State>,
    audit: Audit,
    parameters: Parameters,
) -> Reply {
    let query = LogQuery::of(&parameters)?;
    let deleting = state
        .actions
        .delete_log(&query.run_id, &query.task_id, query.part);
    deleting.await?;
    audit.record("delete", "log", &query.task_id);
    Ok(done())
}

/// What a step has saved for later tasks, a tar.
#[utoipa::path(get, path = "/api/v1alpha/executor/archives", tag = "executors", params(
    ("taskid" = String, Query, description = "The task that has saved it."),
    ("step" = u32, Query, description = "The step that has saved it, from 0 on."),
), responses((status = 200, description = "The archive.", content_type = "application/octet-stream")))]
pub(super) async fn archive(
    Opened(state): Opened<State>,
    context: Context,
    parameters: Parameters,
) -> Reply {
    let task_id = parameters.value("taskid");
    let step = parameters.number("step")?;
    let step = step.and_then(|step| u32::try_from(step).ok());
    let (Some(step), false) = (step, task_id.is_empty()) else {
        return Err(Error::bad_request("taskid and step have to be given"));
    };
    Ok(bytes(state.actions.archive(task_id, step).await?, &context))
}
