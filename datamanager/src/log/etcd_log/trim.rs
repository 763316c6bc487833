//! Removing what is no longer needed: keys of etcd, WAL objects and blobs.

use std::sync::atomic::Ordering;

use futures::TryStreamExt;

use super::{Inner, lock};
use crate::failpoint;
use crate::log::wal_objects::{self, WAL_PREFIX};
use crate::{Error, Position};

impl Inner {
    /// Removes the keys of records that are both flushed and in data files. Deletes alone are sent, since etcd takes nothing
    /// else when it is full.
    pub(super) async fn trim(&self) {
        let covered = lock(&self.covered).seq;
        let up_to = covered.min(self.held.stored().seq);
        let trimmed = self.trimmed_seq.load(Ordering::SeqCst);
        if up_to <= trimmed || !self.session.is_first() {
            return;
        }
        let keys = &self.session.keys;
        let (first, end) = (
            keys.record(self.epoch, 0),
            keys.record(self.epoch, up_to + 1),
        );
        match self.session.client.delete_range(&first, &end).await {
            Ok(()) => {
                self.trimmed_seq.fetch_max(up_to, Ordering::SeqCst);
                lock(&self.budget).remove(up_to, self.now());
                failpoint::pass("keys-removed");
            }
            Err(failure) => {
                let error = failure.into_error();
                log::warn!(
                    instance = self.instance;
                    "records that are no longer needed could not be removed from etcd: {}", error.chain()
                );
            }
        }
    }

    /// Removes WAL objects that only hold records at or before `up_to`, oldest first, and blobs that nothing needs.
    pub(super) async fn truncate(&self, up_to: Position) -> Result<u64, Error> {
        let listed: Vec<ost::ObjectMeta> = self.ost.list(WAL_PREFIX, None).try_collect().await?;
        let mut removed = 0;
        for (place, meta) in listed.iter().enumerate() {
            let next = listed.get(place + 1).map(|next| next.path.as_ref());
            if !self.may_go(meta.path.as_ref(), next, up_to) {
                continue;
            }
            if let Err(error) = self.ost.delete(&meta.path).await {
                // Records go in order, so that what is left has no gap.
                log::warn!(
                    instance = self.instance, path:% = meta.path;
                    "a log object could not be removed: {error}"
                );
                break;
            }
            removed += 1;
            failpoint::pass("log-file-removed");
        }
        removed += self.blobs.remove_old(up_to).await?;
        Ok(removed)
    }

    /// Whether a WAL object only holds records at or before `up_to`; `next` is the key of the one after it. The last object of
    /// an epoch stays while the epoch does: the chain goes on behind it.
    fn may_go(&self, key: &str, next: Option<&str>, up_to: Position) -> bool {
        let parts = wal_objects::epoch_of(key).zip(wal_objects::first_seq_of(key));
        let Some((epoch, _)) = parts else {
            return false;
        };
        let next_first = next
            .filter(|next| wal_objects::epoch_of(next) == Some(epoch))
            .and_then(wal_objects::first_seq_of);
        match next_first {
            Some(next_first) => next_first <= up_to.seq + 1,
            None => epoch < self.epoch && up_to.seq >= self.base.seq,
        }
    }
}
