//! Runs and their tasks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::api::Time;
use service::api::json::{is_default, is_false, name_or_default, null_as_default};

use super::{ExecutorTaskPhase, FetchPhase, RunPhase, RunResult, RunTaskStatus};

/// A run: what becomes of a graph of tasks. What these are stands in the [`RunConfig`](super::RunConfig) with the same id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Run {
    /// `<epoch>-<count>`, 27 characters. In the order of texts, later runs have greater ones.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Any name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The number of the run among those with the same root group, from 1 on.
    #[serde(skip_serializing_if = "is_default")]
    pub counter: u64,
    /// The [path](crate::api::Group) of its group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Whatever those who create runs note.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Where it is on its way.
    #[serde(deserialize_with = "name_or_default")]
    pub phase: RunPhase,
    /// What has become of it.
    #[serde(deserialize_with = "name_or_default")]
    pub result: RunResult,
    /// Whether a stop was asked for.
    #[serde(skip_serializing_if = "is_false")]
    pub stop: bool,
    /// By their ids.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub tasks: BTreeMap<String, RunTask>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enqueue_time: Option<Time>,
    /// When it was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it was cancelled or had finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Whether it has ended and all logs and archives are collected: it does not change any more.
    #[serde(skip_serializing_if = "is_false")]
    pub archived: bool,
}

/// What becomes of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RunTask {
    /// The id of the task in the run config, and that of the executor task.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Where it is on its way.
    #[serde(deserialize_with = "name_or_default")]
    pub status: RunTaskStatus,
    /// Whatever the clients note; `approvers` is a JSON list of those who have approved.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Whether it was never to be executed.
    #[serde(skip_serializing_if = "is_false")]
    pub skip: bool,
    /// Whether it would start if it were approved.
    #[serde(skip_serializing_if = "is_false")]
    pub waiting_approval: bool,
    /// Whether it was approved.
    #[serde(skip_serializing_if = "is_false")]
    pub approved: bool,
    /// The executor's preparations.
    #[serde(deserialize_with = "null_as_default")]
    pub setup_step: RunTaskStep,
    /// In the order of the run config.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub steps: Vec<RunTaskStep>,
    /// The places of the steps that save a workspace.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub workspace_archives: Vec<u32>,
    /// Whether these archives are collected, in the same order.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub workspace_archives_phase: Vec<FetchPhase>,
    /// When the executor began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
}

/// What becomes of one step, or of the preparations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RunTaskStep {
    /// Where it is on its way.
    #[serde(deserialize_with = "name_or_default")]
    pub phase: ExecutorTaskPhase,
    /// Whether its log is collected.
    #[serde(deserialize_with = "name_or_default")]
    pub log_phase: FetchPhase,
    /// The exit status of its command, `null` if there is none.
    pub exit_status: Option<i32>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
}

/// A change of a run's phase or result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct RunEvent {
    /// Its place among the events, in the format of run ids: later events have greater ones.
    pub sequence: String,
    /// The run.
    #[serde(rename = "RunID")]
    pub run_id: String,
    /// The run's phase since then.
    #[serde(deserialize_with = "name_or_default")]
    pub phase: RunPhase,
    /// The run's result since then.
    #[serde(deserialize_with = "name_or_default")]
    pub result: RunResult,
}
