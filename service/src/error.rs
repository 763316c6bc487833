//! Why a request failed.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use crate::api::ErrorBody;

#[cfg(feature = "server")]
mod from_store;
#[cfg(feature = "server")]
mod reply;

/// What a caller can do about an [`Error`]. Each kind has one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 400: change the request.
    BadRequest,
    /// 401: show a token that is accepted.
    Unauthorized,
    /// 403: the caller may not do this.
    Forbidden,
    /// 404: the thing is not there.
    NotFound,
    /// 405: the path knows other methods.
    MethodNotAllowed,
    /// 408: the request came too slowly.
    Timeout,
    /// 409: others change the same things all the time; read again, then retry.
    Conflict,
    /// 413: the body is too large.
    TooLarge,
    /// 429: wait, then retry.
    TooManyRequests,
    /// 500: a fault of the server.
    Internal,
    /// 501: the server cannot do this at all.
    NotImplemented,
    /// 503: nothing was changed; retry later.
    Unavailable,
    /// 504: the change may or may not have been made; look, then retry.
    Unknown,
}

impl ErrorKind {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            ErrorKind::BadRequest => 400,
            ErrorKind::Unauthorized => 401,
            ErrorKind::Forbidden => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::MethodNotAllowed => 405,
            ErrorKind::Timeout => 408,
            ErrorKind::Conflict => 409,
            ErrorKind::TooLarge => 413,
            ErrorKind::TooManyRequests => 429,
            ErrorKind::Internal => 500,
            ErrorKind::NotImplemented => 501,
            ErrorKind::Unavailable => 503,
            ErrorKind::Unknown => 504,
        }
    }

    /// The kind that a status from 400 on stands for; what is not known is `Internal`, or `BadRequest` below 500.
    pub fn of_status(status: u16) -> ErrorKind {
        match status {
            401 => ErrorKind::Unauthorized,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            405 => ErrorKind::MethodNotAllowed,
            408 => ErrorKind::Timeout,
            409 => ErrorKind::Conflict,
            413 => ErrorKind::TooLarge,
            429 => ErrorKind::TooManyRequests,
            501 => ErrorKind::NotImplemented,
            502 | 503 => ErrorKind::Unavailable,
            504 => ErrorKind::Unknown,
            400..=499 => ErrorKind::BadRequest,
            _ => ErrorKind::Internal,
        }
    }

    /// The code of an error of this kind for which nothing closer was said.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::BadRequest => "bad_request",
            ErrorKind::Unauthorized => "unauthorized",
            ErrorKind::Forbidden => "forbidden",
            ErrorKind::NotFound => "not_found",
            ErrorKind::MethodNotAllowed => "method_not_allowed",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Conflict => "conflict",
            ErrorKind::TooLarge => "too_large",
            ErrorKind::TooManyRequests => "too_many_requests",
            ErrorKind::Internal => "internal",
            ErrorKind::NotImplemented => "not_implemented",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Unknown => "unknown",
        }
    }
}

/// Why a request failed: a [kind](Error::kind) and a code for programs, a message for people, and the cause as its source.
///
/// Kind, code and message are sent to the client; the source is for the log alone.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    code: Cow<'static, str>,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`, with the kind's own code.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            inner: Box::new(Inner {
                kind,
                code: Cow::Borrowed(kind.code()),
                message: message.into(),
                source: None,
            }),
        }
    }

    /// The request has to be changed.
    pub fn bad_request(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::BadRequest, message)
    }

    /// The thing is not there.
    pub fn not_found(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::NotFound, message)
    }

    /// Nothing was changed; it may work later.
    pub fn unavailable(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unavailable, message)
    }

    /// A fault of the server. The client is told that there was one, and nothing else: `source` is logged.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::new(ErrorKind::Internal, "the server failed; its log says why").with_source(source)
    }

    /// With a code of its own, for programs that tell this failure from others of its kind.
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Error {
        self.inner.code = code.into();
        self
    }

    /// With a cause, which is logged and not sent.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.inner.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What kind of failure it is, in more detail.
    pub fn code(&self) -> &str {
        &self.inner.code
    }

    /// What the client is told.
    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            code: self.code().to_owned(),
            message: self.inner.message.clone(),
        }
    }

    /// The message and those of all causes, joined by colons.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = StdError::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Error({}: {})", self.code(), self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.inner.source.as_deref();
        source.map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_from_its_status() {
        for kind in [
            ErrorKind::BadRequest,
            ErrorKind::Unauthorized,
            ErrorKind::Forbidden,
            ErrorKind::NotFound,
            ErrorKind::MethodNotAllowed,
            ErrorKind::Timeout,
            ErrorKind::Conflict,
            ErrorKind::TooLarge,
            ErrorKind::TooManyRequests,
            ErrorKind::Internal,
            ErrorKind::NotImplemented,
            ErrorKind::Unavailable,
            ErrorKind::Unknown,
        ] {
            assert_eq!(ErrorKind::of_status(kind.status()), kind);
        }
        assert_eq!(ErrorKind::of_status(418), ErrorKind::BadRequest);
        assert_eq!(ErrorKind::of_status(599), ErrorKind::Internal);
    }

    #[test]
    fn the_cause_is_in_the_chain_and_not_in_what_is_sent() {
        let error = Error::internal("/secret/path cannot be read");
        assert!(error.chain().contains("/secret/path"));
        assert!(!error.body().message.contains("/secret/path"));
        assert_eq!(error.body().code, "internal");
    }
}
