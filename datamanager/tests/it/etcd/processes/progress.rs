//! How far a worker has come, told from the history that it writes.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use datamanager::testing::history::{Answer, Event, Freshness, History, OperationId};

/// What a worker has recorded so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    path: PathBuf,
    read_bytes: u64,
    /// Transactions that were acknowledged.
    pub(super) committed: u64,
    /// The last epoch in which one was.
    pub(super) epoch: u32,
    /// Transactions that were refused, by the kind of the error.
    refused: BTreeMap<String, u64>,
    /// When transactions were handed over that have not been answered.
    submitted: BTreeMap<OperationId, u64>,
    slowest_refusal: Duration,
    /// Snapshots of the newest state.
    pub(super) latest_reads: u64,
    /// The last record that a listener got something of.
    pub(super) delivered_seq: u64,
}

impl Progress {
    pub(super) fn of(history: &Path) -> Progress {
        Progress {
            path: history.to_owned(),
            ..Progress::default()
        }
    }

    pub(super) fn unavailable(&self) -> u64 {
        self.refused.get("unavailable").copied().unwrap_or(0)
    }

    /// Bytes of the history that were read.
    pub(super) fn recorded_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Transactions that are to be answered.
    pub(super) fn under_way(&self) -> usize {
        self.submitted.len()
    }

    /// What is to be answered.
    pub(super) fn submitted(&self) -> Vec<OperationId> {
        self.submitted.keys().cloned().collect()
    }

    pub(super) fn are_answered(&self, operations: &[OperationId]) -> bool {
        let mut operations = operations.iter();
        !operations.any(|operation| self.submitted.contains_key(operation))
    }

    /// How long it took at most until a commit was refused, since this was asked last.
    pub(super) fn take_slowest_refusal(&mut self) -> Duration {
        std::mem::take(&mut self.slowest_refusal)
    }

    /// Reads what has been added to the file.
    pub(super) fn update(&mut self) {
        let Ok(mut file) = std::fs::File::open(&self.path) else {
            return; // the worker is about to begin
        };
        let mut added = Vec::new();
        file.seek(SeekFrom::Start(self.read_bytes)).unwrap();
        file.read_to_end(&mut added).unwrap();
        // A line may be being written.
        let whole = added.iter().rposition(|byte| *byte == b'\n');
        added.truncate(whole.map_or(0, |end| end + 1));
        self.read_bytes += added.len() as u64;
        let mut history = History::new();
        history.read(added.as_slice()).unwrap();
        history.events().iter().for_each(|event| self.note(event));
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Submitted {
                operation, opened, ..
            } => {
                self.submitted.insert(operation.clone(), *opened);
            }
            Event::Answered {
                operation,
                end,
                answer,
            } => {
                let submitted = self.submitted.remove(operation).unwrap_or(*end);
                let took = Duration::from_nanos(end - submitted);
                self.note_answer(answer, took);
            }
            Event::Viewed {
                freshness: Freshness::Latest,
                ..
            } => self.latest_reads += 1,
            Event::Delivered { position, .. } => self.delivered_seq = position.seq,
            _ => {}
        }
    }

    fn note_answer(&mut self, answer: &Answer, took: Duration) {
        match answer {
            Answer::Committed { position, .. } => {
                self.committed += 1;
                self.epoch = self.epoch.max(position.epoch);
            }
            Answer::Refused { kind } => {
                *self.refused.entry(kind.clone()).or_default() += 1;
                self.slowest_refusal = self.slowest_refusal.max(took);
            }
            Answer::Unknown { .. } => {}
        }
    }
}
