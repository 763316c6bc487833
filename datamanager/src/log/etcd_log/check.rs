//! Whether etcd still holds the log (R10).

use std::sync::atomic::Ordering;

use etcd_client::{Compare, CompareOp, Txn, TxnOp};

use super::chain::ChainEnd;
use super::client::Failure;
use super::keys::Head;
use super::reader::Look;
use super::session::Registered;
use super::{Condition, Inner, lock};
use crate::failpoint;
use crate::{Error, ErrorKind};

/// How often etcd is looked at while it changes.
const ATTEMPTS_MAX: u32 = 5;

/// What etcd says of the log.
enum Finding {
    /// It holds it, or has gone on from it.
    Alive,
    /// The epoch has yet to begin there.
    NotBegun,
    /// It has lost it, and how that shows.
    Lost(String),
}

impl Inner {
    /// Looks whether etcd holds the log that the object storage and this process know, and registers this process there. One
    /// that has lost it is recovered from. Afterwards the condition says what was found.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let checked = self.check_until_settled().await;
        if let Err(error) = &checked
            && error.kind() != ErrorKind::Unavailable
        {
            log::error!(instance = self.instance; "the log in etcd cannot be used: {}", error.chain());
            self.fail(error);
        }
        checked
    }

    async fn check_until_settled(&self) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let outages = self.session.client.outages();
            // An etcd that goes back between the two has lost the registration, too.
            let registered = match self.read_only {
                true => Registered::Done,
                false => self.session.register(self.store, false).await?,
            };
            if !self.read_only
                && let Some(what) = self.lost_for_others().await
            {
                self.recover(&what).await?;
                continue;
            }
            // The object storage first, so that a flush or an epoch in between is no alarm.
            let next_epoch_has_begun = self.next_epoch_has_begun().await?;
            let end = self.chain_end().await?;
            let look = self.look(0, 0).await?;
            self.check_store(&look)?;
            match self.judge(&look, &end, next_epoch_has_begun) {
                Finding::Alive => {
                    if matches!(registered, Registered::Changed) && look.store.is_some() {
                        continue;
                    }
                    if let Some(head) = look.head.as_ref().filter(|_| !self.read_only) {
                        self.keep_branch(head).await?;
                    }
                    self.note_end(&end);
                    self.checked_outages.store(outages, Ordering::SeqCst);
                    self.condition.send_replace(Condition::Good);
                    return Ok(());
                }
                Finding::NotBegun if self.read_only => {
                    self.condition.send_replace(Condition::Good);
                    return Ok(());
                }
                Finding::NotBegun => self.begin_epoch(&look).await?,
                Finding::Lost(what) if self.read_only => {
                    return Err(Error::unavailable(format!(
                        "etcd has lost the log ({what}): a process that can write has to open the store"
                    )));
                }
                Finding::Lost(what) => self.recover(&what).await?,
            }
        }
        Err(Error::unavailable("etcd changes while it is looked at"))
    }

    /// `end` is the last record on the object storage, looked for before `look`.
    fn judge(&self, look: &Look, end: &ChainEnd, next_epoch_has_begun: bool) -> Finding {
        let Some(head) = &look.head else {
            return Finding::Lost("it has no head".to_owned());
        };
        let (end, seal, last) = (end.position, &end.seal, self.held.last());
        let known = if last.seq > end.seq { last } else { end };
        if head.sealed_for == Some(self.epoch) {
            let is_base = head.is_at(self.base) && known.seq <= self.base.seq;
            return match is_base && self.begins_here() {
                true => Finding::NotBegun,
                false if is_base => Finding::Lost(format!(
                    "epoch {} was to begin in cluster {}",
                    self.epoch,
                    self.cluster.as_deref().unwrap_or_default()
                )),
                false => Finding::Lost(format!(
                    "it is about to begin epoch {} behind record {}, which begins behind record {} and goes on to record {}",
                    self.epoch, head.seq, self.base.seq, known.seq
                )),
            };
        }
        if head.epoch > self.epoch || head.sealed_for.is_some_and(|next| next > self.epoch) {
            return Finding::Alive; // reading tells that it has ended
        }
        if head.epoch < self.epoch {
            return Finding::Lost(format!(
                "its head is of epoch {}, and this is epoch {}",
                head.epoch, self.epoch
            ));
        }
        if next_epoch_has_begun && head.sealed_for.is_none() {
            return Finding::Lost(format!(
                "its head is record {} of epoch {}, and epoch {} has begun",
                head.seq,
                self.epoch,
                self.epoch + 1
            ));
        }
        if seal.is_some() && !(head.sealed_for.is_some() && head.is_at(end)) {
            return Finding::Lost(format!(
                "record {} on the object storage ends the log, and its head is record {}",
                end.seq, head.seq
            ));
        }
        for known in [end, last] {
            let is_behind = head.seq < known.seq;
            let differs = head.seq == known.seq && head.record != known.record;
            if is_behind || differs {
                return Finding::Lost(format!(
                    "its head is record {} ({}), and {known} was in the log",
                    head.seq, head.record
                ));
            }
        }
        Finding::Alive
    }

    /// Whether the epoch was to begin in the cluster that answers. One of before, which a process used that had not heard of
    /// it, is no place to begin it in a second time.
    fn begins_here(&self) -> bool {
        const UNKNOWN: &str = "unknown";
        let cluster = self.session.cluster();
        let planned = self.cluster.as_deref().unwrap_or(UNKNOWN);
        planned == UNKNOWN || planned == cluster
    }

    /// The third step of an epoch: from sealed to open, by compare (R7).
    async fn begin_epoch(&self, look: &Look) -> Result<(), Error> {
        let Some(head) = &look.head else {
            return Ok(());
        };
        let keys = &self.session.keys;
        let mut compares = vec![Compare::value(keys.head(), CompareOp::Equal, head.encode())];
        compares.push(match &look.store {
            Some(store) => Compare::value(keys.store(), CompareOp::Equal, store.clone()),
            None => Compare::version(keys.store(), CompareOp::Equal, 0),
        });
        let open = Head::open(self.epoch, self.base);
        let txn = Txn::new().when(compares).and_then([
            TxnOp::put(keys.store(), self.store.to_string(), None),
            TxnOp::put(keys.head(), open.encode(), None),
        ]);
        let answer = self.session.client.txn("begin an epoch", txn).await;
        let answer = answer.map_err(Failure::into_error)?;
        if answer.succeeded() {
            log::info!(instance = self.instance, epoch = self.epoch; "the epoch has begun in etcd");
            failpoint::pass("head-opened");
            self.remove_announcements(self.epoch).await;
        }
        Ok(())
    }

    /// What is due every few seconds, and whenever the condition changes. Returns whether etcd could be used, as far as that matters
    /// still.
    pub(super) async fn upkeep(&self) -> bool {
        if matches!(self.condition(), Condition::Failed(..)) {
            return true;
        }
        let has_been_away =
            self.checked_outages.load(Ordering::SeqCst) != self.session.client.outages();
        if has_been_away || self.session.has_lapsed().await {
            self.suspect("it was out of reach for a while");
        }
        let result = match self.condition() {
            Condition::Good => self.renew().await,
            _ => self.check().await,
        };
        if let Err(error) = &result {
            log::debug!(instance = self.instance; "etcd cannot be used now: {}", error.chain());
        }
        let looked_at = lock(&self.looks).done_at;
        if self.now().saturating_sub(looked_at) >= super::LOOK_INTERVAL {
            self.look_for_recovery().await;
        }
        self.trim().await;
        self.release_previous();
        result.is_ok()
    }

    async fn renew(&self) -> Result<(), Error> {
        match self.session.register(self.store, true).await {
            Ok(Registered::Done) => Ok(()),
            Ok(Registered::Changed) => {
                self.suspect("this process's registration is gone");
                self.check().await
            }
            Err(error) => Err(error),
        }
    }
}
