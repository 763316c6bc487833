//! The numbers that an open store works with.

use std::path::PathBuf;
use std::time::Duration;

use crate::Error;
use crate::data_file::Compression;

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// When the log has it: in files synced to disk, as an object, or in etcd by a majority.
    Log,
    /// When the object storage has it, too. The same as [`Durability::Log`] unless the log is in etcd.
    ObjectStorage,
}

/// Limits and times of one open store. The defaults are good for most programs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Bytes of one entry's value, at most. Default 16 MiB. Larger values make commits and blocks larger for everybody.
    pub entry_bytes_max: usize,
    /// Bytes of all writes of one transaction, at most. Default 64 MiB. A transaction is one piece of a log record.
    pub transaction_bytes_max: usize,
    /// Writes of one transaction, at most. Default 100,000.
    pub transaction_writes_max: usize,
    /// Points that a transaction tracks one by one; above it reads widen to ranges. Default 10,000. Raised, long
    /// transactions use more memory; lowered, they conflict more often.
    pub read_points_max: usize,
    /// Bytes of one log record, about, at most: a batch is closed when it has so many. Default 4 MiB. Raised, more is
    /// written per sync under load and each commit takes longer.
    pub batch_bytes_max: usize,
    /// Transactions of one log record, at most. Default 4,096.
    pub batch_transactions_max: usize,
    /// Transactions that wait for the log, at most; the next ones wait for room. Default 16,384.
    pub queue_transactions_max: usize,
    /// Bytes of the transactions that wait for the log, at most; the next ones wait for room. Default 128 MiB.
    pub queue_bytes_max: usize,
    /// How long a commit waits in all. Default 30 s. A commit that has not reached the log by then is `Unavailable`, one
    /// that has is `Unknown`.
    pub commit_timeout: Duration,
    /// Log bytes that are kept in memory beyond what data files hold; at the bound transactions wait. Default 160 MiB.
    /// It is fixed when the store is made, and equal for all processes.
    pub log_bytes_max: u64,
    /// A checkpoint begins when so many log bytes are in memory. Default 64 MiB. Raised, data files are fewer and opening
    /// replays more log; lowered, more is rewritten by compaction. Memory use is about twice of it.
    pub checkpoint_bytes: u64,
    /// A checkpoint begins when so many records are in memory. Default 1,000,000.
    pub checkpoint_records: u64,
    /// A checkpoint begins when so much time has passed since the last one and something has been written. Default 10 min.
    pub checkpoint_interval: Duration,
    /// Whether checkpoints, compactions and collections of garbage run by themselves. Default yes.
    pub maintain: bool,
    /// How often garbage is collected. Default 60 s.
    pub gc_interval: Duration,
    /// How long a manifest that has a successor is kept, and the files that only it names. Default 1 h. A snapshot that is
    /// held longer, and a backup that takes longer without a pin, may find its files gone.
    pub file_retention: Duration,
    /// How long log records are kept once data files hold them. Default 1 h.
    pub wal_retention: Duration,
    /// A data file ends near this length. Default 64 MiB. Raised, there are fewer files and a compaction rewrites more at
    /// once.
    pub data_file_bytes_max: u64,
    /// Bytes of a block of a data file before compression. Default: 4 KiB in a local directory, 16 KiB elsewhere.
    pub block_bytes: Option<usize>,
    /// How blocks are compressed. Default: LZ4 in a local directory, where reads and imports are bound by the processor, and
    /// zstd at level 1 elsewhere, where bytes take time and cost money. Where it is zstd, level 0 has LZ4, which takes a fifth
    /// of the work: what a checkpoint writes is merged into others soon.
    pub compression: Option<Compression>,
    /// Runs of level 0 at which they are merged into level 1. Default 4. Raised, reads look into more runs; lowered, more
    /// is rewritten.
    pub level0_runs_max: usize,
    /// Bytes of level 1 above which it is merged into level 2; each level may hold 10 times as much. Default 256 MiB.
    pub level1_bytes_max: u64,
    /// Bytes of decompressed blocks that are kept in memory. Default 64 MiB.
    pub block_cache_bytes: u64,
    /// A directory on a local disk that keeps parts of data files which were read, also from one opening of the store to the
    /// next. Default none. Good where the objects are far away; not used for a store in a local directory. Each open store
    /// needs a directory of its own: one that another has, that cannot be written or whose disk gets full is not used, which
    /// is logged as a warning. What is damaged in it is read again from the objects.
    pub disk_cache_directory: Option<PathBuf>,
    /// Bytes of files in that directory, at most. Default 1 GiB.
    pub disk_cache_bytes: u64,
    /// Bytes of keys remembered for checking transactions older than the memory tables. Default 32 MiB. A transaction that
    /// is older than what is remembered gets a conflict.
    pub conflict_window_bytes_max: usize,
    /// Log bytes in memory that only open snapshots need; above it the oldest end with `Expired`. Default 256 MiB.
    pub snapshot_bytes_max: u64,
    /// Bytes of the newest records that are kept for followers; one that is further behind reads the log again. Default 4 MiB.
    pub follow_bytes_max: u64,
    /// How long a process that shares a log believes what it knows of the log's end; after that it lists first. Default
    /// 60 s. Equal in all processes of a store. Log objects stay twice as long as this once data files hold them.
    pub head_confirm_max: Duration,
    /// How soon a shared log is looked at again after something was found there. Default 10 ms.
    pub probe_interval_min: Duration,
    /// How often a shared log is looked at when nothing happens; the interval grows up to here. Default 1 s. Raised, a
    /// process that is idle costs less and sees later what others have written.
    pub probe_interval_max: Duration,
    /// How long another process's job may take before its claim counts for nothing. Default 15 min.
    pub job_claim_max: Duration,
    /// How long an import waits until every process has reported maintenance. Default 90 s.
    pub import_wait_max: Duration,
    /// Bytes of entries that an import sorts in memory at once, if its input is not sorted. Default 64 MiB.
    pub import_sort_bytes: usize,
    /// What becomes of a document with a new key for a unique index that is not complete. Default: the documents are scanned
    /// for it.
    pub unique_while_building: UniqueWhileBuilding,
    /// How long [`DataManager::update`](crate::DataManager::update) tries again after conflicts. Default 10 s.
    pub update_timeout: Duration,
    /// When a commit is acknowledged. Default [`Durability::Log`].
    pub durability: Durability,
    /// With a log in etcd: bytes of a record that are kept in etcd itself, at most; the transactions of a longer one go to
    /// the object storage first. Default 64 KiB. Raised, etcd holds more; lowered, more commits wait for two systems.
    pub wal_inline_bytes_max: usize,
    /// With a log in etcd: bytes of records that etcd may hold; beyond it all records go to the object storage first.
    /// Default 256 MiB. Keep it well below etcd's quota.
    pub inline_budget_bytes: u64,
    /// With a log in etcd: how long a record may be missing on the object storage. Default 1 s. Raised, fewer and larger
    /// objects are written.
    pub flush_interval: Duration,
    /// With a log in etcd: bytes of records that may be missing on the object storage before they are written early.
    /// Default 1 MiB.
    pub flush_bytes: u64,
    /// With a log in etcd: how often one process compacts etcd's history, up to what it was that long ago; zero leaves it to
    /// the operator. Default 5 min.
    pub etcd_compaction_interval: Duration,
    /// With a log in etcd: how long a process that finds the log lost waits for the others before it ends the epoch, and how
    /// long a commit is acknowledged without having looked for such a process. Default 15 s. Equal in all processes.
    /// Processes look for one another every 5 s, so what is below 10 s is for tests: one that is heard too late cannot object.
    pub etcd_recovery_wait: Duration,
    /// A log segment ends when it holds so many records. Default 1,000.
    pub segment_records_max: u32,
    /// A log segment ends when it is so long. Default 16 MiB; opening reads and writes the last segment once.
    pub segment_bytes_max: u64,
}

/// What becomes of a document with a new key for a unique index that is not complete: one that is being built, or that
/// could not be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UniqueWhileBuilding {
    /// All documents of the type are read to see whether one has the key. Each such write costs as much as there are
    /// documents, and clashes with every other write to the type.
    Scan,
    /// It is refused as `Unavailable`.
    Refuse,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            entry_bytes_max: 16 * 1024 * 1024,
            transaction_bytes_max: 64 * 1024 * 1024,
            transaction_writes_max: 100_000,
            read_points_max: 10_000,
            batch_bytes_max: 4 * 1024 * 1024,
            batch_transactions_max: 4_096,
            queue_transactions_max: 16_384,
            queue_bytes_max: 128 * 1024 * 1024,
            commit_timeout: Duration::from_secs(30),
            log_bytes_max: 160 * 1024 * 1024,
            checkpoint_bytes: 64 * 1024 * 1024,
            checkpoint_records: 1_000_000,
            checkpoint_interval: Duration::from_secs(600),
            maintain: true,
            gc_interval: Duration::from_secs(60),
            file_retention: Duration::from_secs(3_600),
            wal_retention: Duration::from_secs(3_600),
            data_file_bytes_max: 64 * 1024 * 1024,
            block_bytes: None,
            compression: None,
            level0_runs_max: 4,
            level1_bytes_max: 256 * 1024 * 1024,
            block_cache_bytes: 64 * 1024 * 1024,
            disk_cache_directory: None,
            disk_cache_bytes: 1024 * 1024 * 1024,
            conflict_window_bytes_max: 32 * 1024 * 1024,
            snapshot_bytes_max: 256 * 1024 * 1024,
            follow_bytes_max: 4 * 1024 * 1024,
            head_confirm_max: Duration::from_secs(60),
            probe_interval_min: Duration::from_millis(10),
            probe_interval_max: Duration::from_secs(1),
            job_claim_max: Duration::from_secs(900),
            import_wait_max: Duration::from_secs(90),
            import_sort_bytes: 64 * 1024 * 1024,
            unique_while_building: UniqueWhileBuilding::Scan,
            update_timeout: Duration::from_secs(10),
            durability: Durability::Log,
            wal_inline_bytes_max: 64 * 1024,
            inline_budget_bytes: 256 * 1024 * 1024,
            flush_interval: Duration::from_secs(1),
            flush_bytes: 1024 * 1024,
            etcd_compaction_interval: Duration::from_secs(300),
            etcd_recovery_wait: Duration::from_secs(15),
            segment_records_max: 1_000,
            segment_bytes_max: 16 * 1024 * 1024,
        }
    }
}

impl Settings {
    /// Refuses settings that cannot work together.
    ///
    /// # Errors
    /// `Invalid`, naming the setting, its value and what is accepted.
    pub fn validate(&self) -> Result<(), Error> {
        let within = |name: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(Error::invalid(format!(
                    "setting {name} is {value}: {least} to {most} is accepted"
                )))
            }
        };
        const MIB: u64 = 1024 * 1024;
        within("entry_bytes_max", self.entry_bytes_max as u64, 1, 16 * MIB)?;
        within(
            "transaction_bytes_max",
            self.transaction_bytes_max as u64,
            self.entry_bytes_max as u64,
            128 * MIB,
        )?;
        within(
            "transaction_writes_max",
            self.transaction_writes_max as u64,
            1,
            10_000_000,
        )?;
        within(
            "read_points_max",
            self.read_points_max as u64,
            16,
            10_000_000,
        )?;
        within("batch_bytes_max", self.batch_bytes_max as u64, 1, 64 * MIB)?;
        within(
            "batch_transactions_max",
            self.batch_transactions_max as u64,
            1,
            1_000_000,
        )?;
        within(
            "queue_transactions_max",
            self.queue_transactions_max as u64,
            1,
            1_000_000,
        )?;
        // A transaction is a little longer in a record than its writes are.
        let transaction_max = self.transaction_bytes_max as u64 + 1024;
        within(
            "queue_bytes_max",
            self.queue_bytes_max as u64,
            transaction_max,
            1024 * MIB,
        )?;
        let milliseconds =
            |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let interval_ms = milliseconds(self.checkpoint_interval);
        within("checkpoint_interval (ms)", interval_ms, 1, u64::MAX)?;
        let timeout_ms = milliseconds(self.commit_timeout);
        within("commit_timeout (ms)", timeout_ms, 1, 24 * 3_600_000)?;
        let confirm_ms = milliseconds(self.head_confirm_max);
        within("head_confirm_max (ms)", confirm_ms, 100, 24 * 3_600_000)?;
        let probe_max_ms = milliseconds(self.probe_interval_max);
        // A 404 must find the one before it still young.
        within("probe_interval_max (ms)", probe_max_ms, 1, confirm_ms / 4)?;
        let probe_min_ms = milliseconds(self.probe_interval_min);
        within("probe_interval_min (ms)", probe_min_ms, 1, probe_max_ms)?;
        within(
            "job_claim_max (ms)",
            milliseconds(self.job_claim_max),
            1,
            u64::MAX,
        )?;
        within(
            "import_sort_bytes",
            self.import_sort_bytes as u64,
            1,
            u64::MAX,
        )?;
        // etcd takes requests of 1.5 MiB.
        let inline_max = self.wal_inline_bytes_max as u64;
        within("wal_inline_bytes_max", inline_max, 0, MIB)?;
        within("flush_bytes", self.flush_bytes, 1, 64 * MIB)?;
        let flush_ms = milliseconds(self.flush_interval);
        within("flush_interval (ms)", flush_ms, 1, 60_000)?;
        let recovery_ms = milliseconds(self.etcd_recovery_wait);
        within("etcd_recovery_wait (ms)", recovery_ms, 1_000, 600_000)?;
        within("log_bytes_max", self.log_bytes_max, 4096, u64::MAX)?;
        within("disk_cache_bytes", self.disk_cache_bytes, MIB, u64::MAX)?;
        within(
            "segment_records_max",
            u64::from(self.segment_records_max),
            1,
            1_000_000,
        )?;
        within(
            "segment_bytes_max",
            self.segment_bytes_max,
            1024,
            1024 * MIB,
        )
    }
}
