//! Phases, results and other values that are one of a few names.

use service::names;

names! {
    /// Where a run is on its way.
    #[derive(Default)]
    RunPhase {
        /// What it was to be made of has faults: nothing is executed.
        SetupError = "setuperror",
        /// It waits for being started.
        #[default]
        Queued = "queued",
        /// It was cancelled before it started.
        Cancelled = "cancelled",
        /// Its tasks are executed.
        Running = "running",
        /// All of it has ended, and its logs and archives are collected.
        Finished = "finished",
    }
}

impl RunPhase {
    /// Whether nothing comes after it.
    pub fn is_finished(self) -> bool {
        match self {
            RunPhase::SetupError | RunPhase::Cancelled | RunPhase::Finished => true,
            RunPhase::Queued | RunPhase::Running => false,
        }
    }
}

names! {
    /// What has become of a run.
    #[derive(Default)]
    RunResult {
        /// Not known yet, and never if the run was cancelled or had faults.
        #[default]
        Unknown = "unknown",
        /// It was stopped.
        Stopped = "stopped",
        /// No task has failed, but for those that may.
        Success = "success",
        /// A task has failed.
        Failed = "failed",
    }
}

impl RunResult {
    /// Whether it is known.
    pub fn is_set(self) -> bool {
        self != RunResult::Unknown
    }
}

names! {
    /// Where a task of a run is on its way.
    #[derive(Default)]
    RunTaskStatus {
        /// It waits: for other tasks, for approval, for an executor, or for the executor's first report.
        #[default]
        NotStarted = "notstarted",
        /// It is not executed, since conditions or the run say so.
        Skipped = "skipped",
        /// It was given up before it started.
        Cancelled = "cancelled",
        /// An executor executes it.
        Running = "running",
        /// It was stopped.
        Stopped = "stopped",
        /// All its steps have succeeded.
        Success = "success",
        /// A step has failed, or the executor is gone.
        Failed = "failed",
    }
}

impl RunTaskStatus {
    /// Whether nothing comes after it.
    pub fn is_finished(self) -> bool {
        !matches!(self, RunTaskStatus::NotStarted | RunTaskStatus::Running)
    }
}

names! {
    /// Whether a log or an archive has been brought from the executor to the object storage.
    #[derive(Default)]
    FetchPhase {
        /// Not yet.
        #[default]
        NotStarted = "notstarted",
        /// It is there, or there was none.
        Finished = "finished",
    }
}

names! {
    /// Where a task or a step is on its way, as executors tell it.
    #[derive(Default)]
    ExecutorTaskPhase {
        /// It has not begun.
        #[default]
        NotStarted = "notstarted",
        /// It was given up before it began.
        Cancelled = "cancelled",
        /// It is being executed.
        Running = "running",
        /// It was stopped.
        Stopped = "stopped",
        /// It has succeeded.
        Success = "success",
        /// It has failed.
        Failed = "failed",
    }
}

impl ExecutorTaskPhase {
    /// Whether nothing comes after it.
    pub fn is_finished(self) -> bool {
        !matches!(
            self,
            ExecutorTaskPhase::NotStarted | ExecutorTaskPhase::Running
        )
    }
}

names! {
    /// How a task that another depends on has to have ended.
    DependCondition {
        /// It has succeeded.
        OnSuccess = "on_success",
        /// It has failed.
        OnFailure = "on_failure",
        /// It was skipped.
        OnSkipped = "on_skipped",
    }
}

names! {
    /// What is asked for with a [`RunActionsRequest`](super::RunActionsRequest).
    RunActionType {
        /// That a queued run starts, or is cancelled.
        ChangePhase = "changephase",
        /// That a running run ends.
        Stop = "stop",
    }
}

names! {
    /// What is asked for with a [`RunTaskActionsRequest`](super::RunTaskActionsRequest).
    RunTaskActionType {
        /// That the annotations are replaced.
        SetAnnotations = "setannotations",
        /// That the task is approved.
        Approve = "approve",
    }
}
