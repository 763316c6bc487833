//! Unfinished files: made apart, locked while their writer runs, swept when it has died.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::PosixError;
use crate::path::STAGING_DIRECTORY;

/// How often a name is tried again that a sweeper or another writer took.
const ATTEMPTS_MAX: usize = 16;

/// A file without a key yet. Dropping it removes it.
#[derive(Debug)]
pub(super) struct StagedFile {
    path: PathBuf,
    file: File,
    named: bool,
}

impl StagedFile {
    /// Makes an empty file in `directory`, which is made if missing.
    ///
    /// The lock on it lives as long as the file is open, and tells a sweeper that its writer runs.
    pub(super) fn new(directory: &Path) -> Result<StagedFile, PosixError> {
        for _ in 0..ATTEMPTS_MAX {
            let path = directory.join(unique_name());
            let file = match OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
            {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // The directory needs no sync: nothing in it has to survive.
                    fs::create_dir_all(directory)
                        .map_err(|source| PosixError::step("make directory", directory, source))?;
                    continue;
                }
                Err(source) => return Err(PosixError::step("make", &path, source)),
            };
            let staged = StagedFile {
                path,
                file,
                named: false,
            };
            // A file system without locks never has its files swept either.
            if let Err(error) = staged.file.lock() {
                log::debug!("cannot lock \"{}\": {error}", staged.path.display());
            }
            // A sweeper may have come between the two calls.
            match staged.file.metadata() {
                Ok(metadata) if metadata.nlink() > 0 => return Ok(staged),
                Ok(_) => continue,
                Err(source) => return Err(PosixError::step("look at", &staged.path, source)),
            }
        }
        let source = io::Error::other("other writers keep taking the name");
        Err(PosixError::step("make a file in", directory, source))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, replacing what has it.
    pub(super) fn rename_to(mut self, target: &Path) -> Result<(), (StagedFile, io::Error)> {
        match fs::rename(&self.path, target) {
            Ok(()) => {
                self.named = true;
                Ok(())
            }
            Err(error) => Err((self, error)),
        }
    }

    /// Gives the file its name unless something has it. `false`: something has.
    pub(super) fn link_to(&self, target: &Path) -> io::Result<bool> {
        match fs::hard_link(&self.path, target) {
            Ok(()) => Ok(true),
            // A network file system may have linked it and lost the answer; then the file has two names.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(self.file.metadata()?.nlink() > 1)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.named
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!(
                "cannot remove unfinished file \"{}\": {error}",
                self.path.display()
            );
        }
    }
}

/// The staging directory on the mount that holds `directory`: in the store's root, or, where a directory below is a
/// mount of its own, in the topmost directory of that mount. `directory` must exist.
pub(super) fn staging_directory(root: &Path, directory: &Path) -> Result<PathBuf, PosixError> {
    let device_of = |path: &Path| match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.dev()),
        Err(source) => Err(PosixError::step("look at", path, source)),
    };
    let device = device_of(directory)?;
    if device_of(root)? == device {
        return Ok(root.join(STAGING_DIRECTORY));
    }
    let mut top = directory;
    while let Some(parent) = top.parent()
        && parent.starts_with(root)
        && device_of(parent)? == device
    {
        top = parent;
    }
    Ok(top.join(STAGING_DIRECTORY))
}

/// Removes the files of dead writers from a staging directory, and tells how many.
pub(super) fn sweep(directory: &Path) -> Result<u64, PosixError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(PosixError::step("list", directory, source)),
    };
    let mut swept = 0;
    for entry in entries {
        let entry = entry.map_err(|source| PosixError::step("list", directory, source))?;
        if sweep_file(&entry.path())
            .map_err(|source| PosixError::step("sweep", &entry.path(), source))?
        {
            swept += 1;
        }
    }
    if swept > 0 {
        log::info!(
            "removed {swept} unfinished files of dead writers from \"{}\"",
            directory.display()
        );
    }
    Ok(swept)
}

/// Removes one staged file if no running writer holds its lock.
fn sweep_file(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        // While we hold the lock a writer that has just made the file waits, and then sees that it is gone. A file
        // with a second name has just become an object; only its staging name goes.
        Ok(()) => match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        },
        Err(TryLockError::WouldBlock) => Ok(false),
        // Without locks the dead cannot be told from the running.
        Err(TryLockError::Error(_)) => Ok(false),
    }
}

/// A name that no running writer uses; `create_new` catches the one in a million.
fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let nanoseconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!("{}-{nanoseconds:x}-{count}", std::process::id())
}
