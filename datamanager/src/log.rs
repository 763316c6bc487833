//! The one ordered log that all writers of a store share.
//!
//! A log is a chain of records: each names the one before it, and an append succeeds only on top of the record that
//! the writer has applied last. That compare-and-append is all the coordination there is between processes.

mod file_log;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use crate::record::Record;
use crate::{Error, ErrorKind, Position};

pub(crate) use file_log::{FileLog, FileLogOptions, FileLogReader};

/// What came of an append.
#[derive(Debug)]
pub(crate) enum Append {
    /// The record stands in the log and is durable.
    Appended,
    /// Another record stands there.
    Lost,
    /// The record may stand there or land later. Only what stands at its number decides (R3).
    Unclear(Error),
    /// The record does not stand there and never will.
    Refused(Error),
}

/// Reading a log, which any number of processes may do at once.
#[async_trait]
pub(crate) trait LogReader: Send + Sync {
    /// The newest record's position: one round trip to where the log is kept.
    async fn head(&self) -> Result<Position, Error>;

    /// The records after `after`, in order, up to the end of the log as it is met.
    ///
    /// # Errors
    /// In the stream: `Compacted` when records after `after` are gone, `Corrupt` when the chain is broken.
    fn read(&self, after: Position) -> BoxStream<'_, Result<Record, Error>>;

    /// The records from number `seq` on, or from the oldest that is kept, up to the end of the log as it is met.
    fn read_from(&self, seq: u64) -> BoxStream<'_, Result<Record, Error>>;

    /// The record with number `seq`; `None` behind the end of the log.
    ///
    /// # Errors
    /// `Compacted` when it is no longer kept.
    async fn record_at(&self, seq: u64) -> Result<Option<Record>, Error> {
        match self.read_from(seq).try_next().await? {
            Some(record) if record.position.seq > seq => Err(Error::new(
                ErrorKind::Compacted,
                format!("record {seq} is no longer kept in the log"),
            )),
            found => Ok(found),
        }
    }

    /// As [`LogReader::read`], and then each record as it comes, for ever. What this handle itself appends may be
    /// left out.
    fn tail(&self, after: Position) -> BoxStream<'_, Result<Record, Error>>;
}

/// Writing to a log.
#[async_trait]
pub(crate) trait Log: LogReader {
    /// Appends `record`, encoded for `position`, if `expected` is the newest position (R2). One append is in flight
    /// at a time.
    async fn append(&self, expected: Position, position: Position, record: Bytes) -> Append;

    /// Does what the log would rather not do within an append; called after the append's callers have their answer.
    async fn tidy(&self);

    /// Whether a number above the head at which this handle has nothing in flight can never be taken by a record of
    /// an earlier handle.
    fn absence_is_final(&self) -> bool;

    /// Removes what only holds records at or before `up_to`, oldest first, and returns how many files went.
    async fn truncate(&self, up_to: Position) -> Result<u64, Error>;
}
