//! Why a request failed.

use std::error::Error as StdError;
use std::fmt;

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Mend the request: 400, 405, 413, 417 or 422, or a request that could not be sent.
    Invalid,
    /// Show a token that is one: 401.
    Unauthorized,
    /// It is not allowed: 403.
    Forbidden,
    /// Take it as absent: 404.
    NotFound,
    /// Read again, and then retry: 409 or 412.
    Conflict,
    /// Too much was asked for: retry later: 429.
    TooManyRequests,
    /// The gateway cannot do this: 501.
    Unsupported,
    /// Retry later: the gateway was not reached, or it said so: 502, 503 or 504.
    Unavailable,
    /// Look whether it was done: no answer came.
    Unknown,
    /// A fault in the gateway or in this client.
    Internal,
}

impl ErrorKind {
    pub(crate) fn of_status(status: u16) -> ErrorKind {
        match status {
            401 => ErrorKind::Unauthorized,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            409 | 412 => ErrorKind::Conflict,
            429 => ErrorKind::TooManyRequests,
            400..=499 => ErrorKind::Invalid,
            501 => ErrorKind::Unsupported,
            502..=504 => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        }
    }
}

/// Why a request failed.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    status: Option<u16>,
    code: String,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            status: None,
            code: String::new(),
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn answered(status: u16, code: String, message: String) -> Error {
        Error {
            kind: ErrorKind::of_status(status),
            status: Some(status),
            code,
            message,
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Error {
        self.source = Some(Box::new(source));
        self
    }

    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The status that the gateway answered with; nothing if it did not answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// What the gateway calls it, as `already_exists`; empty if it has no name for it.
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
