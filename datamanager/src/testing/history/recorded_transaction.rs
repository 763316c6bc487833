//! A transaction that is recorded.

use bytes::Bytes;

use super::client::view_position;
use super::event::{
    Answer, Event, Freshness, Key, MARKER_TYPE, OperationId, Range, Step, Value, ViewPosition,
};
use super::recorded_snapshot::scan_step;
use super::recorder::Recorder;
use crate::{Committed, Entry, Error, Position, Token, Transaction};

/// A transaction of a [`Client`](super::Client). With its writes goes one more, of type [`MARKER_TYPE`], by which it is
/// known again. If it is dropped it counts as a snapshot that was read.
#[derive(Debug)]
pub struct RecordedTransaction {
    recorder: Recorder,
    operation: OperationId,
    start: u64,
    opened: u64,
    view: ViewPosition,
    /// Gone once it is handed over.
    transaction: Option<Transaction>,
    steps: Vec<Step>,
}

impl RecordedTransaction {
    pub(super) fn new(
        recorder: Recorder,
        operation: OperationId,
        start: u64,
        transaction: Transaction,
    ) -> RecordedTransaction {
        RecordedTransaction {
            opened: recorder.now(),
            recorder,
            operation,
            start,
            view: view_position(transaction.snapshot()),
            transaction: Some(transaction),
            steps: Vec::new(),
        }
    }

    /// The name of the operation.
    pub fn operation(&self) -> &OperationId {
        &self.operation
    }

    /// As [`Transaction::position`].
    pub fn position(&self) -> Position {
        self.view.position
    }

    /// As [`Transaction::get_raw`].
    ///
    /// # Errors
    /// As there.
    pub async fn get_raw(&mut self, data_type: &str, id: &str) -> Result<Option<Bytes>, Error> {
        let found = self.transaction().get_raw(data_type, id).await?;
        self.steps.push(Step::Get {
            key: Key::new(data_type, id),
            found: found.clone().map(Value),
        });
        Ok(found)
    }

    /// The entries of `range`, at most `limit` of them. What counts as read is as in [`Transaction::scan_raw`].
    ///
    /// # Errors
    /// As there.
    pub async fn scan(&mut self, range: &Range, limit: usize) -> Result<Vec<Entry>, Error> {
        let options = range.options();
        let mut scan = self.transaction().scan_raw(&range.data_type, &options)?;
        let mut entries = Vec::new();
        let mut complete = false;
        while entries.len() < limit && !complete {
            match scan.next().await? {
                Some(entry) => entries.push(entry),
                None => complete = true,
            }
        }
        drop(scan);
        self.steps.push(scan_step(range, &entries, complete));
        Ok(entries)
    }

    /// As [`Transaction::put_raw`].
    ///
    /// # Errors
    /// As there.
    pub fn put_raw(
        &mut self,
        data_type: &str,
        id: &str,
        value: impl Into<Bytes>,
    ) -> Result<(), Error> {
        let value = value.into();
        self.transaction().put_raw(data_type, id, value.clone())?;
        self.steps.push(Step::Put {
            key: Key::new(data_type, id),
            value: Value(value),
        });
        Ok(())
    }

    /// As [`Transaction::delete_raw`].
    ///
    /// # Errors
    /// As there.
    pub fn delete_raw(&mut self, data_type: &str, id: &str) -> Result<(), Error> {
        self.transaction().delete_raw(data_type, id)?;
        self.steps.push(Step::Delete {
            key: Key::new(data_type, id),
        });
        Ok(())
    }

    /// As [`Transaction::check_token`].
    ///
    /// # Errors
    /// As there.
    pub fn check_token(&mut self, token: Token) -> Result<(), Error> {
        let step = Step::Token {
            epoch: token.epoch,
            seq: token.seq,
            groups: token.groups.clone(),
        };
        self.transaction().check_token(token)?;
        self.steps.push(step);
        Ok(())
    }

    /// As [`Transaction::touch_group`].
    ///
    /// # Errors
    /// As there.
    pub fn touch_group(&mut self, name: &str) -> Result<(), Error> {
        self.transaction().touch_group(name)?;
        self.steps.push(Step::Touch {
            group: name.to_owned(),
        });
        Ok(())
    }

    /// As [`Transaction::commit`]. One that writes nothing is recorded as a snapshot that was read.
    ///
    /// # Errors
    /// As there.
    pub async fn commit(mut self) -> Result<Committed, Error> {
        let is_read = |step: &Step| matches!(step, Step::Get { .. } | Step::Scan { .. });
        let writes = !self.steps.iter().all(is_read);
        if writes {
            let marker = self.operation.to_string();
            self.put_raw(MARKER_TYPE, &marker, "")?;
        }
        let transaction = self
            .transaction
            .take()
            .expect("it is there until it is committed");
        if !writes {
            self.record_view();
            return transaction.commit().await;
        }
        self.recorder.record(Event::Submitted {
            operation: self.operation.clone(),
            start: self.start,
            opened: self.opened,
            view: self.view,
            steps: std::mem::take(&mut self.steps),
        });
        let result = transaction.commit().await;
        let answer = match &result {
            Ok(committed) => Answer::Committed {
                position: committed.position,
                index: committed.index,
            },
            Err(error) => match error.commit_id() {
                Some(id) => Answer::Unknown { id },
                None => Answer::Refused {
                    kind: error.kind().to_string(),
                },
            },
        };
        self.recorder.record(Event::Answered {
            operation: self.operation.clone(),
            end: self.recorder.now(),
            answer,
        });
        result
    }

    fn transaction(&mut self) -> &mut Transaction {
        self.transaction
            .as_mut()
            .expect("it is there until it is committed")
    }

    fn record_view(&mut self) {
        self.recorder.record(Event::Viewed {
            operation: self.operation.clone(),
            start: self.start,
            opened: self.opened,
            freshness: Freshness::Applied,
            view: self.view,
            steps: std::mem::take(&mut self.steps),
        });
    }
}

impl Drop for RecordedTransaction {
    fn drop(&mut self) {
        if self.transaction.is_some() {
            self.record_view();
        }
    }
}
