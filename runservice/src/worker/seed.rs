//! What there may be to do when a worker begins.

use std::collections::BTreeSet;
use std::time::Duration;

use datamanager::{Query, ScanOptions, Snapshot};

use super::Duty;
use crate::Error;
use crate::actions::Actions;
use crate::api::RunPhase;
use crate::store::{ExecutorDocument, ExecutorReportDocument, ExecutorTaskDocument, RunDocument};

/// Whatever is not over.
pub(super) async fn seed(
    actions: &Actions,
    snapshot: Snapshot,
) -> Result<Vec<(Duty, Duration)>, Error> {
    let mut due = vec![Duty::Publish, Duty::CleanCaches, Duty::CleanArchives];
    let mut groups = BTreeSet::new();
    let active = Query::by("archived").equal(false);
    let mut active = snapshot.query::<RunDocument>(&active).await?;
    while let Some(document) = active.next().await? {
        if document.run.phase == RunPhase::Queued {
            groups.insert(document.run.group);
        }
        due.push(Duty::Run(document.id));
    }
    due.extend(groups.into_iter().map(Duty::Group));
    let mut tasks = snapshot.documents::<ExecutorTaskDocument>(&ScanOptions::new())?;
    let mut executors_needed = BTreeSet::new();
    while let Some(task) = tasks.next().await? {
        if task.status.phase.is_finished() {
            due.push(Duty::Collect {
                run_id: task.run_id,
                task_id: task.id,
            });
        } else {
            executors_needed.insert(task.executor_id);
        }
    }
    let mut due: Vec<(Duty, Duration)> =
        due.into_iter().map(|duty| (duty, Duration::ZERO)).collect();
    let lost_after = actions.settings().executor_lost_after;
    let mut executors = snapshot.documents::<ExecutorDocument>(&ScanOptions::new())?;
    while let Some(executor) = executors.next().await? {
        let report = snapshot.get::<ExecutorReportDocument>(&executor.id).await?;
        let age = report.map(|report| snapshot.time().saturating_since(report.at));
        actions
            .liveness()
            .know(&executor.id, age.unwrap_or(lost_after));
        executors_needed.remove(&executor.id);
        due.push((Duty::Executor(executor.id), lost_after));
    }
    // Those are gone.
    let gone = executors_needed.into_iter().map(Duty::Executor);
    due.extend(gone.map(|duty| (duty, Duration::ZERO)));
    Ok(due)
}
