//! Events.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONNECTION};
use bytes::Bytes;
use futures::StreamExt;
use service::{Context, Opened, Parameters};

use super::parts::{Reply, cut_at_stop};
use crate::Error;
use crate::api::RunEvent;
use crate::server::State;

/// Changes of phases and results, as they come: a line `data: ` with JSON and an empty line for each.
#[utoipa::path(get, path = "/api/v1alpha/runs/events", tag = "runs", params(
    ("startruneventid" = Option<String>, Query,
        description = "Begins with what is kept behind the event with this sequence. Without it nothing is repeated."),
), responses((status = 200, description = "The events.", body = RunEvent, content_type = "text/event-stream")))]
pub(super) async fn follow(
    Opened(state): Opened<State>,
    context: Context,
    parameters: Parameters,
) -> Reply {
    let events = state.actions.events(parameters.value("startruneventid"));
    let frames = events.map(|event| frame(&event?));
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONNECTION, "keep-alive"))
        .streaming(cut_at_stop(frames, &context)))
}

fn frame(event: &RunEvent) -> Result<Bytes, Error> {
    let event = serde_json::to_string(event).map_err(Error::internal)?;
    Ok(Bytes::from(format!("data: {event}\n\n")))
}
