//! What is sent to the service and to executors and comes back from them, with the exact JSON keys of agola v0.7.
//!
//! The types are plain: what is missing, empty or `null` in JSON is the empty value here. Keys are written as they stand here,
//! and read whatever the case of their letters, as agola does.

mod enums;
mod executor;
mod group;
mod requests;
mod run;
mod run_config;
mod step;
#[cfg(test)]
mod tests;

pub use enums::{
    DependCondition, ExecutorTaskPhase, FetchPhase, RunActionType, RunPhase, RunResult,
    RunTaskActionType, RunTaskStatus,
};
pub use executor::{
    DRIVER_LABEL, Executor, ExecutorTask, ExecutorTaskSpec, ExecutorTaskSpecData,
    ExecutorTaskStatus, ExecutorTaskStepStatus, HOST_RUNTIME, WorkspaceOperation,
};
pub use group::{Group, InvalidGroup};
pub use requests::{
    GetRunsResponse, RunActionsRequest, RunCreateRequest, RunResponse, RunTaskActionsRequest,
};
pub use run::{Run, RunEvent, RunTask, RunTaskStep};
pub use run_config::{
    Container, Depend, RegistryAuth, RunConfig, RunConfigTask, Runtime, Volume, VolumeTmpfs,
};
pub use service::api::{InvalidTime, Time, UnknownName};
pub use step::{
    RestoreCacheStep, RestoreWorkspaceStep, RunStep, SaveCacheStep, SaveContent,
    SaveToWorkspaceStep, Step, UnknownStep,
};

/// The longest name of a change group, in bytes of UTF-8.
pub const CHANGE_GROUP_BYTES_MAX: usize = 256;
/// The longest key of a cache, in characters of its escaped form.
pub const CACHE_KEY_CHARS_MAX: usize = 200;
