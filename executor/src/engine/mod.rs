//! Which tasks there are, and what becomes of them.
//!
//! # Invariants
//! 1. A task is in the table before anything is done for it, and has a record on disk before its first process starts. So it
//!    is executed once, however often it is pushed or found.
//! 2. A task leaves the table, with all that is kept of it, only after the run service has said that it does not know it.
//! 3. What was reported last and was not taken is reported again until it is.

mod execute;
mod figures;
mod link;
mod report;
mod steps;
mod table;
mod task;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runservice::api::{ExecutorTask, ExecutorTaskPhase};
use runservice::client::Client;
use service::Context;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{ExecutorSettings, Settings};
use crate::driver::{self, Driver};
use crate::task_directory::{DataDirectory, LogPart, check_task_id};
use crate::task_log::LogProgress;
use crate::{Error, ErrorKind};

use figures::Figures;
use table::{Admission, Table};
use task::{StopReason, Task};

/// Reports that are under way at once.
const REPORTS_MAX: usize = 32;
/// How long the end of the tasks may take when the executor stops, and then their last reports.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// The executor at work. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ExecutorSettings,
    instance: String,
    listen_url: String,
    data: DataDirectory,
    driver: Arc<dyn Driver>,
    client: Client,
    table: Table,
    figures: Figures,
    /// Where tasks are executed; requests are answered elsewhere.
    runtime: Handle,
    reports: Semaphore,
    /// Is told when the run service should be asked for tasks.
    look: Notify,
    stopping: CancellationToken,
    /// Why no tasks can be taken, if none can.
    ailment: Mutex<Option<String>>,
    works: TaskTracker,
    reporters: TaskTracker,
}

impl Engine {
    /// Takes up what an earlier executor has left, and begins to report and to ask for tasks.
    ///
    /// # Errors
    /// Settings or a data directory that cannot be used.
    pub(crate) async fn start(
        settings: &Settings,
        address: SocketAddr,
        context: &Context,
    ) -> Result<Engine, Error> {
        let data_dir = settings.server.data_dir.clone();
        let data = tokio::task::spawn_blocking(move || DataDirectory::open(&data_dir)).await;
        let data = data.map_err(Error::internal)??;
        let driver = driver::driver(settings, &data)?;
        let figures = Figures::new(context.metrics())?;
        let instance = context.instance().to_owned();
        Engine::start_with(settings, address, instance, figures, data, driver).await
    }

    async fn start_with(
        settings: &Settings,
        address: SocketAddr,
        instance: String,
        figures: Figures,
        data: DataDirectory,
        driver: Arc<dyn Driver>,
    ) -> Result<Engine, Error> {
        let stale = driver.remove_all().await;
        stale.map_err(|cause| Error::internal(cause.to_string()))?;
        let engine = Engine {
            inner: Arc::new(Inner {
                settings: settings.executor.clone(),
                instance,
                listen_url: link::listen_url(settings, address)?,
                client: link::client(&settings.executor)?,
                data,
                driver,
                table: Table::default(),
                figures,
                runtime: Handle::current(),
                reports: Semaphore::new(REPORTS_MAX),
                look: Notify::new(),
                stopping: CancellationToken::new(),
                ailment: Mutex::default(),
                works: TaskTracker::new(),
                reporters: TaskTracker::new(),
            }),
        };
        engine.take_up().await?;
        engine.look_at_health().await;
        log::info!(
            instance = engine.instance();
            "executor {} is reached at {}", engine.id(), engine.inner.listen_url
        );
        engine.link();
        Ok(engine)
    }

    /// Tasks that an earlier executor has begun have failed; all that it has left is reported.
    async fn take_up(&self) -> Result<(), Error> {
        let inner = self.inner.clone();
        let records = tokio::task::spawn_blocking(move || inner.data.records()).await;
        for record in records.map_err(Error::internal)?.map_err(Error::internal)? {
            let directory = self.inner.data.task(&record.id);
            let was_active = !record.status.phase.is_finished();
            let task = Arc::new(Task::restored(record, directory.clone()));
            let removed = self.inner.driver.remove(task.id(), &directory).await;
            if let Err(cause) = removed {
                log::warn!(instance = self.instance(); "task {}: {cause}", task.id());
            }
            if was_active {
                task.save(true);
            }
            self.inner.table.insert(&task);
            self.report(&task);
        }
        Ok(())
    }

    pub(crate) fn instance(&self) -> &str {
        &self.inner.instance
    }

    pub(crate) fn id(&self) -> &str {
        self.inner.data.id()
    }

    fn settings(&self) -> &ExecutorSettings {
        &self.inner.settings
    }

    fn is_stopping(&self) -> bool {
        self.inner.stopping.is_cancelled()
    }

    /// Whether tasks can be taken.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn ready(&self) -> Result<(), Error> {
        match &*self.ailment() {
            None => Ok(()),
            Some(_) => {
                let message = "the executor takes no tasks; its log says why";
                Err(Error::unavailable(message).with_code("unhealthy"))
            }
        }
    }

    fn ailment(&self) -> MutexGuard<'_, Option<String>> {
        let ailment = self.inner.ailment.lock();
        ailment.unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a task that was pushed or found. It returns at once; nothing that it does takes time.
    ///
    /// # Errors
    /// `BadRequest`: it cannot be a task.
    pub(crate) fn take(&self, given: ExecutorTask) -> Result<(), Error> {
        if given.spec.executor_id != self.id() {
            log::debug!(instance = self.instance(); "a task for another executor came");
            return Ok(());
        }
        check_task_id(&given.id)?;
        let admission = Admission {
            limit: self.settings().active_tasks_limit,
            is_stopping: self.is_stopping(),
            ailment: self.ailment().clone(),
        };
        let directory = self.inner.data.task(&given.id);
        let taken = self.inner.table.take(given, admission, directory);
        let Some((task, spec)) = taken else {
            return Ok(());
        };
        self.report(&task);
        if let Some(spec) = spec {
            let engine = self.clone();
            let work = async move { engine.execute(task, spec).await };
            self.inner.works.spawn_on(work, &self.inner.runtime);
        }
        Ok(())
    }

    /// A log of a task: where it is, and what is told of it while it is written.
    ///
    /// # Errors
    /// `NotFound`: there is none.
    pub(crate) fn log(
        &self,
        task_id: &str,
        part: LogPart,
    ) -> Result<(std::path::PathBuf, Option<LogProgress>), Error> {
        let task = self.task(task_id)?;
        Ok((task.directory().log(part), task.log_progress(part)))
    }

    /// Where the workspace archive of a step is, once it is whole.
    ///
    /// # Errors
    /// `NotFound`: there is none.
    pub(crate) fn archive(&self, task_id: &str, step: usize) -> Result<std::path::PathBuf, Error> {
        let task = self.task(task_id)?;
        let status = task.status();
        let phase = status.steps.get(step).and_then(|step| step.phase);
        match phase {
            Some(ExecutorTaskPhase::Success) => Ok(task.directory().archive(step)),
            _ => Err(Error::not_found("there is no such archive")),
        }
    }

    fn task(&self, id: &str) -> Result<Arc<Task>, Error> {
        let task = self.inner.table.get(id);
        task.ok_or_else(|| Error::not_found("there is no such task"))
    }

    /// Removes all that is left of a task that the run service does not know any more. One that is being executed is stopped
    /// first.
    async fn forget(&self, task: &Arc<Task>) {
        task.ask_to_stop(StopReason::Forgotten);
        task.wait_for_end().await;
        let directory = task.directory().clone();
        let removed = tokio::task::spawn_blocking(move || directory.remove()).await;
        if let Ok(Err(cause)) = removed {
            log::warn!(instance = self.instance(); "task {} cannot be removed: {cause}", task.id());
        }
        self.inner.table.remove(task);
        task.is_forgotten().cancel();
    }

    /// Looks whether there is room for tasks, and whether the driver can work.
    async fn look_at_health(&self) {
        let inner = self.inner.clone();
        let free = tokio::task::spawn_blocking(move || inner.data.bytes_free()).await;
        let least = self.settings().disk_free_bytes_min;
        let found = match free {
            Ok(Ok(free)) if free < least => Err(format!(
                "{free} bytes are free where the data is, and executor.diskFreeBytesMin is {least}"
            )),
            Ok(Ok(_)) => self
                .inner
                .driver
                .ready()
                .await
                .map_err(|cause| cause.to_string()),
            Ok(Err(cause)) => Err(format!("the data directory does not answer: {cause}")),
            Err(cause) => Err(cause.to_string()),
        };
        self.inner.figures.tell_health(found.is_ok());
        let found = found.err();
        let before = std::mem::replace(&mut *self.ailment(), found.clone());
        match (before, found) {
            (Some(_), None) => log::info!(instance = self.instance(); "tasks are taken again"),
            (None, Some(cause)) => {
                log::warn!(instance = self.instance(); "no tasks are taken: {cause}");
            }
            _ => {}
        }
    }

    /// Stops all tasks, which fail, and tells the run service if it answers.
    pub(crate) async fn stop(&self) {
        self.inner.stopping.cancel();
        for task in self.inner.table.all() {
            task.ask_to_stop(StopReason::Shutdown);
        }
        self.inner.works.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.inner.works.wait())
            .await
            .is_err()
        {
            log::warn!(instance = self.instance(); "some tasks did not end in time");
        }
        self.inner.reporters.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.inner.reporters.wait())
            .await
            .is_err()
        {
            log::info!(instance = self.instance(); "some ends of tasks were not reported; they will be after the next start");
        }
    }
}

/// Whether a failure means that the run service does not know what it was asked about.
fn is_unknown(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

#[cfg(test)]
mod tests;
