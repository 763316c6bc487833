//! The one ordered log that all writers of a store share.
//!
//! A log is a chain of records: each names the one before it, and an append succeeds only on top of the record that
//! the writer has applied last. That compare-and-append is all the coordination there is between processes.

#[cfg(feature = "etcd")]
mod etcd_log;
mod file_log;
mod object_log;
mod turns;
mod wal_objects;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::mutation;
use crate::record::Record;
use crate::{Error, Position};

#[cfg(feature = "etcd")]
pub(crate) use etcd_log::{EtcdLog, EtcdLogOptions, EtcdSession};
#[cfg(all(feature = "etcd", feature = "testing"))]
pub(crate) use etcd_log::{RequestFailure, Verdict};
pub(crate) use file_log::{FileLog, FileLogOptions, FileLogReader};
pub(crate) use object_log::{ObjectLog, ObjectLogOptions};
pub(crate) use wal_objects::WalObjects;

/// What came of an append.
#[derive(Debug)]
pub(crate) enum Append {
    /// The record stands in the log and is durable.
    Appended,
    /// Another record stands there, or this one, if it was sent more than once.
    Lost {
        /// The records behind `expected`, as far as the answer had them; it may have none.
        told: Vec<Record>,
        /// It is known that the record stands nowhere: it was sent once, and refused.
        is_certain: bool,
    },
    /// The record may stand there or land later. Only what stands at its number decides (R3).
    Unclear(Error),
    /// The record does not stand there and never will.
    Refused(Error),
    /// Nothing was sent, since one of those who wait for the record has gone (see [`Senders`]).
    Withdrawn,
    /// The log has gone on without this process for so long that the record may have been stored where another one had
    /// been removed. The newest manifest has to be looked at, and the record's successor decides (R15).
    Behind,
}

/// Reading a log, which any number of processes may do at once.
#[async_trait]
pub(crate) trait LogReader: Send + Sync {
    /// The records after `after`, in order, up to the end of the log as it is met: one round trip to where the log is
    /// kept if there are none. Whoever drops nothing of the stream has then seen the newest record.
    ///
    /// # Errors
    /// In the stream: `Compacted` when records after `after` are gone, or may be, so that the newest manifest has to be
    /// looked at; `Corrupt` when the chain is broken.
    fn read(&self, after: Position) -> BoxStream<'_, Result<Record, Error>>;

    /// The same where many records are expected, and where one that is missing before others must not go unnoticed.
    fn replay(&self, after: Position) -> BoxStream<'_, Result<Record, Error>> {
        self.read(after)
    }

    /// The records from number `seq` on, or from the oldest that is kept, up to the end of the log as it is met.
    ///
    /// Where records are objects, their chain is left to the caller: see [`chained`].
    fn read_from(&self, seq: u64) -> BoxStream<'_, Result<Record, Error>>;

    /// As [`LogReader::read`], and then each record as it comes, for ever. What this handle itself appends may be
    /// left out.
    fn tail(&self, after: Position) -> BoxStream<'_, Result<Record, Error>>;
}

/// Those whose commits are in a record. Until it is sent they may change their minds, however long the log has to wait before.
pub(crate) trait Senders: Sync {
    /// Called right before the record is sent, each time. `false` when somebody has gone: it must not be sent then.
    fn may_send(&self) -> bool;

    /// Called when it is known that the record stands nowhere and never will.
    fn sent_in_vain(&self);
}

/// A record that nobody takes back.
impl Senders for () {
    fn may_send(&self) -> bool {
        true
    }

    fn sent_in_vain(&self) {}
}

/// Writing to a log.
#[async_trait]
pub(crate) trait Log: LogReader {
    /// Appends `record`, encoded for `position`, if `expected` is the newest position (R2). One append is in flight
    /// at a time.
    async fn append(
        &self,
        expected: Position,
        position: Position,
        record: Bytes,
        senders: &dyn Senders,
    ) -> Append;

    /// Does what the log would rather not do within an append; called after the append's callers have their answer.
    async fn tidy(&self);

    /// Whether a number above the head at which this handle has nothing in flight can never be taken by a record of
    /// an earlier handle.
    fn absence_is_final(&self) -> bool;

    /// How long a process must have known a manifest that covers a record before it may remove the record (R16).
    fn removal_delay(&self) -> Duration;

    /// Removes what only holds records at or before `up_to`, oldest first, and returns how many files went.
    async fn truncate(&self, up_to: Position) -> Result<u64, Error>;

    /// How long an unclear append is sent again before its callers are told that its outcome is unknown.
    fn unclear_timeout(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Completes once every record up to `up_to` is where data files are, or where they are read from if the log is lost
    /// (R8). There is nothing to do for a log that keeps its records there.
    ///
    /// # Errors
    /// `Unavailable` when the object storage does not answer.
    async fn store(&self, _up_to: Position) -> Result<(), Error> {
        Ok(())
    }

    /// Up to where the log is on the object storage, if it is elsewhere first.
    fn flushed(&self) -> Option<Position> {
        None
    }

    /// Data files hold everything up to `covered` now.
    fn note_covered(&self, _covered: Position) {}

    /// How long the log stays sealed before this process begins the next epoch: whoever sealed it may be gone.
    fn seal_age_max(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Brings what is left to do to its end when the process lets go of the log.
    async fn close(&self) {}
}

/// Whether `next` follows the record at `before`.
pub(crate) fn follows(before: Position, next: &Record) -> bool {
    let is_chained = next.predecessor == before.record || mutation::is("skip-the-record-id-check");
    next.position.seq == before.seq + 1 && is_chained
}

/// `records` of [`LogReader::read_from`] up to the first that does not follow the one before it, which is an error.
///
/// It is none where data files hold everything up to `covered`, as of then, and nothing is missing behind that. What lies there
/// may have been removed meanwhile, and may be a stray: a record that a process which was stopped for long has stored where
/// another one had been removed (R15). A record counts there if the one behind it follows it.
pub(crate) fn chained<'a>(
    records: BoxStream<'a, Result<Record, Error>>,
    covered: impl Fn() -> Position + Send + 'a,
) -> BoxStream<'a, Result<Record, Error>> {
    let mut last: Option<Position> = None;
    let checked = records.map(move |record| {
        let record = record?;
        match last.replace(record.position) {
            Some(before)
                if !follows(before, &record) && record.position.seq > covered().seq + 1 =>
            {
                Err(does_not_follow(before, record.position))
            }
            _ => Ok(record),
        }
    });
    checked.boxed()
}

pub(crate) fn does_not_follow(before: Position, next: Position) -> Error {
    Error::corrupt(format!(
        "record {} of epoch {} does not follow record {} ({})",
        next.seq, next.epoch, before.seq, before.record
    ))
}
