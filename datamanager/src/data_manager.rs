//! The handle of an open store.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{self, BoxFuture, Either};
use futures::{Stream, StreamExt};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::commit_ticket::CommitTicket;
use crate::committer::{Command, CommitRequest, Committed};
use crate::cursor::Cursor;
use crate::documents::{DocumentTypes, keep_indexes_built};
use crate::environment::Environment;
use crate::follow::{self, Follow};
use crate::history::History;
use crate::jobs::{self, Jobs};
use crate::log::chained;
use crate::open::{Builder, Hold};
use crate::read_view::ReadView;
use crate::record_info::RecordInfo;
use crate::scan::{Entry, Scan, ScanOptions};
use crate::state::Shared;
use crate::stats::{RunStats, Stats};
use crate::token::Token;
use crate::{CommitId, Error, LogKind, Outcome, Position, Settings, Snapshot, Transaction};

/// How long [`DataManager::close`] waits for the background task to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The same where the last records are brought from the log to the object storage.
const ETCD_CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Records that [`DataManager::records`] reads ahead of its caller.
const RECORDS_READ_AHEAD: usize = 16;

/// An open store.
///
/// Cheap to clone, and to be shared between tasks and threads. Dropping the last handle ends the background task as
/// [`DataManager::close`] does, without waiting for it.
#[derive(Clone)]
pub struct DataManager {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) location: String,
    pub(crate) read_only: bool,
    pub(crate) requests: mpsc::Sender<CommitRequest>,
    /// Room for the bodies of transactions that wait.
    pub(crate) queue_kibibytes: Arc<Semaphore>,
    pub(crate) commands: mpsc::Sender<Command>,
    /// True once the committer has ended and let go of the store.
    pub(crate) ended: watch::Receiver<bool>,
    pub(crate) closed: Mutex<bool>,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) hold: Weak<Hold>,
    /// The document types that the program has used.
    pub(crate) types: Arc<DocumentTypes>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop();
        // If the channel is full, the committer ends all the same, as nobody can send it requests any more.
        let _ = self.commands.try_send(Command::Close);
    }
}

impl std::fmt::Debug for DataManager {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DataManager")
            .field("instance", &self.inner.shared.instance)
            .field("location", &self.inner.location)
            .finish_non_exhaustive()
    }
}

impl DataManager {
    pub(crate) fn new(inner: Inner) -> DataManager {
        DataManager {
            inner: Arc::new(inner),
        }
    }

    /// Opens the store at `url`, and makes it if the place is empty. See [`Builder`] for what a URL can be.
    ///
    /// # Cancel safety
    /// Dropping the call lets go of the store; what a first start has made so far is kept by the next.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn open(url: &str) -> Result<DataManager, Error> {
        DataManager::builder(url)?.open().await
    }

    /// Options for opening the store at `url`.
    ///
    /// # Errors
    /// `Invalid` for a URL that cannot be used.
    pub fn builder(url: &str) -> Result<Builder, Error> {
        Builder::from_url(url)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    /// Starts the loop that reads from each manifest that another process announces.
    pub(crate) fn follow_manifests(&self) {
        let task = jobs::follow_manifests(self.inner.jobs.clone());
        self.inner.environment.spawn("manifests", Box::pin(task));
    }

    /// Starts what a process needs that shares the log with others.
    pub(crate) fn start_sharing(&self) {
        self.follow_manifests();
        let (jobs, hold) = (self.inner.jobs.clone(), self.inner.hold.upgrade());
        let registry = jobs.registry();
        let shared = self.inner.shared.clone();
        let task = async move {
            registry.keep_registered(shared).await;
            drop(hold);
        };
        self.inner.environment.spawn("registration", Box::pin(task));
    }

    /// Starts the loops that run jobs when they are due.
    pub(crate) fn start_maintenance(&self) -> Result<(), Error> {
        let task = jobs::watch_seal(self.inner.jobs.clone());
        self.inner.environment.spawn("seal", Box::pin(task));
        let task = keep_indexes_built(Arc::downgrade(&self.inner));
        self.inner.environment.spawn("indexes", Box::pin(task));
        if !self.inner.settings.maintain {
            return Ok(());
        }
        let spawn = |name: &str, task: BoxFuture<'static, ()>| {
            let hold = self.inner.hold.upgrade();
            let task = async move {
                task.await;
                drop(hold);
            };
            let name = format!("{} {name}", self.instance());
            let spawned = self.inner.environment.spawn_thread(&name, Box::pin(task));
            spawned.map_err(|error| {
                Error::unavailable(format!("cannot start the thread {name:?}")).with_source(error)
            })
        };
        spawn(
            "checkpoints",
            Box::pin(jobs::maintain_log(self.inner.jobs.clone())),
        )?;
        spawn(
            "compactions",
            Box::pin(jobs::maintain_files(self.inner.jobs.clone())),
        )
    }

    /// The unique name of this open store, which its log lines carry.
    pub fn instance(&self) -> &str {
        &self.inner.shared.instance
    }

    /// Where the store is, without secrets.
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// The newest position that this handle has applied; reads see at least it.
    pub fn position(&self) -> Position {
        self.inner.shared.peek().position
    }

    /// Begins a transaction on the newest applied state, own commits included.
    pub fn begin(&self) -> Transaction {
        Transaction::new(self.clone(), self.snapshot())
    }

    /// A view of the newest applied state, own commits included, that stays as it is.
    pub fn snapshot(&self) -> Snapshot {
        let view = self.inner.shared.view();
        let time = self.inner.environment.wall_time().max(view.time);
        Snapshot::new(view, time, self.inner.types.clone())
    }

    /// A view of the newest state of the whole store, the commits of all processes included: linearizable, at the cost
    /// of one round trip to the log.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when the log cannot be read in time.
    pub async fn latest_snapshot(&self) -> Result<Snapshot, Error> {
        let (reply, answer) = oneshot::channel();
        let command = Command::CatchUp(reply);
        self.within_timeout("reading the log", async {
            self.inner
                .commands
                .send(command)
                .await
                .map_err(|_| self.ended_error())?;
            answer.await.map_err(|_| self.ended_error())?
        })
        .await?;
        Ok(self.snapshot())
    }

    /// Waits until the state at `position` has been applied here, so that reads see it.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when that takes longer than `commit_timeout`.
    pub async fn wait_for(&self, position: Position) -> Result<(), Error> {
        let mut applied = self.inner.shared.watch_applied();
        self.within_timeout("waiting for the position", async {
            let shared = &self.inner.shared;
            let done = |seq: &u64| *seq >= position.seq || shared.is_stopping();
            let reached = applied.wait_for(done).await.map(|seq| *seq);
            match reached {
                Ok(seq) if seq >= position.seq => Ok(()),
                _ => Err(self.ended_error()),
            }
        })
        .await
    }

    /// The stored bytes of an entry in the newest applied state, `None` if it is not there.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a type or id outside the limits.
    pub async fn get_raw(&self, data_type: &str, id: &str) -> Result<Option<Bytes>, Error> {
        self.snapshot().get_raw(data_type, id).await
    }

    /// The stored bytes of several entries of one snapshot, in the order of `ids`.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a type or id outside the limits.
    pub async fn get_many_raw(
        &self,
        data_type: &str,
        ids: &[&str],
    ) -> Result<Vec<Option<Bytes>>, Error> {
        self.snapshot().get_many_raw(data_type, ids).await
    }

    /// The entry in the newest applied state, with its position and expiry; `None` if it is not there.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a type or id outside the limits.
    pub async fn get_entry(&self, data_type: &str, id: &str) -> Result<Option<Entry>, Error> {
        self.snapshot().get_entry(data_type, id).await
    }

    /// The entries of a type in one snapshot, in order.
    ///
    /// # Errors
    /// `Invalid` for a type outside the limits.
    pub fn scan_raw(&self, data_type: &str, options: &ScanOptions) -> Result<Scan, Error> {
        self.snapshot().scan_raw(data_type, options)
    }

    /// How many entries of a type there are.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a type outside the limits.
    pub async fn count(&self, data_type: &str) -> Result<u64, Error> {
        self.snapshot().count(data_type).await
    }

    /// Writes one entry in a transaction of its own, which never conflicts.
    ///
    /// # Cancel safety
    /// As [`Transaction::commit`].
    ///
    /// # Errors
    /// As [`Transaction::put_raw`] and [`Transaction::commit`].
    pub async fn put_raw(
        &self,
        data_type: &str,
        id: &str,
        value: impl Into<Bytes>,
    ) -> Result<Committed, Error> {
        let mut transaction = self.begin();
        transaction.put_raw(data_type, id, value)?;
        transaction.commit().await
    }

    /// Deletes one entry in a transaction of its own, which never conflicts.
    ///
    /// # Cancel safety
    /// As [`Transaction::commit`].
    ///
    /// # Errors
    /// As [`Transaction::delete_raw`] and [`Transaction::commit`].
    pub async fn delete_raw(&self, data_type: &str, id: &str) -> Result<Committed, Error> {
        let mut transaction = self.begin();
        transaction.delete_raw(data_type, id)?;
        transaction.commit().await
    }

    /// A token of the newest applied state for `groups`; see [`Transaction::check_token`].
    ///
    /// # Errors
    /// `Invalid` for a name that is empty or longer than 256 bytes.
    pub fn token<I, S>(&self, groups: I) -> Result<Token, Error>
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let view = self.inner.shared.peek();
        Token::new(
            view.epoch,
            view.position,
            groups.into_iter().map(Into::into).collect(),
        )
    }

    /// What became of a commit that was reported as unknown.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for an id of an epoch that the store has not reached, `Unavailable` when the log cannot be read.
    pub async fn outcome(&self, id: CommitId) -> Result<Outcome, Error> {
        let view = self.inner.shared.view();
        if id.epoch > view.epoch {
            return Err(Error::invalid(format!(
                "commit {id} is of an epoch later than {}",
                view.epoch
            )));
        }
        if id.epoch == view.epoch && id.seq > view.position.seq {
            let in_flight = self.inner.shared.in_flight() == Some(id.record);
            let is_final = self.inner.shared.log().log.absence_is_final();
            let open = in_flight || !is_final || id.seq <= self.position().seq;
            return Ok(if open {
                Outcome::Undecided
            } else {
                Outcome::NotCommitted
            });
        }
        let position = Position {
            epoch: id.epoch,
            seq: id.seq,
            record: id.record,
        };
        let history = self.history();
        history.decide(&self.inner.shared, position).await
    }

    pub(crate) fn history(&self) -> History {
        let opener = &self.inner.jobs.opener;
        opener.history(self.inner.shared.store)
    }

    /// The records of the log from number `from_seq` on, or from the oldest that is kept, up to its end. Strays among them are
    /// marked: see [`RecordInfo::in_chain`].
    ///
    /// # Errors
    /// In the stream: `Corrupt` when the chain is broken, `Unavailable` when the log cannot be read.
    pub fn records(
        &self,
        from_seq: u64,
    ) -> impl Stream<Item = Result<RecordInfo, Error>> + Send + Unpin {
        let open = self.inner.shared.log();
        let (sender, receiver) = mpsc::channel(RECORDS_READ_AHEAD);
        let shared = self.inner.shared.clone();
        let task = async move {
            let covered = || shared.view().files.manifest.covered;
            let records = chained(open.log.read_from(from_seq), covered);
            let mut infos = Box::pin(RecordInfo::stream(records, covered));
            while let Some(info) = infos.next().await {
                if sender.send(info).await.is_err() {
                    return; // nobody reads any more
                }
            }
        };
        self.inner.environment.spawn("log records", Box::pin(task));
        futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|record| (record, receiver))
        })
        .boxed()
    }

    /// Follows the store from `cursor` on. See [`Follow`] for what a listener gets.
    pub fn follow(&self, cursor: Cursor) -> Follow {
        Follow::new(self.inner.shared.clone(), self.history(), cursor)
    }

    /// Follows the store from the newest applied position on.
    pub fn follow_new(&self) -> Follow {
        self.follow_view(&self.inner.shared.view())
    }

    /// A snapshot, and a listener that gets every transaction behind it.
    pub fn snapshot_and_follow(&self) -> (Snapshot, Follow) {
        let snapshot = self.snapshot();
        let follow = self.follow_view(snapshot.view());
        (snapshot, follow)
    }

    fn follow_view(&self, view: &ReadView) -> Follow {
        self.follow(Cursor::behind(view.epoch, view.position))
    }

    /// The cursor with which [`DataManager::follow`] begins with record `seq`, which may be the next one to come.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Compacted` when the record is no longer in the log, `Invalid` when it is not there yet, `Unavailable` when the log
    /// cannot be read.
    pub async fn cursor_before(&self, seq: u64) -> Result<Cursor, Error> {
        follow::cursor_before(&self.inner.shared, &self.history(), seq).await
    }

    /// Figures of this open store.
    pub fn stats(&self) -> Stats {
        let view = self.inner.shared.view();
        let manifest = &view.files.manifest;
        let cache = &self.inner.jobs.context.cache;
        Stats {
            flushed: self
                .inner
                .shared
                .log()
                .log
                .flushed()
                .unwrap_or(view.position),
            covered: manifest.covered,
            manifest: manifest.number,
            runs: manifest.runs.iter().map(RunStats::of).collect(),
            block_cache_bytes: cache.bytes(),
            block_cache_hits: cache.hits(),
            block_cache_misses: cache.misses(),
            disk_cache_bytes: cache.disk().and_then(|disk| disk.bytes()),
            instance: self.inner.shared.instance.clone(),
            store: self.inner.shared.store.to_string(),
            location: self.inner.location.clone(),
            log: self.inner.shared.log().kind,
            read_only: self.inner.read_only,
            epoch: view.epoch,
            position: view.position,
            time: view.time,
            records_applied: self.inner.shared.records_applied(),
            memtable_versions: view
                .memtables
                .iter()
                .map(|memtable| memtable.len() as u64)
                .sum(),
            memtable_log_bytes: view
                .memtables
                .iter()
                .map(|memtable| memtable.log_bytes())
                .sum(),
        }
    }

    /// Commits what is queued, ends the background task and lets go of the store's lock.
    ///
    /// Reads of snapshots that are still held go on; new commits are `Unavailable`. Closing twice is fine.
    ///
    /// # Cancel safety
    /// A call that is dropped does not stop the closing.
    ///
    /// # Errors
    /// `Unavailable` when the task has not ended within 2 seconds, or 10 with a log in etcd, for instance because the disk does
    /// not answer.
    pub async fn close(&self) -> Result<(), Error> {
        *self
            .inner
            .closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.inner.shared.stop();
        let mut ended = self.inner.ended.clone();
        let wait = Box::pin(async {
            // The committer may have ended by itself; then there is nobody to tell.
            let _ = self.inner.commands.send(Command::Close).await;
            // An error means that whoever would tell has ended.
            let _ = ended.wait_for(|ended| *ended).await;
        });
        let timeout = match self.inner.shared.log().kind {
            LogKind::Etcd => ETCD_CLOSE_TIMEOUT,
            LogKind::File | LogKind::Object => CLOSE_TIMEOUT,
        };
        match future::select(wait, self.inner.environment.sleep(timeout)).await {
            Either::Left(_) => Ok(()),
            Either::Right(_) => Err(Error::unavailable(format!(
                "the store did not close within {} s: its log or the object storage does not answer",
                timeout.as_secs()
            ))),
        }
    }

    /// Returns once the store is served no longer, with the reason: it has been closed, or given up, as after a failed sync
    /// or when the log is damaged. It has to be opened again then.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    pub async fn ended(&self) -> Error {
        let mut ended = self.inner.ended.clone();
        // An error means that whoever would tell has ended.
        let _ = ended.wait_for(|ended| *ended).await;
        self.ended_error()
    }

    /// Runs a job on a thread of its own, to its end even if the caller goes away; the store is let go only afterwards.
    pub(crate) async fn run_job<T: Send + 'static>(
        &self,
        job: impl FnOnce(Arc<Jobs>) -> BoxFuture<'static, Result<T, Error>>,
    ) -> Result<T, Error> {
        let hold = self
            .inner
            .hold
            .upgrade()
            .ok_or_else(|| self.ended_error())?;
        let job = job(self.inner.jobs.clone());
        let (sender, receiver) = oneshot::channel();
        let task = async move {
            let result = job.await;
            drop(hold);
            // The caller may have gone.
            let _ = sender.send(result);
        };
        let name = format!("{} job", self.instance());
        let spawned = self.inner.environment.spawn_thread(&name, Box::pin(task));
        spawned.map_err(|error| {
            Error::unavailable("cannot start a thread for the job").with_source(error)
        })?;
        receiver.await.map_err(|_| self.ended_error())?
    }

    /// Queues a commit and waits for its answer.
    pub(crate) async fn submit(
        &self,
        mut request: CommitRequest,
        ticket: Arc<CommitTicket>,
        answer: oneshot::Receiver<Result<Committed, Error>>,
    ) -> Result<Committed, Error> {
        if self.inner.read_only {
            return Err(Error::invalid(format!(
                "{} is open read-only: nothing can be committed",
                self.inner.location
            )));
        }
        if *self
            .inner
            .closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            return Err(Error::unavailable("the store has been closed"));
        }
        // Taken back when this call is dropped or gives up.
        let guard = TakeBackOnDrop(&ticket);
        let wait = Box::pin(async {
            let kibibytes =
                u32::try_from(request.body().encoded.len() / 1024 + 1).unwrap_or(u32::MAX);
            let room = self
                .inner
                .queue_kibibytes
                .clone()
                .acquire_many_owned(kibibytes)
                .await;
            request.room = Some(room.map_err(|_| self.ended_error())?);
            self.inner
                .requests
                .send(request)
                .await
                .map_err(|_| self.ended_error())?;
            answer.await.map_err(|_| self.ended_error())?
        });
        let timeout = self
            .inner
            .environment
            .sleep(self.inner.settings.commit_timeout);
        match future::select(wait, timeout).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => match guard.0.take_back() {
                Ok(()) => Err(self.timed_out()),
                Err(id) => Err(Error::commit_unknown(id, "the log did not answer in time")),
            },
        }
    }

    /// Why a transaction waited in vain.
    fn timed_out(&self) -> Error {
        let view = self.inner.shared.view();
        let log_bytes: u64 = view
            .memtables
            .iter()
            .map(|memtable| memtable.log_bytes())
            .sum();
        let timeout = self.inner.settings.commit_timeout;
        if log_bytes >= view.control.log_bytes_max {
            return Error::unavailable(format!(
                "the transaction waited {timeout:?} for room: {log_bytes} log bytes are not in data files yet, {} are \
                 allowed",
                view.control.log_bytes_max
            ));
        }
        let reason = match self.inner.shared.held_up_by() {
            Some(reason) => format!(": {reason}"),
            None => String::new(),
        };
        Error::unavailable(format!(
            "the transaction did not reach the log within {timeout:?}{reason}"
        ))
    }

    async fn within_timeout<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let timeout = self
            .inner
            .environment
            .sleep(self.inner.settings.commit_timeout);
        match future::select(Box::pin(work), timeout).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(Error::unavailable(format!(
                "{what} took longer than {:?}",
                self.inner.settings.commit_timeout
            ))),
        }
    }

    fn ended_error(&self) -> Error {
        self.inner
            .shared
            .failure()
            .unwrap_or_else(|| Error::unavailable("the store has been closed"))
    }
}

struct TakeBackOnDrop<'a>(&'a CommitTicket);

impl Drop for TakeBackOnDrop<'_> {
    fn drop(&mut self) {
        // What is in a record already goes on.
        let _ = self.0.take_back();
    }
}
