//! What a reader sees: one position of the log and everything that holds its state.

use std::sync::Arc;

use crate::control::ControlState;
use crate::entry_key::EntryKey;
use crate::file_set::FileSet;
use crate::memtable::{Memtable, Version, VersionedEntry};
use crate::merge::Merge;
use crate::{Error, Position, Timestamp};

/// The state at one position. It never changes; a new one is published for each record applied.
#[derive(Clone, Debug)]
pub(crate) struct ReadView {
    pub(crate) epoch: u32,
    /// Rises when this process begins anew and may have applied something that is not part of the log: what was read before
    /// cannot be checked against what has been written since (R14).
    pub(crate) lineage: u64,
    pub(crate) position: Position,
    /// The time of the newest record: what has expired by then is gone for every process.
    pub(crate) time: Timestamp,
    pub(crate) control: Arc<ControlState>,
    /// The newest record with transactions that was applied since the manifest was loaded.
    pub(crate) last_transaction: u64,
    /// Newest first; together they hold every record behind what the files cover.
    pub(crate) memtables: Arc<[Arc<Memtable>]>,
    pub(crate) files: Arc<FileSet>,
}

impl ReadView {
    fn newest(&self) -> Version {
        Version::end_of(self.position.seq)
    }

    /// The newest version of `key`, a delete included; `None` if it was never written.
    ///
    /// # Errors
    /// `Expired` when what the view needs has been given up.
    pub(crate) async fn get(&self, key: &[u8]) -> Result<Option<VersionedEntry>, Error> {
        for memtable in self.memtables.iter() {
            let found = memtable.get(key, self.newest());
            memtable.check_kept()?;
            if found.is_some() {
                return Ok(found);
            }
        }
        self.files.get(key).await
    }

    /// The version of `key` before `version`, a delete included; `Some(None)` if it was not written before, and `None` if that
    /// can no longer be told.
    pub(crate) async fn get_before(
        &self,
        key: &[u8],
        version: Version,
    ) -> Result<Option<Option<VersionedEntry>>, Error> {
        let covered = self.files.manifest.covered.seq;
        if version.seq <= covered || version.seq > self.position.seq {
            return Ok(None); // only the newest version is in the files
        }
        let before = match version.index.checked_sub(1) {
            Some(index) => Version { index, ..version },
            None => Version::end_of(version.seq - 1),
        };
        for memtable in self.memtables.iter() {
            let found = memtable.get(key, before);
            memtable.check_kept()?;
            if found.is_some() {
                return Ok(Some(found));
            }
        }
        self.files.get(key).await.map(Some)
    }

    /// The entries of `[start, end)`, deletes included.
    pub(crate) fn merge(&self, start: EntryKey, end: EntryKey, reverse: bool) -> Merge {
        let mut merge = Merge::new(reverse);
        for memtable in self.memtables.iter() {
            merge.add_memtable(memtable.clone(), self.newest(), start.clone(), end.clone());
        }
        for run in &self.files.runs {
            merge.add_run(&self.files, run, start.clone(), end.clone());
        }
        merge
    }
}
