//! Logs of steps.

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use ost::ErrorKind as ObjectError;

use super::Actions;
use crate::api::{FetchPhase, RunTask};
use crate::executor_client::FetchError;
use crate::objects::{Part, exists, failed};
use crate::store::{ExecutorDocument, ExecutorTaskDocument, Reading, RunDocument};
use crate::{Error, error};

/// Which log of a task is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogPart {
    Setup,
    Step(usize),
}

impl LogPart {
    fn part(self) -> Part {
        match self {
            LogPart::Setup => Part::SetupLog,
            LogPart::Step(step) => Part::StepLog(step),
        }
    }

    /// Whether a task's log is collected; `None` if the task has no such step.
    fn phase(self, task: &RunTask) -> Option<FetchPhase> {
        let step = match self {
            LogPart::Setup => Some(&task.setup_step),
            LogPart::Step(step) => task.steps.get(step),
        };
        step.map(|step| step.log_phase)
    }
}

/// Bytes that are read piece by piece. A stream that was cut off ends with an error.
pub(crate) struct Content {
    pub(crate) stream: BoxStream<'static, Result<Bytes, Error>>,
    /// Whether it comes from an executor, and may grow.
    pub(crate) is_live: bool,
}

impl Actions {
    /// A log, from where it is now. `follow`: while it is with its executor, it goes on until the step has ended.
    pub(crate) async fn log(
        &self,
        run_id: &str,
        task_id: &str,
        part: LogPart,
        follow: bool,
    ) -> Result<Content, Error> {
        if self.log_phase(run_id, task_id, part).await? == FetchPhase::NotStarted {
            match self.live_log(task_id, part, follow).await {
                // It may have been collected at this moment.
                Err(error) if error.kind() == crate::ErrorKind::NotFound => {
                    if self.log_phase(run_id, task_id, part).await? == FetchPhase::NotStarted {
                        return Err(error);
                    }
                }
                live => return live,
            }
        }
        let path = part.part().path(task_id)?;
        match self.objects().get_stream(&path).await {
            Ok(stream) => Ok(Content {
                stream: stream.map_err(failed).boxed(),
                is_live: false,
            }),
            Err(error) if error.kind() == ObjectError::NotFound => Err(no_log()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Deletes a log that is collected.
    pub(crate) async fn delete_log(
        &self,
        run_id: &str,
        task_id: &str,
        part: LogPart,
    ) -> Result<(), Error> {
        if self.log_phase(run_id, task_id, part).await? == FetchPhase::NotStarted {
            let message = "the log is not collected yet: it can be deleted when the task has ended";
            return Err(Error::bad_request(message).with_code("not_collected"));
        }
        let path = part.part().path(task_id)?;
        if !exists(self.objects(), &path).await? {
            return Err(no_log());
        }
        self.objects().delete(&path).await.map_err(failed)
    }

    async fn log_phase(
        &self,
        run_id: &str,
        task_id: &str,
        part: LogPart,
    ) -> Result<FetchPhase, Error> {
        let mut snapshot = self.snapshot();
        let document = Reading::get::<RunDocument>(&mut snapshot, run_id).await?;
        let document = document.ok_or_else(|| error::no_run(run_id))?;
        let task = document.run.tasks.get(task_id);
        let phase = task.and_then(|task| part.phase(task));
        phase.ok_or_else(|| Error::not_found("the run has no such task or step"))
    }

    async fn live_log(&self, task_id: &str, part: LogPart, follow: bool) -> Result<Content, Error> {
        let snapshot = self.snapshot();
        let task = snapshot.get::<ExecutorTaskDocument>(task_id).await?;
        let task = task.ok_or_else(no_log)?;
        let executor = snapshot.get::<ExecutorDocument>(&task.executor_id).await?;
        let executor = executor.ok_or_else(no_log)?;
        let client = self.executor_client();
        let fetched = client.fetch(&executor.listen_url, task_id, part.part(), follow);
        match fetched.await {
            Ok(answer) => Ok(Content {
                stream: answer
                    .bytes_stream()
                    .map_err(|cause| {
                        let message = "the log was cut off on its way from the executor";
                        Error::unavailable(message).with_source(cause.without_url())
                    })
                    .boxed(),
                is_live: true,
            }),
            Err(FetchError::NotFound) => Err(no_log()),
            Err(cause) => {
                let message = "the executor does not give the log now";
                Err(Error::unavailable(message).with_source(cause.to_string()))
            }
        }
    }
}

fn no_log() -> Error {
    Error::not_found("there is no such log")
}
