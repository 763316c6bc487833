//! Executing a task from its begin to its end.

use std::sync::Arc;
use std::time::Duration;

use runservice::api::{
    ExecutorTaskPhase, ExecutorTaskSpecData, ExecutorTaskStatus, ExecutorTaskStepStatus,
};
use service::api::Time;
use tokio::time::Instant;

use super::Engine;
use super::steps::StepEnd;
use super::task::{StopReason, Task, interrupt};
use crate::driver::{Failure, Place, TaskContext, log_failed};
use crate::task_directory::LogPart;
use crate::task_log::LogWriter;

/// How long a task may take to end by itself once it is to stop. Then what is left of it is killed.
const PATIENCE: Duration = Duration::from_millis(2500);
/// Why a task has failed that was being executed when the executor was asked to end.
const SHUT_DOWN: &str = "the executor was stopped while it executed the task";
/// A time that does not come.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// A step, or the preparations, did not succeed; the status says which. Why, if it is not for the step's own exit status.
struct Unsuccessful(Option<Failure>);

impl Engine {
    /// Executes a task. When it returns nothing of it is left but its record, logs and archives.
    pub(super) async fn execute(&self, task: Arc<Task>, spec: Box<ExecutorTaskSpecData>) {
        self.inner.figures.begin();
        task.update(|status| {
            status.phase = ExecutorTaskPhase::Running;
            status.start_time = Some(Time::now());
            begin(&mut status.setup_step);
        });
        let (directory, record) = (task.directory().clone(), task.record());
        let begun = tokio::task::spawn_blocking(move || directory.begin(&record)).await;
        let begun = begun.unwrap_or_else(|cause| Err(std::io::Error::other(cause)));
        let outcome = match begun {
            Ok(()) => self.execute_within_limits(&task, Arc::new(*spec)).await,
            Err(cause) => Err(Unsuccessful(Some(Failure(format!(
                "the directory of the task cannot be made: {cause}"
            ))))),
        };
        self.finish(&task, outcome).await;
        let removed = self.inner.driver.remove(task.id(), task.directory()).await;
        if let Err(cause) = removed {
            log::warn!(instance = self.instance(); "task {}: {cause}", task.id());
        }
        task.note_end();
        self.inner.figures.end();
        // There may be one that had no room.
        if self.settings().active_tasks_limit > 0 {
            self.inner.look.notify_one();
        }
    }

    /// Executes the steps, unless that takes too long, or the task is to stop and does not.
    async fn execute_within_limits(
        &self,
        task: &Arc<Task>,
        spec: Arc<ExecutorTaskSpecData>,
    ) -> Result<(), Unsuccessful> {
        let context = TaskContext {
            id: task.id().to_owned(),
            spec,
            directory: task.directory().clone(),
            stop: task.stop_token().clone(),
        };
        let timeout = self.settings().task_timeout;
        let limit = tokio::time::sleep(if timeout.is_zero() { NEVER } else { timeout });
        let patience = tokio::time::sleep(NEVER);
        let work = self.execute_steps(task, &context);
        tokio::pin!(limit, patience, work);
        let (mut is_late, mut is_stopping) = (false, false);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                () = &mut limit, if !is_late => {
                    is_late = true;
                    let text = format!("the task has timed out after {timeout:?}");
                    task.ask_to_stop(StopReason::TimedOut(text));
                }
                () = context.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    patience.as_mut().reset(Instant::now() + PATIENCE);
                }
                () = &mut patience, if is_stopping => return Err(Unsuccessful(None)),
            }
        }
    }

    async fn execute_steps(
        &self,
        task: &Arc<Task>,
        context: &TaskContext,
    ) -> Result<(), Unsuccessful> {
        let place = self.set_up(task, context).await?;
        for (step, _) in context.spec.steps.iter().enumerate() {
            if context.stop.is_cancelled() {
                return Err(Unsuccessful(None));
            }
            task.update(|status| {
                if let Some(step) = status.steps.get_mut(step) {
                    begin(step);
                }
            });
            task.save(false);
            let ended = self.execute_step(task, context, &*place, step).await;
            let (end, failure) = match ended {
                Ok(end) => (end, None),
                Err(failure) => (StepEnd::Failed(None), Some(failure)),
            };
            let (phase, exit_status) = match end {
                StepEnd::Done(exit_status) => (ExecutorTaskPhase::Success, exit_status),
                StepEnd::Failed(exit_status) => (phase_of_failure(task), exit_status),
            };
            task.update(|status| {
                if let Some(step) = status.steps.get_mut(step) {
                    step.phase = Some(phase);
                    step.exit_status = exit_status;
                    step.end_time = Some(Time::now());
                }
            });
            if phase != ExecutorTaskPhase::Success {
                return Err(Unsuccessful(failure));
            }
        }
        Ok(())
    }

    async fn set_up(
        &self,
        task: &Arc<Task>,
        context: &TaskContext,
    ) -> Result<Box<dyn Place>, Unsuccessful> {
        let made = self.make_place(task, context).await;
        let phase = match &made {
            Ok(_) => ExecutorTaskPhase::Success,
            Err(_) => phase_of_failure(task),
        };
        task.update(|status| {
            status.setup_step.phase = Some(phase);
            status.setup_step.end_time = Some(Time::now());
        });
        made.map_err(|failure| Unsuccessful(Some(failure)))
    }

    async fn make_place(
        &self,
        task: &Arc<Task>,
        context: &TaskContext,
    ) -> Result<Box<dyn Place>, Failure> {
        let mut log = self.begin_log(task, LogPart::Setup).await?;
        let timeout = self.settings().setup_timeout;
        let setup = tokio::time::timeout(timeout, self.inner.driver.setup(context, &mut log));
        let made = match context.stop.run_until_cancelled(setup).await {
            None => Err(Failure("the preparations were stopped".to_owned())),
            Some(Err(_)) => Err(Failure(format!(
                "the preparations have timed out after {timeout:?}"
            ))),
            Some(Ok(made)) => made,
        };
        if let Err(failure) = &made {
            // It is in the status as well.
            let _ = log.line(failure).await;
        }
        made
    }

    /// Executes a step; its log has ended then.
    async fn execute_step(
        &self,
        task: &Arc<Task>,
        context: &TaskContext,
        place: &dyn Place,
        step: usize,
    ) -> Result<StepEnd, Failure> {
        let mut log = self.begin_log(task, LogPart::Step(step)).await?;
        let ended = self.do_step(context, place, step, &mut log).await;
        // The log is all that people see of a reason.
        let reason = match (&ended, task.stop_reason()) {
            (Ok(StepEnd::Done(_)), _) => None,
            (_, Some(StopReason::TimedOut(text))) => Some(text.clone()),
            (_, Some(StopReason::Shutdown)) => Some(SHUT_DOWN.to_owned()),
            (Err(failure), _) => Some(failure.to_string()),
            (Ok(StepEnd::Failed(_)), _) => None,
        };
        if let Some(reason) = reason {
            let _ = log.line(reason).await;
        }
        ended
    }

    async fn begin_log(&self, task: &Task, part: LogPart) -> Result<LogWriter, Failure> {
        let path = task.directory().log(part);
        let made = LogWriter::create(&path, self.settings().log_bytes_max).await;
        let (log, progress) = made.map_err(log_failed)?;
        task.note_log(part, progress);
        Ok(log)
    }

    /// Ends the task. What is reported is on disk before.
    async fn finish(&self, task: &Arc<Task>, outcome: Result<(), Unsuccessful>) {
        let mut status = task.status();
        match outcome {
            Ok(()) => {
                status.phase = ExecutorTaskPhase::Success;
                status.end_time = Some(Time::now());
            }
            Err(Unsuccessful(failure)) => {
                let reason = reason(task.stop_reason(), failure);
                interrupt(&mut status, phase_of_failure(task), &reason);
            }
        }
        self.log_end(task, &status);
        self.inner.figures.count_end(status.phase);
        let (directory, record) = (task.directory().clone(), task.record_with(status.clone()));
        let written = tokio::task::spawn_blocking(move || directory.write(&record, true)).await;
        if let Ok(Err(cause)) = written {
            // After a restart it would have failed, which the run service would not believe any more.
            log::warn!(instance = self.instance(); "the record of task {} cannot be written: {cause}", task.id());
        }
        task.update(|current| *current = status);
    }

    fn log_end(&self, task: &Task, status: &ExecutorTaskStatus) {
        let (id, phase) = (task.id(), status.phase);
        match status.fail_error.as_str() {
            "" => log::debug!(instance = self.instance(); "task {id} has ended: {phase}"),
            reason => {
                log::info!(instance = self.instance(); "task {id} has ended: {phase}: {reason}")
            }
        }
    }
}

fn begin(step: &mut ExecutorTaskStepStatus) {
    step.phase = Some(ExecutorTaskPhase::Running);
    step.start_time = Some(Time::now());
}

/// What becomes of a step, and of its task, that has not succeeded.
fn phase_of_failure(task: &Task) -> ExecutorTaskPhase {
    match task.stop_reason() {
        Some(StopReason::Asked | StopReason::Forgotten) => ExecutorTaskPhase::Stopped,
        Some(StopReason::Shutdown | StopReason::TimedOut(_)) | None => ExecutorTaskPhase::Failed,
    }
}

/// Why the task has not succeeded, if its steps do not tell.
fn reason(stopped: Option<&StopReason>, failure: Option<Failure>) -> String {
    match stopped {
        Some(StopReason::Asked | StopReason::Forgotten) => String::new(),
        Some(StopReason::TimedOut(text)) => text.clone(),
        Some(StopReason::Shutdown) => SHUT_DOWN.to_owned(),
        None => failure.map(|failure| failure.0).unwrap_or_default(),
    }
}
