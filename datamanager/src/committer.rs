//! The one task of a process that appends to the log and applies records.
//!
//! # Invariants
//! 1. Only this task applies records and publishes views; a view is published before anyone is told of its record.
//! 2. `expected` of an append is the position that the batch was validated against (R2), and one append is in flight.
//! 3. A caller is told `Ok` only after `Append::Appended`, or when its record was read back from the log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, select_biased};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::commit_ticket::CommitTicket;
use crate::conflict::{BatchWrites, ReadSet};
use crate::control::{ControlRecord, ControlState};
use crate::documents::{Before, Cost, Expansion, Intent};
use crate::entry_key::{GROUP_TYPE, raw_key};
use crate::environment::Environment;
use crate::error::Conflict;
use crate::failpoint;
use crate::log::{Append, Log};
use crate::mutation;
use crate::opener::Opener;
use crate::record::{Record, RecordBody, TransactionBody};
use crate::state::{LoadedManifest, State};
use crate::token::Token;
use crate::{
    CommitId, Durability, Error, ErrorKind, Outcome, Position, RecordId, Settings, Timestamp,
};

/// How long a log that cannot be followed is left alone.
const TAIL_RETRY_DELAY: Duration = Duration::from_secs(1);
/// A pause before the newest manifest is read, so that a fault in the log makes no busy loop.
const RELOAD_DELAY: Duration = Duration::from_millis(10);
const UNCLEAR_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A transaction on its way into the log.
pub(crate) struct CommitRequest {
    /// The epoch, the lineage and the position that it read.
    pub(crate) epoch: u32,
    pub(crate) lineage: u64,
    pub(crate) snapshot_seq: u64,
    pub(crate) reads: ReadSet,
    pub(crate) tokens: Vec<Token>,
    /// What the transaction wants to do.
    pub(crate) intent: Arc<Intent>,
    /// What that takes on top of the record `expanded_at`; on top of anything else if that is `None`.
    pub(crate) expanded_at: Option<u64>,
    pub(crate) expansion: Expansion,
    /// What may be worked out again here; beyond it the caller is to do that, and gets a conflict.
    pub(crate) cost_max: Cost,
    pub(crate) ticket: Arc<CommitTicket>,
    /// Held until the request is answered.
    pub(crate) room: Option<OwnedSemaphorePermit>,
    pub(crate) reply: oneshot::Sender<Result<Committed, Error>>,
}

impl CommitRequest {
    /// All that is to be written.
    pub(crate) fn body(&self) -> &TransactionBody {
        &self.expansion.body
    }

    /// Whether other transactions can be in its way, or change what it takes.
    fn rests_on_anything(&self) -> bool {
        !self.reads.is_empty()
            || !self.tokens.is_empty()
            || !self.expansion.basis.is_empty()
            || !self.intent.catalog_changes.is_empty()
    }
}

/// Where a transaction was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// The record that holds it: the state after it includes the transaction.
    pub position: Position,
    /// Which transaction of the record it is, counted from 0.
    pub index: u32,
}

/// What the committer is asked for besides commits.
pub(crate) enum Command {
    /// Apply all that stands in the log now, then answer.
    CatchUp(oneshot::Sender<Result<(), Error>>),
    /// Append a control record, whatever else waits (R23).
    Control(
        ControlRequest,
        oneshot::Sender<Result<ControlApplied, Error>>,
    ),
    /// Read from a newer manifest.
    Install(LoadedManifest, oneshot::Sender<()>),
    /// Finish what is queued and end.
    Close,
}

/// A control record that is to be appended.
#[derive(Clone, Debug)]
pub(crate) struct ControlRequest {
    pub(crate) record: ControlRecord,
    /// The epoch to whose log it belongs, if it says nothing in another.
    pub(crate) epoch: Option<u32>,
}

/// The state right after a control record.
#[derive(Clone, Debug)]
pub(crate) struct ControlApplied {
    pub(crate) position: Position,
    pub(crate) time: Timestamp,
    pub(crate) control: Arc<ControlState>,
}

/// The committer's own state; it runs on a thread of its own, where a log may block on files.
pub(crate) struct Committer {
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) opener: Arc<Opener>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) state: State,
    pub(crate) settings: Arc<Settings>,
    pub(crate) requests: mpsc::Receiver<CommitRequest>,
    pub(crate) commands: mpsc::Receiver<Command>,
    /// Transactions that have met the end of the log: they are for the next epoch to decide.
    pub(crate) postponed: Vec<CommitRequest>,
    /// Names this process in the records that it writes.
    pub(crate) writer: u64,
}

/// Transactions that go into the next record, and those that clash with one of them.
#[derive(Default)]
struct Batch {
    accepted: Vec<CommitRequest>,
    /// Answered when the record stands: only then is the write that they clash with there to be read.
    clashing: Vec<(CommitRequest, Conflict)>,
}

impl Committer {
    /// Runs until the store is closed, its last handle is dropped, or the log can no longer be followed.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.serve().await {
            if !self.state.shared().is_stopping() {
                log::error!(instance = self.state.instance(); "the store is given up: {}", error.chain());
            }
            self.state.fail(&error);
            self.requests.close();
            for request in std::mem::take(&mut self.postponed) {
                let _ = request.reply.send(Err(self.state.failure()));
            }
            while let Some(request) = self.requests.recv().await {
                let _ = request.reply.send(Err(self.state.failure()));
            }
        }
        self.log.close().await;
    }

    async fn serve(&mut self) -> Result<(), Error> {
        loop {
            match self.serve_log().await {
                Ok(Served::Closed) => return Ok(()),
                Ok(Served::Renewed) => continue,
                Ok(Served::EpochEnded) => {}
                // What comes next is gone, or may be: the newest manifest says where to go on (R15).
                Err(error) if error.kind() == ErrorKind::Compacted => {
                    log::info!(instance = self.state.instance(); "going on from the newest manifest: {}", error.chain());
                    self.environment.sleep(RELOAD_DELAY).await;
                }
                Err(error) => return Err(error),
            }
            self.reload().await?;
        }
    }

    /// Serves until the store is closed, or there is an epoch after the one whose log this is.
    async fn serve_log(&mut self) -> Result<Served, Error> {
        let log = self.log.clone();
        let mut tail = log.tail(self.state.position()).fuse();
        let mut retry = None;
        let mut next_epoch = None;
        loop {
            if !Arc::ptr_eq(&log, &self.log) {
                return Ok(Served::Renewed);
            }
            if !self.is_sealed() && !self.postponed.is_empty() {
                let requests = std::mem::take(&mut self.postponed);
                self.commit(requests).await?;
                continue;
            }
            if self.is_sealed() && next_epoch.is_none() {
                next_epoch = Some(self.opener.clone().wait_for_epoch(self.state.epoch() + 1));
            }
            let queue_open = self.state.has_room()
                && (!self.is_sealed() || mutation::is("append-behind-a-seal"));
            select_biased! {
                command = self.commands.recv().fuse() => match command {
                    Some(Command::CatchUp(reply)) => {
                        let caught_up = self.catch_up().await;
                        match caught_up {
                            Err(error) if error.kind() == ErrorKind::Compacted => {
                                let reloaded = self.reload().await;
                                let told = reloaded.as_ref().map_err(copy_error).copied();
                                let _ = reply.send(told);
                                return reloaded.map(|()| Served::Renewed);
                            }
                            caught_up => drop(reply.send(caught_up)),
                        }
                    }
                    Some(Command::Control(request, reply)) => {
                        let applied = self.append_control(request).await;
                        match applied {
                            Ok(applied) => drop(reply.send(applied)),
                            Err(error) => {
                                let _ = reply.send(Err(copy_error(&error)));
                                return Err(error);
                            }
                        }
                    }
                    Some(Command::Install(loaded, reply)) => {
                        self.state.install(loaded, self.environment.steady_time());
                        self.log.note_covered(self.state.view().files.manifest.covered);
                        let _ = reply.send(());
                    }
                    Some(Command::Close) | None => {
                        self.drain().await?;
                        return Ok(Served::Closed);
                    }
                },
                () = wait_for_retry(&mut next_epoch).fuse() => return Ok(Served::EpochEnded),
                () = wait_for_retry(&mut retry).fuse() => {
                    retry = None;
                    tail = log.tail(self.state.position()).fuse();
                }
                record = tail.next() => match record {
                    Some(Ok(record)) => self.apply_foreign(record)?,
                    Some(Err(error)) if error.kind() == ErrorKind::Unavailable => {
                        log::warn!(
                            instance = self.state.instance();
                            "the log cannot be followed now and is tried again: {}", error.chain()
                        );
                        retry = Some(self.environment.sleep(TAIL_RETRY_DELAY));
                    }
                    Some(Err(error)) => return Err(error),
                    None if retry.is_some() => {}
                    None => return Err(Error::unavailable("the log has ended")),
                },
                request = receive_if(&mut self.requests, queue_open).fuse() => match request {
                    Some(request) => self.commit_from(request).await?,
                    None => return Ok(Served::Closed),
                },
            }
        }
    }

    fn is_sealed(&self) -> bool {
        self.state.view().control.sealed.is_some()
    }

    /// Begins anew with the newest epoch's newest manifest, as opening does. Tries until the storage answers; gives up when
    /// the store is being closed.
    async fn reload(&mut self) -> Result<(), Error> {
        loop {
            let error = match self.opener.reload(&mut self.state).await {
                Ok(log) => {
                    self.log = log;
                    return Ok(());
                }
                Err(error) if may_pass(&error) => error,
                Err(error) => return Err(error),
            };
            if self.state.shared().is_stopping() {
                return Err(error);
            }
            log::warn!(
                instance = self.state.instance();
                "the newest manifest cannot be read now and is tried again: {}", error.chain()
            );
            self.environment.sleep(TAIL_RETRY_DELAY).await;
        }
    }

    /// Commits what is queued when the store is closed.
    async fn drain(&mut self) -> Result<(), Error> {
        self.requests.close();
        for request in std::mem::take(&mut self.postponed) {
            let _ = request.reply.send(Err(Error::unavailable(
                "the store was closed between two epochs",
            )));
        }
        while let Some(request) = self.requests.recv().await {
            if self.is_sealed() {
                let _ = request.reply.send(Err(Error::unavailable(
                    "the store was closed between two epochs",
                )));
            } else if self.state.has_room() {
                self.commit_from(request).await?;
            } else {
                let _ = request.reply.send(Err(self.state.no_room()));
            }
        }
        Ok(())
    }

    /// Commits `first` and what else is queued, up to the bounds of a batch.
    async fn commit_from(&mut self, first: CommitRequest) -> Result<(), Error> {
        let mut bytes = first.body().encoded.len();
        let mut requests = vec![first];
        while requests.len() < self.settings.batch_transactions_max
            && bytes < self.settings.batch_bytes_max
        {
            let Ok(request) = self.requests.try_recv() else {
                break;
            };
            bytes += request.body().encoded.len();
            requests.push(request);
        }
        self.commit(requests).await?;
        self.log.tidy().await;
        Ok(())
    }

    async fn commit(&mut self, requests: Vec<CommitRequest>) -> Result<(), Error> {
        let result = self.commit_batch(requests).await;
        self.state.set_in_flight(None);
        result
    }

    async fn commit_batch(&mut self, mut requests: Vec<CommitRequest>) -> Result<(), Error> {
        loop {
            let (expected, position, time) = self.next_record();
            // Before any caller can be told this id: as long as it stands here, its outcome is open.
            self.state.set_in_flight(Some(position.record));
            let mut batch = self.validate(requests, position, time).await;
            if mutation::is("acknowledge-before-append") {
                batch.acknowledge_early(position);
            }
            if batch.accepted.is_empty() {
                batch.refuse_clashing();
                return Ok(());
            }
            let mut bodies = Vec::with_capacity(batch.accepted.len());
            bodies.extend(batch.accepted.iter().map(|request| request.body().clone()));
            let record = self.record(position, expected, time, RecordBody::Transactions(bodies));
            match self.append(expected, record).await? {
                Settled::Committed => {
                    if self.settings.durability == Durability::ObjectStorage
                        && let Err(error) = self.log.store(position).await
                    {
                        batch.answer_unknown(position, &error);
                        return Ok(());
                    }
                    failpoint::pass("record-applied");
                    batch.acknowledge(position, self.environment.as_ref());
                    failpoint::pass("acknowledged");
                    for (request, conflict) in batch.clashing {
                        let _ = request.reply.send(Err(Error::conflicting(conflict)));
                    }
                    return Ok(());
                }
                Settled::Lost => requests = batch.take_back(),
                Settled::Ended => {
                    self.postponed = batch.take_back();
                    return Ok(());
                }
                Settled::Refused(error) => {
                    batch.answer_all(|| copy_error(&error));
                    return Ok(());
                }
                Settled::Unknown(error) => {
                    batch.answer_unknown(position, &error);
                    return Ok(());
                }
            }
        }
    }

    /// Appends a control record on top of whatever stands in the log.
    async fn append_control(
        &mut self,
        request: ControlRequest,
    ) -> Result<Result<ControlApplied, Error>, Error> {
        let ControlRequest {
            record: control,
            epoch,
        } = request;
        loop {
            let view = self.state.view();
            if let Some(epoch) = epoch
                && epoch != view.epoch
            {
                let message = format!("epoch {epoch} has ended meanwhile");
                return Ok(Err(Error::unavailable(message)));
            }
            if let Err(error) = view.control.check(&control, view.last_transaction) {
                return Ok(Err(error));
            }
            let (expected, position, time) = self.next_record();
            let record = self.record(
                position,
                expected,
                time,
                RecordBody::Control(control.clone()),
            );
            match self.append(expected, record).await? {
                Settled::Committed => {
                    let (time, control) = (self.state.time(), self.state.view().control.clone());
                    return Ok(Ok(ControlApplied {
                        position,
                        time,
                        control,
                    }));
                }
                Settled::Lost => {}
                Settled::Refused(error) | Settled::Unknown(error) => return Ok(Err(error)),
                Settled::Ended => {
                    return Ok(Err(Error::unavailable(
                        "the log was sealed: the next epoch is about to begin",
                    )));
                }
            }
        }
    }

    /// What the next append is on top of, where its record will stand, and its time (R2, R5).
    fn next_record(&self) -> (Position, Position, Timestamp) {
        let expected = self.state.position();
        let position = Position {
            epoch: self.state.epoch(),
            seq: expected.seq + 1,
            record: RecordId::random(self.environment.as_ref()),
        };
        let shared = self.state.shared();
        let environment = self.environment.as_ref();
        let now = match shared
            .store_clock
            .runs_behind(environment, &shared.instance)
        {
            true => self.state.time(),
            false => environment.wall_time(),
        };
        let time = match mutation::is("let-times-go-back") {
            true => now,
            false => now.max(self.state.time()),
        };
        (expected, position, time)
    }

    fn record(
        &self,
        position: Position,
        expected: Position,
        time: Timestamp,
        body: RecordBody,
    ) -> Record {
        Record {
            position,
            predecessor: expected.record,
            store: self.state.store(),
            writer: self.writer,
            time,
            body,
            bytes: 0,
        }
    }

    /// Sorts out which of `requests` can be committed together at `position`; those that clash with what is applied
    /// are answered here.
    async fn validate(
        &self,
        requests: Vec<CommitRequest>,
        position: Position,
        time: Timestamp,
    ) -> Batch {
        let mut batch = Batch::default();
        let checks_needed = requests.iter().any(CommitRequest::rests_on_anything);
        let mut written = BatchWrites::default();
        for mut request in requests {
            if let Err(error) = self.check_applied(&request, time).await {
                let _ = request.reply.send(Err(to_be_tried_again(error)));
                continue;
            }
            if let Err(conflict) = check_batch(&request, &written) {
                batch.clashing.push((request, conflict));
                continue;
            }
            if let Err(error) = self.expand_again(&mut request, &written, time).await {
                let _ = request.reply.send(Err(to_be_tried_again(error)));
                continue;
            }
            let index = u32::try_from(batch.accepted.len()).unwrap_or(u32::MAX);
            let id = CommitId {
                epoch: position.epoch,
                seq: position.seq,
                record: position.record,
                index,
            };
            if !request.ticket.put_in_flight(id) {
                continue;
            }
            if checks_needed {
                let writes = request.body().writes.iter();
                writes.for_each(|write| written.add(write));
            }
            batch.accepted.push(request);
        }
        batch
    }

    /// Whether anything that the request rests on has changed in the applied state.
    async fn check_applied(&self, request: &CommitRequest, time: Timestamp) -> Result<(), Error> {
        if request.lineage != self.state.view().lineage {
            return Err(Error::conflicting(match request.epoch {
                epoch if epoch == self.state.epoch() => Conflict::TooOld,
                _ => Conflict::Epoch,
            }));
        }
        if let Some(since) = &self.state.view().control.maintenance
            && !mutation::is("commit-in-maintenance")
        {
            return Err(Error::new(
                ErrorKind::Maintenance,
                format!(
                    "the store is in maintenance since {}, switched on by {:?}",
                    since.position, since.instance
                ),
            ));
        }
        if !mutation::is("ignore-expiry-at-commit") {
            request
                .reads
                .check_expiry(time)
                .map_err(Error::conflicting)?;
        }
        self.state
            .window()
            .check(&request.reads, request.snapshot_seq)
            .map_err(Error::conflicting)?;
        for token in &request.tokens {
            // One that another process has given out may rest on a branch that was given up.
            if token.epoch != self.state.epoch() {
                return Err(Error::conflicting(Conflict::Epoch));
            }
            for name in &token.groups {
                let key = raw_key(GROUP_TYPE, name.as_bytes());
                let mut last = self.state.window().last_written(&key);
                if last.is_none() && !self.state.window().reaches(token.seq) {
                    last = self
                        .state
                        .view()
                        .files
                        .get(&key)
                        .await?
                        .map(|entry| entry.version.seq);
                }
                if last.is_some_and(|seq| seq > token.seq) {
                    return Err(Error::conflicting(Conflict::Group { name: name.clone() }));
                }
            }
        }
        Ok(())
    }

    /// Works out anew what a request takes, if what that rests on has changed since.
    async fn expand_again(
        &self,
        request: &mut CommitRequest,
        written: &BatchWrites,
        time: Timestamp,
    ) -> Result<(), Error> {
        let view = self.state.view();
        let basis = &request.expansion.basis;
        let holds = request.expanded_at.is_some_and(|expanded_at| {
            view.control.catalog.changed_seq <= expanded_at
                && !written.changes_catalog()
                && basis.check_expiry(time).is_ok()
                && self.state.window().check(basis, expanded_at).is_ok()
                && written.check(basis).is_ok()
        });
        if holds || mutation::is("expand-only-once") {
            return Ok(());
        }
        if request.expansion.cost > request.cost_max {
            return Err(Error::conflicting(Conflict::Indexes));
        }
        let before = Before {
            view,
            batch: Some(written),
            time,
        };
        request.expansion = request.intent.expand(before, &self.settings).await?;
        // It may rest on transactions of a batch that is yet to find its place.
        request.expanded_at = None;
        Ok(())
    }

    /// Appends a record on top of `expected` and sees to it that what became of it is applied.
    async fn append(&mut self, expected: Position, mut record: Record) -> Result<Settled, Error> {
        let position = record.position;
        let encoded = match record.encode() {
            Ok(encoded) => encoded,
            Err(error) => return Ok(Settled::Refused(error)),
        };
        record.bytes = encoded.len() as u64;
        let settled = self
            .append_until_settled(expected, position, encoded)
            .await?;
        if let Settled::Committed = &settled
            && self.state.position() == expected
        {
            self.state.apply(record)?;
        }
        Ok(match settled {
            // There is no next number in this log.
            Settled::Lost if self.is_sealed() && !mutation::is("append-behind-a-seal") => {
                Settled::Ended
            }
            settled => settled,
        })
    }

    async fn append_until_settled(
        &mut self,
        expected: Position,
        position: Position,
        encoded: bytes::Bytes,
    ) -> Result<Settled, Error> {
        let started = self.environment.steady_time();
        let mut unclear = None;
        loop {
            failpoint::pass("append-begun");
            match (
                self.log.append(expected, position, encoded.clone()).await,
                unclear.take(),
            ) {
                (Append::Appended, _) => {
                    failpoint::pass("append-done");
                    return Ok(Settled::Committed);
                }
                (Append::Behind, _) => return self.settle_behind(position).await,
                (Append::Lost(told), _) => {
                    // The record that stands there may be this one, sent before with its answer lost.
                    let own = match self.catch_up_past(position, told).await {
                        Ok(own) => own,
                        Err(error) if error.kind() == ErrorKind::Unavailable => {
                            return Ok(Settled::Unknown(error));
                        }
                        Err(error) if error.kind() == ErrorKind::Compacted => {
                            return self.settle_behind(position).await;
                        }
                        Err(error) => return Err(error),
                    };
                    return Ok(if own && !mutation::is("read-nothing-back") {
                        Settled::Committed
                    } else {
                        Settled::Lost
                    });
                }
                (Append::Refused(error), None) => return Ok(Settled::Refused(error)),
                // What was sent before may still land, whatever became of this attempt.
                (Append::Refused(_), Some(earlier)) => return Ok(Settled::Unknown(earlier)),
                (Append::Unclear(error), _) if mutation::is("take-unclear-for-failed") => {
                    return Ok(Settled::Refused(error));
                }
                (Append::Unclear(error), earlier) => {
                    let waited = self.environment.steady_time().saturating_sub(started);
                    if waited >= self.log.unclear_timeout() {
                        return Ok(Settled::Unknown(earlier.unwrap_or(error)));
                    }
                    unclear = Some(error);
                    self.environment.sleep(UNCLEAR_RETRY_DELAY).await;
                }
            }
        }
    }

    /// Goes on from the newest manifest, and lets what stands behind the record at `position` say whether it counts (R15).
    async fn settle_behind(&mut self, position: Position) -> Result<Settled, Error> {
        self.reload().await?;
        let history = self.opener.history(self.state.store());
        let decided = history.decide(self.state.shared(), position).await;
        Ok(match decided {
            Ok(Outcome::Committed) => Settled::Committed,
            Ok(Outcome::NotCommitted) => Settled::Lost,
            Ok(_) => Settled::Unknown(Error::unavailable(
                "the log has gone on, and what would tell is no longer kept",
            )),
            Err(error) => Settled::Unknown(error),
        })
    }

    /// Applies all that stands in the log now. `Compacted` when that is not the newest state, for the next epoch has begun.
    async fn catch_up(&mut self) -> Result<(), Error> {
        let log = self.log.clone();
        let mut records = log.read(self.state.position());
        while let Some(record) = records.next().await {
            self.apply_foreign(record?)?;
        }
        drop(records);
        if self.is_sealed() {
            self.opener.check_newest_epoch(self.state.epoch()).await?;
        }
        Ok(())
    }

    /// Catches up, with what the log has `told` already, and says whether the record at `position.seq` is the one named by
    /// `position`.
    async fn catch_up_past(
        &mut self,
        position: Position,
        told: Vec<Record>,
    ) -> Result<bool, Error> {
        let mut own = false;
        for record in told {
            own |= record.position == position;
            self.apply_foreign(record)?;
        }
        if self.state.position().seq >= position.seq {
            return Ok(own);
        }
        let log = self.log.clone();
        let mut records = log.read(self.state.position());
        while let Some(record) = records.next().await {
            let record = record?;
            own |= record.position == position;
            self.apply_foreign(record)?;
        }
        Ok(own)
    }

    fn apply_foreign(&mut self, record: Record) -> Result<(), Error> {
        if record.position.seq <= self.state.position().seq {
            return Ok(()); // applied already, as one of this process or on catching up
        }
        self.state.apply(record)
    }
}

/// Why a log is served no longer.
enum Served {
    Closed,
    /// Another log has taken its place already.
    Renewed,
    /// The next epoch is there.
    EpochEnded,
}

/// What became of an append.
enum Settled {
    Committed,
    Lost,
    /// Another record stands there, and it is the last of its log.
    Ended,
    Refused(Error),
    Unknown(Error),
}

/// Whether a failure to read the newest manifest may be over soon. What is missing may have been replaced meanwhile.
fn may_pass(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::Compacted | ErrorKind::NotFound
    )
}

impl Batch {
    fn refuse_clashing(self) {
        for (request, conflict) in self.clashing {
            let _ = request.reply.send(Err(Error::conflicting(conflict)));
        }
    }

    fn answer_all(self, error: impl Fn() -> Error) {
        for request in self
            .accepted
            .into_iter()
            .chain(self.clashing.into_iter().map(|(request, _)| request))
        {
            let _ = request.reply.send(Err(error()));
        }
    }

    /// Tells the callers of the accepted ones that they are committed. Many of them are told by a task: waking so many from
    /// a thread that is none of the runtime's own takes longer, and the next record waits for this one.
    fn acknowledge(&mut self, position: Position, environment: &dyn Environment) {
        const TOLD_AT_ONCE_MAX: usize = 16;
        let accepted = std::mem::take(&mut self.accepted);
        let is_many = accepted.len() > TOLD_AT_ONCE_MAX;
        let tell = move || {
            for (index, request) in (0u32..).zip(accepted) {
                let _ = request.reply.send(Ok(Committed { position, index }));
            }
        };
        match is_many {
            false => tell(),
            true => environment.spawn("acknowledge", Box::pin(async move { tell() })),
        }
    }

    /// The same, of requests that are still to be appended.
    fn acknowledge_early(&mut self, position: Position) {
        for (index, request) in (0u32..).zip(&mut self.accepted) {
            let reply = std::mem::replace(&mut request.reply, oneshot::channel().0);
            let _ = reply.send(Ok(Committed { position, index }));
        }
    }

    /// Tells the callers that it is not known whether the record at `position` is there to stay.
    fn answer_unknown(self, position: Position, error: &Error) {
        for (index, request) in (0u32..).zip(self.accepted) {
            let id = CommitId {
                epoch: position.epoch,
                seq: position.seq,
                record: position.record,
                index,
            };
            let unknown = Error::commit_unknown(id, &error.chain());
            let _ = request.reply.send(Err(unknown));
        }
        for (request, conflict) in self.clashing {
            let _ = request.reply.send(Err(Error::conflicting(conflict)));
        }
    }

    /// The requests as they came, to be validated again.
    fn take_back(self) -> Vec<CommitRequest> {
        let mut requests: VecDeque<CommitRequest> = self.accepted.into();
        requests.extend(self.clashing.into_iter().map(|(request, _)| request));
        requests
            .iter()
            .for_each(|request| request.ticket.put_back());
        requests.into()
    }
}

fn check_batch(request: &CommitRequest, written: &BatchWrites) -> Result<(), Conflict> {
    written.check(&request.reads)?;
    for name in request.tokens.iter().flat_map(|token| &token.groups) {
        if written.contains(&raw_key(GROUP_TYPE, name.as_bytes())) {
            return Err(Conflict::Group { name: name.clone() });
        }
    }
    Ok(())
}

async fn wait_for_retry(retry: &mut Option<BoxFuture<'static, ()>>) {
    match retry {
        Some(delay) => delay.await,
        None => std::future::pending().await,
    }
}

async fn receive_if(
    requests: &mut mpsc::Receiver<CommitRequest>,
    open: bool,
) -> Option<CommitRequest> {
    if open {
        requests.recv().await
    } else {
        std::future::pending().await
    }
}

/// What a caller is told of a failed look at what its commit rests on. Data files that this process still reads from may have
/// been collected by another one: a moment later it has the newer manifest, and nothing was written.
pub(crate) fn to_be_tried_again(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Expired => Error::unavailable(
            "data files that the commit was to be checked against have been removed meanwhile",
        )
        .with_source(error),
        _ => error,
    }
}

/// The same failure for another caller: kind and full text, without the source, which cannot be copied.
fn copy_error(error: &Error) -> Error {
    Error::new(error.kind(), error.chain())
}
