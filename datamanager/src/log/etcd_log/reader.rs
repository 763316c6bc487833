//! Reading the log: from etcd what is there, from the object storage what is not (R1).

use std::sync::atomic::Ordering;

use bytes::Bytes;
use etcd_client::{GetOptions, KeyValue, Txn, TxnOp, TxnOpResponse};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::chain::OBJECT_RECORDS_MAX;
use super::client::Failure;
use super::held::HeldRecord;
use super::keys::{Head, StoredRecord};
use super::recovery::lost;
use super::{Condition, Inner, lock};
use crate::record::{Record, RecordFault};
use crate::{Error, ErrorKind, Position};

/// Records that are asked of etcd at once.
pub(super) const PAGE_RECORDS_MAX: i64 = 100;
/// Bytes of records that are read from the object storage at once, about.
const PAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Some of the log, as etcd and the object storage have it.
pub(super) struct Page {
    pub(super) records: Vec<Record>,
    /// Whether nothing stood behind them.
    pub(super) is_end: bool,
    /// The revision of etcd that this is true of.
    pub(super) revision: i64,
}

/// What etcd says of the log.
pub(super) struct Look {
    pub(super) head: Option<Head>,
    /// The revision of `head`, 0 if there is none.
    pub(super) head_revision: i64,
    pub(super) store: Option<Vec<u8>>,
    pub(super) kvs: Vec<KeyValue>,
    pub(super) revision: i64,
}

pub(super) fn ended(error: String) -> Error {
    Error::new(ErrorKind::Compacted, error)
}

impl Inner {
    /// Reads `head`, `store`, and records from `seq` on, all at one revision. Linearizable.
    pub(super) async fn look(&self, seq: u64, records_max: i64) -> Result<Look, Error> {
        let keys = &self.session.keys;
        let mut operations = vec![
            TxnOp::get(keys.head(), None),
            TxnOp::get(keys.store(), None),
        ];
        if records_max > 0 {
            operations.push(self.get_records(seq, records_max));
        }
        let txn = Txn::new().and_then(operations);
        let answer = self.session.client.txn("read the log", txn).await;
        let answer = answer.map_err(Failure::into_error)?;
        let revision = answer.header().map_or(0, |header| header.revision());
        self.look_of(&answer.op_responses(), revision)
    }

    /// The operation that reads records from `seq` on.
    pub(super) fn get_records(&self, seq: u64, records_max: i64) -> TxnOp {
        let keys = &self.session.keys;
        let options = GetOptions::new()
            .with_range(keys.records_end(self.epoch))
            .with_limit(records_max);
        TxnOp::get(keys.record(self.epoch, seq), Some(options))
    }

    /// What the answers to reading `head`, `store` and records say.
    pub(super) fn look_of(
        &self,
        responses: &[TxnOpResponse],
        revision: i64,
    ) -> Result<Look, Error> {
        let mut found = responses.iter().map(|response| match response {
            TxnOpResponse::Get(found) => found.kvs().to_vec(),
            _ => Vec::new(),
        });
        let head = found.next().unwrap_or_default().into_iter().next();
        let store = found.next().unwrap_or_default().into_iter().next();
        Ok(Look {
            head_revision: head.as_ref().map_or(0, KeyValue::mod_revision),
            head: head
                .map(|kv| Head::decode(&self.session.keys.head(), kv.value()))
                .transpose()?,
            store: store.map(|kv| kv.value().to_vec()),
            kvs: found.next().unwrap_or_default(),
            revision,
        })
    }

    /// # Errors
    /// `Invalid` when etcd holds another store under the prefix.
    pub(super) fn check_store(&self, look: &Look) -> Result<(), Error> {
        match &look.store {
            Some(found) if *found != self.store.to_string().as_bytes() => {
                Err(self.session.foreign(found, self.store))
            }
            _ => Ok(()),
        }
    }

    /// The next records behind `after`.
    pub(super) async fn page(&self, after: Position) -> Result<Page, Error> {
        self.wait_while_lost().await?;
        let look = self.look(after.seq + 1, PAGE_RECORDS_MAX).await?;
        self.check_store(&look)?;
        let Some(head) = look.head else {
            self.suspect("it has no head");
            return Err(Error::unavailable("etcd has lost the log"));
        };
        let page = |records, is_end| Page {
            records,
            is_end,
            revision: look.revision,
        };
        let is_sealed = head.sealed_for == Some(self.epoch + 1);
        let has_begun = head.sealed_for != Some(self.epoch);
        if head.epoch > self.epoch || head.sealed_for.is_some_and(|next| next > self.epoch + 1) {
            return Err(ended(format!(
                "the log of etcd has gone on to epoch {}",
                head.sealed_for.unwrap_or(head.epoch)
            )));
        }
        if has_begun && head.epoch < self.epoch {
            self.suspect("its head is of an older epoch");
            return Err(Error::unavailable("etcd holds an older log"));
        }
        if head.is_at(after) {
            return Ok(page(Vec::new(), true));
        }
        if head.seq <= after.seq {
            if is_sealed {
                return Err(ended(format!(
                    "the log has ended with record {}, and {after} was applied",
                    head.seq
                )));
            }
            self.suspect("its head is behind what was read before");
            return Err(Error::unavailable("etcd has lost the end of the log"));
        }
        if self.is_on_branch(after, &look.kvs)? {
            return Err(self.leave_branch(after).await);
        }
        let records = self.decode_page(after, &look.kvs).await?;
        if let Some(last) = records.last()
            && self.may_apply(last.position.seq).await?
        {
            let is_end = head.is_at(last.position);
            return Ok(page(records, is_end));
        }
        let records = self.page_from_objects(after, &head, is_sealed).await?;
        Ok(page(records, false))
    }

    /// While the log is being recovered nothing is asked, for a while.
    async fn wait_while_lost(&self) -> Result<(), Error> {
        let mut condition = self.condition.subscribe();
        let gone = |condition: &Condition| !matches!(condition, Condition::Lost);
        let recovered = async {
            // An error means that nobody is left who could tell.
            let _ = condition.wait_for(gone).await;
        };
        self.within(self.settings.etcd_recovery_wait, recovered)
            .await;
        match self.condition() {
            Condition::Lost => Err(lost()),
            Condition::Failed(kind, message) => Err(Error::new(kind, message)),
            Condition::Good | Condition::Unchecked => Ok(()),
        }
    }

    /// The records of `kvs` that follow `after` without a gap.
    pub(super) async fn decode_page(
        &self,
        after: Position,
        kvs: &[KeyValue],
    ) -> Result<Vec<Record>, Error> {
        let mut records: Vec<Record> = Vec::with_capacity(kvs.len());
        for kv in kvs {
            let last = records.last().map_or(after, |record| record.position);
            if self.session.keys.seq_of(self.epoch, kv.key()) != Some(last.seq + 1) {
                break;
            }
            match self.decode(last, kv).await? {
                Some(record) => records.push(record),
                None => break,
            }
        }
        Ok(records)
    }

    /// The record in `kv`, which follows `after`; `None` if its transactions are no longer in a blob.
    pub(super) async fn decode(
        &self,
        after: Position,
        kv: &KeyValue,
    ) -> Result<Option<Record>, Error> {
        let key = String::from_utf8_lossy(kv.key()).into_owned();
        let value = Bytes::copy_from_slice(kv.value());
        let (bytes, inline) = match StoredRecord::decode(&key, value)? {
            StoredRecord::Inline(bytes) => {
                let inline = bytes.len() as u64;
                (bytes, inline)
            }
            StoredRecord::Pointer(pointer) => match self.blobs.read(&pointer).await? {
                Some(bytes) => (bytes, 0),
                None => return Ok(None),
            },
        };
        let record = Record::decode(&bytes).map_err(|fault| fault_in(&key, fault))?;
        self.check_follows(&key, &record, after)?;
        self.note_record(&record, bytes, inline);
        Ok(Some(record))
    }

    fn check_follows(&self, key: &str, record: &Record, after: Position) -> Result<(), Error> {
        let position = record.position;
        if record.store != self.store
            || position.epoch != self.epoch
            || position.seq != after.seq + 1
            || record.predecessor != after.record
        {
            return Err(Error::corrupt(format!(
                "key {key:?} of etcd holds record {position} of store {}, which follows record {}: record {} of epoch {} of \
                 store {} was expected, behind record {}",
                record.store,
                record.predecessor,
                after.seq + 1,
                self.epoch,
                self.store,
                after.record
            )));
        }
        Ok(())
    }

    /// Holds a record that stands in etcd until it is on the object storage too.
    pub(super) fn note_record(&self, record: &Record, bytes: Bytes, inline: u64) {
        if self.read_only {
            return;
        }
        lock(&self.budget).add(record.position.seq, inline);
        let held = HeldRecord {
            position: record.position,
            predecessor: record.predecessor,
            bytes,
        };
        self.held.push(held, self.now());
    }

    /// The next records behind `after`, which etcd no longer has.
    async fn page_from_objects(
        &self,
        after: Position,
        head: &Head,
        is_sealed: bool,
    ) -> Result<Vec<Record>, Error> {
        let mut found = self.objects.read_from(after.seq + 1);
        let mut records: Vec<Record> = Vec::new();
        let mut bytes = 0;
        while bytes < PAGE_BYTES_MAX
            && (records.len() as u64) < OBJECT_RECORDS_MAX
            && let Some(record) = found.try_next().await?
        {
            let last = records.last().map_or(after, |record| record.position);
            if record.position.seq > head.seq || record.position.seq != last.seq + 1 {
                break;
            }
            if record.predecessor != last.record {
                if records.is_empty() && self.is_followed.load(Ordering::SeqCst) {
                    return Err(self.leave_branch(after).await);
                }
                let what = format!(
                    "record {} on the object storage follows record {}, not {}, which was read before",
                    record.position.seq, record.predecessor, last.record
                );
                return Err(match is_sealed {
                    true => ended(what),
                    false => Error::corrupt(what),
                });
            }
            bytes += record.bytes;
            records.push(record);
        }
        let Some(last) = records.last() else {
            return Err(self.missing(after, head).await?);
        };
        if last.position.seq > self.held.stored().seq {
            self.note_end(&self.chain_end().await?);
        }
        Ok(records)
    }

    /// What is to be said of the record behind `after`, which is nowhere.
    async fn missing(&self, after: Position, head: &Head) -> Result<Error, Error> {
        let (manifest, _) = self.newest_manifest().await?;
        let seq = after.seq + 1;
        if manifest.covered.seq >= seq {
            return Ok(ended(format!(
                "record {seq} is gone: data files hold everything up to {}",
                manifest.covered.seq
            )));
        }
        if self.is_superseded.load(Ordering::SeqCst) {
            return Ok(ended(format!(
                "the next epoch has begun, and record {seq} is not on the object storage"
            )));
        }
        // It may have been on its way from the one to the other.
        let found = self.objects.read_from(seq).try_next().await?;
        if found.is_some_and(|record| record.position.seq == seq) {
            return Ok(Error::unavailable(
                "a record was moved while it was read; trying again",
            ));
        }
        Ok(Error::corrupt(format!(
            "record {seq} of epoch {} is neither in etcd nor on the object storage, and the log goes on to record {}",
            self.epoch, head.seq
        )))
    }

    /// The records behind `after`, up to the end of the log as it is met. While etcd is taken to be down it is not asked: whoever
    /// catches up holds up commits, which are to fail fast then. That it is back, its watch and the upkeep find out.
    pub(super) fn read(&self, after: Position) -> BoxStream<'_, Result<Record, Error>> {
        let pages = stream::try_unfold(Some(after), move |after| async move {
            let Some(after) = after else { return Ok(None) };
            if let Some(what) = self.session.client.down() {
                return Err(Error::unavailable(format!("etcd does not answer: {what}")));
            }
            let page = self.page(after).await?;
            let last = page.records.last().map_or(after, |record| record.position);
            let next = (!page.is_end).then_some(last);
            Ok::<_, Error>(Some((page.records, next)))
        });
        pages
            .map_ok(|records| stream::iter(records).map(Ok))
            .try_flatten()
            .boxed()
    }

    /// The records from number `seq` on, or from the oldest that is kept.
    pub(super) fn read_from(&self, seq: u64) -> BoxStream<'_, Result<Record, Error>> {
        let start = async move {
            let stored = self.objects.read_from(seq).try_next().await?;
            let look = self.look(seq, 1).await?;
            let in_etcd = look
                .kvs
                .first()
                .and_then(|kv| self.session.keys.seq_of(self.epoch, kv.key()));
            let from_objects = match (&stored, in_etcd) {
                (Some(stored), Some(in_etcd)) => stored.position.seq <= in_etcd,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let first: BoxStream<'_, Result<Record, Error>> = if from_objects {
                self.objects.read_from(seq)
            } else {
                stream::empty().boxed()
            };
            let last = std::sync::Arc::new(std::sync::Mutex::new(None));
            let note = last.clone();
            let first = first.inspect_ok(move |record: &Record| {
                *lock(&note) = Some(record.position);
            });
            let rest = stream::once(async move {
                let after = *lock(&last);
                let after = match (after, in_etcd) {
                    (Some(after), _) => after,
                    (None, Some(in_etcd)) => self.before(in_etcd).await?,
                    (None, None) => return Ok(stream::empty().boxed()),
                };
                Ok::<_, Error>(self.read(after))
            })
            .try_flatten();
            Ok::<_, Error>(first.chain(rest))
        };
        stream::once(start).try_flatten().boxed()
    }

    /// The position before the record `seq` in etcd.
    async fn before(&self, seq: u64) -> Result<Position, Error> {
        let look = self.look(seq, 1).await?;
        let kv = look
            .kvs
            .first()
            .filter(|kv| self.session.keys.seq_of(self.epoch, kv.key()) == Some(seq));
        let Some(kv) = kv else {
            return Err(ended(format!("record {seq} is no longer in etcd")));
        };
        let key = String::from_utf8_lossy(kv.key()).into_owned();
        let stored = StoredRecord::decode(&key, Bytes::copy_from_slice(kv.value()))?;
        let header = stored.header(&key)?;
        Ok(Position {
            epoch: self.epoch,
            seq: seq - 1,
            record: header.predecessor,
        })
    }
}

fn fault_in(key: &str, fault: RecordFault) -> Error {
    let what = match fault {
        RecordFault::Newer(message) => {
            return Error::invalid(format!("cannot read key {key:?} of etcd: {message}"));
        }
        RecordFault::Incomplete => "the record is cut off",
        RecordFault::Header(what) => what,
        RecordFault::Body(malformed) | RecordFault::Content(malformed) => malformed.what,
    };
    Error::corrupt(format!("key {key:?} of etcd: {what}"))
}
