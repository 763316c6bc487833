//! What a failure of the store means to a client.

use super::{Error, ErrorKind};

impl From<datamanager::Error> for Error {
    /// Names of internal things stay in the source, which is logged.
    fn from(error: datamanager::Error) -> Error {
        use datamanager::ErrorKind as Store;
        let (kind, code, message) = match error.kind() {
            Store::NotUnique => (
                ErrorKind::BadRequest,
                "not_unique",
                "something else has this name or key already",
            ),
            Store::Invalid => (
                ErrorKind::BadRequest,
                "invalid",
                "the store cannot take this in: it is too large, or has a name that is not accepted",
            ),
            // `DataManager::update` has tried again for its whole time.
            Store::Conflict => (
                ErrorKind::Conflict,
                "conflict",
                "others changed the same things again and again; nothing was changed",
            ),
            Store::Maintenance => (
                ErrorKind::Unavailable,
                "maintenance",
                "the service is in maintenance; nothing was changed",
            ),
            Store::Unknown => (
                ErrorKind::Unknown,
                "commit_unknown",
                "the change may or may not have been made: look before it is tried again",
            ),
            Store::Unavailable => (
                ErrorKind::Unavailable,
                "unavailable",
                "the store does not answer; nothing was changed",
            ),
            Store::Expired | Store::Compacted | Store::Diverged => (
                ErrorKind::Unavailable,
                "expired",
                "the state that was read is no longer kept: begin again",
            ),
            // A handler asks for entries as options, so a missing thing is one that the store itself needs.
            _ => return Error::internal(error),
        };
        Error::new(kind, message).with_code(code).with_source(error)
    }
}
