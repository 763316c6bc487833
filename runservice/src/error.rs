//! Why the service refuses something, in more detail than the kinds of [`service::Error`].

pub use service::{Error, ErrorKind};

#[cfg(feature = "server")]
/// What a request names is not there.
pub(crate) fn no_run(reference: &str) -> Error {
    let shown: String = reference.chars().take(64).collect();
    Error::not_found(format!("there is no run {shown:?}")).with_code("unknown_run")
}
