//! Syncing files and directories, and what a failed sync does to the handle.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::PosixError;

/// How files and directories reach the disk. Tests count and fail the calls.
pub(super) trait SyncCalls: fmt::Debug + Send + Sync {
    /// Makes the file's bytes and length durable.
    fn sync_file(&self, path: &Path, file: &File) -> io::Result<()>;

    /// Makes the names in the directory durable.
    fn sync_directory(&self, path: &Path, directory: &File) -> io::Result<()>;
}

/// The operating system's calls.
#[derive(Debug)]
pub(super) struct SystemSync;

impl SyncCalls for SystemSync {
    fn sync_file(&self, _path: &Path, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_directory(&self, _path: &Path, directory: &File) -> io::Result<()> {
        directory.sync_all()
    }
}

/// A directory whose names are about to change. It is opened before the change, so that what can fail then without
/// harm, such as too many open files, does.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    file: File,
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Directory, PosixError> {
        match File::open(path) {
            Ok(file) => Ok(Directory {
                path: path.to_owned(),
                file,
            }),
            Err(source) => Err(PosixError::step("open directory", path, source)),
        }
    }
}

/// Syncs, and stays closed once that failed: the kernel may have dropped the bytes that it could not write, and a
/// second sync would wrongly succeed.
#[derive(Debug)]
pub(super) struct Syncer {
    calls: Arc<dyn SyncCalls>,
    latch: OnceLock<String>,
}

impl Syncer {
    pub(super) fn new(calls: Arc<dyn SyncCalls>) -> Syncer {
        Syncer {
            calls,
            latch: OnceLock::new(),
        }
    }

    /// Refuses when an earlier sync failed.
    pub(super) fn check(&self) -> Result<(), PosixError> {
        match self.latch.get() {
            None => Ok(()),
            Some(reason) => Err(PosixError::Latched {
                reason: reason.clone(),
            }),
        }
    }

    /// Syncs a file that has no name yet. A full disk does not latch: the file is thrown away as a whole.
    pub(super) fn sync_staged(&self, path: &Path, file: &File) -> Result<(), PosixError> {
        self.calls.sync_file(path, file).map_err(|source| {
            if !is_full(&source) {
                self.close(path, &source);
            }
            PosixError::step("sync", path, source)
        })
    }

    /// Syncs a directory that got or lost a name.
    pub(super) fn sync_directory(&self, directory: &Directory) -> Result<(), PosixError> {
        let Directory { path, file } = directory;
        self.calls.sync_directory(path, file).map_err(|source| {
            self.close(path, &source);
            PosixError::Unsynced {
                path: path.clone(),
                source,
            }
        })
    }

    fn close(&self, path: &Path, error: &io::Error) {
        // Only the first failure is kept: it is the one to look into.
        let reason = self
            .latch
            .get_or_init(|| format!("\"{}\": {error}", path.display()));
        log::error!("closed the store after a failed sync of {reason}");
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
