//! Telling the run service what becomes of a task.

use std::sync::Arc;
use std::time::Duration;

use super::task::Task;
use super::{Engine, is_unknown};
use crate::Error;

/// How long a report that is not the last one waits for a newer one. A short task is reported once.
const REPORT_DELAY: Duration = Duration::from_millis(100);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);

impl Engine {
    /// Reports the task from now on, until its end is known to the run service. The newest status counts; what lies before it
    /// may be left out.
    pub(super) fn report(&self, task: &Arc<Task>) {
        let (engine, task) = (self.clone(), task.clone());
        self.inner.reporters.spawn_on(
            async move { engine.report_until_end(&task).await },
            &self.inner.runtime,
        );
    }

    async fn report_until_end(&self, task: &Task) {
        let mut reports = task.reports();
        reports.mark_changed();
        loop {
            tokio::select! {
                biased;
                changed = reports.changed() => if changed.is_err() { return },
                () = task.is_forgotten().cancelled() => return,
                // Then there was no change behind the last report.
                () = self.inner.stopping.cancelled(), if task.has_ended() => return,
            }
            let has_ended = reports.wait_for(|reported| reported.status.phase.is_finished());
            // Either way what is reported is the newest.
            let _ = tokio::time::timeout(REPORT_DELAY, has_ended).await;
            if !self.report_newest(task, &mut reports).await {
                return;
            }
        }
    }

    /// Reports until it is taken. Returns whether something may follow.
    async fn report_newest(
        &self,
        task: &Task,
        reports: &mut tokio::sync::watch::Receiver<super::task::Reported>,
    ) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            let status = reports.borrow_and_update().status.clone();
            let is_last = status.phase.is_finished();
            match self.report_once(task, status).await {
                // It is asked for once more if the run service turns out not to know.
                Ok(()) => return !(is_last && self.is_stopping()),
                Err(error) if is_unknown(&error) => return true,
                Err(error) => log::debug!(
                    instance = self.instance();
                    "task {} cannot be reported: {}", task.id(), error.chain()
                ),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = task.is_forgotten().cancelled() => return false,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn report_once(
        &self,
        task: &Task,
        status: runservice::api::ExecutorTaskStatus,
    ) -> Result<(), Error> {
        let _permit = self
            .inner
            .reports
            .acquire()
            .await
            .map_err(Error::internal)?;
        let report = task.as_reported(self.id(), status);
        self.inner.client.report_task(self.id(), &report).await
    }
}
