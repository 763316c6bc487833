//! Archives of workspaces and caches: tar, written and read as a stream, in bounded memory.
//!
//! An archive may come from anywhere, so [`unpack`] does as if an enemy had written it. It refuses an archive, instead of leaving
//! something out, and writes nothing outside its directory, whatever stands in the archive and whatever links are in the
//! directory already. [`pack`] makes no archive that [`unpack`] would refuse, so that a link which cannot be kept is
//! found when it is saved.
//!
//! The rules:
//! 1. Names are relative, without `..`.
//! 2. There are files, directories, symbolic links and hard links; no devices, pipes or sparse files.
//! 3. A symbolic link is relative, and does not leave the directory: its `..` come first, and are not more than it is deep.
//! 4. A hard link is one to a regular file below the directory.
//! 5. Nothing is written through a link. Parents of entries are directories, and what stands where a file or link is to come is
//!    removed before. Rules 3 and 4 rest on that: the depth of a link in the archive is its depth in the directory.
//! 6. Owners and the bits for set-user-id and the like are not kept.
//! 7. An archive is whole: it ends with its end mark.
//!
//! All functions work with the rights of the process. Nobody else should change the directories meanwhile; if somebody does,
//! what is written is still below the directory, since files are opened step by step from there.

mod input;
mod name;
mod pack;
#[cfg(any(feature = "docker", test))]
mod sift;
mod target;
#[cfg(test)]
mod tests;
mod unpack;

use std::fmt;
use std::io;
use std::path::Path;

use tokio_util::sync::CancellationToken;

pub(crate) use pack::{Source, pack};
#[cfg(any(feature = "docker", test))]
pub(crate) use sift::Sifter;
pub(crate) use unpack::unpack;

/// What one call may do.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Entries, or files and directories that are looked at.
    pub(crate) entries_max: u64,
    /// All contents of files together.
    pub(crate) bytes_max: u64,
    /// Ends the work soon, with an error.
    pub(crate) cancelled: CancellationToken,
}

impl Options {
    fn check_cancelled(&self) -> Result<(), Error> {
        match self.cancelled.is_cancelled() {
            true => Err(Error::cancelled()),
            false => Ok(()),
        }
    }

    /// Notes one more entry.
    fn count_entry(&self, summary: &mut Summary) -> Result<(), Error> {
        summary.entries += 1;
        match summary.entries > self.entries_max {
            true => Err(Error::new(format!(
                "there are more than {} files and directories",
                self.entries_max
            ))),
            false => Ok(()),
        }
    }

    /// Notes the content of one more file.
    fn count_bytes(&self, summary: &mut Summary, bytes: u64) -> Result<(), Error> {
        summary.bytes = summary.bytes.saturating_add(bytes);
        match summary.bytes > self.bytes_max {
            true => Err(Error::new(format!(
                "the files have more than {} bytes",
                self.bytes_max
            ))),
            false => Ok(()),
        }
    }
}

/// What was packed or unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Entries that were read, or files and directories that were looked at.
    pub(crate) entries: u64,
    /// Contents of files.
    pub(crate) bytes: u64,
    /// Sockets, pipes and devices that were not packed: the first few.
    pub(crate) left_out: Vec<String>,
}

/// Why it was not done: a sentence for the log of the step, and what the system said.
#[derive(Debug)]
pub(crate) struct Error {
    message: String,
    source: Option<io::Error>,
}

impl Error {
    fn new(message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            source: None,
        }
    }

    fn io(what: &str, path: &Path, source: io::Error) -> Error {
        Error::of_source(format!("cannot {what} {path:?}"), source)
    }

    fn of_source(message: String, source: io::Error) -> Error {
        Error {
            source: Some(source),
            ..Error::new(message)
        }
    }

    fn cancelled() -> Error {
        Error::new("it was stopped")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
