//! Runs and their tasks.

use std::collections::BTreeMap;

use super::json::{empty_as_null, null_as_default, optional};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    DependCondition, RunActionType, RunPhase, RunResult, RunTaskActionType, RunTaskStatus,
    StepPhase, StepType,
};

/// A run, in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSummaryResponse {
    /// Its number among the runs of its owner.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// What was noted when it was created.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub annotations: BTreeMap<String, String>,
    /// Where it is on its way.
    #[serde(deserialize_with = "null_as_default")]
    pub phase: RunPhase,
    /// What has become of it.
    #[serde(deserialize_with = "null_as_default")]
    pub result: RunResult,
    /// The ids of the tasks that wait for approval.
    pub tasks_waiting_approval: Vec<String>,
    /// When it was created.
    pub enqueue_time: Option<Timestamp>,
    /// When it was started.
    pub start_time: Option<Timestamp>,
    /// When it had ended.
    pub end_time: Option<Timestamp>,
}

/// A run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunResponse {
    /// Its number among the runs of its owner.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// What was noted when it was created.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub annotations: BTreeMap<String, String>,
    /// Where it is on its way.
    #[serde(deserialize_with = "null_as_default")]
    pub phase: RunPhase,
    /// What has become of it.
    #[serde(deserialize_with = "null_as_default")]
    pub result: RunResult,
    /// Why nothing of it can be executed.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub setup_errors: Vec<String>,
    /// Whether a stop was asked for.
    pub stopping: bool,
    /// By their ids.
    #[serde(deserialize_with = "null_as_default")]
    pub tasks: BTreeMap<String, RunTaskSummaryResponse>,
    /// The ids of the tasks that wait for approval.
    pub tasks_waiting_approval: Vec<String>,
    /// When it was created.
    pub enqueue_time: Option<Timestamp>,
    /// When it was started.
    pub start_time: Option<Timestamp>,
    /// When it had ended.
    pub end_time: Option<Timestamp>,
    /// Whether all of it can be done again.
    pub can_restart_from_scratch: bool,
    /// Whether what has not succeeded can be done again.
    pub can_restart_from_failed_tasks: bool,
}

/// A task of a run, in a [`RunResponse`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunTaskSummaryResponse {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it is on its way.
    #[serde(deserialize_with = "null_as_default")]
    pub status: RunTaskStatus,
    /// 0 if it depends on nothing, or else one more than the highest of those that it depends on.
    pub level: u32,
    /// The tasks that it depends on, by their ids.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub depends: BTreeMap<String, RunTaskDepend>,
    /// Whether it waits for approval.
    pub waiting_approval: bool,
    /// Whether it was approved.
    pub approved: bool,
    /// Who has approved it: `approvers` is a JSON list of ids.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub approval_annotations: BTreeMap<String, String>,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// When it had ended.
    pub end_time: Option<Timestamp>,
}

/// How a task depends on another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunTaskDepend {
    /// The other one.
    pub task_id: String,
    /// One of these has to hold.
    pub conditions: Vec<DependCondition>,
}

/// A task of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunTaskResponse {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it is on its way.
    #[serde(deserialize_with = "null_as_default")]
    pub status: RunTaskStatus,
    /// Whether it waits for approval.
    pub waiting_approval: bool,
    /// Whether it was approved.
    pub approved: bool,
    /// Who has approved it: `approvers` is a JSON list of ids.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub approval_annotations: BTreeMap<String, String>,
    /// The executor's preparations.
    pub setup_step: SetupStepResponse,
    /// In their order.
    pub steps: Vec<RunTaskStepResponse>,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// When it had ended.
    pub end_time: Option<Timestamp>,
}

/// The preparations of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetupStepResponse {
    /// Where they are on their way.
    #[serde(deserialize_with = "null_as_default")]
    pub phase: StepPhase,
    /// Always the same.
    pub name: String,
    /// When they began.
    pub start_time: Option<Timestamp>,
    /// When they had ended.
    pub end_time: Option<Timestamp>,
}

/// A step of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunTaskStepResponse {
    /// Where it is on its way.
    #[serde(deserialize_with = "null_as_default")]
    pub phase: StepPhase,
    /// What it does.
    #[serde(rename = "type", deserialize_with = "optional")]
    pub kind: Option<StepType>,
    /// Its name.
    pub name: String,
    /// What is executed.
    pub command: String,
    /// What executes it.
    pub shell: String,
    /// The exit status of the command.
    pub exit_status: Option<i32>,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// When it had ended.
    pub end_time: Option<Timestamp>,
    /// Whether its log is in the object storage, so that it can be deleted.
    pub log_archived: bool,
}

/// Asks for a change of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunActionsRequest {
    /// Which change.
    #[serde(deserialize_with = "optional")]
    pub action_type: Option<RunActionType>,
    /// With `restart`: whether all of it is done again.
    pub from_start: bool,
}

/// Asks for a change of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunTaskActionsRequest {
    /// Which change.
    #[serde(deserialize_with = "optional")]
    pub action_type: Option<RunTaskActionType>,
}

/// The runs that were made of a definition. Those that their conditions exclude are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateRunResponse {
    /// In the order of the definition.
    pub runs: Vec<CreatedRun>,
}

/// A run that was made of a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreatedRun {
    /// Its number among the runs of its owner.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Why nothing of it can be executed: each with the line and the key where that is known.
    pub setup_errors: Vec<String>,
}

/// A change of a run's phase or result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunEventResponse {
    /// Its place among the events: later ones have greater ones.
    pub sequence: String,
    /// The number of the run among the runs of its owner.
    pub number: u64,
    /// The run's phase since then.
    #[serde(deserialize_with = "null_as_default")]
    pub phase: RunPhase,
    /// The run's result since then.
    #[serde(deserialize_with = "null_as_default")]
    pub result: RunResult,
}
