//! Parts of requests and replies.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::Error;
use crate::actions::Page;

/// Segments of the path before those of the API's resources: an empty one, `api` and `v1alpha`.
const API_SEGMENTS: usize = 3;

/// The answer of an action, as a reply.
pub(super) type Reply = Result<HttpResponse, Error>;

/// A name or reference in the path: the `PLACE`-th segment of the resource, counted from 0, decoded once. It is taken from
/// the path as it was sent, so that a slash that is a part of it is told from one that ends it.
#[derive(Debug)]
pub(super) struct Segment<const PLACE: usize>(pub(super) String);

impl<const PLACE: usize> FromRequest for Segment<PLACE> {
    type Error = Error;
    type Future = Ready<Result<Segment<PLACE>, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let segment = request.uri().path().split('/').nth(API_SEGMENTS + PLACE);
        ready(decode(segment.unwrap_or_default()).map(Segment))
    }
}

fn decode(segment: &str) -> Result<String, Error> {
    let mut escapes = segment.split('%');
    // What stands before the first one.
    escapes.next();
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !escapes.all(is_escape) {
        return Err(Error::bad_request(
            "the path has a % that two hexadecimal digits do not follow",
        ));
    }
    let decoded = percent_decode_str(segment).decode_utf8();
    let decoded = decoded.map_err(|_| Error::bad_request("the path is no UTF-8"))?;
    Ok(decoded.into_owned())
}

/// The query of a request. Of several parameters with one name the first counts; of flags only whether they are there.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl FromRequest for Parameters {
    type Error = Error;
    type Future = Ready<Result<Parameters, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
        let pairs = pairs.map(|(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            (name.into_owned(), value.into_owned())
        });
        ready(Ok(Parameters(pairs.collect())))
    }
}

impl Parameters {
    /// The value of a parameter, empty if it is not there.
    pub(super) fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Whether a flag is there, whatever its value.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// `start`, `limit` and `asc`.
    pub(super) fn page(&self) -> Result<Page, Error> {
        let limit = match self.value("limit") {
            "" => None,
            text => {
                let limit = text
                    .parse::<i64>()
                    .ok()
                    .and_then(|limit| usize::try_from(limit).ok());
                Some(limit.ok_or_else(|| {
                    Error::bad_request("the parameter limit is no number from 0 on")
                })?)
            }
        };
        Ok(Page::new(
            self.value("start").to_owned(),
            limit,
            self.flag("asc"),
        ))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded_once() {
        for (segment, decoded) in [
            ("user01", "user01"),
            ("org%2Forg01%2fp", "org/org01/p"),
            ("a%252Fb", "a%2Fb"),
            ("a+b%20c", "a+b c"),
            ("%C3%BC", "ü"),
            ("a%00", "a\0"),
        ] {
            assert_eq!(decode(segment).unwrap(), decoded);
        }
        for segment in ["a%zz", "%", "%2", "%C3", "a%2%41"] {
            assert!(decode(segment).is_err(), "{segment}");
        }
    }
}
