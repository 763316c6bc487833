//! What a failure of a gateway means, and what to do about it.

use gateway_client::{Error, ErrorKind};

use super::input::chain;
use super::session::TokenSource;
use crate::exit::Reason;

/// What the gateway calls it, with status 400, when something is not there that a request names.
const UNKNOWN_REFERENCE: &str = "unknown_reference";

/// An error with what to do about it, if it is one of the gateway.
pub(super) fn explain(error: anyhow::Error, gateway: &str, token: &TokenSource) -> anyhow::Error {
    let Some(cause) = error.downcast_ref::<Error>() else {
        return error;
    };
    let message = match error.to_string() {
        // With what was being done, if that was noted.
        context if context != cause.to_string() => format!("{context}: {}", chain(cause)),
        _ => chain(cause),
    };
    let answered = cause.status().is_some();
    let reason = match cause.kind() {
        ErrorKind::Unauthorized => Reason::failed(unauthorized(&message, gateway, token)),
        ErrorKind::NotFound if answered && cause.code().is_empty() => Reason::failed(format!(
            "{message}: what answers at {gateway} seems to be no gateway; --gateway or DM_GATEWAY names another one"
        )),
        ErrorKind::NotFound => Reason::not_found(message),
        _ if cause.code() == UNKNOWN_REFERENCE => Reason::not_found(message),
        ErrorKind::Unavailable if !answered => Reason::failed(format!(
            "no gateway answers at {gateway}: {message}; is it running there? --gateway or DM_GATEWAY names another one"
        )),
        ErrorKind::Unknown => Reason::failed(format!("{gateway}: {message}")),
        ErrorKind::Internal if !answered => Reason::failed(format!(
            "{message}: is there a gateway at {gateway}, and not something else?"
        )),
        _ => Reason::failed(message),
    };
    reason.into()
}

fn unauthorized(message: &str, gateway: &str, token: &TokenSource) -> String {
    match token {
        TokenSource::None => {
            format!(
                "{message}: this needs a token; name its file with --token-file, or set DM_TOKEN"
            )
        }
        TokenSource::Environment => {
            format!("{message}: the gateway at {gateway} does not know the token in DM_TOKEN")
        }
        TokenSource::File(file) => format!(
            "{message}: the gateway at {gateway} does not know the token in {}",
            file.display()
        ),
    }
}
