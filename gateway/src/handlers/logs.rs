//! Logs and events of runs.

use actix_web::HttpResponse;
use actix_web::body::BodyStream;
use actix_web::http::header::{CACHE_CONTROL, CONNECTION, X_CONTENT_TYPE_OPTIONS};
use bytes::Bytes;
use futures::StreamExt;
use service::{Context, Opened, relay};

use super::parts::{
    Forced, Optional, Parameters, Reply, RunNumber, RunsOf, Segment, done, log_selection,
};
use crate::Error;
use crate::actions::Gateway;
use crate::api::RunEventResponse;

/// The log of a step of a task, or of its preparations.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}/runs/{runnumber}/tasks/{taskid}/logs", tag = "runs", params(
    ("setup" = Option<String>, Query, description = "The preparations; only its presence counts."),
    ("step" = Option<u32>, Query, description = "The step, from 0 on."),
    ("follow" = Option<String>, Query, description = "Goes on until the step has ended; only its presence counts."),
), responses((status = 200, description = "The log.", content_type = "application/octet-stream")))]
pub(super) async fn read(
    Opened(gateway): Opened<Gateway>,
    Optional(caller): Optional,
    RunsOf(owner): RunsOf,
    RunNumber(number): RunNumber,
    Segment(task): Segment<5>,
    parameters: Parameters,
    context: Context,
) -> Reply {
    let selection = log_selection(number, task, &parameters)?;
    let follow = parameters.flag("follow");
    let log = gateway
        .log(caller.as_ref(), &owner, &selection, follow)
        .await?;
    // Without a type, as it always was: a browser must not guess one, since a log can hold anything.
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONNECTION, "keep-alive"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(BodyStream::new(relay::outgoing(log, &context, "a log"))))
}

/// Deletes a log that is collected.
#[utoipa::path(delete, path = "/api/v1alpha/projects/{projectref}/runs/{runnumber}/tasks/{taskid}/logs", tag = "runs", params(
    ("setup" = Option<String>, Query, description = "The preparations; only its presence counts."),
    ("step" = Option<u32>, Query, description = "The step, from 0 on."),
), responses((status = 200, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    RunsOf(owner): RunsOf,
    RunNumber(number): RunNumber,
    Segment(task): Segment<5>,
    parameters: Parameters,
) -> Reply {
    let selection = log_selection(number, task, &parameters)?;
    gateway.delete_log(&who.caller, &owner, &selection).await?;
    who.record("delete", "log", &selection.task);
    Ok(done())
}

/// Changes of the phases and results of runs, as they come: a line `data: ` with JSON and an empty line for each.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}/runs/events", tag = "runs", params(
    ("after" = Option<String>, Query,
        description = "Begins with what is kept behind the event with this sequence. Without it nothing is repeated."),
), responses((status = 200, description = "The events.", body = RunEventResponse, content_type = "text/event-stream")))]
pub(super) async fn events(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    RunsOf(owner): RunsOf,
    parameters: Parameters,
    context: Context,
) -> Reply {
    let after = parameters.value("after");
    let events = gateway.run_events(&who.caller, &owner, after).await?;
    let frames = events.map(|event| frame(&event?)).boxed();
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONNECTION, "keep-alive"))
        .streaming(relay::outgoing(frames, &context, "a stream of events")))
}

fn frame(event: &RunEventResponse) -> Result<Bytes, Error> {
    let event = serde_json::to_string(event).map_err(Error::internal)?;
    Ok(Bytes::from(format!("data: {event}\n\n")))
}
