//! Caches.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Payload;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use service::{Context, Opened, Parameters, RawSegment};

use super::parts::{Reply, bytes};
use crate::actions::check_cache_key;
use crate::server::State;
use crate::{Error, ErrorKind};

/// Whether there is a cache.
#[utoipa::path(head, path = "/api/v1alpha/executor/caches/{key}", tag = "executors", params(
    ("prefix" = Option<String>, Query,
        description = "One whose key begins with this; only its presence counts."),
), responses((status = 200, description = "There is.")))]
pub(super) async fn look(
    Opened(state): Opened<State>,
    RawSegment(key): RawSegment<2>,
    parameters: Parameters,
) -> Reply {
    check_cache_key(&key)?;
    let found = state.actions.find_cache(&key, parameters.flag("prefix"));
    found.await?;
    Ok(not_kept())
}

/// The content of a cache, a tar.
#[utoipa::path(get, path = "/api/v1alpha/executor/caches/{key}", tag = "executors", params(
    ("prefix" = Option<String>, Query,
        description = "The newest one whose key begins with this; only its presence counts."),
), responses((status = 200, description = "The cache.", content_type = "application/octet-stream")))]
pub(super) async fn read(
    Opened(state): Opened<State>,
    RawSegment(key): RawSegment<2>,
    context: Context,
    parameters: Parameters,
) -> Reply {
    check_cache_key(&key)?;
    let is_prefix = parameters.flag("prefix");
    let path = state.actions.find_cache(&key, is_prefix).await?;
    Ok(bytes(state.actions.read_cache(&path).await?, &context))
}

/// Stores a cache, unless there is one with this key.
#[utoipa::path(post, path = "/api/v1alpha/executor/caches/{key}", tag = "executors",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A tar."),
    responses(
        (status = 200, description = "It is stored."),
        (status = 304, description = "There is one; nothing was changed.")
    ))]
pub(super) async fn write(
    Opened(state): Opened<State>,
    RawSegment(key): RawSegment<2>,
    context: Context,
    payload: Payload,
) -> Reply {
    check_cache_key(&key)?;
    let content = pieces(payload, context.limits().stream_idle_timeout);
    Ok(match state.actions.write_cache(&key, content).await? {
        true => not_kept(),
        false => HttpResponse::NotModified().finish(),
    })
}

fn not_kept() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-cache"))
        .finish()
}

/// The pieces of a body; an error where it is cut off, or nothing comes for too long.
fn pieces(payload: Payload, idle_timeout: Duration) -> impl Stream<Item = Result<Bytes, Error>> {
    stream::unfold(Some(payload), move |payload| async move {
        let mut payload = payload?;
        match tokio::time::timeout(idle_timeout, payload.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(payload))),
            Ok(Some(Err(cause))) => {
                let message = "the body could not be read to its end; nothing was stored";
                let error = Error::bad_request(message).with_source(cause);
                Some((Err(error), None))
            }
            Err(_) => {
                let message = format!("nothing came for {idle_timeout:?}; nothing was stored");
                Some((Err(Error::new(ErrorKind::Timeout, message)), None))
            }
        }
    })
}
