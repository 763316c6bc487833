//! The directory that an archive is unpacked into.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::Error;
use super::input::Attributes;
use super::name::Name;

/// Read, write and execute for all three: no set-user-id and the like.
const MODE_BITS: u32 = 0o777;
/// Whoever unpacks a directory can go on working in it and remove it.
const OWNER_BITS: u32 = 0o700;

/// A directory, and the one below it that was used last with all between them, open.
pub(super) struct Target {
    root: Dir,
    path: PathBuf,
    open: Vec<(OsString, Dir)>,
    /// Directories that get their modes and times at the end: with them nothing could be written in some.
    directories: Vec<(Name, Attributes)>,
}

impl Attributes {
    fn times(self) -> FileTimes {
        let since = Duration::from_secs(self.modified);
        match SystemTime::UNIX_EPOCH.checked_add(since) {
            Some(time) => FileTimes::new().set_modified(time),
            None => FileTimes::new(),
        }
    }
}

impl Target {
    /// Opens a directory, and makes it if it is missing.
    pub(super) fn open(path: &Path) -> Result<Target, Error> {
        let fail = |error| Error::io("open the directory", path, error);
        std::fs::create_dir_all(path).map_err(fail)?;
        Ok(Target {
            root: Dir::open_ambient_dir(path, ambient_authority()).map_err(fail)?,
            path: path.to_owned(),
            open: Vec::new(),
            directories: Vec::new(),
        })
    }

    pub(super) fn directory(&mut self, name: Name, attributes: Attributes) -> Result<(), Error> {
        self.enter(name.parts())?;
        if name.split().is_some() {
            self.directories.push((name, attributes));
        }
        Ok(())
    }

    /// A new file.
    pub(super) fn file(&mut self, name: &Name) -> Result<File, Error> {
        let path = self.path.join(name.path());
        let (parent, last) = self.parent(name)?;
        remove(parent, last).map_err(|error| Error::io("replace", &path, error))?;
        let options = OpenOptions::new().write(true).create_new(true).to_owned();
        let file = parent.open_with(last, &options);
        let file = file.map_err(|error| Error::io("make the file", &path, error))?;
        Ok(file.into_std())
    }

    /// Ends a file that was written.
    pub(super) fn end_file(
        &self,
        name: &Name,
        file: &File,
        attributes: Attributes,
    ) -> Result<(), Error> {
        let mode = Permissions::from_mode(attributes.mode & MODE_BITS);
        let set = file.set_permissions(mode);
        set.and_then(|()| file.set_times(attributes.times()))
            .map_err(|error| Error::io("set the mode of", &self.path.join(name.path()), error))
    }

    pub(super) fn symbolic_link(&mut self, name: &Name, target: &Path) -> Result<(), Error> {
        name.check_link(target)?;
        let path = self.path.join(name.path());
        let (parent, last) = self.parent(name)?;
        remove(parent, last)
            .and_then(|()| parent.symlink(target, last))
            .map_err(|error| Error::io("make the link", &path, error))
    }

    pub(super) fn hard_link(&mut self, name: &Name, original: &Name) -> Result<(), Error> {
        let path = self.path.join(name.path());
        let fail = |error| Error::io("make the hard link", &path, error);
        if name == original {
            return Err(Error::new(format!("the link {path:?} leads to itself")));
        }
        let (parent, last) = self.parent(original)?;
        let from = parent.try_clone().map_err(fail)?;
        // Of a link that is moved, rule 3 would not hold any more.
        if !from.symlink_metadata(last).map_err(fail)?.is_file() {
            return Err(Error::new(format!(
                "the hard link {path:?} does not lead to a file"
            )));
        }
        let original_last = last.to_owned();
        let (parent, last) = self.parent(name)?;
        remove(parent, last)
            .and_then(|()| from.hard_link(original_last, parent, last))
            .map_err(fail)
    }

    /// Gives the directories their modes and times.
    pub(super) fn end(mut self) -> Result<(), Error> {
        // The deeper ones were made later than those above them, and what is done below one changes its time.
        for (name, attributes) in std::mem::take(&mut self.directories).into_iter().rev() {
            let mode = Permissions::from_mode(attributes.mode & MODE_BITS | OWNER_BITS);
            let path = self.path.join(name.path());
            // What is held open can only be walked through.
            let directory = self.enter(name.parts())?.open(".");
            directory
                .map(cap_std::fs::File::into_std)
                .and_then(|directory| {
                    directory.set_permissions(mode)?;
                    directory.set_times(attributes.times())
                })
                .map_err(|error| Error::io("set the mode of", &path, error))?;
        }
        Ok(())
    }

    fn parent<'a>(&mut self, name: &'a Name) -> Result<(&Dir, &'a OsStr), Error> {
        let Some((parents, last)) = name.split() else {
            return Err(Error::new("the archive's root is no directory"));
        };
        Ok((self.enter(parents)?, last))
    }

    /// The directory with these parts. It is made, with those above it; links on the way are refused.
    fn enter(&mut self, parts: &[OsString]) -> Result<&Dir, Error> {
        let open = self.open.iter().map(|(name, _)| name);
        let common = open.zip(parts).take_while(|(a, b)| a == b).count();
        self.open.truncate(common);
        for part in &parts[common..] {
            let parent = self.open.last().map_or(&self.root, |(_, dir)| dir);
            let dir = enter_one(parent, part).map_err(|error| {
                let below: PathBuf = parts.iter().collect();
                Error::io("enter the directory", &self.path.join(below), error)
            })?;
            self.open.push((part.clone(), dir));
        }
        Ok(self.open.last().map_or(&self.root, |(_, dir)| dir))
    }
}

fn enter_one(parent: &Dir, name: &OsStr) -> io::Result<Dir> {
    match parent.symlink_metadata(name) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            let message = format!("{name:?} is there, and is no directory");
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => parent.create_dir(name)?,
        Err(error) => return Err(error),
    }
    parent.open_dir(name)
}

/// Removes a file or a link; a directory stays, which is an error.
fn remove(parent: &Dir, name: &OsStr) -> io::Result<()> {
    match parent.remove_file(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
