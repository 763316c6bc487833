//! A snapshot whose reads are recorded.

use bytes::Bytes;

use super::client::view_position;
use super::event::{Event, Freshness, Item, Key, OperationId, Range, Step, Value};
use super::recorder::Recorder;
use crate::{Entry, Error, Position, ScanOptions, Snapshot};

/// A snapshot of a [`Client`](super::Client). It is recorded when it is dropped, with the reads that have succeeded.
#[derive(Debug)]
pub struct RecordedSnapshot {
    recorder: Recorder,
    operation: OperationId,
    start: u64,
    opened: u64,
    freshness: Freshness,
    snapshot: Snapshot,
    steps: Vec<Step>,
}

impl RecordedSnapshot {
    pub(super) fn new(
        recorder: Recorder,
        operation: OperationId,
        start: u64,
        freshness: Freshness,
        snapshot: Snapshot,
    ) -> RecordedSnapshot {
        RecordedSnapshot {
            opened: recorder.now(),
            recorder,
            operation,
            start,
            freshness,
            snapshot,
            steps: Vec::new(),
        }
    }

    /// The name of the operation.
    pub fn operation(&self) -> &OperationId {
        &self.operation
    }

    /// As [`Snapshot::position`].
    pub fn position(&self) -> Position {
        self.snapshot.position()
    }

    /// As [`Snapshot::get_raw`].
    ///
    /// # Errors
    /// As there.
    pub async fn get_raw(&mut self, data_type: &str, id: &str) -> Result<Option<Bytes>, Error> {
        let found = self.snapshot.get_raw(data_type, id).await?;
        self.steps.push(Step::Get {
            key: Key::new(data_type, id),
            found: found.clone().map(Value),
        });
        Ok(found)
    }

    /// The entries of `range`, at most `limit` of them.
    ///
    /// # Errors
    /// As [`Snapshot::scan_raw`].
    pub async fn scan(&mut self, range: &Range, limit: usize) -> Result<Vec<Entry>, Error> {
        let mut scan = self.snapshot.scan_raw(&range.data_type, &range.options())?;
        let mut entries = Vec::new();
        let mut complete = false;
        while entries.len() < limit && !complete {
            match scan.next().await? {
                Some(entry) => entries.push(entry),
                None => complete = true,
            }
        }
        self.steps.push(scan_step(range, &entries, complete));
        Ok(entries)
    }

    /// Reads everything that is there, and returns how many entries that are.
    ///
    /// # Errors
    /// As [`Snapshot::types`] and [`Snapshot::scan_raw`].
    pub async fn read_everything(&mut self) -> Result<usize, Error> {
        let mut found = Vec::new();
        for data_type in self.snapshot.types().await? {
            let mut scan = self.snapshot.scan_raw(&data_type, &ScanOptions::new())?;
            while let Some(entry) = scan.next().await? {
                found.push(item(&data_type, &entry));
            }
        }
        let count = found.len();
        self.steps.push(Step::Everything { found });
        Ok(count)
    }
}

impl Drop for RecordedSnapshot {
    fn drop(&mut self) {
        self.recorder.record(Event::Viewed {
            operation: self.operation.clone(),
            start: self.start,
            opened: self.opened,
            freshness: self.freshness,
            view: view_position(&self.snapshot),
            steps: std::mem::take(&mut self.steps),
        });
    }
}

/// What a scan has found.
pub(super) fn scan_step(range: &Range, entries: &[Entry], complete: bool) -> Step {
    let items = entries.iter().map(|entry| item(&range.data_type, entry));
    Step::Scan {
        range: range.clone(),
        found: items.collect(),
        complete,
    }
}

fn item(data_type: &str, entry: &Entry) -> Item {
    Item {
        key: Key::new(data_type, &entry.id),
        value: Value(entry.value.clone()),
        // What a transaction has written itself has no record yet.
        seq: (entry.seq != u64::MAX).then_some(entry.seq),
    }
}
