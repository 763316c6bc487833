//! Parts of requests and replies.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

pub(super) use service::{Parameters, Segment};

use crate::Error;
use crate::actions::Page;

/// The answer of an action, as a reply.
pub(super) type Reply = Result<HttpResponse, Error>;

/// `start`, `limit` and `asc`.
pub(super) fn page(parameters: &Parameters) -> Result<Page, Error> {
    let limit = parameters.number("limit")?;
    // More than any page has.
    let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Page::new(
        parameters.value("start").to_owned(),
        limit,
        parameters.flag("asc"),
    ))
}

/// Something that was found or changed.
pub(super) fn ok(value: &impl Serialize) -> HttpResponse {
    service::json::reply(StatusCode::OK, value)
}

/// What most changes answer, whether something is new or not.
pub(super) fn created(value: &impl Serialize) -> HttpResponse {
    service::json::reply(StatusCode::CREATED, value)
}

/// The answer to a deletion.
pub(super) fn gone() -> HttpResponse {
    HttpResponse::NoContent().finish()
}
