//! What etcd has to hold before an epoch can begin there.

use etcd_client::{Compare, CompareOp, DeleteOptions, Txn, TxnOp, TxnOpResponse};

use super::client::Failure;
use super::keys::Head;
use super::session::EtcdSession;
use crate::store_id::StoreId;
use crate::{Error, Position};

/// How often it is tried while others change etcd.
const ATTEMPTS_MAX: u32 = 5;

impl EtcdSession {
    /// Whether etcd answers, and its prefix is not another store's.
    ///
    /// # Errors
    /// `Invalid` when the prefix holds another store.
    pub(crate) async fn check_prefix(&self, store: Option<StoreId>) -> Result<(), Error> {
        let read = Txn::new().and_then([TxnOp::get(self.keys.store(), None)]);
        let answer = self.client.txn("read the prefix", read).await;
        let responses = answer.map_err(Failure::into_error)?.op_responses();
        if let Some(TxnOpResponse::Get(found)) = responses.first()
            && let Some(kv) = found.kvs().first()
            && let Some(store) = store
            && kv.value() != store.to_string().as_bytes()
        {
            return Err(self.foreign(kv.value(), store));
        }
        Ok(())
    }

    /// Puts the sealed head that `epoch` begins from behind `base`. Without it no epoch object may be created: an etcd without
    /// a head has lost the log. `store` is not known before the first start has made the store.
    ///
    /// # Errors
    /// `Invalid` when the prefix holds another store.
    pub(crate) async fn prepare(
        &self,
        store: Option<StoreId>,
        epoch: u32,
        base: Position,
    ) -> Result<(), Error> {
        let keys = &self.keys;
        let sealed = Head::sealed(base, epoch);
        for _ in 0..ATTEMPTS_MAX {
            let read = Txn::new().and_then([
                TxnOp::get(keys.head(), None),
                TxnOp::get(keys.store(), None),
            ]);
            let answer = self.client.txn("read the head", read).await;
            let responses = answer.map_err(Failure::into_error)?.op_responses();
            let value = |place: usize| match responses.get(place) {
                Some(TxnOpResponse::Get(found)) => {
                    found.kvs().first().map(|kv| kv.value().to_vec())
                }
                _ => None,
            };
            let (head, found_store) = (value(0), value(1));
            if let Some(found) = &found_store
                && store.is_none_or(|store| *found != store.to_string().as_bytes())
            {
                return Err(match store {
                    Some(store) => self.foreign(found, store),
                    None => Error::invalid(format!(
                        "the prefix {:?} of etcd cluster {} belongs to store {}: give the new store another one",
                        self.prefix(),
                        self.cluster(),
                        String::from_utf8_lossy(found)
                    )),
                });
            }
            if let Some(head) = &head {
                let head = Head::decode(&keys.head(), head)?;
                if head == sealed {
                    return Ok(());
                }
                let goes_to = head.sealed_for.unwrap_or(head.epoch);
                if goes_to >= epoch && store.is_some() {
                    return Ok(()); // another process was faster, or opening the epoch finds what is wrong
                }
                if goes_to >= epoch {
                    return Err(Error::invalid(format!(
                        "the prefix {:?} of etcd cluster {} has come to epoch {goes_to}, and epoch {epoch} was to begin there",
                        self.prefix(),
                        self.cluster()
                    )));
                }
            }
            // The records of a log that was here before are on the object storage.
            let wal = Some(DeleteOptions::new().with_prefix());
            let mut changes = vec![
                TxnOp::delete(keys.wal(), wal),
                TxnOp::put(keys.head(), sealed.encode(), None),
            ];
            if let Some(store) = store {
                changes.push(TxnOp::put(keys.store(), store.to_string(), None));
            }
            let same = |key: String, value: Option<Vec<u8>>| match value {
                Some(value) => Compare::value(key, CompareOp::Equal, value),
                None => Compare::version(key, CompareOp::Equal, 0),
            };
            let txn = Txn::new()
                .when([same(keys.head(), head), same(keys.store(), found_store)])
                .and_then(changes);
            let answer = self.client.txn("prepare an epoch", txn).await;
            if answer.map_err(Failure::into_error)?.succeeded() {
                return Ok(());
            }
        }
        Err(Error::unavailable("etcd changes while it is prepared"))
    }
}
