//! The logs of tasks, as a stream of pieces.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use gateway_client::api::{RunTaskResponse, RunTaskStatus, StepPhase};
use gateway_client::{Client, Error, ErrorKind, LogStep};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};

use super::super::words::is_over;
use super::owner::Owner;

/// How often something is looked at that may have changed.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(300);
/// How long a gateway may be away while something is followed.
const ABSENCE_MAX: Duration = Duration::from_secs(120);

/// Some bytes of the log of a step.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) task: Arc<str>,
    pub(super) step: LogStep,
    pub(super) content: Content,
}

/// What has come.
#[derive(Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    /// The log has ended.
    End,
}

/// The receiver is gone: there is nobody to read for.
#[derive(Debug)]
pub(super) struct Gone;

/// How the reading of logs ends.
#[derive(Debug)]
pub(super) enum Ended {
    Gone,
    Failed(Error),
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Ended {
        Ended::Gone
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Ended {
        Ended::Failed(error)
    }
}

/// The task whose logs are read.
#[derive(Clone)]
pub(super) struct TaskLogs {
    pub(super) client: Client,
    pub(super) owner: Arc<Owner>,
    pub(super) run: u64,
    pub(super) id: String,
    pub(super) name: Arc<str>,
    pub(super) sender: Sender<Piece>,
}

/// Waits for a gateway that is away, but not for ever.
#[derive(Debug, Default)]
pub(super) struct Patience {
    since: Option<Instant>,
}

impl Patience {
    /// Waits a moment if the failure may pass, and gives it back otherwise.
    pub(super) async fn after(&mut self, error: Error) -> Result<(), Error> {
        let may_pass = matches!(
            error.kind(),
            ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::TooManyRequests
        );
        let since = *self.since.get_or_insert_with(Instant::now);
        if !may_pass || since.elapsed() > ABSENCE_MAX {
            return Err(error);
        }
        sleep(LOOK_INTERVAL).await;
        Ok(())
    }

    /// The gateway is there.
    pub(super) fn renew(&mut self) {
        self.since = None;
    }
}

impl TaskLogs {
    /// Reads the logs of all steps as far as they are there.
    pub(super) async fn read(self) -> Result<(), Ended> {
        let task = self.task().await?;
        self.read_failed_setup(&task).await?;
        for step in steps(&task) {
            self.read_what_is_there(step).await?;
        }
        Ok(())
    }

    /// The log of the preparations tells why they have failed. Otherwise it is of no interest.
    async fn read_failed_setup(&self, task: &RunTaskResponse) -> Result<(), Ended> {
        match task.setup_step.phase {
            StepPhase::Failed => self.read_what_is_there(LogStep::Setup).await,
            _ => Ok(()),
        }
    }

    async fn read_what_is_there(&self, step: LogStep) -> Result<(), Ended> {
        match self.read_step(step, &mut 0, false).await {
            Err(Ended::Failed(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Reads the logs of all steps as they come, until the task has ended. Returns it as it is then.
    pub(super) async fn follow(self) -> Result<RunTaskResponse, Ended> {
        let task = self.task().await?;
        for step in steps(&task) {
            self.follow_step(step).await?;
        }
        // The last step is over a moment before its task.
        loop {
            let task = self.task().await?;
            if self.is_over(&task).await? {
                self.read_failed_setup(&task).await?;
                return Ok(task);
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Reads the log of a step as it comes, until it has ended.
    pub(super) async fn follow_step(&self, step: LogStep) -> Result<(), Ended> {
        let mut patience = Patience::default();
        let mut bytes_read = 0;
        loop {
            let (before, began) = (bytes_read, Instant::now());
            let error = match self.read_step(step, &mut bytes_read, true).await {
                Err(Ended::Failed(error)) => error,
                result => return result,
            };
            // A silent log that is cut off after hours is no gateway that is away.
            if bytes_read > before || began.elapsed() > ABSENCE_MAX {
                patience.renew();
            }
            if error.kind() != ErrorKind::NotFound {
                patience.after(error).await?;
                continue;
            }
            // It has not begun, or never will.
            let task = self.task().await?;
            patience.renew();
            if has_step_ended(&task, step) || self.is_over(&task).await? {
                return Ok(());
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Reads the log of a step behind the bytes that were read before. If it is cut off, more can be read later.
    pub(super) async fn read_step(
        &self,
        step: LogStep,
        bytes_read: &mut u64,
        follow: bool,
    ) -> Result<(), Ended> {
        let runs = self.owner.runs();
        if follow {
            let log = self.client.follow_log(runs, self.run, &self.id, step);
            self.hand_on(step, log.await?, bytes_read).await
        } else {
            let log = self.client.log(runs, self.run, &self.id, step);
            self.hand_on(step, log.await?, bytes_read).await
        }
    }

    async fn hand_on(
        &self,
        step: LogStep,
        mut log: impl futures::Stream<Item = Result<Bytes, Error>> + Unpin,
        bytes_read: &mut u64,
    ) -> Result<(), Ended> {
        let mut known = *bytes_read;
        while let Some(mut bytes) = log.try_next().await? {
            let skipped = known.min(bytes.len() as u64);
            known -= skipped;
            // Not more than the bytes have.
            let bytes = bytes.split_off(usize::try_from(skipped).unwrap_or_default());
            if !bytes.is_empty() {
                *bytes_read += bytes.len() as u64;
                self.send(step, Content::Bytes(bytes)).await?;
            }
        }
        Ok(self.send(step, Content::End).await?)
    }

    async fn send(&self, step: LogStep, content: Content) -> Result<(), Gone> {
        let piece = Piece {
            task: self.name.clone(),
            step,
            content,
        };
        self.sender.send(piece).await.map_err(|_| Gone)
    }

    /// Whether nothing more becomes of a task: it has ended, or its run has ended without it.
    async fn is_over(&self, task: &RunTaskResponse) -> Result<bool, Error> {
        // One whose status is not known here is over when it has an end.
        if has_ended(&task.status) || task.end_time.is_some() {
            return Ok(true);
        }
        if task.status != RunTaskStatus::NotStarted {
            return Ok(false);
        }
        let mut patience = Patience::default();
        loop {
            match self.client.run(self.owner.runs(), self.run).await {
                Ok(run) => {
                    // It may have begun since.
                    let task = run.tasks.get(&self.id);
                    let is_left = task.is_none_or(|task| task.status == RunTaskStatus::NotStarted);
                    return Ok(is_left && is_over(&run.phase));
                }
                Err(error) => patience.after(error).await?,
            }
        }
    }

    /// The task as it is now.
    async fn task(&self) -> Result<RunTaskResponse, Error> {
        let mut patience = Patience::default();
        loop {
            let task = self.client.run_task(self.owner.runs(), self.run, &self.id);
            match task.await {
                Ok(task) => return Ok(task),
                Err(error) => patience.after(error).await?,
            }
        }
    }
}

fn steps(task: &RunTaskResponse) -> impl Iterator<Item = LogStep> + use<> {
    let steps = u32::try_from(task.steps.len()).unwrap_or(u32::MAX);
    (0..steps).map(LogStep::Step)
}

/// Whether nothing more becomes of a task.
pub(super) fn has_ended(status: &RunTaskStatus) -> bool {
    matches!(
        status,
        RunTaskStatus::Skipped
            | RunTaskStatus::Cancelled
            | RunTaskStatus::Stopped
            | RunTaskStatus::Success
            | RunTaskStatus::Failed
    )
}

fn has_step_ended(task: &RunTaskResponse, step: LogStep) -> bool {
    let phase = match step {
        LogStep::Setup => Some(&task.setup_step.phase),
        LogStep::Step(step) => usize::try_from(step)
            .ok()
            .and_then(|step| task.steps.get(step))
            .map(|step| &step.phase),
    };
    // One that is not there has no log.
    phase.is_none_or(|phase| {
        matches!(
            phase,
            StepPhase::Cancelled | StepPhase::Stopped | StepPhase::Success | StepPhase::Failed
        )
    })
}
