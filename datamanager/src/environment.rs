//! The one seam through which the library reaches the outside: time, randomness, tasks and local files.
//!
//! Nothing in this crate calls a clock, a random generator, a spawner or the file system directly; it asks the
//! [`Environment`] that the store was opened with. A program uses [`TokioEnvironment`]; a simulation passes one that
//! runs everything on a single thread from a seed. Objects are reached through [`ost::Ost`], which is a seam of
//! its own.

mod file_counters;
mod memory_files;
mod posix_files;
mod seeded_random;
mod thread_task;
mod tokio;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

pub use self::file_counters::FileCounters;
pub use self::memory_files::MemoryFiles;
pub use self::posix_files::PosixFiles;
pub use self::seeded_random::SeededRandom;
pub use self::tokio::TokioEnvironment;
use crate::{Error, Timestamp};

/// Clocks, randomness, tasks and files, as one process sees them.
pub trait Environment: fmt::Debug + Send + Sync + 'static {
    /// The wall clock. It may step, and may be wrong.
    fn wall_time(&self) -> Timestamp;

    /// A clock that never steps back and counts the time that the machine was suspended; its zero is arbitrary.
    fn steady_time(&self) -> Duration;

    /// Fills `bytes` from the operating system's random generator.
    fn fill_random(&self, bytes: &mut [u8]);

    /// Completes after `duration` of steady time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs `task` beside the caller. The task must not block its thread.
    fn spawn(&self, name: &str, task: BoxFuture<'static, ()>);

    /// Runs `task` on a thread of its own, where it may block on files.
    ///
    /// # Errors
    /// The operating system's refusal to make a thread.
    fn spawn_thread(&self, name: &str, task: BoxFuture<'static, ()>) -> io::Result<()>;

    /// Says whether the task that the current thread was made for is mostly woken again within some ten microseconds, so
    /// that looking for that costs less than being parked. Without effect where threads are not parked.
    fn set_watchful(&self, _is_watchful: bool) {}

    /// Runs `work`, which may block, where it holds up no task, and completes when it has run.
    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;

    /// The local file system.
    fn files(&self) -> Arc<dyn FileSystem>;
}

/// How [`FileSystem::open`] opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A new file, for reading and writing; an existing one is an `AlreadyExists` error.
    CreateNew,
}

/// Files of a local directory. Every call may block.
///
/// What is durable after a power cut: the bytes of a file up to the last successful [`File::sync_data`], under the
/// names that the last successful [`FileSystem::sync_dir`] of its directory saw. Everything else may be there, be
/// missing, or be there in part.
pub trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// Makes `path` and its missing parents, and syncs every directory that gained an entry.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The names of the files (not of the directories) in `directory`, in byte order.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// Renames a file, replacing `to`; durable after [`FileSystem::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; durable after [`FileSystem::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes names created, renamed or removed in `directory` durable.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Takes the exclusive lock of `path` (made if missing), until the returned guard is dropped or the process
    /// ends. `None`: another handle, of this or another process, has it.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>>;

    /// The name of the network file system that holds `path`, if it is one.
    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>>;
}

/// An open file. Every call may block.
pub trait File: fmt::Debug + Send + Sync + 'static {
    /// Bytes in the file.
    fn size(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. After an error any part of them may have been written.
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file's bytes and length durable. After an error nothing is known of the bytes written since the
    /// last success, not even on a later success.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts or extends the file.
    fn set_size(&self, bytes: u64) -> io::Result<()>;

    /// Extends the file to `bytes` with zeros, where it can on room that is set aside for them; a longer file stays as it is.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
}

/// Runs `work`, which may block, through the environment and returns what it gave.
///
/// # Errors
/// `Unavailable` when the environment is shutting down and has not run it.
pub(crate) async fn run_blocking<T: Send + 'static>(
    environment: &dyn Environment,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = ::tokio::sync::oneshot::channel();
    let work = move || {
        // The receiver is gone only when the caller has been dropped, and nobody waits for the result then.
        let _ = sender.send(work());
    };
    environment.run_blocking(Box::new(work)).await;
    receiver
        .await
        .map_err(|error| Error::unavailable("the program is shutting down").with_source(error))
}
