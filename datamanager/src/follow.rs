//! Following the store: every transaction of the log, in order, for any number of listeners.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, TryStreamExt};
use tokio::sync::watch;

use crate::cursor::Cursor;
use crate::entry_key::{EntryKey, PREVIOUS_TYPE, split_key};
use crate::epoch::EpochCause;
use crate::history::History;
use crate::log::{chained, follows};
use crate::mutation;
use crate::read_view::ReadView;
use crate::recent_records::Next;
use crate::record::{Record, RecordBody, TransactionBody};
use crate::state::Shared;
use crate::{Error, ErrorKind, Position, Timestamp};

/// Records that a listener reads from the log at once, when it is too far behind for those in memory.
const BATCH_RECORDS_MAX: usize = 256;
/// Log bytes of such records, at most, unless a single one has more.
const BATCH_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One transaction as a listener gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FollowedTransaction {
    /// Behind this transaction: a listener that goes on from here gets the next one first.
    pub cursor: Cursor,
    /// The position of its record.
    pub position: Position,
    /// Which transaction of the record it is, counted from 0.
    pub index: u32,
    /// The writer's time.
    pub time: Timestamp,
    /// What it writes, by type and id.
    pub writes: Vec<FollowedWrite>,
    /// What was logged of the documents that the transaction changes, as they were before.
    pub(crate) previous: BTreeMap<EntryKey, Bytes>,
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FollowedWrite {
    /// The data type.
    pub data_type: String,
    /// The id within the type.
    pub id: String,
    /// The bytes stored; `None` for a delete.
    pub value: Option<Bytes>,
    /// From when on the entry is gone, if it expires.
    pub expires_at: Option<Timestamp>,
}

/// A listener: the transactions behind a cursor, and each that comes, whole and in the order of the log.
///
/// None is skipped, however slow the listener is: what memory no longer holds is read from the log. It holds up nobody.
/// It does not keep the store open.
///
/// # Invariant
/// `records` are the records to deliver next: consecutive, the first either behind the cursor's or, where the cursor is within
/// a record, that one.
pub struct Follow {
    shared: Arc<Shared>,
    history: History,
    applied: watch::Receiver<u64>,
    cursor: Cursor,
    records: VecDeque<Arc<Record>>,
    /// Where the log of an epoch begins, which never changes.
    known_base: Option<(u32, Position)>,
    ended: Option<Ended>,
}

/// The error that ended a listener.
struct Ended {
    kind: ErrorKind,
    message: String,
    base: Option<Position>,
}

impl Ended {
    fn error(&self) -> Error {
        match self.base {
            Some(base) => Error::diverged(self.message.clone(), base),
            None => Error::new(self.kind, self.message.clone()),
        }
    }
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Follow")
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

impl Follow {
    pub(crate) fn new(shared: Arc<Shared>, history: History, cursor: Cursor) -> Follow {
        Follow {
            applied: shared.watch_applied(),
            shared,
            history,
            cursor,
            records: VecDeque::new(),
            known_base: None,
            ended: None,
        }
    }

    /// Behind everything delivered so far.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The next transaction; waits until there is one. Transactions that write nothing are left out.
    ///
    /// # Cancel safety
    /// A call that is dropped has skipped nothing.
    ///
    /// # Errors
    /// `Compacted` when the log behind the cursor is gone, `Diverged` when the cursor is on a branch of the log that was given
    /// up or before an import, `Unavailable` when the store was closed or the log cannot be read. Each further call gives an
    /// equal error; after `Unavailable` another listener can go on from [`Follow::cursor`].
    pub async fn next(&mut self) -> Result<FollowedTransaction, Error> {
        loop {
            if let Some(transaction) = self.next_or_moved().await? {
                return Ok(transaction);
            }
        }
    }

    /// The same; `None` when the cursor has moved on over records that write nothing.
    pub(crate) async fn next_or_moved(&mut self) -> Result<Option<FollowedTransaction>, Error> {
        let before = self.cursor;
        loop {
            if let Some(ended) = &self.ended {
                return Err(ended.error());
            }
            if let Some(transaction) = self.take_transaction() {
                return Ok(Some(transaction));
            }
            if self.cursor != before {
                return Ok(None);
            }
            if let Err(error) = self.advance().await {
                self.ended = Some(Ended {
                    kind: error.kind(),
                    message: error.chain(),
                    base: error.base(),
                });
            }
        }
    }

    /// Goes back to a cursor that it had before.
    pub(crate) fn rewind(&mut self, cursor: Cursor) {
        self.records.clear();
        self.cursor = cursor;
    }

    /// The transactions as a stream, which ends behind the first error.
    pub fn into_stream(
        self,
    ) -> impl Stream<Item = Result<FollowedTransaction, Error>> + Send + Unpin {
        Box::pin(futures::stream::unfold(Some(self), |follow| async move {
            let mut follow = follow?;
            match follow.next().await {
                Ok(transaction) => Some((Ok(transaction), Some(follow))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// The next transaction of the records at hand, and the cursor behind it.
    fn take_transaction(&mut self) -> Option<FollowedTransaction> {
        while let Some(record) = self.records.front().cloned() {
            let transactions: &[TransactionBody] = match &record.body {
                RecordBody::Transactions(transactions) => transactions,
                RecordBody::Control(_) => &[],
            };
            let delivered = match self.cursor.record == record.position.record {
                true => self.cursor.delivered,
                false => 0,
            };
            let found = (0u32..)
                .zip(transactions)
                .skip_while(|(index, _)| *index < delivered)
                .map(|(index, transaction)| (index, transaction, visible_writes(transaction)))
                .find(|(_, _, writes)| !writes.is_empty());
            let epoch = record.position.epoch;
            let Some((index, transaction, writes)) = found else {
                self.cursor = Cursor::behind(epoch, record.position);
                self.records.pop_front();
                continue;
            };
            let previous = logged_documents(transaction);
            let is_last = index as usize + 1 == transactions.len();
            if is_last || mutation::is("skip-a-transaction") {
                self.cursor = Cursor::behind(epoch, record.position);
                self.records.pop_front();
            } else {
                self.cursor = Cursor::within(epoch, record.position, index + 1);
            }
            return Some(FollowedTransaction {
                cursor: self.cursor,
                position: record.position,
                index,
                time: record.time,
                writes,
                previous,
            });
        }
        None
    }

    /// Comes one step nearer to the next record. Dropped at any point, it has changed nothing or done the whole step.
    async fn advance(&mut self) -> Result<(), Error> {
        // What is applied from here on wakes the wait below.
        self.applied.borrow_and_update();
        let view = self.shared.view();
        match self.cursor.epoch.cmp(&view.epoch) {
            Ordering::Less => self.advance_in_ended_epoch().await,
            Ordering::Equal => self.advance_in_newest_epoch(&view).await,
            // Another process was further than this one is.
            Ordering::Greater => self.wait().await,
        }
    }

    /// Waits until something has been applied since [`Follow::advance`] began.
    async fn wait(&mut self) -> Result<(), Error> {
        self.check_open()?;
        self.applied
            .changed()
            .await
            .map_err(|_| Error::unavailable("the store has been closed"))
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.shared.failure() {
            Some(error) => Err(error),
            None if self.shared.is_stopping() => {
                Err(Error::unavailable("the store has been closed"))
            }
            None => Ok(()),
        }
    }

    async fn advance_in_newest_epoch(&mut self, view: &ReadView) -> Result<(), Error> {
        let position = self.cursor.position();
        let first_seq = if self.cursor.is_behind_record() {
            match self.shared.recent.after(position) {
                // Readers see a record before its listeners do.
                Next::Record(record) if record.position.seq <= view.position.seq => {
                    self.records.push_back(record);
                    return Ok(());
                }
                Next::Record(_) | Next::NotThere => return self.wait().await,
                Next::Other => return self.give_up_or_wait(self.other_record(position)).await,
                Next::Forgotten => position.seq + 1,
            }
        } else {
            position.seq
        };
        // A record that is not applied may stand in a file, and is not decided.
        if view.position.seq < first_seq {
            return self.wait().await;
        }
        self.check_open()?;
        let base = self.base(view.epoch).await?;
        let open = self.shared.log();
        let covered = || self.shared.view().files.manifest.covered;
        let read_from = |seq| chained(open.log.read_from(seq), covered);
        let batch = &mut self.records;
        match read_batch(self.cursor, batch, base, view.position, read_from).await {
            Ok(()) => Ok(()),
            Err(error) => self.give_up_or_wait(error).await,
        }
    }

    fn other_record(&self, base: Position) -> Error {
        other_record(self.cursor, base)
    }

    /// Ends with `error`, unless the log read was already that of a later epoch, whose view is about to come.
    async fn give_up_or_wait(&mut self, error: Error) -> Result<(), Error> {
        if !matches!(
            error.kind(),
            ErrorKind::Compacted | ErrorKind::Diverged | ErrorKind::Corrupt
        ) {
            return Err(error);
        }
        match self.history.next_epoch(self.cursor.epoch).await {
            Ok(_) => self.wait().await,
            Err(absent) if absent.kind() == ErrorKind::NotFound => {
                if error.kind() != ErrorKind::Diverged {
                    return Err(error);
                }
                let base = self.base(self.cursor.epoch).await?;
                Err(self.other_record(base))
            }
            Err(failed) => Err(failed),
        }
    }

    async fn advance_in_ended_epoch(&mut self) -> Result<(), Error> {
        self.check_open()?;
        let epoch = self.cursor.epoch;
        let next = self.history.next_epoch(epoch).await?;
        let is_last = self.cursor.seq == next.base.seq;
        if self.cursor.seq > next.base.seq || (is_last && self.cursor.record != next.base.record) {
            return Err(self.other_record(next.base));
        }
        let imported = || {
            Error::diverged(
                format!(
                    "the data was replaced by an import behind record {}",
                    next.base.seq
                ),
                next.base,
            )
        };
        if is_last && self.cursor.is_behind_record() {
            if next.cause == EpochCause::Import {
                return Err(imported());
            }
            self.cursor.epoch = epoch + 1;
            return Ok(());
        }
        let base = self.base(epoch).await?;
        let log = self.history.ended_log(epoch);
        // The next epoch began with everything of this one in data files.
        let covered = || next.base;
        let read_from = |seq| chained(log.read_from(seq), covered);
        let batch = &mut self.records;
        match read_batch(self.cursor, batch, base, next.base, read_from).await {
            Ok(()) => Ok(()),
            Err(error)
                if error.kind() == ErrorKind::Compacted && next.cause == EpochCause::Import =>
            {
                Err(imported())
            }
            Err(error) => Err(error),
        }
    }

    /// Where the log of `epoch` begins.
    async fn base(&mut self, epoch: u32) -> Result<Position, Error> {
        if let Some((known, base)) = self.known_base
            && known == epoch
        {
            return Ok(base);
        }
        let base = self.history.base(epoch).await?;
        self.known_base = Some((epoch, base));
        Ok(base)
    }
}

/// Reads the next records of the log that begins after `base`, none behind `end`, to the end of `batch`, each as soon as it is
/// there: a call that is dropped keeps what it has read.
async fn read_batch<'a>(
    cursor: Cursor,
    batch: &mut VecDeque<Arc<Record>>,
    base: Position,
    end: Position,
    read_from: impl Fn(u64) -> BoxStream<'a, Result<Record, Error>>,
) -> Result<(), Error> {
    match read_once(cursor, batch, base, end, &read_from).await {
        // Objects may have been removed while the log was read, which leaves a gap. The second time it begins behind it.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            read_once(cursor, batch, base, end, &read_from).await
        }
        read => read,
    }
}

/// As [`read_batch`], which is `Ok` if any record was read.
async fn read_once<'a>(
    cursor: Cursor,
    batch: &mut VecDeque<Arc<Record>>,
    base: Position,
    end: Position,
    read_from: &impl Fn(u64) -> BoxStream<'a, Result<Record, Error>>,
) -> Result<(), Error> {
    let starts_at_base = cursor.seq == base.seq;
    if starts_at_base && cursor.record != base.record {
        return Err(other_record(cursor, base));
    }
    let gone = |seq: u64| {
        Error::new(
            ErrorKind::Compacted,
            format!("record {seq} is no longer kept in the log"),
        )
    };
    let mut bytes = 0;
    let mut last = cursor.position();
    let mut stream = if starts_at_base {
        read_from(cursor.seq + 1)
    } else {
        let mut stream = read_from(cursor.seq);
        // Only while the cursor's own record stands there is it sure that what follows is what followed it (R15).
        match stream.try_next().await? {
            Some(record) if record.position.seq != cursor.seq => return Err(gone(cursor.seq)),
            None => return Err(gone(cursor.seq)),
            Some(record) if record.position.record != cursor.record => {
                return match stands(record.position, &mut stream, end).await? {
                    true => Err(other_record(cursor, base)),
                    false => Err(gone(cursor.seq)),
                };
            }
            Some(record) if !cursor.is_behind_record() => {
                bytes += record.bytes;
                batch.push_back(Arc::new(record));
            }
            Some(_) => {}
        }
        stream
    };
    // The last record read: the one behind it tells whether it is part of the log, or a stray (R15).
    let mut held: Option<Record> = None;
    while last.seq < end.seq
        && (batch.is_empty() || (batch.len() < BATCH_RECORDS_MAX && bytes < BATCH_BYTES_MAX))
    {
        let record = match stream.try_next().await {
            Ok(Some(record)) => record,
            Ok(None) => break,
            // What was read before counts; the next batch meets the error again.
            Err(_) if !batch.is_empty() => break,
            Err(error) => return Err(error),
        };
        if !follows(last, &record) {
            break;
        }
        last = record.position;
        bytes += record.bytes;
        batch.extend(held.replace(record).map(Arc::new));
    }
    if last == end {
        batch.extend(held.map(Arc::new));
    }
    match batch.is_empty() {
        true => Err(gone(cursor.seq + 1)),
        false => Ok(()),
    }
}

/// Whether the record at `position` is a part of the log that ends with `end`: what stands behind it tells (R15).
async fn stands(
    position: Position,
    behind: &mut BoxStream<'_, Result<Record, Error>>,
    end: Position,
) -> Result<bool, Error> {
    if position.seq == end.seq {
        return Ok(position.record == end.record);
    }
    match behind.try_next().await {
        Ok(Some(next)) => Ok(follows(position, &next)),
        Ok(None) => Ok(false),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(false),
        Err(error) => Err(error),
    }
}

fn other_record(cursor: Cursor, base: Position) -> Error {
    Error::diverged(
        format!(
            "record {} ({}) of epoch {} is not part of the log",
            cursor.seq, cursor.record, cursor.epoch
        ),
        base,
    )
}

/// Documents as they were before the transaction, of types that ask for them to be logged.
fn logged_documents(transaction: &TransactionBody) -> BTreeMap<EntryKey, Bytes> {
    let writes = transaction.writes.iter().filter_map(|write| {
        let (data_type, _) = split_key(&write.key)?;
        let value = write.value.clone()?;
        (data_type == PREVIOUS_TYPE).then(|| (write.key.slice(PREVIOUS_TYPE.len() + 1..), value))
    });
    writes.collect()
}

/// What users have written; internal types begin with `!`.
fn visible_writes(transaction: &TransactionBody) -> Vec<FollowedWrite> {
    let writes = transaction.writes.iter().filter_map(|write| {
        let (data_type, id) = split_key(&write.key)?;
        (!data_type.starts_with('!')).then(|| FollowedWrite {
            data_type: data_type.to_owned(),
            id: String::from_utf8_lossy(id).into_owned(),
            value: write.value.clone(),
            expires_at: write.expires_at,
        })
    });
    writes.collect()
}

/// The cursor before the record of number `seq`.
pub(crate) async fn cursor_before(
    shared: &Shared,
    history: &History,
    seq: u64,
) -> Result<Cursor, Error> {
    let view = shared.view();
    let seq = seq.max(1);
    if seq == view.position.seq + 1 {
        return Ok(Cursor::behind(view.epoch, view.position));
    }
    if seq > view.position.seq {
        return Err(Error::invalid(format!(
            "record {seq} is not there: the newest one is {}",
            view.position.seq
        )));
    }
    let gone = || {
        Error::new(
            ErrorKind::Compacted,
            format!("record {seq} is no longer kept in the log"),
        )
    };
    let mut epoch = view.epoch;
    let mut last = view.position;
    loop {
        let base = history.base(epoch).await?;
        if seq > base.seq {
            break;
        }
        (epoch, last) = (epoch.checked_sub(1).ok_or_else(gone)?, base);
    }
    let open = shared.log();
    let mut records = match epoch == view.epoch {
        true => open.log.read_from(seq),
        false => history.ended_log(epoch).read_from(seq),
    };
    let first = match records.try_next().await? {
        Some(record) if record.position.seq == seq && record.position.epoch == epoch => record,
        _ => return Err(gone()),
    };
    match stands(first.position, &mut records, last).await? {
        true => Ok(Cursor::within(epoch, first.position, 0)),
        false => Err(gone()),
    }
}
