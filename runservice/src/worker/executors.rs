//! What becomes of the tasks of executors that are gone.

use datamanager::Query;
use service::api::Time;

use super::{Duty, Next};
use crate::Error;
use crate::actions::Actions;
use crate::scheduler::give_up;
use crate::store::{ExecutorDocument, ExecutorReportDocument, ExecutorTaskDocument, Reading};

/// What is told of a task whose executor was deleted.
const DELETED: &str = "executor deleted";
/// What is told of a task whose executor has not been heard of for too long.
const LOST: &str = "executor lost: it has not reported for too long";

impl Actions {
    /// Fails the tasks of an executor that was deleted or has not reported for too long.
    pub(crate) async fn look_after_executor(&self, executor_id: &str) -> Result<Next, Error> {
        let mut next = Next::default();
        let mut snapshot = self.snapshot();
        let executor = Reading::get::<ExecutorDocument>(&mut snapshot, executor_id).await?;
        let reason = match executor {
            None => DELETED,
            Some(_) => {
                let lost_after = self.settings().executor_lost_after;
                if let Some(again) = self.liveness().look(executor_id, lost_after) {
                    next.later(Duty::Executor(executor_id.to_owned()), again);
                    return Ok(next);
                }
                LOST
            }
        };
        let query = Query::by("executor").equal(executor_id);
        let tasks = snapshot.list::<ExecutorTaskDocument>(&query).await?;
        let unfinished = tasks.iter().filter(|task| !task.status.phase.is_finished());
        let known_report = snapshot.get::<ExecutorReportDocument>(executor_id).await?;
        for task in unfinished {
            if self
                .give_up_task(task, reason, known_report.as_ref())
                .await?
            {
                log::warn!(
                    instance = self.instance();
                    "task {:?} of run {:?} failed: {reason}", task.id, task.run_id
                );
                next.now(Duty::Run(task.run_id.clone()));
            }
        }
        Ok(next)
    }

    /// Fails a task, unless its executor has come back or the task has ended meanwhile.
    async fn give_up_task(
        &self,
        task: &ExecutorTaskDocument,
        reason: &str,
        known_report: Option<&ExecutorReportDocument>,
    ) -> Result<bool, Error> {
        let write = self.database().write(|mut transaction| async move {
            let executor = transaction
                .get::<ExecutorDocument>(&task.executor_id)
                .await?;
            let report = transaction
                .get::<ExecutorReportDocument>(&task.executor_id)
                .await?;
            if executor.is_some() && (reason == DELETED || report.as_ref() != known_report) {
                return Ok(false);
            }
            let Some(mut task) = transaction.get::<ExecutorTaskDocument>(&task.id).await? else {
                return Ok(false);
            };
            if !give_up(&mut task.status, reason, Time::now()) {
                return Ok(false);
            }
            // If it comes back it is to end what it still does.
            task.stop = true;
            transaction.put(&task)?;
            Ok(true)
        });
        write.await
    }
}
