//! Directories that are known to survive a power cut.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::PosixError;
use super::sync::{Directory, Syncer};

/// Makes directories, and remembers those whose name is on the disk.
///
/// A directory that is merely there may have been made a moment ago by a writer that has not synced it yet; so
/// every directory's parent is synced once by each handle before something durable is put into it. This store
/// never removes directories, which is what makes remembering them right.
#[derive(Debug, Default)]
pub(super) struct Directories {
    durable: Mutex<HashSet<PathBuf>>,
}

impl Directories {
    /// Makes `directory` and its missing parents durable.
    pub(super) fn ensure(&self, directory: &Path, syncer: &Syncer) -> Result<(), PosixError> {
        let mut missing = Vec::new();
        {
            let durable = self.lock();
            for ancestor in directory.ancestors() {
                if durable.contains(ancestor) || ancestor.as_os_str().is_empty() {
                    break;
                }
                missing.push(ancestor.to_owned());
            }
        }
        for path in missing.iter().rev() {
            make(path)?;
            // The root of the file system has no name that could get lost.
            if let Some(parent) = path.parent() {
                sync_parent(parent, syncer)?;
            }
            self.lock().insert(path.clone());
        }
        Ok(())
    }

    /// Forgets `directory` and its parents, after one of them turned out to be gone.
    pub(super) fn forget(&self, directory: &Path) {
        let mut durable = self.lock();
        for ancestor in directory.ancestors() {
            durable.remove(ancestor);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        // A set of paths is whole after every single call on it.
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(path: &Path) -> Result<(), PosixError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => {
                let source = io::Error::new(
                    io::ErrorKind::NotADirectory,
                    "an object of that name is there, so that no key can go below it",
                );
                Err(PosixError::step("make directory", path, source))
            }
            Err(source) => Err(PosixError::step("look at", path, source)),
        },
        // A parent above the store that exists but may not be written to says so only if it lacks the entry.
        Err(source) => match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            _ => Err(PosixError::step("make directory", path, source)),
        },
    }
}

/// Syncs the directory above one that was made or found. A parent that may not be opened (`/home` of another user)
/// was not written by us; the directory in it was there before.
fn sync_parent(parent: &Path, syncer: &Syncer) -> Result<(), PosixError> {
    match Directory::open(parent) {
        Ok(parent) => syncer.sync_directory(&parent),
        Err(error) if error.io_kind() == Some(io::ErrorKind::PermissionDenied) => Ok(()),
        Err(error) => Err(error),
    }
}
