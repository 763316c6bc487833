//! Parts of replies.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use service::Context;

use crate::Error;
use crate::actions::Content;

/// The answer of an action, as a reply.
pub(super) type Reply = Result<HttpResponse, Error>;

/// Something that was found or changed.
pub(super) fn ok(value: &impl Serialize) -> HttpResponse {
    service::json::reply(StatusCode::OK, value)
}

/// Something that was made.
pub(super) fn created(value: &impl Serialize) -> HttpResponse {
    service::json::reply(StatusCode::CREATED, value)
}

/// The answer to what has nothing to say.
pub(super) fn done() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// Bytes that are not kept by whoever gets them.
pub(super) fn bytes(content: Content, context: &Context) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::octet_stream())
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(cut_at_stop(content.stream, context))
}

/// The stream, cut off with an error when the server stops: so that nobody takes what has come for all of it.
pub(super) fn cut_at_stop<T: 'static>(
    stream: impl Stream<Item = Result<T, Error>> + Unpin + 'static,
    context: &Context,
) -> impl Stream<Item = Result<T, Error>> + 'static {
    stream::unfold(Some((stream, context.clone())), |state| async move {
        let (mut stream, context) = state?;
        tokio::select! {
            item = stream.next() => match item? {
                Ok(item) => Some((Ok(item), Some((stream, context)))),
                Err(error) => {
                    log::warn!(instance = context.instance(); "a stream was broken off: {}", error.chain());
                    Some((Err(error), None))
                }
            },
            () = context.stopped() => {
                Some((Err(Error::unavailable("the service is stopping")), None))
            }
        }
    })
}
