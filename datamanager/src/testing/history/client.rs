//! A client whose operations are recorded.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::event::{
    Event, Freshness, Item, Key, MARKER_TYPE, OperationId, Step, Value, ViewPosition,
};
use super::recorded_follow::RecordedFollow;
use super::recorded_snapshot::RecordedSnapshot;
use super::recorded_transaction::RecordedTransaction;
use super::recorder::Recorder;
use crate::epoch::{EpochCause, EpochFile};
use crate::export_format::{DecoderLimits, ExportDecoder};
use crate::{
    CommitId, Cursor, DataManager, Error, ErrorKind, ExportOptions, ImportOptions, ImportReport,
    Outcome, Position, Snapshot, Token,
};

/// A client of one open store. What it does through the store's own methods is not recorded, so transactions are to
/// come from here alone.
#[derive(Clone)]
pub struct Client {
    recorder: Recorder,
    store: DataManager,
    name: String,
}

impl Client {
    pub(super) fn new(recorder: Recorder, store: DataManager, name: String) -> Client {
        Client {
            recorder,
            store,
            name,
        }
    }

    /// The open store.
    pub fn store(&self) -> &DataManager {
        &self.store
    }

    fn next_operation(&self) -> OperationId {
        self.recorder.next_operation(&self.store, &self.name)
    }

    /// As [`DataManager::begin`].
    pub fn begin(&self) -> RecordedTransaction {
        let (operation, start) = (self.next_operation(), self.recorder.now());
        let transaction = self.store.begin();
        RecordedTransaction::new(self.recorder.clone(), operation, start, transaction)
    }

    /// As [`DataManager::snapshot`].
    pub fn snapshot(&self) -> RecordedSnapshot {
        let (operation, start) = (self.next_operation(), self.recorder.now());
        let snapshot = self.store.snapshot();
        self.recorded(operation, start, Freshness::Applied, snapshot)
    }

    /// As [`DataManager::latest_snapshot`].
    ///
    /// # Errors
    /// As there; nothing is recorded then.
    pub async fn latest_snapshot(&self) -> Result<RecordedSnapshot, Error> {
        let (operation, start) = (self.next_operation(), self.recorder.now());
        let snapshot = self.store.latest_snapshot().await?;
        Ok(self.recorded(operation, start, Freshness::Latest, snapshot))
    }

    /// A snapshot once the state at `position` has been applied; see [`DataManager::wait_for`].
    ///
    /// # Errors
    /// As there; nothing is recorded then.
    pub async fn snapshot_at_least(&self, position: Position) -> Result<RecordedSnapshot, Error> {
        let (operation, start) = (self.next_operation(), self.recorder.now());
        self.store.wait_for(position).await?;
        let freshness = Freshness::AtLeast { seq: position.seq };
        Ok(self.recorded(operation, start, freshness, self.store.snapshot()))
    }

    fn recorded(
        &self,
        operation: OperationId,
        start: u64,
        freshness: Freshness,
        snapshot: Snapshot,
    ) -> RecordedSnapshot {
        RecordedSnapshot::new(self.recorder.clone(), operation, start, freshness, snapshot)
    }

    /// As [`DataManager::token`]. What is recorded of it is the transaction that checks it.
    ///
    /// # Errors
    /// As there.
    pub fn token<I, S>(&self, groups: I) -> Result<Token, Error>
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        self.store.token(groups)
    }

    /// As [`DataManager::outcome`].
    ///
    /// # Errors
    /// As there; nothing is recorded then.
    pub async fn outcome(&self, id: CommitId) -> Result<Outcome, Error> {
        let operation = self.next_operation();
        let outcome = self.store.outcome(id).await?;
        self.recorder.record(Event::LookedUp {
            operation,
            end: self.recorder.now(),
            id,
            committed: match outcome {
                Outcome::Committed => Some(true),
                Outcome::NotCommitted => Some(false),
                Outcome::Undecided | Outcome::TooOld => None,
            },
        });
        Ok(outcome)
    }

    /// As [`DataManager::follow`].
    pub fn follow(&self, cursor: Cursor) -> RecordedFollow {
        let operation = self.next_operation();
        let follow = self.store.follow(cursor);
        RecordedFollow::new(self.recorder.clone(), operation, follow)
    }

    /// As [`DataManager::follow_new`].
    pub fn follow_new(&self) -> RecordedFollow {
        let operation = self.next_operation();
        let follow = self.store.follow_new();
        RecordedFollow::new(self.recorder.clone(), operation, follow)
    }

    /// As [`DataManager::export`], to its end. Its content is recorded as a snapshot that was read.
    ///
    /// # Errors
    /// As there, and as [`Export::next`](crate::Export::next); nothing is recorded then.
    pub async fn export(&self, options: ExportOptions) -> Result<Vec<u8>, Error> {
        let (operation, start) = (self.next_operation(), self.recorder.now());
        let mut export = self.store.export(options).await?;
        let opened = self.recorder.now();
        let mut bytes = Vec::new();
        while let Some(piece) = export.next().await? {
            bytes.extend_from_slice(&piece);
        }
        self.recorder.record(Event::Viewed {
            operation,
            start,
            opened,
            freshness: Freshness::Latest,
            view: view_position(export.snapshot()),
            steps: vec![Step::Everything {
                found: self.content(&bytes).await?,
            }],
        });
        Ok(bytes)
    }

    /// As [`DataManager::import`], of what [`Client::export`] has given. So that it can be told afterwards which import took
    /// effect, the markers in it get the name of this operation for their value; that takes the place of a conversion.
    ///
    /// # Errors
    /// As there.
    pub async fn import(
        &self,
        bytes: Vec<u8>,
        options: ImportOptions,
    ) -> Result<ImportReport, Error> {
        let operation = self.next_operation();
        let stamp = Bytes::from(operation.to_string());
        let mut content = self.content(&bytes).await?;
        for item in &mut content {
            if item.key.data_type == MARKER_TYPE {
                item.value = Value(stamp.clone());
            }
        }
        self.recorder.record(Event::Imported {
            operation: operation.clone(),
            content,
        });
        let options = options.conversion(Arc::new(move |mut entry| {
            if entry.data_type == MARKER_TYPE {
                entry.value = stamp.clone();
            }
            Ok(entry)
        }));
        let input = std::io::Cursor::new(bytes);
        let result = self.store.import(input, options).await;
        let took_effect = match &result {
            Ok(_) => Some(true),
            // Where the storage fails at the end, the message alone says whether it took effect.
            Err(error) if error.kind() == ErrorKind::Unavailable => None,
            Err(_) => Some(false),
        };
        let report = result.as_ref();
        self.recorder.record(Event::ImportAnswered {
            operation,
            end: self.recorder.now(),
            took_effect,
            epoch: report.map_or(0, |report| report.epoch),
            base: report.map_or(Position::START, |report| report.base),
        });
        result
    }

    /// The entries of an export, without internal ones.
    async fn content(&self, bytes: &[u8]) -> Result<Vec<Item>, Error> {
        let limits = DecoderLimits {
            entry_bytes_max: self.store.settings().entry_bytes_max,
        };
        let mut decoder = ExportDecoder::open(bytes, limits).await?;
        let mut content = Vec::new();
        while let Some(entry) = decoder.next().await? {
            if !entry.data_type.starts_with('!') {
                let id = String::from_utf8_lossy(&entry.id).into_owned();
                content.push(Item {
                    key: Key::new(&*entry.data_type, id),
                    value: Value(entry.value),
                    seq: None,
                });
            }
        }
        content.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(content)
    }

    /// Records which epochs the store has had so far. A history with an import needs it.
    ///
    /// # Errors
    /// `Unavailable` when the storage failed; what was read so far is recorded then.
    pub async fn record_epochs(&self) -> Result<(), Error> {
        let ost = &self.store.jobs().context.ost;
        for number in 1..=self.store.stats().epoch {
            let epoch = EpochFile::load(ost, number).await?;
            self.recorder.record(Event::Epoch {
                epoch: epoch.epoch,
                base: epoch.base,
                imported: epoch.cause == EpochCause::Import,
            });
        }
        Ok(())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Client({}/{})", self.store.instance(), self.name)
    }
}

/// The state that a snapshot shows.
pub(super) fn view_position(snapshot: &Snapshot) -> ViewPosition {
    ViewPosition {
        epoch: snapshot.view().epoch,
        position: snapshot.position(),
    }
}
