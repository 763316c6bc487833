//! What goes on without being asked for: scheduling, handing out tasks, collecting logs and archives, retention.
//!
//! The worker is driven by the log of the store. What this process has changed is looked at at once; what another one has
//! changed is looked at a little later, in case that one is gone: so several processes do not do everything twice, and
//! whatever one of them leaves undone another one does. Timers are for what only time brings.
//!
//! Nothing rests on a duty being done once. Each begins by looking what there is to do, and what it changes is one transaction.

mod agenda;
mod collect;
mod executors;
mod groups;
mod liveness;
mod pass;
mod publish;
mod retention;
mod seed;
mod waiting;
mod wake;

pub(crate) use liveness::Liveness;
pub(crate) use wake::{Duty, Wake};

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use datamanager::{Document, Follow, FollowedTransaction, FollowedWrite, Mode};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::actions::Actions;
use crate::scheduler::Requirements;
use crate::store::{
    ExecutorDocument, ExecutorReportDocument, ExecutorTaskDocument, PendingEventDocument,
    RunDocument,
};
use crate::{Error, ErrorKind};
use agenda::Agenda;
use waiting::Waiting;

/// When it is looked at what another process has changed, in case that one is gone.
const PEER_DELAY: Duration = Duration::from_secs(2);
/// The same for logs and archives that another process may be collecting.
const PEER_COLLECT_DELAY: Duration = Duration::from_secs(10);
/// Duties that are done at once, at most; and those that move logs and archives.
const WORK_MAX: usize = 32;
const TRANSFERS_MAX: usize = 16;
/// The pause behind a first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether maintenance is over.
const MAINTENANCE_LOOK: Duration = Duration::from_secs(1);
/// How long duties may take to end when the service stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What follows from a duty.
#[derive(Debug, Default)]
pub(crate) struct Next {
    /// What is to be done, and how much later.
    due: Vec<(Duty, Duration)>,
    /// What the run waits for, if it was one.
    waits: Vec<Requirements>,
    /// Whether an executor may have room now, or may have more of it.
    frees: bool,
}

impl Next {
    fn now(&mut self, duty: Duty) {
        self.due.push((duty, Duration::ZERO));
    }

    fn later(&mut self, duty: Duty, delay: Duration) {
        self.due.push((duty, delay));
    }
}

/// The running worker of a service.
pub(crate) struct WorkerHandle {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl WorkerHandle {
    /// Begins to work.
    pub(crate) fn start(actions: Actions) -> WorkerHandle {
        let (stop, stopped) = watch::channel(false);
        let worker = Worker::new(actions);
        WorkerHandle {
            stop,
            task: tokio::spawn(worker.run(stopped)),
        }
    }

    /// Whether it works. It ends by itself only if it is broken.
    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// Begins no more duties, and gives up those that take long: they are done after the next start, or by another process.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let deadline = Instant::now() + STOP_TIMEOUT * 2;
        while self.is_running() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A service that is dropped works no more.
impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    actions: Actions,
    agenda: Agenda<Duty>,
    /// What is due and waits for its turn.
    ready: VecDeque<Duty>,
    ready_transfers: VecDeque<Duty>,
    /// What is being done, with what `room_changes` was when it began.
    running: BTreeMap<Duty, u64>,
    /// What has become due while it was being done: it may have looked too early.
    again: BTreeSet<Duty>,
    transfers: usize,
    duties: JoinSet<(Duty, Result<Next, Error>)>,
    failures: HashMap<Duty, u32>,
    waiting: Waiting,
    /// How often an executor may have got room.
    room_changes: u64,
}

impl Worker {
    fn new(actions: Actions) -> Worker {
        Worker {
            actions,
            agenda: Agenda::new(),
            ready: VecDeque::new(),
            ready_transfers: VecDeque::new(),
            running: BTreeMap::new(),
            again: BTreeSet::new(),
            transfers: 0,
            duties: JoinSet::new(),
            failures: HashMap::new(),
            waiting: Waiting::default(),
            room_changes: 0,
        }
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let ended = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                ended = self.work() => ended,
            };
            if began.elapsed() > PAUSE_MAX {
                pause = FIRST_PAUSE;
            }
            // The log was replaced or cannot be read: everything is looked at anew.
            let instance = self.actions.instance();
            log::warn!(instance = instance; "the worker begins anew in {pause:?}: {}", ended.chain());
            let stops = stopped.wait_for(|stopped| *stopped);
            if tokio::time::timeout(pause, stops).await.is_ok() {
                break;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        self.finish().await;
    }

    /// Lets what is being done end, but not what takes long.
    async fn finish(&mut self) {
        let ends = async { while self.duties.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, ends).await.is_err() {
            self.duties.shutdown().await;
        }
    }

    /// Works until the store cannot be followed; returns why.
    async fn work(&mut self) -> Error {
        let (snapshot, mut follow) = self.actions.store().snapshot_and_follow();
        self.waiting.clear();
        self.actions.liveness().forget_all();
        let seeded = seed::seed(&self.actions, snapshot).await;
        match seeded {
            Ok(duties) => self.add_all(duties),
            Err(error) => return error,
        }
        loop {
            if let Err(error) = self.step(&mut follow).await {
                return error;
            }
        }
    }

    async fn step(&mut self, follow: &mut Follow) -> Result<(), Error> {
        self.begin_due();
        let next_time = self.agenda.next_time();
        let timer = async {
            match next_time {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let actions = self.actions.clone();
        tokio::select! {
            followed = follow.next() => self.take_in(&followed?),
            duties = actions.wake().take() => {
                let now = Instant::now();
                for duty in duties {
                    self.agenda.add(duty, now);
                }
            }
            Some(ended) = self.duties.join_next() => self.end(ended),
            () = timer => {}
        }
        Ok(())
    }

    fn add_all(&mut self, duties: Vec<(Duty, Duration)>) {
        let now = Instant::now();
        for (duty, delay) in duties {
            self.agenda.add(duty, now + delay);
        }
    }

    /// Begins what is due, as much as may be done at once.
    fn begin_due(&mut self) {
        let now = Instant::now();
        while let Some(duty) = self.agenda.take_due(now) {
            match duty.is_transfer() {
                true => self.ready_transfers.push_back(duty),
                false => self.ready.push_back(duty),
            }
        }
        if self.actions.store().maintenance().mode != Mode::Normal {
            let waiting = self.ready.drain(..).chain(self.ready_transfers.drain(..));
            for duty in waiting {
                self.agenda.add(duty, now + MAINTENANCE_LOOK);
            }
            return;
        }
        while self.running.len() - self.transfers < WORK_MAX
            && let Some(duty) = self.ready.pop_front()
        {
            self.begin(duty);
        }
        while self.transfers < TRANSFERS_MAX
            && let Some(duty) = self.ready_transfers.pop_front()
        {
            self.begin(duty);
        }
    }

    fn begin(&mut self, duty: Duty) {
        if self.running.contains_key(&duty) {
            self.again.insert(duty);
            return;
        }
        self.running.insert(duty.clone(), self.room_changes);
        self.transfers += usize::from(duty.is_transfer());
        let actions = self.actions.clone();
        self.duties.spawn(async move {
            let next = duty.clone().perform(&actions).await;
            (duty, next)
        });
    }

    fn end(&mut self, ended: Result<(Duty, Result<Next, Error>), JoinError>) {
        let (duty, result) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let instance = self.actions.instance();
                log::error!(instance = instance; "a duty of the worker is broken: {error}");
                // Which one it was is not told: what is marked as running is looked at again.
                self.transfers = 0;
                let now = Instant::now();
                for duty in std::mem::take(&mut self.running).into_keys() {
                    self.agenda.add(duty, now + PAUSE_MAX);
                }
                return;
            }
        };
        let began = self.running.remove(&duty);
        if began.is_some() {
            self.transfers = self
                .transfers
                .saturating_sub(usize::from(duty.is_transfer()));
        }
        let is_due_again = self.again.remove(&duty);
        match result {
            Ok(next) => {
                self.failures.remove(&duty);
                if is_due_again {
                    self.agenda.add(duty.clone(), Instant::now());
                }
                if let Duty::Run(run_id) = &duty {
                    let has_left = self.waiting.set(run_id, &next.waits);
                    if !next.waits.is_empty() && began != Some(self.room_changes) {
                        // There may be room that it has not seen.
                        self.agenda.add(duty.clone(), Instant::now());
                    } else if has_left {
                        self.serve_first();
                    }
                }
                self.add_all(next.due);
                if next.frees {
                    self.serve_waiting();
                }
            }
            Err(error) => self.fail(duty, &error),
        }
    }

    fn fail(&mut self, duty: Duty, error: &Error) {
        let now = Instant::now();
        if error.code() == "maintenance" {
            self.agenda.add(duty, now + MAINTENANCE_LOOK);
            return;
        }
        let failures = self.failures.entry(duty.clone()).or_default();
        let pause = FIRST_PAUSE
            .saturating_mul(1 << (*failures).min(10))
            .min(PAUSE_MAX);
        *failures += 1;
        let (instance, count) = (self.actions.instance(), *failures);
        let message = format!(
            "{duty} failed, try {count}; again in {pause:?}: {}",
            error.chain()
        );
        match error.kind() {
            // Rather normal with others around; what lasts is told.
            ErrorKind::Conflict | ErrorKind::Unavailable if count < 3 => {
                log::debug!(instance = instance; "{message}");
            }
            _ => log::warn!(instance = instance; "{message}"),
        }
        self.agenda.add(duty, now + pause);
    }

    /// Room may have come.
    fn serve_waiting(&mut self) {
        self.room_changes += 1;
        self.serve_first();
    }

    /// Looks again at those runs that are the first to get an executor.
    fn serve_first(&mut self) {
        let now = Instant::now();
        for run_id in self.waiting.first() {
            self.agenda.add(Duty::Run(run_id), now);
        }
    }

    /// Takes in what has changed in the store, whoever has changed it.
    fn take_in(&mut self, transaction: &FollowedTransaction) {
        let later = Instant::now() + PEER_DELAY;
        for write in &transaction.writes {
            match write.data_type.as_str() {
                RunDocument::TYPE => self.agenda.add(Duty::Run(write.id.clone()), later),
                PendingEventDocument::TYPE => self.agenda.add(Duty::Publish, later),
                ExecutorTaskDocument::TYPE => self.take_in_executor_task(write, later),
                ExecutorDocument::TYPE if write.value.is_none() => {
                    self.actions.liveness().forget(&write.id);
                    self.agenda
                        .add(Duty::Executor(write.id.clone()), Instant::now());
                }
                ExecutorDocument::TYPE | ExecutorReportDocument::TYPE if write.value.is_some() => {
                    self.actions.liveness().hear(&write.id);
                    let lost = Instant::now() + self.actions.settings().executor_lost_after;
                    self.agenda.add(Duty::Executor(write.id.clone()), lost);
                    self.serve_waiting();
                }
                _ => {}
            }
        }
    }

    fn take_in_executor_task(&mut self, write: &FollowedWrite, later: Instant) {
        match &write.value {
            None => self.serve_waiting(),
            Some(value) => {
                // What cannot be read is told where it is needed.
                if let Ok(task) = serde_json::from_slice::<ExecutorTaskDocument>(value) {
                    self.agenda.add(Duty::Run(task.run_id), later);
                }
            }
        }
    }
}
