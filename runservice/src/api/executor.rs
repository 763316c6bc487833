//! Executors, and the tasks that they are given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::api::Time;
use service::api::json::{
    empty_as_null, is_default, is_false, name_or_default, null_as_default, optional,
};

use super::{Container, ExecutorTaskPhase, RegistryAuth, Step};

/// The label by which an executor tells what executes its tasks. With [`HOST_RUNTIME`] it gets the tasks whose runtime is of
/// that type, and no others; with anything else, or without it, it gets the rest, which need containers.
pub const DRIVER_LABEL: &str = "driver";
/// The type of the runtime of tasks that are executed without containers, as processes of the executor's machine.
pub const HOST_RUNTIME: &str = "host";

/// An executor, as it tells about itself every other second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Executor {
    /// A UUID that it keeps in its data directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Where it is reached.
    #[serde(rename = "listenURL", skip_serializing_if = "String::is_empty")]
    pub listen_url: String,
    /// The processors that it has, as Go calls them.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub archs: Vec<String>,
    /// Whatever it was configured with.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// Whether it takes tasks with privileged containers.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_privileged_containers: bool,
    /// How many tasks it takes at once; 0: any number.
    #[serde(skip_serializing_if = "is_default")]
    pub active_tasks_limit: u32,
    /// How many tasks it knows.
    #[serde(skip_serializing_if = "is_default")]
    pub active_tasks: u32,
    /// Whether it comes and goes with its group.
    #[serde(skip_serializing_if = "is_false")]
    pub dynamic: bool,
    /// What it shares with its siblings.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub executor_group: String,
    /// The ids of the executors of its group that live, itself among them.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub siblings_executors: Vec<String>,
    /// When the service heard of it last, by the service's clock.
    pub last_status_update_time: Time,
}

/// A task that an executor has been given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ExecutorTask {
    /// The id of the run's task, so that no task is ever given away twice.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What the service wants.
    #[serde(deserialize_with = "null_as_default")]
    pub spec: ExecutorTaskSpec,
    /// What the executor tells.
    #[serde(deserialize_with = "null_as_default")]
    pub status: ExecutorTaskStatus,
}

/// What the service wants of an executor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(from = "SpecFields")]
pub struct ExecutorTaskSpec {
    /// Who has been given the task.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub executor_id: String,
    /// The run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub run_id: String,
    /// Whether the task is to end.
    #[serde(skip_serializing_if = "is_false")]
    pub stop: bool,
    /// What is to be executed; only in what the service sends to executors.
    #[serde(flatten)]
    pub data: Option<Box<ExecutorTaskSpecData>>,
}

/// What is to be executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ExecutorTaskSpecData {
    /// The name of the task.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_name: String,
    /// The processor that is needed. Empty: any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arch: String,
    /// The steps are executed in the first one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// The environment of the steps.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Where the steps begin.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// What executes the commands.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub shell: String,
    /// Who executes the commands.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Always false: privileges are those of containers.
    pub privileged: bool,
    /// Archives that are restored, one after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workspace_operations: Vec<WorkspaceOperation>,
    /// Credentials by registry.
    #[serde(serialize_with = "empty_as_null")]
    pub docker_registries_auth: BTreeMap<String, RegistryAuth>,
    /// What keys of caches begin with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cache_prefix: String,
    /// One after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// An archive that is restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct WorkspaceOperation {
    /// The task that has saved it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_id: String,
    /// The place of the step that has saved it.
    #[serde(skip_serializing_if = "is_default")]
    pub step: u32,
    /// Never set.
    #[serde(skip_serializing_if = "is_false")]
    pub overwrite: bool,
}

/// What an executor tells about a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ExecutorTaskStatus {
    /// Where the task is on its way.
    #[serde(deserialize_with = "name_or_default")]
    pub phase: ExecutorTaskPhase,
    /// Why it has failed, if that is not the fault of a step.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fail_error: String,
    /// The preparations.
    #[serde(deserialize_with = "null_as_default")]
    pub setup_step: ExecutorTaskStepStatus,
    /// In the order of the steps.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub steps: Vec<ExecutorTaskStepStatus>,
    /// When the executor began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the task had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
}

/// What an executor tells about a step, or about the preparations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ExecutorTaskStepStatus {
    /// Where it is on its way. None is the same as not started.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub phase: Option<ExecutorTaskPhase>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// The exit status of its command, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
}

/// All keys of a spec. They are read like those of every other struct, which a flattened one would not do.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecFields {
    #[serde(deserialize_with = "null_as_default")]
    executor_id: String,
    #[serde(deserialize_with = "null_as_default")]
    run_id: String,
    #[serde(deserialize_with = "null_as_default")]
    stop: bool,
    #[serde(deserialize_with = "null_as_default")]
    task_name: String,
    #[serde(deserialize_with = "null_as_default")]
    arch: String,
    #[serde(deserialize_with = "null_as_default")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "null_as_default")]
    environment: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_as_default")]
    working_dir: String,
    #[serde(deserialize_with = "null_as_default")]
    shell: String,
    #[serde(deserialize_with = "null_as_default")]
    user: String,
    privileged: Option<bool>,
    #[serde(deserialize_with = "null_as_default")]
    workspace_operations: Vec<WorkspaceOperation>,
    #[serde(deserialize_with = "null_as_default")]
    docker_registries_auth: BTreeMap<String, RegistryAuth>,
    #[serde(deserialize_with = "null_as_default")]
    cache_prefix: String,
    #[serde(deserialize_with = "null_as_default")]
    steps: Vec<Step>,
}

impl From<SpecFields> for ExecutorTaskSpec {
    fn from(fields: SpecFields) -> ExecutorTaskSpec {
        let data = ExecutorTaskSpecData {
            task_name: fields.task_name,
            arch: fields.arch,
            containers: fields.containers,
            environment: fields.environment,
            working_dir: fields.working_dir,
            shell: fields.shell,
            user: fields.user,
            privileged: fields.privileged.unwrap_or_default(),
            workspace_operations: fields.workspace_operations,
            docker_registries_auth: fields.docker_registries_auth,
            cache_prefix: fields.cache_prefix,
            steps: fields.steps,
        };
        // It is always written where there are data.
        let has_data = fields.privileged.is_some() || data != ExecutorTaskSpecData::default();
        ExecutorTaskSpec {
            executor_id: fields.executor_id,
            run_id: fields.run_id,
            stop: fields.stop,
            data: has_data.then(|| Box::new(data)),
        }
    }
}
