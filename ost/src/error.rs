//! The one error type: a kind that tells what to do, a message for people, and the cause.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::posix::PosixError;
use crate::wrappers::InjectedFault;

/// What the caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object is not there: take it as absent.
    NotFound,
    /// The key, URL, setting or request can never work: fix it.
    Invalid,
    /// The credentials, permissions or this machine's clock do not allow it: tell the operator.
    Denied,
    /// The backend is down, throttling or full: retry later. An object being written may have been stored or not;
    /// an overwrite can simply be repeated.
    Unavailable,
    /// Only from create-if-absent: the object may have been created or not. Read it to find out.
    Unknown,
    /// The backend gave something that cannot be right: stop and tell the operator.
    Corrupt,
    /// A defect of this library.
    Internal,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ErrorKind::NotFound => "not found",
            ErrorKind::Invalid => "invalid",
            ErrorKind::Denied => "denied",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Unknown => "unknown",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Internal => "internal",
        })
    }
}

/// What S3 and Azure say of a request that was signed at another time than theirs.
const CLOCK_SIGNS: [&str; 2] = ["RequestTimeTooSkewed", "Request date header too old"];

/// Why an operation failed. The message names the operation, the key and the location; the cause is its
/// [`source`](StdError::source) and not part of the message.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync + 'static>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync + 'static>>,
    ) -> Error {
        self.source = Some(source.into());
        self
    }

    /// The error of a backend, put into our words.
    pub(crate) fn from_backend(message: String, error: object_store::Error) -> Error {
        let kind = kind_of(&error);
        let message = if kind == ErrorKind::Denied && tells_of_clock(&error) {
            format!("{message}: the clock of this machine and that of the service differ too much")
        } else {
            message
        };
        Error {
            kind,
            message,
            source: cause_of(error),
        }
    }

    /// The same error where no object had to be there: the bucket is missing.
    pub(crate) fn needing_no_object(mut self) -> Error {
        if self.kind == ErrorKind::NotFound {
            self.kind = ErrorKind::Invalid;
        }
        self
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Error {
        self.kind = kind;
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
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

/// What to do about the error of a create, of which it may be open whether it had its effect.
///
/// `is_certain`: the backend is one of ours that says so itself.
pub(crate) fn kind_of_create(error: &object_store::Error, is_certain: bool) -> ErrorKind {
    let kind = kind_of(error);
    if kind != ErrorKind::Unavailable {
        return kind;
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref::<InjectedFault>() {
            return fault.kind;
        }
        match error.downcast_ref::<PosixError>() {
            Some(PosixError::Unsynced { .. }) => return ErrorKind::Unknown,
            Some(_) => return ErrorKind::Unavailable,
            None => {}
        }
        cause = error.source();
    }
    if is_certain {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Unknown
    }
}

/// What to do about a backend's error.
fn kind_of(error: &object_store::Error) -> ErrorKind {
    match error {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        object_store::Error::InvalidPath { .. }
        | object_store::Error::NotSupported { .. }
        | object_store::Error::NotImplemented { .. }
        | object_store::Error::UnknownConfigurationKey { .. } => ErrorKind::Invalid,
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => ErrorKind::Denied,
        other => kind_of_causes(other),
    }
}

fn tells_of_clock(error: &object_store::Error) -> bool {
    let text = error.to_string();
    CLOCK_SIGNS.iter().any(|sign| text.contains(sign))
}

/// The kind that the chain of causes tells; without any sign, the backend is taken as unavailable.
fn kind_of_causes(error: &(dyn StdError + 'static)) -> ErrorKind {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io_error) = error.downcast_ref::<io::Error>() {
            return kind_of_io(io_error);
        }
        if let Some(fault) = error.downcast_ref::<InjectedFault>() {
            return fault.kind;
        }
        if let Some(status) = http_status(&error.to_string()) {
            return kind_of_status(status);
        }
        cause = error.source();
    }
    ErrorKind::Unavailable
}

/// The status in the text of an `object_store` error, whose type is private. Tested against a scripted service.
fn http_status(text: &str) -> Option<u16> {
    let (_, status) = text.split_once("returned non-2xx status code: ")?;
    status.get(..3)?.parse().ok()
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        408 | 409 | 429 => ErrorKind::Unavailable,
        400..500 => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    }
}

fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::DirectoryNotEmpty
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::Unsupported => ErrorKind::Invalid,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    }
}

/// The cause below `object_store`'s own error, whose text would only repeat it.
fn cause_of(error: object_store::Error) -> Option<Box<dyn StdError + Send + Sync + 'static>> {
    Some(match error {
        object_store::Error::Generic { source, .. }
        | object_store::Error::NotFound { source, .. }
        | object_store::Error::NotSupported { source }
        | object_store::Error::AlreadyExists { source, .. }
        | object_store::Error::Precondition { source, .. }
        | object_store::Error::NotModified { source, .. }
        | object_store::Error::PermissionDenied { source, .. }
        | object_store::Error::Unauthenticated { source, .. } => source,
        other => other.into(),
    })
}
