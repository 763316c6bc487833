//! The one task of a process that appends to the log and applies records.
//!
//! # Invariants
//! 1. Only this task applies records and publishes views; a view is published before anyone is told of its record.
//! 2. `expected` of an append is the position that the batch was validated against (R2), and one append is in flight.
//! 3. A caller is told `Ok` only after `Append::Appended`, or when its record was read back from the log.

mod appending;
mod batch;
mod validation;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, select_biased};
use tokio::sync::{mpsc, oneshot};

use self::appending::Settled;
pub(crate) use self::batch::CommitRequest;
pub(crate) use self::validation::to_be_tried_again;
use crate::control::{ControlRecord, ControlState};
use crate::environment::Environment;
use crate::failpoint;
use crate::log::Log;
use crate::mutation;
use crate::opener::Opener;
use crate::record::{Record, RecordBody};
use crate::state::{LoadedManifest, State};
use crate::{Durability, Error, ErrorKind, LogKind, Position, RecordId, Settings, Timestamp};

/// How long a log that cannot be followed is left alone.
const TAIL_RETRY_DELAY: Duration = Duration::from_secs(1);
/// A pause before the newest manifest is read, so that a fault in the log makes no busy loop.
const RELOAD_DELAY: Duration = Duration::from_millis(10);

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
        // Where processes take turns, one that looks sooner than the others would get more of them.
        let is_alone = self.state.shared().log().kind == LogKind::File;
        self.environment.set_watchful(is_alone);
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
            self.state
                .set_held_up_by(Some("what it rests on cannot be read yet"));
            let mut batch = self.validate(requests, time).await;
            self.state.set_held_up_by(None);
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
            match self
                .append(expected, record, &batch.senders(position))
                .await?
            {
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
                    batch.refuse_clashing();
                    return Ok(());
                }
                Settled::Lost | Settled::Withdrawn => requests = batch.take_back(),
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
            match self.append(expected, record, &()).await? {
                Settled::Committed => {
                    let (time, control) = (self.state.time(), self.state.view().control.clone());
                    return Ok(Ok(ControlApplied {
                        position,
                        time,
                        control,
                    }));
                }
                Settled::Lost | Settled::Withdrawn => {}
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
}

/// Why a log is served no longer.
enum Served {
    Closed,
    /// Another log has taken its place already.
    Renewed,
    /// The next epoch is there.
    EpochEnded,
}

/// Whether a failure to read the newest manifest may be over soon. What is missing may have been replaced meanwhile.
fn may_pass(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::Compacted | ErrorKind::NotFound
    )
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

/// The same failure for another caller: kind and full text, without the source, which cannot be copied.
fn copy_error(error: &Error) -> Error {
    Error::new(error.kind(), error.chain())
}
