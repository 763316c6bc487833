//! Values that are one of a few names.
//!
//! A newer gateway may know more of them: what is not known here is kept as it is.

use super::names;

names! {
    /// Who can see an object.
    Visibility {
        /// Everybody.
        Public = "public",
        /// Members alone.
        Private = "private",
    }
}

names! {
    /// What a member of an organization may do.
    MemberRole {
        /// Everything.
        Owner = "owner",
        /// What members may.
        Member = "member",
    }
}

names! {
    /// Where the data of a secret is.
    SecretType {
        /// In the configuration service.
        Internal = "internal",
        /// Elsewhere; not accepted yet.
        External = "external",
    }
}

names! {
    /// How a condition compares.
    WhenConditionType {
        /// For equality.
        Simple = "simple",
        /// By a regular expression that may match anywhere.
        Regexp = "regexp",
    }
}

names! {
    /// How a run definition is written.
    DefinitionFormat {
        /// YAML.
        Yaml = "yaml",
        /// JSON.
        Json = "json",
        /// Jsonnet.
        Jsonnet = "jsonnet",
        /// Starlark.
        Starlark = "starlark",
    }
}

names! {
    /// What is asked for with a [`RunActionsRequest`](super::RunActionsRequest).
    RunActionType {
        /// A new run that does again what this one has done.
        Restart = "restart",
        /// That a queued run does not start.
        Cancel = "cancel",
        /// That a running run ends.
        Stop = "stop",
    }
}

names! {
    /// What is asked for with a [`RunTaskActionsRequest`](super::RunTaskActionsRequest).
    RunTaskActionType {
        /// That the task may start.
        Approve = "approve",
    }
}

names! {
    /// Where a run is on its way.
    RunPhase {
        /// Its definition has faults: nothing is executed.
        SetupError = "setuperror",
        /// It waits for being started.
        Queued = "queued",
        /// It was cancelled before it started.
        Cancelled = "cancelled",
        /// Its tasks are executed.
        Running = "running",
        /// It has ended.
        Finished = "finished",
    }
}

names! {
    /// What has become of a run.
    RunResult {
        /// Not known yet.
        Unknown = "unknown",
        /// It was stopped.
        Stopped = "stopped",
        /// It has succeeded.
        Success = "success",
        /// It has failed.
        Failed = "failed",
    }
}

names! {
    /// Where a task of a run is on its way.
    RunTaskStatus {
        /// It waits.
        NotStarted = "notstarted",
        /// It is not executed.
        Skipped = "skipped",
        /// It was given up before it started.
        Cancelled = "cancelled",
        /// It is executed.
        Running = "running",
        /// It was stopped.
        Stopped = "stopped",
        /// It has succeeded.
        Success = "success",
        /// It has failed.
        Failed = "failed",
    }
}

names! {
    /// Where a step of a task is on its way.
    StepPhase {
        /// It has not begun.
        NotStarted = "notstarted",
        /// It was given up before it began.
        Cancelled = "cancelled",
        /// It is executed.
        Running = "running",
        /// It was stopped.
        Stopped = "stopped",
        /// It has succeeded.
        Success = "success",
        /// It has failed.
        Failed = "failed",
    }
}

names! {
    /// What a step does.
    StepType {
        /// Executes a command.
        Run = "run",
        /// Keeps files for tasks that depend on this one.
        SaveToWorkspace = "save_to_workspace",
        /// Brings files that earlier tasks have kept.
        RestoreWorkspace = "restore_workspace",
        /// Keeps files for later runs.
        SaveCache = "save_cache",
        /// Brings files that earlier runs have kept.
        RestoreCache = "restore_cache",
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
