//! Why the gateway refuses something, in more detail than the kinds of [`service::Error`], and what a failure of a service
//! behind it means to its own clients.

pub use service::{Error, ErrorKind};

/// The caller may not do this.
pub(crate) fn forbidden(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Forbidden, message)
}

/// A credential is needed, or the one that was shown is none.
pub(crate) fn unauthorized(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unauthorized, message)
}

/// What only works for a user is asked for with the token of the administrator.
pub(crate) fn no_user() -> Error {
    let message = "this is for a user: the token of the administrator belongs to none";
    Error::bad_request(message).with_code("no_user")
}

/// What needs a git provider.
pub(crate) fn needs_git(what: &str) -> Error {
    let message = format!("{what} needs a git provider, which this version does not talk to");
    Error::new(ErrorKind::NotImplemented, message)
}

/// The failure of a service behind the gateway, as the gateway's own. What the client has asked for keeps its kind and its
/// code. That the service does not accept the gateway itself is no fault of the client.
pub(crate) fn behind(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::MethodNotAllowed => {
            Error::internal(error)
        }
        _ => error,
    }
}

/// What is looked for in a change and is not there: 404 in the gateway's API.
pub(crate) fn unknown_as_not_found(error: Error) -> Error {
    match error.code() {
        "unknown_reference" => Error::not_found(error.to_string()),
        _ => behind(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_refuses_the_gateway_is_a_fault_of_the_server() {
        let refused = Error::new(ErrorKind::Unauthorized, "the bearer token is not accepted");
        let shown = behind(refused);
        assert_eq!(shown.kind(), ErrorKind::Internal);
        assert!(!shown.to_string().contains("token"));
        let missing = behind(Error::not_found("there is no project").with_code("x"));
        assert_eq!((missing.kind(), missing.code()), (ErrorKind::NotFound, "x"));
    }
}
