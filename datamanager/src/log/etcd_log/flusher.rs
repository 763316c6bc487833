//! Copying the log to the object storage, so that etcd can be lost (R12).

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};
use ost::{Create, ObjectPath};

use super::chain::OBJECT_RECORDS_MAX;
use super::client::Failure;
use super::held::HeldRecord;
use super::keys::Flushed;
use super::{Condition, Inner, lock};
use crate::failpoint;
use crate::mutation;
use crate::wal_file::{self, ChainStart, WAL_FILE_HEADER_BYTES};
use crate::{Error, ErrorKind, Position};

/// Bytes of records in one object, about.
const OBJECT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// A process that has not registered first flushes only what has been held for so many times as long.
const STAND_IN_FACTOR: u32 = 5;
const FAILURE_DELAY: Duration = Duration::from_secs(1);
/// How often `flushed` is put anew after others have.
const ATTEMPTS_MAX: u32 = 3;

impl Inner {
    /// Flushes what is due until the log is let go.
    pub(super) async fn run_flusher(&self) {
        let mut stopping = self.stopping.subscribe();
        let mut changed = self.held.watch();
        let mut has_failed = false;
        while !*stopping.borrow() {
            changed.borrow_and_update();
            let wait = self.time_until_due();
            if wait.is_zero() {
                match self.flush_once().await {
                    Ok(()) => has_failed = false,
                    Err(error) => {
                        if !has_failed {
                            log::warn!(
                                instance = self.instance;
                                "records are in etcd alone for now, and are flushed when that is possible: {}", error.chain()
                            );
                        }
                        has_failed = true;
                        let stopped = async { drop(stopping.changed().await) };
                        self.within(FAILURE_DELAY, stopped).await;
                    }
                }
                continue;
            }
            let woken = async {
                let changed = std::pin::pin!(changed.changed());
                let stopped = std::pin::pin!(stopping.changed());
                // An error means that nobody is left who could tell.
                let _ = futures::future::select(changed, stopped).await;
            };
            self.within(wait, woken).await;
        }
    }

    /// How long the records that are held can wait.
    fn time_until_due(&self) -> Duration {
        const IDLE: Duration = Duration::from_secs(3_600);
        let amount = self.held.amount();
        let Some(since) = amount.oldest_since else {
            return IDLE;
        };
        if matches!(self.condition(), Condition::Lost | Condition::Failed(..)) {
            return FAILURE_DELAY; // the recovery brings them there, and nothing else may
        }
        if amount.is_wanted {
            return Duration::ZERO;
        }
        let factor = if self.session.is_first() {
            1
        } else {
            STAND_IN_FACTOR
        };
        if amount.bytes >= self.settings.flush_bytes * u64::from(factor) {
            return Duration::ZERO;
        }
        let held = self.now().saturating_sub(since);
        (self.settings.flush_interval * factor).saturating_sub(held)
    }

    /// Brings the oldest records that are held to the object storage, behind what it has.
    pub(super) async fn flush_once(&self) -> Result<(), Error> {
        if !self.knows_end() {
            self.confirm_end().await?;
        }
        let records_max = usize::try_from(OBJECT_RECORDS_MAX).unwrap_or(usize::MAX);
        let (stored, records) = self.held.next(records_max, OBJECT_BYTES_MAX);
        let Some(last) = records.last().map(|record| record.position) else {
            return Ok(());
        };
        let first_seq = stored.seq + 1;
        let content = self.encode(first_seq, &records);
        let path = ObjectPath::parse(&self.objects.key(first_seq))?;
        let began = self.now();
        let created = self.ost.create(&path, content).await?;
        if !self.knows_end()
            && !self
                .fits_still(first_seq..=last.seq, created, &path)
                .await?
        {
            return Ok(());
        }
        let end = match created {
            Create::Created => last,
            Create::Exists => match self.found_instead(stored, &records).await? {
                Some(end) => end,
                None => return Ok(()),
            },
        };
        failpoint::pass("flush-object-created");
        *lock(&self.end_known_at) = Some(began);
        self.held.note_stored(end)?;
        // Whoever does not see it flushes again, and finds the object.
        if !matches!(self.condition(), Condition::Lost)
            && let Err(error) = self.put_flushed(end).await
        {
            log::debug!(instance = self.instance; "etcd does not show what has been flushed: {}", error.chain());
        }
        failpoint::pass("flushed-noted");
        self.trim().await;
        Ok(())
    }

    /// Whether this process knows where the log ends on the object storage. A collector removes an object only after it has known
    /// for twice as long that data files cover it, so nothing behind that end can have come and gone.
    fn knows_end(&self) -> bool {
        let known_at = *lock(&self.end_known_at);
        known_at.is_some_and(|at| self.now().saturating_sub(at) < self.settings.head_confirm_max)
            || mutation::is("flush-without-knowing-the-end")
    }

    /// Looks where the log ends on the object storage: after a pause others may have gone on, and a collector have removed what
    /// would be written once more here, with records behind it that nobody would look for there.
    async fn confirm_end(&self) -> Result<(), Error> {
        let began = self.now();
        let (manifest, _) = self.newest_manifest().await?;
        let end = match manifest.covered.seq <= self.held.stored().seq {
            true => self.chain_end().await?,
            false => self.walk_chain().await?,
        };
        self.note_end(&end);
        *lock(&self.end_known_at) = Some(began);
        Ok(())
    }

    /// Whether what was created at `path` with these records, or found there, is a part of the log, though it took so long that
    /// the log may have gone on meanwhile.
    async fn fits_still(
        &self,
        records: RangeInclusive<u64>,
        created: Create,
        path: &ObjectPath,
    ) -> Result<bool, Error> {
        match created {
            Create::Exists => Ok(false), // it may be what another process has left there in the same way
            Create::Created => {
                let covered = self.newest_manifest().await?.0.covered.seq;
                // Where data files have only a part of it, others may have read it, and have gone on behind it.
                if covered >= *records.end() {
                    self.ost.delete(path).await?;
                }
                Ok(covered < *records.start())
            }
        }
    }

    fn encode(&self, first_seq: u64, records: &[HeldRecord]) -> Bytes {
        let bytes: usize = records.iter().map(|record| record.bytes.len()).sum();
        let mut content = BytesMut::with_capacity(WAL_FILE_HEADER_BYTES + bytes);
        content.put_slice(&wal_file::encode_header(self.epoch, first_seq));
        for record in records {
            content.put_slice(&record.bytes);
        }
        content.freeze()
    }

    /// Somebody has flushed there before: goes on behind the last record of the object, if it is of the same chain.
    async fn found_instead(
        &self,
        stored: Position,
        records: &[HeldRecord],
    ) -> Result<Option<Position>, Error> {
        let start = ChainStart::After(stored);
        let Some(found) = self.objects.get(stored.seq + 1, start).await? else {
            return Ok(None); // removed meanwhile: it is covered
        };
        for (found, own) in found.iter().zip(records) {
            if found.position.record != own.position.record {
                let from = own.position.seq;
                self.keep_fork(records.iter().filter(|record| record.position.seq >= from))
                    .await?;
                self.suspect("the object storage has another record than the log");
                return Err(Error::corrupt(format!(
                    "the object storage has record {} at number {from}, and this process has record {}",
                    found.position.record, own.position.record
                )));
            }
        }
        Ok(found.last().map(|record| record.position))
    }

    /// Keeps records that do not fit behind what the object storage has, for people to look at: nothing reads them.
    pub(super) async fn keep_fork<'a>(
        &self,
        records: impl Iterator<Item = &'a HeldRecord>,
    ) -> Result<(), Error> {
        let records: Vec<HeldRecord> = records.cloned().collect();
        let Some(first) = records.first().map(|record| record.position) else {
            return Ok(());
        };
        let key = format!(
            "recovery/fork-{:010}-{:020}-{}.wal",
            self.epoch, first.seq, first.record
        );
        let content = self.encode(first.seq, &records);
        let path = ObjectPath::parse(&key)?;
        if let Create::Created = self.ost.create(&path, content).await? {
            log::error!(
                instance = self.instance, path = key, records = records.len();
                "records from {first} on are on a branch of the log that was given up, and were kept aside"
            );
        }
        Ok(())
    }

    /// Reads what others have flushed.
    pub(super) async fn note_flushed(&self) -> Result<(), Error> {
        let key = self.session.keys.flushed();
        let txn = Txn::new().and_then([TxnOp::get(key.clone(), None)]);
        let answer = self.session.client.txn("read what is flushed", txn).await;
        let responses = answer.map_err(Failure::into_error)?.op_responses();
        if let Some(TxnOpResponse::Get(found)) = responses.first()
            && let Some(kv) = found.kvs().first()
        {
            self.held
                .note_stored(Flushed::decode(&key, kv.value())?.position)?;
        }
        Ok(())
    }

    /// Raises `flushed` in etcd; it never falls.
    async fn put_flushed(&self, end: Position) -> Result<(), Error> {
        let key = self.session.keys.flushed();
        let mut revision = 0;
        for _ in 0..ATTEMPTS_MAX {
            let txn = Txn::new()
                .when([Compare::mod_revision(
                    key.clone(),
                    CompareOp::Equal,
                    revision,
                )])
                .and_then([TxnOp::put(key.clone(), Flushed::new(end).encode(), None)])
                .or_else([TxnOp::get(key.clone(), None)]);
            let answer = self.session.client.txn("note what is flushed", txn).await;
            let answer = answer.map_err(Failure::into_error)?;
            if answer.succeeded() {
                return Ok(());
            }
            let responses = answer.op_responses();
            let Some(TxnOpResponse::Get(found)) = responses.first() else {
                continue;
            };
            let Some(kv) = found.kvs().first() else {
                continue;
            };
            if Flushed::decode(&key, kv.value())?.position.seq >= end.seq {
                return Ok(());
            }
            revision = kv.mod_revision();
        }
        Ok(())
    }

    /// Completes once everything up to `up_to` is on the object storage, which takes `wait_max` at most.
    pub(super) async fn store_up_to(
        &self,
        up_to: Position,
        wait_max: Duration,
    ) -> Result<(), Error> {
        let mut changed = self.held.watch();
        self.held.want(up_to.seq);
        let stored = async {
            while self.held.stored().seq < up_to.seq && changed.changed().await.is_ok() {}
        };
        self.within(wait_max, stored).await;
        let stored = self.held.stored();
        if stored.seq >= up_to.seq {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "the object storage has the log up to record {}, and record {} is waited for",
                stored.seq, up_to.seq
            ),
        ))
    }

    /// Brings everything that is held to the object storage now.
    pub(super) async fn flush_all(&self) -> Result<(), Error> {
        while self.held.amount().oldest_since.is_some() {
            self.flush_once().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
