//! Parts of requests: segments of the path, and the query.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;

use crate::Error;

/// Segments of the path before those of the API's resources: an empty one, `api` and `v1alpha`.
const API_SEGMENTS: usize = 3;

/// A name or reference in the path: the `PLACE`-th segment of the resource, counted from 0, decoded once. It is taken from
/// the path as it was sent, so that a slash that is a part of it is told from one that ends it.
#[derive(Clone, Debug)]
pub struct Segment<const PLACE: usize>(pub String);

impl<const PLACE: usize> FromRequest for Segment<PLACE> {
    type Error = Error;
    type Future = Ready<Result<Segment<PLACE>, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(decode(segment(request, PLACE)).map(Segment))
    }
}

/// The same, not decoded.
#[derive(Clone, Debug)]
pub struct RawSegment<const PLACE: usize>(pub String);

impl<const PLACE: usize> FromRequest for RawSegment<PLACE> {
    type Error = Error;
    type Future = Ready<Result<RawSegment<PLACE>, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(RawSegment(segment(request, PLACE).to_owned())))
    }
}

fn segment(request: &HttpRequest, place: usize) -> &str {
    let segment = request.uri().path().split('/').nth(API_SEGMENTS + place);
    segment.unwrap_or_default()
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

/// The query of a request.
#[derive(Clone, Debug)]
pub struct Parameters(Vec<(String, String)>);

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
    /// The value of the first parameter with this name, empty if there is none.
    pub fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The values of all parameters with this name.
    pub fn values(&self, name: &str) -> Vec<String> {
        let named = self.0.iter().filter(|(other, _)| other == name);
        named.map(|(_, value)| value.clone()).collect()
    }

    /// Whether a flag is there, whatever its value.
    pub fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// A number from 0 on; `None` if it is not there or empty.
    ///
    /// # Errors
    /// `BadRequest`: it is no such number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.value(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Error::bad_request(format!("the parameter {name} is no number from 0 on"))
            }),
        }
    }
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
