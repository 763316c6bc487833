//! How often a file system was called.

/// Calls since the file system was made, successful or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileCounters {
    /// Calls of [`FileSystem::open`](super::FileSystem::open).
    pub opens: u64,
    /// Calls of [`File::read_at`](super::File::read_at).
    pub reads: u64,
    /// Calls of [`File::write_all_at`](super::File::write_all_at).
    pub writes: u64,
    /// Calls of [`File::sync_data`](super::File::sync_data).
    pub sync_data: u64,
    /// Calls of [`FileSystem::sync_dir`](super::FileSystem::sync_dir).
    pub sync_dir: u64,
}
