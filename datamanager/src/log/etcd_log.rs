//! The log of a store that any number of processes share through etcd: fast, and never the only home of old data.
//!
//! A record is one transaction of etcd: if `head` is as expected then `head` and the record are put. A flusher copies the
//! records to the object storage, a second behind at most, so that etcd can be lost: then the log is ended on the object
//! storage, with the records that processes still hold, and the next epoch begins (R7, R11).
//!
//! # Invariants
//! 1. An append compares the whole value of `head` and the revision of this process's registration; so nothing is appended to
//!    an etcd that went back, or to another one (R2, R10).
//! 2. What this process has seen in the log and not on the object storage is in `held`.
//! 3. Nothing is appended while `condition` is not [`Condition::Good`], which only a check of etcd against the object storage
//!    makes it.

mod append;
mod blobs;
mod branch;
mod budget;
mod chain;
mod check;
mod client;
mod connection;
mod flusher;
mod held;
mod keys;
mod prepare;
mod reader;
mod recovery;
mod session;
mod trim;
mod watch;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use ost::Ost;
use tokio::sync::watch as channel;

use crate::environment::Environment;
use crate::log::turns::{Pace, Turns};
use crate::log::{Append, Log, LogReader, Senders, WalObjects};
use crate::record::Record;
use crate::store_id::StoreId;
use crate::{Error, ErrorKind, Position, RecordId, Settings};

use blobs::Blobs;
use budget::Budget;
#[cfg(feature = "testing")]
pub(crate) use connection::{RequestFailure, Verdict};
use held::Held;
pub(crate) use session::EtcdSession;

const PACE: Pace = Pace {
    // Who has lost an append is told what it lacks, and appends next.
    turn_append_times: 2,
    delay_max: Duration::from_millis(50),
};
/// How long an unclear append is sent again: longer than etcd takes to choose a leader.
const UNCLEAR_TIMEOUT: Duration = Duration::from_secs(6);
/// How long closing waits for the last records to be on the object storage.
const CLOSE_FLUSH_MAX: Duration = Duration::from_secs(8);
/// How often it is looked whether somebody recovers the log (R11).
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What an [`EtcdLog`] needs to know of the store.
#[derive(Clone, Debug)]
pub(crate) struct EtcdLogOptions {
    pub(crate) store: StoreId,
    pub(crate) epoch: u32,
    /// Where the epoch starts.
    pub(crate) base: Position,
    /// What the newest manifest covers.
    pub(crate) covered: Position,
    /// The cluster in which the epoch was to begin, as its object says.
    pub(crate) cluster: Option<String>,
}

/// Records as keys of etcd, and as objects soon after.
pub(crate) struct EtcdLog {
    inner: Arc<Inner>,
}

/// What the log's tasks share.
struct Inner {
    environment: Arc<dyn Environment>,
    session: Arc<EtcdSession>,
    settings: Arc<Settings>,
    ost: Ost,
    store: StoreId,
    epoch: u32,
    base: Position,
    instance: String,
    read_only: bool,
    objects: WalObjects,
    blobs: Blobs,
    held: Held,
    turns: Turns,
    condition: channel::Sender<Condition>,
    /// Outages of etcd up to the last check.
    checked_outages: AtomicU64,
    budget: Mutex<Budget>,
    covered: Mutex<Position>,
    /// Keys of records up to here have been removed from etcd.
    trimmed_seq: AtomicU64,
    /// The last record that this process has appended: it had applied all before.
    appended_seq: AtomicU64,
    /// The record that was sent last, while it is not known whether it stands.
    unclear: Mutex<Option<RecordId>>,
    looks: Mutex<Looks>,
    /// When it was last known where the log ends on the object storage, on the steady clock.
    end_known_at: Mutex<Option<Duration>>,
    /// The announcement that this process has joined last, and the one that it has objected to last.
    joined: Mutex<Option<RecordId>>,
    objected: Mutex<Option<RecordId>>,
    recovering: tokio::sync::Mutex<()>,
    /// The log that this process used before this one, for as long as it may hold what this one has not read yet.
    previous: Mutex<Option<Arc<Inner>>>,
    /// Whether everything that was there has been applied once: what does not fit from now on is a branch.
    is_followed: AtomicBool,
    /// Whether this process has ended the log of a lost etcd.
    has_sealed: AtomicBool,
    /// Whether the next epoch has been seen: nothing that is appended here from then on is known to count.
    is_superseded: AtomicBool,
    /// The cluster in which the epoch was to begin, if that was known.
    cluster: Option<String>,
    stopping: channel::Sender<bool>,
}

/// What this process believes of etcd.
#[derive(Clone, Debug)]
enum Condition {
    /// It holds the log, as far as the last check and every answer since tell.
    Good,
    /// It has to be checked before the next append.
    Unchecked,
    /// It does not hold the log any more.
    Lost,
    /// The store cannot be served with it.
    Failed(ErrorKind, String),
}

/// When it was last looked whether somebody recovers the log (R11), on the steady clock.
#[derive(Clone, Copy, Debug)]
struct Looks {
    /// The last look that has shown something began then.
    done_at: Duration,
    /// The last one at all.
    tried_at: Duration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EtcdLog {
    /// Opens the log of the epoch. An etcd that has lost it is recovered from first, unless `read_only`.
    ///
    /// # Errors
    /// `Invalid`: the prefix belongs to another store, or live processes use another etcd. `Unavailable`: etcd or the object
    /// storage does not answer, or etcd has lost the log and nothing may be written.
    pub(crate) async fn open(
        session: Arc<EtcdSession>,
        options: EtcdLogOptions,
    ) -> Result<EtcdLog, Error> {
        let environment = session.environment.clone();
        let (ost, epoch) = (session.ost.clone(), options.epoch);
        let inner = Arc::new(Inner {
            turns: Turns::new(environment.clone(), session.clone(), PACE),
            settings: session.settings.clone(),
            store: options.store,
            epoch,
            base: options.base,
            instance: session.instance.clone(),
            read_only: session.read_only,
            objects: WalObjects::new(ost.clone(), options.store, epoch),
            blobs: Blobs::new(ost.clone(), epoch),
            held: Held::new(options.covered),
            condition: channel::Sender::new(Condition::Unchecked),
            checked_outages: AtomicU64::new(0),
            budget: Mutex::default(),
            covered: Mutex::new(options.covered),
            trimmed_seq: AtomicU64::new(0),
            appended_seq: AtomicU64::new(0),
            unclear: Mutex::new(None),
            end_known_at: Mutex::new(None),
            looks: Mutex::new(Looks {
                done_at: environment.steady_time(),
                tried_at: environment.steady_time(),
            }),
            joined: Mutex::new(None),
            objected: Mutex::new(None),
            recovering: tokio::sync::Mutex::new(()),
            previous: Mutex::new(None),
            is_followed: AtomicBool::new(false),
            has_sealed: AtomicBool::new(false),
            is_superseded: AtomicBool::new(false),
            cluster: options.cluster,
            stopping: channel::Sender::new(false),
            environment,
            ost,
            session,
        });
        inner.check().await?;
        if inner.read_only {
            inner.note_flushed().await?;
        }
        if let Some(previous) = inner.session.current() {
            *lock(&previous.previous) = None;
            *lock(&inner.previous) = Some(previous).filter(|previous| previous.epoch == epoch);
        }
        inner.session.set_current(&inner);
        if !inner.read_only {
            let flusher = inner.clone();
            let task = Box::pin(async move { flusher.run_flusher().await });
            inner.environment.spawn("flusher", task);
        }
        Ok(EtcdLog { inner })
    }
}

impl Drop for EtcdLog {
    fn drop(&mut self) {
        self.inner.stopping.send_replace(true);
    }
}

impl Inner {
    fn condition(&self) -> Condition {
        self.condition.borrow().clone()
    }

    /// Has etcd checked before the next append.
    fn suspect(&self, why: &str) {
        if self.read_only {
            return;
        }
        let changed = self
            .condition
            .send_if_modified(|condition| match condition {
                Condition::Good => {
                    *condition = Condition::Unchecked;
                    true
                }
                _ => false,
            });
        if changed {
            log::info!(instance = self.instance, epoch = self.epoch; "etcd is checked again: {why}");
        }
        self.session.wake.notify_one();
    }

    /// Notes that the store cannot be served.
    fn fail(&self, error: &Error) {
        self.condition
            .send_replace(Condition::Failed(error.kind(), error.chain()));
    }

    /// Lets go of the log before once everything that it holds has been read again.
    fn release_previous(&self) {
        let last = self.held.last().seq;
        let mut previous = lock(&self.previous);
        if previous
            .as_ref()
            .is_some_and(|previous| previous.held.last().seq <= last)
        {
            *previous = None;
        }
    }

    /// Whether this process has appended the record `seq`, or one behind it.
    fn was_appended(&self, seq: u64) -> bool {
        seq <= self.appended_seq.load(Ordering::SeqCst)
    }

    fn now(&self) -> Duration {
        self.environment.steady_time()
    }

    /// Completes with `false` after `duration`, if `done` has not come first.
    async fn within(&self, duration: Duration, done: impl Future<Output = ()>) -> bool {
        let timeout = self.environment.sleep(duration);
        let done = std::pin::pin!(done);
        matches!(
            futures::future::select(done, timeout).await,
            futures::future::Either::Left(_)
        )
    }
}

#[async_trait]
impl LogReader for EtcdLog {
    fn read(&self, after: Position) -> BoxStream<'_, Result<Record, Error>> {
        self.inner.read(after)
    }

    fn read_from(&self, seq: u64) -> BoxStream<'_, Result<Record, Error>> {
        self.inner.read_from(seq)
    }

    fn tail(&self, after: Position) -> BoxStream<'_, Result<Record, Error>> {
        self.inner.is_followed.store(true, Ordering::SeqCst);
        self.inner.tail(after)
    }
}

#[async_trait]
impl Log for EtcdLog {
    async fn append(
        &self,
        expected: Position,
        position: Position,
        record: Bytes,
        senders: &dyn Senders,
    ) -> Append {
        self.inner.append(expected, position, record, senders).await
    }

    async fn tidy(&self) {}

    fn absence_is_final(&self) -> bool {
        false
    }

    fn removal_delay(&self) -> Duration {
        // Who flushes believes for as long as `head_confirm_max` that what it knows to be the last object is the last.
        self.inner.settings.head_confirm_max * 2
    }

    async fn truncate(&self, up_to: Position) -> Result<u64, Error> {
        self.inner.truncate(up_to).await
    }

    fn unclear_timeout(&self) -> Duration {
        UNCLEAR_TIMEOUT
    }

    async fn store(&self, up_to: Position) -> Result<(), Error> {
        self.inner
            .store_up_to(up_to, self.inner.settings.commit_timeout)
            .await
    }

    fn flushed(&self) -> Option<Position> {
        Some(self.inner.held.stored())
    }

    fn note_covered(&self, covered: Position) {
        *lock(&self.inner.covered) = covered;
        self.inner.session.wake.notify_one();
    }

    fn seal_age_max(&self) -> Duration {
        match self.inner.has_sealed.load(Ordering::SeqCst) {
            true => Duration::ZERO,
            false => Duration::from_secs(10),
        }
    }

    async fn close(&self) {
        let inner = &self.inner;
        if !inner.read_only {
            let last = inner.held.last();
            if let Err(error) = inner.store_up_to(last, CLOSE_FLUSH_MAX).await {
                log::warn!(
                    instance = inner.instance;
                    "records are in etcd alone as this process closes the store: {}", error.chain()
                );
            }
        }
        inner.stopping.send_replace(true);
        inner.session.release();
    }
}
