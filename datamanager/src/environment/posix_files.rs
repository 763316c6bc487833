//! Files of the operating system.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{File, FileSystem, OpenMode};

/// The files that the operating system shows, through blocking system calls.
///
/// A name that is not UTF-8 is none of ours and is left out by [`FileSystem::list`]. A lock is an advisory `flock`:
/// two handles exclude each other within one process too.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PosixFiles;

impl PosixFiles {
    /// The files that the operating system shows.
    pub fn new() -> PosixFiles {
        PosixFiles
    }
}

#[deny(clippy::missing_trait_methods)]
impl FileSystem for PosixFiles {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|ancestor| !is_directory(ancestor))
            .collect();
        for directory in missing.into_iter().rev() {
            match fs::create_dir(directory) {
                Ok(()) => {}
                // Somebody else was faster, who may not have synced yet.
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && is_directory(directory) => {}
                Err(error) => return Err(error),
            }
            if let Some(parent) = directory.parent() {
                self.sync_dir(parent)?;
            }
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            match entry.file_type() {
                Ok(file_type) if file_type.is_dir() => continue,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(PosixFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        // The parent of the relative path "a" is "", which no system call takes.
        let directory = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        fs::File::open(directory)?.sync_all()
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        loop {
            match file.try_lock() {
                // Closing the file lets go of the lock.
                Ok(()) => return Ok(Some(Box::new(file))),
                Err(fs::TryLockError::WouldBlock) => return Ok(None),
                Err(fs::TryLockError::Error(error))
                    if error.kind() == io::ErrorKind::Interrupted => {}
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        network_file_system(path)
    }
}

#[derive(Debug)]
struct PosixFile(fs::File);

#[deny(clippy::missing_trait_methods)]
impl File for PosixFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, mut offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mode = rustix::fs::FallocateFlags::empty();
        Ok(rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(&self.0, mode, 0, bytes)
        })?)
    }

    #[cfg(not(target_os = "linux"))]
    fn allocate(&self, bytes: u64) -> io::Result<()> {
        match self.size()? < bytes {
            true => self.set_size(bytes),
            false => Ok(()),
        }
    }
}

/// Whether there is a directory, the one that "" stands for included.
fn is_directory(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.is_dir()
}

#[cfg(target_os = "linux")]
fn network_file_system(path: &Path) -> io::Result<Option<&'static str>> {
    let status = rustix::io::retry_on_intr(|| rustix::fs::statfs(path))?;
    // The kernel's numbers have 32 bits; the field is signed or not, and wider or not, by architecture.
    Ok(network_file_system_of_magic(
        status.f_type as u64 & 0xFFFF_FFFF,
    ))
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_path: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// Source: `statfs(2)` and the kernel's `include/uapi/linux/magic.h`.
#[cfg(target_os = "linux")]
fn network_file_system_of_magic(magic: u64) -> Option<&'static str> {
    match magic {
        0x0000_6969 => Some("nfs"),
        0x0000_517B | 0xFE53_4D42 => Some("smb"),
        0xFF53_4D42 => Some("cifs"),
        0x0102_1997 => Some("9p"),
        0x00C3_6400 => Some("ceph"),
        0x5346_414F | 0x6B41_4653 => Some("afs"),
        0x7375_7245 => Some("coda"),
        0x0BD0_0BD0 => Some("lustre"),
        // The number does not tell sshfs or s3fs from a local file system in user space; the operator can.
        0x6573_5546 => Some("fuse"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_written_at_an_offset_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let file = PosixFiles::new()
            .open(&directory.path().join("a"), OpenMode::CreateNew)
            .unwrap();
        file.write_all_at(3, b"abc").unwrap();
        file.sync_data().unwrap();
        let mut buffer = [1; 8];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 6);
        assert_eq!(&buffer[..6], b"\0\0\0abc");
        assert_eq!(file.read_at(6, &mut buffer).unwrap(), 0);
        file.set_size(4).unwrap();
        assert_eq!(file.size().unwrap(), 4);
    }

    #[test]
    fn open_mode_decides_about_missing_and_existing_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let files = PosixFiles::new();
        for mode in [OpenMode::Read, OpenMode::ReadWrite] {
            assert_eq!(
                files.open(&path, mode).unwrap_err().kind(),
                io::ErrorKind::NotFound
            );
        }
        files.open(&path, OpenMode::CreateNew).unwrap();
        assert_eq!(
            files.open(&path, OpenMode::CreateNew).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert!(
            files
                .open(&path, OpenMode::Read)
                .unwrap()
                .write_all_at(0, b"a")
                .is_err()
        );
        files
            .open(&path, OpenMode::ReadWrite)
            .unwrap()
            .write_all_at(0, b"a")
            .unwrap();
    }

    #[test]
    fn list_names_files_in_byte_order_and_leaves_directories_out() {
        let directory = tempfile::tempdir().unwrap();
        let files = PosixFiles::new();
        for name in ["b", "a", "B"] {
            files
                .open(&directory.path().join(name), OpenMode::CreateNew)
                .unwrap();
        }
        files.create_dir_all(&directory.path().join("c")).unwrap();
        files
            .rename(&directory.path().join("b"), &directory.path().join("d"))
            .unwrap();
        files.remove(&directory.path().join("a")).unwrap();
        files.sync_dir(directory.path()).unwrap();
        assert_eq!(files.list(directory.path()).unwrap(), ["B", "d"]);
    }

    #[test]
    fn create_dir_all_makes_parents_and_accepts_what_exists() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/c");
        let files = PosixFiles::new();
        files.create_dir_all(&path).unwrap();
        files.create_dir_all(&path).unwrap();
        assert!(path.is_dir());
        fs::write(path.join("file"), "").unwrap();
        assert!(files.create_dir_all(&path.join("file/d")).is_err());
        files.create_dir_all(Path::new(".")).unwrap();
        files.sync_dir(Path::new("")).unwrap();
    }

    #[test]
    fn lock_is_held_by_one_handle_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = PosixFiles::new().try_lock(&path).unwrap();
        assert!(held.is_some());
        assert!(PosixFiles::new().try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(PosixFiles::new().try_lock(&path).unwrap().is_some());
    }

    #[test]
    fn file_system_of_a_missing_path_is_an_error() {
        if cfg!(target_os = "linux") {
            let directory = tempfile::tempdir().unwrap();
            let missing = directory.path().join("missing");
            PosixFiles::new()
                .network_file_system(directory.path())
                .unwrap();
            assert_eq!(
                PosixFiles::new()
                    .network_file_system(&missing)
                    .unwrap_err()
                    .kind(),
                io::ErrorKind::NotFound
            );
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn network_file_systems_are_known_by_their_magic_number() {
        assert_eq!(network_file_system_of_magic(0x6969), Some("nfs"));
        assert_eq!(network_file_system_of_magic(0xFF53_4D42), Some("cifs"));
        let ext4 = 0xEF53;
        assert_eq!(network_file_system_of_magic(ext4), None);
    }
}
