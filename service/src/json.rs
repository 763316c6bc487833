//! Bodies of JSON, as the Go programs that use this API read and write them.

mod go;

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use bytes::BytesMut;
use futures::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::Limits;
use crate::{Error, ErrorKind, context};

/// The body of a request.
///
/// - The first JSON value counts; what stands behind it and the content type do not.
/// - Keys of structs are matched exactly, or else without regard to case; unknown ones are ignored.
/// - A key with the value `null` counts as absent. A body that is `null` or empty is refused.
///
/// A body that is too large is answered with 413, one that comes too slowly with 408, and one that does not fit with 400.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Json<T>, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let context = context::of(request);
        let length = declared_length(request);
        let mut payload = payload.take();
        Box::pin(async move {
            let body = read(&mut payload, length, context?.limits()).await?;
            parse(&body).map(Json)
        })
    }
}

fn declared_length(request: &HttpRequest) -> Option<usize> {
    let length = request.headers().get("content-length")?;
    length.to_str().ok()?.parse().ok()
}

/// Reads a body within the limits. What is left of one that is too large is read and dropped by the connection, so that a
/// client which writes all of it first gets its answer.
async fn read(
    payload: &mut Payload,
    length: Option<usize>,
    limits: &Limits,
) -> Result<BytesMut, Error> {
    let bytes_max = limits.json_bytes_max;
    let too_large = || {
        let message = format!("the body is too large: at most {bytes_max} bytes are accepted");
        Error::new(ErrorKind::TooLarge, message)
    };
    if length.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let read = async {
        let mut body = BytesMut::new();
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|cause| {
                Error::bad_request("the body could not be read to its end").with_source(cause)
            })?;
            if body.len() + piece.len() > bytes_max {
                return Err(too_large());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    };
    let timeout = limits.body_timeout;
    tokio::time::timeout(timeout, read).await.map_err(|_| {
        let message = format!("the body did not arrive within {} s", timeout.as_secs_f32());
        Error::new(ErrorKind::Timeout, message)
    })?
}

/// Reads a value as Go would.
///
/// # Errors
/// `BadRequest`: no JSON, or not what is expected; says where.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    go::parse(body)
}

/// A reply with a body as Go writes it: compact, with `<`, `>` and `&` escaped.
pub fn reply<T: Serialize>(status: StatusCode, value: &T) -> HttpResponse {
    match go::write(value) {
        Ok(body) => HttpResponse::build(status)
            .content_type(ContentType::json())
            .body(body),
        // A value that cannot be written as JSON is our fault.
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

/// Refusals of actix's own extractors, as errors of ours.
pub(crate) fn extractors(routes: &mut web::ServiceConfig) {
    let path = web::PathConfig::default().error_handler(|cause, _| {
        Error::bad_request("the path cannot be read")
            .with_source(cause.to_string())
            .into()
    });
    let query = web::QueryConfig::default().error_handler(|cause, _| {
        Error::bad_request(format!("the query cannot be read: {cause}")).into()
    });
    routes.app_data(path).app_data(query);
}
