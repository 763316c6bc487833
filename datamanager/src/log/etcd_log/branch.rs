//! A log that has gone on without what this process has seen of it: etcd went back to an older backup, and others have appended
//! to it since (R10).
//!
//! The log is what etcd holds, as long as it is not behind the object storage. What this process holds is kept aside, and it
//! begins anew.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use etcd_client::KeyValue;
use futures::TryStreamExt;

use super::Inner;
use super::held::HeldRecord;
use super::keys::{Head, StoredRecord};
use super::reader::{PAGE_RECORDS_MAX, ended};
use crate::{Error, Position, RecordId};

impl Inner {
    /// Whether the record that etcd has behind `after`, which was applied, follows another one.
    pub(super) fn is_on_branch(&self, after: Position, kvs: &[KeyValue]) -> Result<bool, Error> {
        if !self.is_followed.load(Ordering::SeqCst) {
            return Ok(false); // it is damage
        }
        let next = kvs.first();
        let next = next.filter(|kv| self.seq_of(kv) == Some(after.seq + 1));
        let Some(next) = next else {
            return Ok(false);
        };
        let key = String::from_utf8_lossy(next.key()).into_owned();
        let stored = StoredRecord::decode(&key, Bytes::copy_from_slice(next.value()))?;
        let header = stored.header(&key)?;
        Ok(header.store == self.store && header.predecessor != after.record)
    }

    /// What is said of a log that does not go on behind `after`: the newest manifest tells how it does. If it is etcd that has
    /// lost something, it is recovered from first.
    pub(super) async fn leave_branch(&self, after: Position) -> Error {
        match Box::pin(self.check()).await {
            Ok(()) => ended(format!(
                "record {} in the log does not follow {after}, which was applied before etcd went back",
                after.seq + 1
            )),
            Err(error) => error,
        }
    }

    /// Keeps aside, and holds no longer, what is not in the log that ends with `head`.
    pub(super) async fn keep_branch(&self, head: &Head) -> Result<(), Error> {
        let (stored, held) = self.held.next(usize::MAX, u64::MAX);
        let Some(last) = held.last().map(|record| record.position) else {
            return Ok(());
        };
        if head.epoch != self.epoch || head.sealed_for.is_some() || last.seq >= head.seq {
            return Ok(());
        }
        let ids = self.ids_behind(stored, last.seq).await?;
        let differs = |record: &&HeldRecord| {
            let id = ids.get(&record.position.seq);
            id.is_some_and(|id| *id != record.position.record)
        };
        let Some(from) = held.iter().find(differs) else {
            return Ok(());
        };
        let seq = from.position.seq;
        let given_up = held.iter().filter(|record| record.position.seq >= seq);
        self.keep_fork(given_up).await?;
        self.held.give_up_from(seq);
        Ok(())
    }

    /// The ids of the records behind `after` up to number `last_seq`, as far as the object storage and etcd have them.
    async fn ids_behind(
        &self,
        after: Position,
        last_seq: u64,
    ) -> Result<BTreeMap<u64, RecordId>, Error> {
        let mut ids = BTreeMap::new();
        let mut stored = self.objects.read_from(after.seq + 1);
        while let Some(record) = stored.try_next().await?
            && record.position.seq <= last_seq
        {
            ids.insert(record.position.seq, record.position.record);
        }
        let mut next = after.seq + 1;
        while next <= last_seq {
            let look = self.look(next, PAGE_RECORDS_MAX).await?;
            for kv in &look.kvs {
                let Some(seq) = self.seq_of(kv) else { continue };
                let key = String::from_utf8_lossy(kv.key()).into_owned();
                let stored = StoredRecord::decode(&key, Bytes::copy_from_slice(kv.value()))?;
                ids.insert(seq, stored.header(&key)?.position.record);
            }
            let last = look.kvs.last().and_then(|kv| self.seq_of(kv));
            let Some(last) = last else { break };
            next = last + 1;
        }
        Ok(ids)
    }

    fn seq_of(&self, kv: &KeyValue) -> Option<u64> {
        self.session.keys.seq_of(self.epoch, kv.key())
    }
}
