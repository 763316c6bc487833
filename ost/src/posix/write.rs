//! One durable write: stage, sync, give it its name, sync the directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::PoisonError;

use object_store::PutPayload;

use super::PosixError;
use super::staging::{self, StagedFile};
use super::store::Shared;
use super::sync::Directory;

/// How often a write starts over because someone removed its directory.
const ATTEMPTS_MAX: usize = 8;

/// What a write does about an object that has the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Takes its place.
    Replace,
    /// Leaves it alone.
    Create,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The key has the new content.
    Placed,
    /// Only with [`Placement::Create`]: the key had content before.
    Exists,
}

impl Shared {
    /// Writes an object of known content.
    pub(super) fn write(
        &self,
        target: &Path,
        placement: Placement,
        payload: &PutPayload,
    ) -> Result<Written, PosixError> {
        self.check()?;
        if placement == Placement::Create && self.is_taken(target)? {
            return self.exists(target);
        }
        let staged = self.stage(target)?;
        for bytes in payload {
            staged
                .file()
                .write_all(bytes)
                .map_err(|source| PosixError::step("write", staged.path(), source))?;
        }
        self.place(staged, target, placement)
    }

    /// Writes a copy of `source`.
    pub(super) fn copy(
        &self,
        mut source: &File,
        target: &Path,
        placement: Placement,
    ) -> Result<Written, PosixError> {
        let staged = self.stage(target)?;
        io::copy(&mut source, &mut staged.file())
            .map_err(|source| PosixError::step("write", staged.path(), source))?;
        self.place(staged, target, placement)
    }

    /// Makes a file without a name on the mount where `target` is to stand, and the directories above `target`.
    pub(super) fn stage(&self, target: &Path) -> Result<StagedFile, PosixError> {
        self.check()?;
        let parent = parent_of(target);
        for _ in 0..ATTEMPTS_MAX {
            self.directories.ensure(parent, &self.syncer)?;
            match staging::staging_directory(&self.root, parent) {
                Ok(directory) => {
                    self.sweep_once(&directory);
                    return StagedFile::new(&directory);
                }
                Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => {
                    self.directories.forget(parent);
                }
                Err(error) => return Err(error),
            }
        }
        Err(removed(parent))
    }

    /// Syncs a staged file and gives it its name.
    pub(super) fn place(
        &self,
        staged: StagedFile,
        target: &Path,
        placement: Placement,
    ) -> Result<Written, PosixError> {
        self.check()?;
        self.syncer.sync_staged(staged.path(), staged.file())?;
        match placement {
            Placement::Replace => self.replace(staged, target),
            Placement::Create => self.create(&staged, target),
        }
    }

    fn replace(&self, mut staged: StagedFile, target: &Path) -> Result<Written, PosixError> {
        let parent = parent_of(target);
        for _ in 0..ATTEMPTS_MAX {
            if let Some(directory) = self.open_or_make(parent)? {
                match staged.rename_to(target) {
                    Ok(()) => {
                        self.syncer.sync_directory(&directory)?;
                        return Ok(Written::Placed);
                    }
                    Err((again, error)) if error.kind() == io::ErrorKind::NotFound => {
                        staged = again
                    }
                    Err((_, error)) => return Err(not_placed(target, error)),
                }
            }
            self.directories.forget(parent);
        }
        Err(removed(parent))
    }

    fn create(&self, staged: &StagedFile, target: &Path) -> Result<Written, PosixError> {
        let parent = parent_of(target);
        for _ in 0..ATTEMPTS_MAX {
            if let Some(directory) = self.open_or_make(parent)? {
                match staged.link_to(target) {
                    Ok(true) => {
                        self.syncer.sync_directory(&directory)?;
                        return Ok(Written::Placed);
                    }
                    Ok(false) if self.is_taken(target)? => return self.exists(target),
                    // It was deleted since; the next round decides.
                    Ok(false) => continue,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(not_placed(target, error)),
                }
            }
            self.directories.forget(parent);
        }
        Err(removed(parent))
    }

    /// Opens the directory of a target, making it if someone removed it; `None` if that happened once more.
    fn open_or_make(&self, parent: &Path) -> Result<Option<Directory>, PosixError> {
        self.directories.ensure(parent, &self.syncer)?;
        match Directory::open(parent) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether an object has the key; a directory in its place is an error.
    fn is_taken(&self, target: &Path) -> Result<bool, PosixError> {
        match fs::symlink_metadata(target) {
            Ok(metadata) if metadata.is_dir() => Err(not_placed(
                target,
                io::Error::from(io::ErrorKind::IsADirectory),
            )),
            Ok(_) => Ok(true),
            Err(error) if is_absence(&error) => Ok(false),
            Err(source) => Err(PosixError::step("look at", target, source)),
        }
    }

    /// Somebody else's object: what we tell about it must not vanish in a power cut either.
    fn exists(&self, target: &Path) -> Result<Written, PosixError> {
        self.syncer
            .sync_directory(&Directory::open(parent_of(target))?)?;
        Ok(Written::Exists)
    }

    /// Removes an object; it is no error when there is none. Directories stay, so that no put beside it fails.
    pub(super) fn remove(&self, target: &Path) -> Result<(), PosixError> {
        self.check()?;
        let directory = match Directory::open(parent_of(target)) {
            Ok(directory) => directory,
            Err(PosixError::Step { source, .. }) if is_absence(&source) => return Ok(()),
            Err(error) => return Err(error),
        };
        match fs::remove_file(target) {
            Ok(()) => self.syncer.sync_directory(&directory),
            Err(error) if is_absence(&error) => Ok(()),
            Err(source) => match fs::symlink_metadata(target) {
                Ok(metadata) if metadata.is_dir() => Ok(()),
                _ => Err(PosixError::step("remove", target, source)),
            },
        }
    }

    /// Sweeps a staging directory when this store first writes into it.
    fn sweep_once(&self, directory: &Path) {
        {
            let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
            if swept.iter().any(|known| known == directory) {
                return;
            }
            swept.push(directory.to_owned());
        }
        // Leftovers cost room and nothing else, so the write goes on.
        if let Err(error) = staging::sweep(directory) {
            log::warn!(
                "{error}: {}",
                std::error::Error::source(&error).map_or(String::new(), |s| s.to_string())
            );
        }
    }
}

/// Whether the error says that no file has the name; one of the directories above may be a file.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The directory of a file; targets stand below the root, so they have one.
fn parent_of(target: &Path) -> &Path {
    target.parent().unwrap_or(target)
}

fn not_placed(target: &Path, error: io::Error) -> PosixError {
    let source = match error.kind() {
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => io::Error::new(
            io::ErrorKind::IsADirectory,
            "a directory of that name is there, because of keys below it",
        ),
        _ => error,
    };
    PosixError::step("give its name to", target, source)
}

fn removed(directory: &Path) -> PosixError {
    let source = io::Error::other("it keeps being removed by someone else");
    PosixError::step("write into", directory, source)
}
