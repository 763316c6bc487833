//! A file system that counts its calls.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::environment::{File, FileCounters, FileSystem, OpenMode};

/// Counts the calls that it passes on. Clones count together.
#[derive(Clone, Debug)]
pub struct CountingFiles {
    inner: Arc<dyn FileSystem>,
    counters: Arc<Mutex<FileCounters>>,
}

impl CountingFiles {
    /// Counts the calls of `inner` from now on.
    pub fn new(inner: Arc<dyn FileSystem>) -> CountingFiles {
        CountingFiles {
            inner,
            counters: Arc::default(),
        }
    }

    /// Calls so far.
    pub fn counters(&self) -> FileCounters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counters: &Mutex<FileCounters>, counter: impl FnOnce(&mut FileCounters) -> &mut u64) {
    *counter(&mut counters.lock().unwrap_or_else(PoisonError::into_inner)) += 1;
}

#[deny(clippy::missing_trait_methods)]
impl FileSystem for CountingFiles {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.inner.list(directory)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        count(&self.counters, |counters| &mut counters.opens);
        let inner = self.inner.open(path, mode)?;
        Ok(Arc::new(CountingFile {
            inner,
            counters: self.counters.clone(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        count(&self.counters, |counters| &mut counters.sync_dir);
        self.inner.sync_dir(directory)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.inner.try_lock(path)
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        self.inner.network_file_system(path)
    }
}

#[derive(Debug)]
struct CountingFile {
    inner: Arc<dyn File>,
    counters: Arc<Mutex<FileCounters>>,
}

#[deny(clippy::missing_trait_methods)]
impl File for CountingFile {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        count(&self.counters, |counters| &mut counters.reads);
        self.inner.read_at(offset, buffer)
    }

    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        count(&self.counters, |counters| &mut counters.writes);
        self.inner.write_all_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        count(&self.counters, |counters| &mut counters.sync_data);
        self.inner.sync_data()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.inner.set_size(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.inner.allocate(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{MemoryFiles, PosixFiles};

    #[test]
    fn counters_agree_with_those_of_the_files_beneath() {
        let memory = MemoryFiles::new();
        let files = CountingFiles::new(Arc::new(memory.clone()));
        use_files(&files, Path::new("/"));
        assert_eq!(files.counters(), memory.counters());
        assert_eq!(files.counters().sync_data, 2);
    }

    #[test]
    fn calls_reach_a_real_directory() {
        let directory = tempfile::tempdir().unwrap();
        let files = CountingFiles::new(Arc::new(PosixFiles::new()));
        use_files(&files, directory.path());
        assert_eq!(files.clone().counters(), files.counters());
        assert_eq!(std::fs::read(directory.path().join("b")).unwrap(), b"ab");
    }

    fn use_files(files: &CountingFiles, directory: &Path) {
        let file = files
            .open(&directory.join("a"), OpenMode::CreateNew)
            .unwrap();
        file.write_all_at(0, b"abc").unwrap();
        file.sync_data().unwrap();
        file.set_size(2).unwrap();
        file.sync_data().unwrap();
        file.read_at(0, &mut [0; 2]).unwrap();
        files
            .rename(&directory.join("a"), &directory.join("b"))
            .unwrap();
        files.sync_dir(directory).unwrap();
        assert_eq!(files.list(directory).unwrap(), ["b"]);
    }
}
