//! Appending a record: one transaction of etcd (R2).

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{Compare, CompareOp, KeyValue, Txn, TxnOp, TxnOpResponse};

use super::client::Failure;
use super::keys::{BlobPointer, Head};
use super::reader::{Look, PAGE_RECORDS_MAX};
use super::recovery::lost;
use super::{Condition, Inner, lock};
use crate::control::{ControlRecord, Seal};
use crate::log::{Append, Senders};
use crate::mutation;
use crate::record::{Record, RecordBody};
use crate::{Error, ErrorKind, Position};

/// The share of the time between two looks for a recovery after which the next one is taken before a record is sent.
const LOOK_AHEAD: f64 = 0.75;
/// How often an append is sent whose process had to be registered anew.
const ATTEMPTS_MAX: u32 = 3;

/// A record on its way.
struct Sent {
    expected: Position,
    position: Position,
    record: Bytes,
    /// The value of its key.
    value: Vec<u8>,
    /// Bytes of it that etcd has to hold.
    inline: u64,
    /// The epoch that is to begin behind it, if it is a seal.
    sealed_for: Option<u32>,
}

/// What one attempt has shown.
enum Attempt {
    Done(Append),
    /// This process's registration is not what it was.
    NotRegistered,
}

impl Inner {
    pub(super) async fn append(
        &self,
        expected: Position,
        position: Position,
        record: Bytes,
        senders: &dyn Senders,
    ) -> Append {
        if self.read_only {
            return Append::Refused(Error::invalid("the store is open read-only"));
        }
        let is_resent = *lock(&self.unclear) == Some(position.record);
        let appended = self.try_append(expected, position, record, senders).await;
        let appended = match appended {
            // What was sent before may still land, so it is asked again until it is known.
            Append::Refused(error) if is_resent => Append::Unclear(error),
            Append::Lost { told, is_certain } => Append::Lost {
                told,
                is_certain: is_certain && !is_resent,
            },
            appended => appended,
        };
        let is_unclear = matches!(appended, Append::Unclear(_));
        *lock(&self.unclear) = is_unclear.then_some(position.record);
        if matches!(appended, Append::Appended) {
            self.blobs.forget_uploaded();
        }
        appended
    }

    async fn try_append(
        &self,
        expected: Position,
        position: Position,
        record: Bytes,
        senders: &dyn Senders,
    ) -> Append {
        self.turns.wait().await;
        for _ in 0..ATTEMPTS_MAX {
            if let Err(error) = self.wait_until_good().await {
                return Append::Refused(error);
            }
            let (value, inline) = match self.value_of(position, &record).await {
                Ok(value) => value,
                Err(error) => return Append::Refused(error),
            };
            let sent = Sent {
                expected,
                position,
                value,
                inline,
                sealed_for: sealed_for(&record),
                record: record.clone(),
            };
            // Rather now than when the record is on its way, and its callers have to be told that nothing is known. Who has seen
            // a recovery, and may have told the others where its log ends, appends nothing more to it.
            if self.look_if_due(LOOK_AHEAD).await
                && let Err(error) = self.wait_until_good().await
            {
                return Append::Refused(error);
            }
            if !senders.may_send() {
                return Append::Withdrawn;
            }
            match self.send(&sent).await {
                Attempt::Done(appended) => return self.acknowledge(appended).await,
                Attempt::NotRegistered => self.suspect("this process is not registered any more"),
            }
        }
        Append::Refused(Error::unavailable(
            "this process cannot be registered in etcd",
        ))
    }

    /// Waits for a check that is due, not for long.
    async fn wait_until_good(&self) -> Result<(), Error> {
        if let Some(what) = self.session.client.down() {
            return Err(Error::unavailable(format!("etcd does not answer: {what}")));
        }
        if self.checked_outages.load(Ordering::SeqCst) != self.session.client.outages() {
            self.suspect("it did not answer for a while");
        }
        let mut condition = self.condition.subscribe();
        let settled = |condition: &Condition| !matches!(condition, Condition::Unchecked);
        let checked = async {
            // An error means that nobody is left who could check.
            let _ = condition.wait_for(settled).await;
        };
        self.within(self.session.client.options.request_timeout, checked)
            .await;
        match self.condition() {
            Condition::Good => Ok(()),
            Condition::Unchecked => Err(Error::unavailable(
                "it is not known yet whether etcd still holds the log",
            )),
            Condition::Lost => Err(lost()),
            Condition::Failed(kind, message) => Err(Error::new(kind, message)),
        }
    }

    /// The value of the record's key: the record, or where it is (R9, R12).
    async fn value_of(&self, position: Position, record: &Bytes) -> Result<(Vec<u8>, u64), Error> {
        let bytes = record.len() as u64;
        let used = lock(&self.budget).used(self.now(), self.history_max());
        let fits = used + bytes <= self.settings.inline_budget_bytes;
        // A control record is small, and is what makes room.
        let is_control = matches!(header_kind(record), Some(HeaderKind::Control));
        if is_control || (record.len() <= self.settings.wal_inline_bytes_max && fits) {
            return Ok((record.to_vec(), bytes));
        }
        let pointer = self.upload(position, record, fits).await;
        let pointer = pointer.map_err(|error| match fits {
            true => error,
            false => Error::unavailable(format!(
                "etcd holds {used} bytes of records that are not in data files yet, {} are allowed, and the object storage \
                 takes none",
                self.settings.inline_budget_bytes
            ))
            .with_source(error),
        })?;
        let value = pointer.encode();
        Ok((value, 0))
    }

    /// Puts the transactions of a record to a blob, which takes less time than their callers wait: nothing has been sent to etcd
    /// yet, and so they can be told that they are not committed. Where it is the object storage that holds up everything, those
    /// that wait behind this record get a turn as well.
    async fn upload(
        &self,
        position: Position,
        record: &Bytes,
        fits: bool,
    ) -> Result<BlobPointer, Error> {
        let wait_max = self.settings.commit_timeout / if fits { 2 } else { 3 };
        let mut uploaded = None;
        let uploading = async { uploaded = Some(self.blobs.upload(position, record).await) };
        self.within(wait_max, uploading).await;
        uploaded.unwrap_or_else(|| {
            Err(Error::unavailable(format!(
                "the object storage has not taken the content of a record within {wait_max:?}"
            )))
        })
    }

    /// How far etcd's history goes back, at most: it is compacted once in an interval, to what it was one interval before.
    fn history_max(&self) -> Duration {
        const BY_OPERATOR: Duration = Duration::from_secs(600);
        match self.settings.etcd_compaction_interval {
            Duration::ZERO => BY_OPERATOR,
            interval => interval * 2,
        }
    }

    async fn send(&self, sent: &Sent) -> Attempt {
        let keys = &self.session.keys;
        let (head, own) = (keys.head(), keys.instance(&self.instance));
        let new_head = match sent.sealed_for {
            Some(next_epoch) => Head::sealed(sent.position, next_epoch),
            None => Head::open(self.epoch, sent.position),
        };
        let registration = self.session.registration.lock().await;
        let Some(registered) = registration.mod_revision else {
            return Attempt::NotRegistered;
        };
        let mut compares = vec![
            Compare::value(
                head.clone(),
                CompareOp::Equal,
                Head::open(self.epoch, sent.expected).encode(),
            ),
            Compare::mod_revision(own.clone(), CompareOp::Equal, registered),
        ];
        if mutation::is("append-without-compare") {
            compares.remove(0);
        }
        if mutation::is("append-unregistered") {
            compares.truncate(1);
        }
        let txn = Txn::new()
            .when(compares)
            .and_then([
                TxnOp::put(head.clone(), new_head.encode(), None),
                TxnOp::put(
                    keys.record(self.epoch, sent.position.seq),
                    sent.value.clone(),
                    None,
                ),
            ])
            .or_else([
                TxnOp::get(head, None),
                TxnOp::get(keys.store(), None),
                self.get_records(sent.expected.seq + 1, PAGE_RECORDS_MAX),
                TxnOp::get(own, None),
            ]);
        let began = self.now();
        let answer = self.session.client.txn("append a record", txn).await;
        drop(registration);
        let append_time = self.now().saturating_sub(began);
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failure::Unclear(error)) => return Attempt::Done(Append::Unclear(error)),
            Err(Failure::Refused(error)) => {
                return Attempt::Done(self.settle_refused(sent, error).await);
            }
        };
        if answer.succeeded() {
            self.turns.won(append_time);
            self.note_appended(sent);
            return Attempt::Done(Append::Appended);
        }
        let responses = answer.op_responses();
        let revision = answer.header().map_or(0, |header| header.revision());
        let is_registered = matches!(
            responses.get(3),
            Some(TxnOpResponse::Get(found))
                if found.kvs().first().is_some_and(|kv| kv.mod_revision() == registered)
        );
        let look = match self.look_of(&responses, revision) {
            Ok(look) => look,
            Err(error) => return Attempt::Done(Append::Refused(error)),
        };
        let has_moved = look
            .head
            .as_ref()
            .is_some_and(|head| !head.is_at(sent.expected) || head.sealed_for.is_some());
        if !is_registered || !has_moved {
            return Attempt::NotRegistered;
        }
        self.turns.lost(append_time);
        // What was told is old after a wait.
        let told = match self.turns.wait_after_loss().await {
            true => Vec::new(),
            false => self.told(sent, look).await,
        };
        Attempt::Done(Append::Lost {
            told,
            is_certain: true,
        })
    }

    /// The records that stand in the way of `sent`, up to one whose transactions are in a blob: the committer reads on from there,
    /// which may take long, when its callers know better than to wait for this record.
    async fn told(&self, sent: &Sent, look: Look) -> Vec<Record> {
        let is_blob = |kv: &KeyValue| BlobPointer::is_in(kv.value());
        let count = look.kvs.iter().position(is_blob);
        let inline = &look.kvs[..count.unwrap_or(look.kvs.len())];
        let decoded = self.decode_page(sent.expected, inline).await;
        let last_seq = decoded
            .as_ref()
            .ok()
            .and_then(|records| records.last())
            .map(|last| last.position.seq);
        if let Some(seq) = last_seq
            && !self.may_apply(seq).await.unwrap_or(false)
        {
            return Vec::new(); // the committer reads again, and is told why
        }
        match decoded {
            Ok(records) => records,
            // The committer reads again, and meets it there.
            Err(error) => {
                log::warn!(instance = self.instance; "what stands in etcd cannot be read: {}", error.chain());
                Vec::new()
            }
        }
    }

    /// What came of a record that etcd has refused. etcd may answer "no space" to what it has carried out, so that it is asked;
    /// nothing is on its way any more.
    async fn settle_refused(&self, sent: &Sent, error: Error) -> Append {
        if error.kind() == ErrorKind::Invalid {
            return Append::Refused(error);
        }
        match self.look(sent.expected.seq + 1, 1).await {
            Ok(look) => match &look.head {
                Some(head) if head.is_at(sent.expected) => Append::Refused(error),
                Some(head) if head.is_at(sent.position) => {
                    self.note_appended(sent);
                    Append::Appended
                }
                // It may have been carried out, and others after it.
                _ => Append::Lost {
                    told: self.told(sent, look).await,
                    is_certain: false,
                },
            },
            Err(_) => Append::Unclear(error),
        }
    }

    fn note_appended(&self, sent: &Sent) {
        self.appended_seq
            .fetch_max(sent.position.seq, Ordering::SeqCst);
        lock(&self.budget).add(sent.position.seq, sent.inline);
        let held = super::held::HeldRecord {
            position: sent.position,
            predecessor: sent.expected.record,
            bytes: sent.record.clone(),
        };
        self.held.push(held, self.now());
    }

    /// Looks for a recovery if that share of the time between two looks is over, and says whether it was.
    async fn look_if_due(&self, share: f64) -> bool {
        let is_due = self.is_look_due(share) && !mutation::is("acknowledge-without-looking");
        if is_due {
            self.look_for_recovery().await;
        }
        is_due
    }

    /// Before callers are told, it has to be known that nobody recovers the log (R11).
    async fn acknowledge(&self, appended: Append) -> Append {
        if !matches!(appended, Append::Appended) {
            return appended;
        }
        self.look_if_due(1.0).await;
        if self.is_superseded.load(Ordering::SeqCst) {
            return Append::Unclear(Error::unavailable(
                "the next epoch has begun, and it is not known yet whether this etcd is a part of it",
            ));
        }
        match self.condition() {
            Condition::Lost | Condition::Failed(..) => Append::Unclear(Error::unavailable(
                "another process recovers the log, as etcd has lost it",
            )),
            Condition::Good | Condition::Unchecked => appended,
        }
    }
}

enum HeaderKind {
    Transactions,
    Control,
}

/// What kind of record this is, by its header.
fn header_kind(record: &Bytes) -> Option<HeaderKind> {
    match record.get(5) {
        Some(1) => Some(HeaderKind::Transactions),
        Some(2) => Some(HeaderKind::Control),
        _ => None,
    }
}

/// The epoch that is to begin behind the record, if it is a seal.
fn sealed_for(record: &Bytes) -> Option<u32> {
    let Some(HeaderKind::Control) = header_kind(record) else {
        return None;
    };
    match Record::decode(record).ok()?.body {
        RecordBody::Control(ControlRecord::Seal(Seal { next_epoch, .. })) => Some(next_epoch),
        _ => None,
    }
}
