//! What is counted and what is to fail.

use std::collections::BTreeSet;
use std::io;

use super::FileCounters;

#[derive(Debug, Default)]
pub(super) struct Control {
    pub(super) counters: FileCounters,
    pub(super) read_only: bool,
    pub(super) power_cuts: u64,
    /// Values that `counters.writes` has at the writes that fail.
    failing_writes: BTreeSet<u64>,
    /// The same for `counters.sync_data`.
    failing_syncs: BTreeSet<u64>,
}

impl Control {
    pub(super) fn check_writable(&self) -> io::Result<()> {
        if self.read_only {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        } else {
            Ok(())
        }
    }

    pub(super) fn fail_write(&mut self, nth: u64) {
        self.failing_writes.insert(self.counters.writes + nth);
    }

    pub(super) fn fail_sync_data(&mut self, nth: u64) {
        self.failing_syncs.insert(self.counters.sync_data + nth);
    }

    /// Whether this write is to fail.
    pub(super) fn count_write(&mut self) -> bool {
        self.counters.writes += 1;
        self.failing_writes.remove(&self.counters.writes)
    }

    /// Whether this sync is to fail.
    pub(super) fn count_sync_data(&mut self) -> bool {
        self.counters.sync_data += 1;
        self.failing_syncs.remove(&self.counters.sync_data)
    }

    /// Failures that were planned for the calls to come are off.
    pub(super) fn power_cut(&mut self) {
        self.power_cuts += 1;
        self.failing_writes.clear();
        self.failing_syncs.clear();
    }
}
