//! What goes wrong with files.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A failed step on a file or directory.
#[derive(Debug)]
pub(crate) enum PosixError {
    /// The step failed.
    Step {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The object has its name, but whether that survives a power cut is open.
    Unsynced { path: PathBuf, source: io::Error },
    /// An earlier sync failed; the text says which.
    Latched { reason: String },
}

impl PosixError {
    pub(crate) fn step(action: &'static str, path: &Path, source: io::Error) -> PosixError {
        PosixError::Step {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// The operating system's answer, if there was one.
    pub(crate) fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            PosixError::Step { source, .. } | PosixError::Unsynced { source, .. } => {
                Some(source.kind())
            }
            PosixError::Latched { .. } => None,
        }
    }
}

impl fmt::Display for PosixError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PosixError::Step { action, path, .. } => {
                write!(formatter, "cannot {action} \"{}\"", path.display())
            }
            PosixError::Unsynced { path, .. } => {
                write!(
                    formatter,
                    "cannot sync directory \"{}\" after the write",
                    path.display()
                )
            }
            PosixError::Latched { reason } => write!(
                formatter,
                "the store is closed to further use because an earlier sync failed ({reason}); \
                 check the disk and reopen the store"
            ),
        }
    }
}

impl StdError for PosixError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            PosixError::Step { source, .. } | PosixError::Unsynced { source, .. } => Some(source),
            PosixError::Latched { .. } => None,
        }
    }
}

impl From<PosixError> for object_store::Error {
    fn from(error: PosixError) -> object_store::Error {
        object_store::Error::Generic {
            store: "PosixStore",
            source: Box::new(error),
        }
    }
}
