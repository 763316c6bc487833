//! Why the service refuses something, in more detail than the kinds of [`service::Error`].

pub use service::{Error, ErrorKind};

#[cfg(feature = "server")]
/// A name that another object has.
pub(crate) fn exists(message: impl Into<String>) -> Error {
    Error::bad_request(message).with_code("already_exists")
}

#[cfg(feature = "server")]
/// What a change rests on is not there.
pub(crate) fn unknown(message: impl Into<String>) -> Error {
    Error::bad_request(message).with_code("unknown_reference")
}
