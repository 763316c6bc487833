//! Figures of an open store.

use serde::Serialize;

use crate::manifest::Run;
use crate::{LogKind, Position, Timestamp};

/// What an open store looks like from inside, at one moment.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// The unique name of this open store.
    pub instance: String,
    /// The store's own id, 32 hexadecimal digits.
    pub store: String,
    /// Where the store is.
    pub location: String,
    /// Where its log is kept.
    pub log: LogKind,
    /// Whether it was opened for reading only.
    pub read_only: bool,
    /// The epoch of the log.
    pub epoch: u32,
    /// The newest record applied.
    pub position: Position,
    /// The time of the newest record applied.
    pub time: Timestamp,
    /// Records applied since it was opened, those read on opening included.
    pub records_applied: u64,
    /// Versions of entries that are held in memory.
    pub memtable_versions: u64,
    /// Log bytes of the records that are held in memory.
    pub memtable_log_bytes: u64,
    /// The object storage holds the log up to here, as far as this process knows. With a log in files it is the newest record
    /// there.
    pub flushed: Position,
    /// Data files hold everything up to here.
    pub covered: Position,
    /// The number of the manifest that is read from.
    pub manifest: u64,
    /// Runs of data files by level; a read looks into each of them at most once.
    pub runs: Vec<RunStats>,
    /// Bytes of decompressed blocks in memory.
    pub block_cache_bytes: u64,
    /// Reads of blocks that were in memory.
    pub block_cache_hits: u64,
    /// Reads of blocks that were not.
    pub block_cache_misses: u64,
    /// Bytes of the disk cache's files; `None` if there is none, or if it could not be used.
    pub disk_cache_bytes: Option<u64>,
}

/// One run of data files.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RunStats {
    /// 0 for what a checkpoint wrote.
    pub level: u32,
    /// Data files in it.
    pub files: u64,
    /// Entries in them, deletes included.
    pub entries: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

impl RunStats {
    pub(crate) fn of(run: &Run) -> RunStats {
        RunStats {
            level: run.level,
            files: run.files.len() as u64,
            entries: run.files.iter().map(|file| file.entries).sum(),
            bytes: run.bytes(),
        }
    }
}
