//! Executors, and what they were given.

use datamanager::{Document, Indexes, Timestamp};
use serde::{Deserialize, Serialize};

use crate::api::{DRIVER_LABEL, Executor, ExecutorTaskStatus, HOST_RUNTIME};

/// What an executor says of itself, but for what changes all the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecutorDocument {
    pub(crate) id: String,
    pub(crate) listen_url: String,
    pub(crate) archs: Vec<String>,
    pub(crate) labels: std::collections::BTreeMap<String, String>,
    pub(crate) allow_privileged_containers: bool,
    pub(crate) active_tasks_limit: u32,
    pub(crate) is_dynamic: bool,
    pub(crate) executor_group: String,
    pub(crate) siblings: Vec<String>,
}

impl Document for ExecutorDocument {
    const TYPE: &'static str = "executor";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<ExecutorDocument> {
        Indexes::<ExecutorDocument>::new()
            .index("group", |executor| executor.executor_group.clone())
    }
}

impl ExecutorDocument {
    pub(crate) fn of(executor: &Executor) -> ExecutorDocument {
        ExecutorDocument {
            id: executor.id.clone(),
            listen_url: executor.listen_url.clone(),
            archs: executor.archs.clone(),
            labels: executor.labels.clone(),
            allow_privileged_containers: executor.allow_privileged_containers,
            active_tasks_limit: executor.active_tasks_limit,
            is_dynamic: executor.dynamic,
            executor_group: executor.executor_group.clone(),
            siblings: executor.siblings_executors.clone(),
        }
    }

    /// Whether it executes tasks without containers, and only those.
    pub(crate) fn is_host(&self) -> bool {
        let driver = self.labels.get(DRIVER_LABEL);
        driver.is_some_and(|driver| driver == HOST_RUNTIME)
    }
}

/// What an executor has reported last. It is a document of its own, so that reports clash with nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecutorReportDocument {
    /// The executor's.
    pub(crate) id: String,
    /// By the clock of the instance that got it.
    pub(crate) at: Timestamp,
    pub(crate) active_tasks: u32,
}

impl Document for ExecutorReportDocument {
    const TYPE: &'static str = "executorreport";

    fn id(&self) -> &str {
        &self.id
    }
}

/// Changed by every transaction that gives tasks to an executor with a limit, so that of two at a time one begins again and
/// sees what the other has given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AssignmentDocument {
    /// The executor's.
    pub(crate) id: String,
    pub(crate) count: u64,
}

impl Document for AssignmentDocument {
    const TYPE: &'static str = "executorassignment";

    fn id(&self) -> &str {
        &self.id
    }
}

/// A task that was given to an executor. It goes when the task has ended and its logs and archives are collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecutorTaskDocument {
    /// That of the task of the run.
    pub(crate) id: String,
    pub(crate) executor_id: String,
    pub(crate) run_id: String,
    #[serde(default)]
    pub(crate) stop: bool,
    pub(crate) status: ExecutorTaskStatus,
}

impl Document for ExecutorTaskDocument {
    const TYPE: &'static str = "executortask";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<ExecutorTaskDocument> {
        Indexes::<ExecutorTaskDocument>::new()
            .index("executor", |task| task.executor_id.clone())
            .index("run", |task| task.run_id.clone())
    }
}
