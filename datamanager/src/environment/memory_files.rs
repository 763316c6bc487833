//! Files in memory, which know what a power cut would leave of them.

mod content;
mod control;
mod directory;

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::content::Content;
use self::control::Control;
use self::directory::{Directory, Inode};
use super::{File, FileCounters, FileSystem, OpenMode, SeededRandom};

/// A file system in memory, with a root directory and nothing in it. Clones share it.
///
/// It keeps apart what was written and what was synced, so that [`MemoryFiles::crash`] can cut the power at any
/// call. What was written since the last sync is kept twice until then.
///
/// Paths are taken as they are written; `..` is refused. A lock belongs to the handle that took it.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    shared: Arc<Shared>,
    process: Arc<Process>,
}

/// Who holds locks and handles. Clones of one [`MemoryFiles`] are one process.
#[derive(Debug, Default)]
struct Process {
    killed: AtomicBool,
}

/// Locks are taken in the order of the fields, and last the one of a file's content.
#[derive(Debug, Default)]
struct Shared {
    tree: Mutex<Tree>,
    control: Mutex<Control>,
}

#[derive(Debug, Default)]
struct Tree {
    /// Directories below the roots "/" and "". They are durable from the start, as `create_dir_all` syncs.
    directories: BTreeMap<PathBuf, Directory>,
    locks: BTreeMap<PathBuf, Lock>,
    locks_taken: u64,
}

#[derive(Debug)]
struct Lock {
    /// Tells the guard of this lock from one of before a crash, which has no power any more.
    number: u64,
    process: Arc<Process>,
}

impl MemoryFiles {
    /// An empty file system.
    pub fn new() -> MemoryFiles {
        MemoryFiles::default()
    }

    /// Cuts the power: keeps what was synced and lets `random` choose among all that a disk may have made of the
    /// rest. Handles and locks of before are dead; a call through a handle fails.
    ///
    /// # What may be left
    /// Of each file and each directory, by itself: none of what was not synced, all of it, the first changes with the
    /// next one torn, or any part. A part is a sector of 512 bytes or a page of 4 KiB, each as it was after any of
    /// the changes; the length too is that after any of them, and bytes that it covers and that never arrived are
    /// zero. A rename within one directory happens or does not; one between two may leave the file under both names
    /// or none.
    pub fn crash(&self, random: &mut SeededRandom) {
        let mut tree = self.tree();
        self.control().power_cut();
        tree.locks.clear();
        for directory in tree.directories.values_mut() {
            directory.crash(random);
            directory
                .inodes()
                .for_each(|inode| content_of(inode).crash(random));
        }
    }

    /// The same files as another process sees them.
    pub fn new_process(&self) -> MemoryFiles {
        MemoryFiles {
            shared: self.shared.clone(),
            process: Arc::default(),
        }
    }

    /// Ends this process as a kill signal would: its locks are free, what it wrote stays, and calls through its
    /// handles fail from now on.
    pub fn kill_process(&self) {
        let mut tree = self.tree();
        self.process.killed.store(true, Ordering::SeqCst);
        tree.locks
            .retain(|_, lock| !Arc::ptr_eq(&lock.process, &self.process));
    }

    /// Calls so far.
    pub fn counters(&self) -> FileCounters {
        self.control().counters
    }

    /// Makes a coming [`File::write_all_at`], the next one if `nth` is 1, write only the first half of its bytes and
    /// fail with [`io::ErrorKind::StorageFull`].
    pub fn fail_write(&self, nth: u64) {
        self.control().fail_write(nth);
    }

    /// Makes a coming [`File::sync_data`], the next one if `nth` is 1, fail as Linux does: the bytes that it should
    /// have synced stay readable until a crash, but no later sync writes them.
    pub fn fail_sync_data(&self, nth: u64) {
        self.control().fail_sync_data(nth);
    }

    /// Makes every change fail with [`io::ErrorKind::ReadOnlyFilesystem`].
    pub fn remount_read_only(&self) {
        self.control().read_only = true;
    }

    /// Ends what [`MemoryFiles::remount_read_only`] began.
    pub fn remount_writable(&self) {
        self.control().read_only = false;
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.shared
            .tree
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The tree, unless the process is dead.
    fn live_tree(&self) -> io::Result<MutexGuard<'_, Tree>> {
        let tree = self.tree();
        self.process.check_alive()?;
        Ok(tree)
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.shared
            .control
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[deny(clippy::missing_trait_methods)]
impl FileSystem for MemoryFiles {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let path = normal(path)?;
        let mut tree = self.live_tree()?;
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|ancestor| !tree.is_directory(ancestor))
            .collect();
        for directory in missing.into_iter().rev() {
            self.control().check_writable()?;
            if tree.lookup(directory)?.is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            tree.directories
                .insert(directory.to_owned(), Directory::default());
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        Ok(self.live_tree()?.directory(&normal(directory)?)?.names())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let path = normal(path)?;
        let mut tree = self.live_tree()?;
        let mut control = self.control();
        control.counters.opens += 1;
        let inode = match (tree.lookup(&path)?, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, OpenMode::Read | OpenMode::ReadWrite) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            (Some(inode), OpenMode::Read) => inode,
            (Some(inode), OpenMode::ReadWrite) => {
                control.check_writable()?;
                inode
            }
            (None, OpenMode::CreateNew) => {
                control.check_writable()?;
                tree.create(&path)?
            }
        };
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(MemoryFile {
            files: self.clone(),
            inode,
            writable,
            power_cuts: control.power_cuts,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (normal(from)?, normal(to)?);
        let mut tree = self.live_tree()?;
        self.control().check_writable()?;
        let inode = tree.lookup(&from)?.ok_or(io::ErrorKind::NotFound)?;
        tree.lookup(&to)?;
        let (from_parent, from_name) = split(&from)?;
        let (to_parent, to_name) = split(&to)?;
        if from_parent == to_parent {
            tree.directory_mut(from_parent)?
                .rename(from_name, to_name, inode);
        } else {
            tree.directory_mut(to_parent)?.link(to_name, inode);
            tree.directory_mut(from_parent)?.unlink(from_name);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = normal(path)?;
        let mut tree = self.live_tree()?;
        self.control().check_writable()?;
        tree.lookup(&path)?.ok_or(io::ErrorKind::NotFound)?;
        let (parent, name) = split(&path)?;
        tree.directory_mut(parent)?.unlink(name);
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let directory = normal(directory)?;
        let mut tree = self.live_tree()?;
        self.control().counters.sync_dir += 1;
        if let Some(directory) = tree.directories.get_mut(&directory) {
            directory.sync();
            return Ok(());
        }
        // A root that never had a file.
        tree.directory(&directory).map(|_| ())
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let path = normal(path)?;
        let mut tree = self.live_tree()?;
        if tree.lookup(&path)?.is_none() {
            self.control().check_writable()?;
            tree.create(&path)?;
        }
        if tree.locks.contains_key(&path) {
            return Ok(None);
        }
        tree.locks_taken += 1;
        let number = tree.locks_taken;
        tree.locks.insert(
            path.clone(),
            Lock {
                number,
                process: self.process.clone(),
            },
        );
        Ok(Some(Box::new(LockGuard {
            files: self.clone(),
            path,
            number,
        })))
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        let path = normal(path)?;
        let tree = self.live_tree()?;
        if !tree.is_directory(&path) {
            tree.lookup(&path)?.ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(None)
    }
}

impl Process {
    fn check_alive(&self) -> io::Result<()> {
        if self.killed.load(Ordering::SeqCst) {
            return Err(io::Error::other("process was killed"));
        }
        Ok(())
    }
}

impl Tree {
    fn is_directory(&self, path: &Path) -> bool {
        path.parent().is_none() || self.directories.contains_key(path)
    }

    fn directory(&self, path: &Path) -> io::Result<&Directory> {
        match self.directories.get(path) {
            Some(directory) => Ok(directory),
            None if self.is_directory(path) => Ok(Directory::EMPTY),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn directory_mut(&mut self, path: &Path) -> io::Result<&mut Directory> {
        if !self.is_directory(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(self.directories.entry(path.to_owned()).or_default())
    }

    /// The file at `path`; an error if a directory is there, or none for it to be in.
    fn lookup(&self, path: &Path) -> io::Result<Option<Arc<Inode>>> {
        if self.is_directory(path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let (parent, name) = split(path)?;
        Ok(self.directory(parent)?.get(name))
    }

    fn create(&mut self, path: &Path) -> io::Result<Arc<Inode>> {
        let (parent, name) = split(path)?;
        let inode = Arc::new(Inode::default());
        self.directory_mut(parent)?.link(name, inode.clone());
        Ok(inode)
    }
}

#[derive(Debug)]
struct MemoryFile {
    files: MemoryFiles,
    inode: Arc<Inode>,
    writable: bool,
    /// How many power cuts there had been when it was opened.
    power_cuts: u64,
}

impl MemoryFile {
    fn control(&self) -> io::Result<MutexGuard<'_, Control>> {
        self.files.process.check_alive()?;
        let control = self.files.control();
        if control.power_cuts == self.power_cuts {
            Ok(control)
        } else {
            Err(io::Error::other("file was opened before the power cut"))
        }
    }

    fn control_to_write(&self) -> io::Result<MutexGuard<'_, Control>> {
        let control = self.control()?;
        control.check_writable()?;
        if self.writable {
            Ok(control)
        } else {
            Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "file is open for reading only",
            ))
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl File for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        drop(self.control()?);
        Ok(content_of(&self.inode).size())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.control()?.counters.reads += 1;
        Ok(content_of(&self.inode).read(offset, buffer))
    }

    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let fails = self.control_to_write()?.count_write();
        let written = if fails {
            &bytes[..bytes.len() / 2]
        } else {
            bytes
        };
        content_of(&self.inode).write(offset, written)?;
        if fails {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let fails = self.control()?.count_sync_data();
        if fails {
            content_of(&self.inode).forget_unsynced();
            return Err(io::Error::other("injected failure to sync"));
        }
        content_of(&self.inode).sync();
        Ok(())
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        drop(self.control_to_write()?);
        content_of(&self.inode).set_size(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        match self.size()? < bytes {
            true => self.set_size(bytes),
            false => Ok(()),
        }
    }
}

struct LockGuard {
    files: MemoryFiles,
    path: PathBuf,
    number: u64,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let mut tree = self.files.tree();
        if tree
            .locks
            .get(&self.path)
            .is_some_and(|lock| lock.number == self.number)
        {
            tree.locks.remove(&self.path);
        }
    }
}

fn content_of(inode: &Inode) -> MutexGuard<'_, Content> {
    inode.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The path without ".".
fn normal(path: &Path) -> io::Result<PathBuf> {
    if path
        .components()
        .any(|component| component == Component::ParentDir)
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "path in memory has \"..\"",
        ));
    }
    Ok(path
        .components()
        .filter(|component| *component != Component::CurDir)
        .collect())
}

/// The parent and the name of a file.
fn split(path: &Path) -> io::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "file name is not UTF-8"))?;
    Ok((path.parent().unwrap_or(Path::new("")), name))
}

#[cfg(test)]
mod tests;
