//! What executors tell, and what they are told.

use std::sync::Arc;
use std::time::Duration;

use datamanager::{Query, Snapshot};

use super::Actions;
use crate::Error;
use crate::api::{Executor, ExecutorTask, Run, RunConfig};
use crate::scheduler::{accept_report, whole_executor_task};
use crate::store::{
    AssignmentDocument, ExecutorDocument, ExecutorReportDocument, ExecutorTaskDocument, Reading,
    RunDocument,
};
use crate::worker::Duty;

/// A report that says nothing new is stored so often; what is heard counts at once in this process.
const REPORT_INTERVAL_MAX: Duration = Duration::from_secs(10);

impl Actions {
    /// Takes in that an executor lives, and what it says of itself. Others of its group that it does not know as alive are
    /// removed.
    pub(crate) async fn register_executor(&self, executor: &Executor) -> Result<(), Error> {
        let id = executor.id.as_str();
        datamanager::check_id(id).map_err(|cause| {
            Error::bad_request(format!("the executor's id is not accepted: {cause}"))
        })?;
        let document = &ExecutorDocument::of(executor);
        let mut snapshot = self.snapshot();
        let report = &ExecutorReportDocument {
            id: id.to_owned(),
            at: snapshot.time(),
            active_tasks: executor.active_tasks,
        };
        let stored = Reading::get::<ExecutorDocument>(&mut snapshot, id).await?;
        let reported = snapshot.get::<ExecutorReportDocument>(id).await?;
        self.liveness().hear(id);
        let is_known = stored.as_ref() == Some(document);
        let interval = REPORT_INTERVAL_MAX.min(self.settings().executor_dead_after / 4);
        let is_fresh = reported.is_some_and(|reported| {
            reported.active_tasks == report.active_tasks
                && report.at.saturating_since(reported.at) < interval
        });
        if !is_known || !is_fresh {
            self.database()
                .write(|mut transaction| async move {
                    if !is_known {
                        transaction.put(document)?;
                    }
                    transaction.put(report)?;
                    Ok(())
                })
                .await?;
        }
        self.remove_stale_siblings(document).await
    }

    async fn remove_stale_siblings(&self, executor: &ExecutorDocument) -> Result<(), Error> {
        if executor.executor_group.is_empty() {
            return Ok(());
        }
        let query = Query::by("group").equal(executor.executor_group.as_str());
        let group = self.snapshot().list::<ExecutorDocument>(&query).await?;
        for other in group {
            let is_stale = other.is_dynamic
                && other.id != executor.id
                && !executor.siblings.contains(&other.id);
            if is_stale {
                log::info!(
                    instance = self.instance();
                    "executor {:?} is no longer one of its group, and is removed", other.id
                );
                self.delete_executor(&other.id).await?;
            }
        }
        Ok(())
    }

    /// Removes an executor, whether it is there or not. Its tasks fail.
    pub(crate) async fn delete_executor(&self, executor_id: &str) -> Result<(), Error> {
        if datamanager::check_id(executor_id).is_err() {
            return Ok(());
        }
        self.database()
            .write(|mut transaction| async move {
                let executor = transaction.get::<ExecutorDocument>(executor_id).await?;
                if executor.is_some() {
                    transaction.delete::<ExecutorDocument>(executor_id)?;
                    transaction.delete::<ExecutorReportDocument>(executor_id)?;
                    transaction.delete::<AssignmentDocument>(executor_id)?;
                }
                Ok(())
            })
            .await?;
        self.due(Duty::Executor(executor_id.to_owned()));
        Ok(())
    }

    /// What an executor was given and is still to know, as of the newest state of all instances. What is to be done with each
    /// is put together when it is asked for, since it may be large.
    pub(crate) async fn executor_tasks(&self, executor_id: &str) -> Result<ExecutorTasks, Error> {
        let mut snapshot = self.latest_snapshot().await?;
        let query = Query::by("executor").equal(executor_id);
        let tasks = snapshot.list::<ExecutorTaskDocument>(&query).await?;
        Ok(ExecutorTasks {
            actions: self.clone(),
            snapshot,
            tasks: tasks.into_iter(),
            run: None,
        })
    }

    /// A task that was given to an executor, as of the newest state of all instances; `None` if there is none: the executor
    /// then forgets it.
    pub(crate) async fn executor_task(&self, task_id: &str) -> Result<Option<ExecutorTask>, Error> {
        let mut snapshot = self.latest_snapshot().await?;
        let task = Reading::get::<ExecutorTaskDocument>(&mut snapshot, task_id).await?;
        let Some(task) = task else {
            return Ok(None);
        };
        let (run, config) = self.run_of(&mut snapshot, &task).await?;
        Ok(Some(whole_executor_task(task, &run, &config)))
    }

    async fn run_of(
        &self,
        snapshot: &mut Snapshot,
        task: &ExecutorTaskDocument,
    ) -> Result<(Run, Arc<RunConfig>), Error> {
        let document = snapshot.get::<RunDocument>(&task.run_id).await?;
        // Not "not found": the executor would forget the task.
        let message = || format!("task {:?} has no run {:?}", task.id, task.run_id);
        let document = document.ok_or_else(|| Error::internal(message()))?;
        let config = self.run_config(snapshot, &task.run_id).await;
        let config = config.map_err(|cause| Error::internal(cause.chain()))?;
        Ok((document.run, config))
    }

    /// Takes in what an executor reports of a task. What comes late, twice or in another order changes nothing.
    pub(crate) async fn report_task(&self, report: &ExecutorTask) -> Result<(), Error> {
        let id = report.id.as_str();
        let unknown = || {
            let shown: String = id.chars().take(64).collect();
            let message = format!("there is no executor task {shown:?}");
            Error::bad_request(message).with_code("unknown_task")
        };
        let mut snapshot = self.snapshot();
        let mut stored = Reading::get::<ExecutorTaskDocument>(&mut snapshot, id).await?;
        if stored.is_none() {
            let mut latest = self.latest_snapshot().await?;
            stored = Reading::get::<ExecutorTaskDocument>(&mut latest, id).await?;
        }
        let mut stored = stored.ok_or_else(unknown)?;
        let run_id = stored.run_id.clone();
        // Executors repeat what they have said every other second.
        if !accept_report(&mut stored.status, &report.status) {
            return Ok(());
        }
        self.database()
            .write(|mut transaction| async move {
                let task = transaction.get::<ExecutorTaskDocument>(id).await?;
                // Once it has gone nothing of it is of interest.
                if let Some(mut task) = task
                    && accept_report(&mut task.status, &report.status)
                {
                    transaction.put(&task)?;
                }
                Ok(())
            })
            .await?;
        self.due(Duty::Run(run_id));
        Ok(())
    }
}

/// The tasks of an executor, one after the other.
pub(crate) struct ExecutorTasks {
    actions: Actions,
    snapshot: Snapshot,
    tasks: std::vec::IntoIter<ExecutorTaskDocument>,
    /// The run of the task before.
    run: Option<(Run, Arc<RunConfig>)>,
}

impl ExecutorTasks {
    /// The next one, with all that the executor needs.
    pub(crate) async fn next(&mut self) -> Result<Option<ExecutorTask>, Error> {
        let Some(task) = self.tasks.next() else {
            return Ok(None);
        };
        let known = self.run.take().filter(|(run, _)| run.id == task.run_id);
        let (run, config) = match known {
            Some(known) => known,
            None => self.actions.run_of(&mut self.snapshot, &task).await?,
        };
        let whole = whole_executor_task(task, &run, &config);
        self.run = Some((run, config));
        Ok(Some(whole))
    }
}
