//! The kinds of log that a store can have.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Where a store keeps its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogKind {
    /// Segment files in the store's local directory, for one process.
    File,
    /// One object for each record on the object storage, for any number of processes.
    Object,
    /// In etcd, for any number of processes; the object storage has all but the newest second of it. Needs the cargo feature
    /// `etcd`.
    Etcd,
}

impl fmt::Display for LogKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            LogKind::File => "file",
            LogKind::Object => "object",
            LogKind::Etcd => "etcd",
        })
    }
}

impl FromStr for LogKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<LogKind, Error> {
        match text {
            "file" => Ok(LogKind::File),
            "object" => Ok(LogKind::Object),
            #[cfg(feature = "etcd")]
            "etcd" => Ok(LogKind::Etcd),
            #[cfg(not(feature = "etcd"))]
            "etcd" => Err(LogKind::no_etcd()),
            _ => Err(Error::invalid(format!(
                "log {text:?} is not known: \"file\", \"object\" and \"etcd\" are accepted"
            ))),
        }
    }
}

#[cfg(not(feature = "etcd"))]
impl LogKind {
    /// What a program without the feature says when it comes to a log in etcd.
    pub(crate) fn no_etcd() -> Error {
        Error::invalid(
            "this program was built without etcd: build it with `--features etcd`, which needs protoc \
             (Debian: protobuf-compiler)",
        )
    }
}
