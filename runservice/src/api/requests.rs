//! What clients ask for, and what they get.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::api::json::{null_as_default, optional};

use super::{Run, RunActionType, RunConfig, RunConfigTask, RunPhase, RunTaskActionType};

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RunResponse {
    /// The run.
    pub run: Option<Run>,
    /// What it is made of.
    pub run_config: Option<RunConfig>,
    /// A token for the change groups that were asked for.
    pub change_groups_update_tokens: String,
}

/// Several runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct GetRunsResponse {
    /// The runs.
    #[serde(deserialize_with = "null_as_default")]
    pub runs: Vec<Run>,
    /// A token for the change groups that were asked for.
    pub change_groups_update_tokens: String,
}

/// Asks for a new run, or for one that does again what an earlier one has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RunCreateRequest {
    /// A new run: its tasks by their ids. May be missing only if there are setup errors.
    pub run_config_tasks: Option<BTreeMap<String, RunConfigTask>>,
    /// A new run: its name.
    pub name: String,
    /// A new run: the path of its group.
    pub group: String,
    /// A new run: why nothing of it can be executed.
    #[serde(deserialize_with = "null_as_default")]
    pub setup_errors: Vec<String>,
    /// A new run: environment of all tasks that restarted runs have too.
    #[serde(deserialize_with = "null_as_default")]
    pub static_environment: BTreeMap<String, String>,
    /// A new run: who shares its caches.
    pub cache_group: String,
    /// A restart: the earlier run.
    pub run_id: String,
    /// A restart: whether everything is done again. Otherwise what has succeeded is kept.
    pub from_start: bool,
    /// Not looked at.
    #[serde(deserialize_with = "null_as_default")]
    pub reset_tasks: Vec<String>,
    /// Environment of all tasks. In a restart an empty one stands for that of the earlier run.
    #[serde(deserialize_with = "null_as_default")]
    pub environment: BTreeMap<String, String>,
    /// A new run: whatever clients note.
    #[serde(deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
    /// A token: the run is created only if its change groups have not changed. Empty: in any case.
    #[serde(
        rename = "changeup_update_tokens",
        alias = "change_groups_update_tokens"
    )]
    pub change_groups_update_tokens: String,
}

/// Asks for a change of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RunActionsRequest {
    /// Which change.
    #[serde(deserialize_with = "optional")]
    pub action_type: Option<RunActionType>,
    /// The new phase: `running` or `cancelled`.
    #[serde(deserialize_with = "optional")]
    pub phase: Option<RunPhase>,
    /// A token: the change is made only if its change groups have not changed. Empty: in any case.
    pub change_groups_update_tokens: String,
}

/// Asks for a change of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RunTaskActionsRequest {
    /// Which change.
    #[serde(deserialize_with = "optional")]
    pub action_type: Option<RunTaskActionType>,
    /// The new annotations, all of them.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// A token: the change is made only if its change groups have not changed. Empty: in any case.
    pub change_groups_update_tokens: String,
}
