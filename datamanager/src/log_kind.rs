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
}

impl fmt::Display for LogKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            LogKind::File => "file",
            LogKind::Object => "object",
        })
    }
}

impl FromStr for LogKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<LogKind, Error> {
        match text {
            "file" => Ok(LogKind::File),
            "object" => Ok(LogKind::Object),
            _ => Err(Error::invalid(format!(
                "log {text:?} is not known: \"file\" and \"object\" are accepted"
            ))),
        }
    }
}
