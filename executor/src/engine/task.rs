//! One task.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use runservice::api::{
    ExecutorTask, ExecutorTaskPhase, ExecutorTaskSpec, ExecutorTaskStatus, ExecutorTaskStepStatus,
};
use service::api::Time;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::task_directory::{LogPart, Record, TaskDirectory};
use crate::task_log::LogProgress;

/// Why a task is to end before its last step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The run service wants it.
    Asked,
    /// The run service does not know it any more.
    Forgotten,
    /// The executor stops.
    Shutdown,
    /// It took too long; what, and how long it may take.
    TimedOut(String),
}

/// A task that the executor knows.
#[derive(Debug)]
pub(super) struct Task {
    id: String,
    run_id: String,
    directory: TaskDirectory,
    status: watch::Sender<Reported>,
    /// Its log is being written, or was since the executor started.
    logs: Mutex<HashMap<LogPart, LogProgress>>,
    stop: CancellationToken,
    stop_reason: OnceLock<StopReason>,
    /// Is cancelled when nothing of it is executed any more, and its place is gone.
    ended: CancellationToken,
    forgotten: CancellationToken,
}

/// What is to be reported.
#[derive(Clone, Debug, Default)]
pub(super) struct Reported {
    pub(super) status: ExecutorTaskStatus,
    /// Counts requests to report the same once more.
    again: u64,
}

impl Task {
    fn with(id: &str, run_id: &str, directory: TaskDirectory, status: ExecutorTaskStatus) -> Task {
        let task = Task {
            id: id.to_owned(),
            run_id: run_id.to_owned(),
            directory,
            status: watch::Sender::new(Reported { status, again: 0 }),
            logs: Mutex::default(),
            stop: CancellationToken::new(),
            stop_reason: OnceLock::new(),
            ended: CancellationToken::new(),
            forgotten: CancellationToken::new(),
        };
        if task.has_ended() {
            task.ended.cancel();
        }
        task
    }

    /// A task that is to be executed.
    pub(super) fn new(given: &ExecutorTask, directory: TaskDirectory) -> Task {
        let steps = given.spec.data.as_ref().map_or(0, |data| data.steps.len());
        let not_started = ExecutorTaskStepStatus {
            phase: Some(ExecutorTaskPhase::NotStarted),
            ..ExecutorTaskStepStatus::default()
        };
        let status = ExecutorTaskStatus {
            setup_step: not_started.clone(),
            steps: vec![not_started; steps],
            ..ExecutorTaskStatus::default()
        };
        Task::with(&given.id, &given.spec.run_id, directory, status)
    }

    /// A task that was to stop before it began.
    pub(super) fn cancelled(given: &ExecutorTask, directory: TaskDirectory) -> Task {
        let mut status = given.status.clone();
        status.phase = ExecutorTaskPhase::Cancelled;
        status.end_time = Some(Time::now());
        Task::with(&given.id, &given.spec.run_id, directory, status)
    }

    /// A task that cannot begin.
    pub(super) fn refused(given: &ExecutorTask, directory: TaskDirectory, reason: &str) -> Task {
        let mut status = given.status.clone();
        let reason = format!("the executor takes no tasks: {reason}");
        interrupt(&mut status, ExecutorTaskPhase::Failed, &reason);
        Task::with(&given.id, &given.spec.run_id, directory, status)
    }

    /// A task that has begun, and of which nothing is left.
    pub(super) fn lost(given: &ExecutorTask, directory: TaskDirectory) -> Task {
        let mut status = given.status.clone();
        let phase = phase_of_interrupted(given.spec.stop);
        interrupt(
            &mut status,
            phase,
            "the executor has lost the data of the task",
        );
        Task::with(&given.id, &given.spec.run_id, directory, status)
    }

    /// A task that an earlier executor has left. If it was being executed, it has failed.
    pub(super) fn restored(record: Record, directory: TaskDirectory) -> Task {
        let mut status = record.status;
        if !status.phase.is_finished() {
            let phase = phase_of_interrupted(record.stop);
            interrupt(
                &mut status,
                phase,
                "the executor has ended while it executed the task",
            );
        }
        Task::with(&record.id, &record.run_id, directory, status)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn run_id(&self) -> &str {
        &self.run_id
    }

    pub(super) fn directory(&self) -> &TaskDirectory {
        &self.directory
    }

    pub(super) fn status(&self) -> ExecutorTaskStatus {
        self.status.borrow().status.clone()
    }

    /// Whether nothing will be reported that was not.
    pub(super) fn has_ended(&self) -> bool {
        self.status.borrow().status.phase.is_finished()
    }

    /// Whether something of it is executed, or its place is still there.
    pub(super) fn is_active(&self) -> bool {
        !self.ended.is_cancelled()
    }

    /// Returns once nothing of it is executed, and its place is gone.
    pub(super) async fn wait_for_end(&self) {
        self.ended.cancelled().await;
    }

    pub(super) fn note_end(&self) {
        self.ended.cancel();
    }

    /// Is cancelled when there is nothing to be reported any more.
    pub(super) fn is_forgotten(&self) -> &CancellationToken {
        &self.forgotten
    }

    pub(super) fn reports(&self) -> watch::Receiver<Reported> {
        self.status.subscribe()
    }

    pub(super) fn report_again(&self) {
        self.status.send_modify(|reported| reported.again += 1);
    }

    /// What the run service is told.
    pub(super) fn as_reported(
        &self,
        executor_id: &str,
        status: ExecutorTaskStatus,
    ) -> ExecutorTask {
        ExecutorTask {
            id: self.id.clone(),
            spec: ExecutorTaskSpec {
                executor_id: executor_id.to_owned(),
                run_id: self.run_id.clone(),
                stop: self.stop.is_cancelled(),
                data: None,
            },
            status,
        }
    }

    /// Changes the status.
    pub(super) fn update(&self, change: impl FnOnce(&mut ExecutorTaskStatus)) {
        self.status
            .send_modify(|reported| change(&mut reported.status));
    }

    pub(super) fn record(&self) -> Record {
        self.record_with(self.status())
    }

    pub(super) fn record_with(&self, status: ExecutorTaskStatus) -> Record {
        let was_asked = self.stop_reason.get() == Some(&StopReason::Asked);
        Record::new(&self.id, &self.run_id, was_asked, status)
    }

    /// Writes the record. Where that fails, the one before is what a restart would find, which is safe: the task has failed
    /// then.
    pub(super) fn save(&self, is_synced: bool) {
        if let Err(cause) = self.directory.write(&self.record(), is_synced) {
            log::warn!("the record of task {} cannot be written: {cause}", self.id);
        }
    }

    /// Has the task end soon; the first reason counts.
    pub(super) fn ask_to_stop(&self, reason: StopReason) {
        if self.has_ended() {
            return;
        }
        // It may have one.
        let _ = self.stop_reason.set(reason);
        self.stop.cancel();
    }

    pub(super) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    pub(super) fn stop_reason(&self) -> Option<&StopReason> {
        self.stop_reason.get()
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<LogPart, LogProgress>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_log(&self, part: LogPart, progress: LogProgress) {
        self.logs().insert(part, progress);
    }

    pub(super) fn log_progress(&self, part: LogPart) -> Option<LogProgress> {
        self.logs().get(&part).cloned()
    }
}

fn phase_of_interrupted(stop: bool) -> ExecutorTaskPhase {
    match stop {
        true => ExecutorTaskPhase::Stopped,
        false => ExecutorTaskPhase::Failed,
    }
}

/// Ends a task, with the step that was being executed.
pub(super) fn interrupt(status: &mut ExecutorTaskStatus, phase: ExecutorTaskPhase, reason: &str) {
    let now = Some(Time::now());
    status.phase = phase;
    reason.clone_into(&mut status.fail_error);
    status.end_time = now;
    for step in std::iter::once(&mut status.setup_step).chain(&mut status.steps) {
        if step.phase == Some(ExecutorTaskPhase::Running) {
            step.phase = Some(phase);
            step.end_time = now;
        }
    }
}
