//! What runs are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::api::json::{empty_as_null, is_default, is_false, null_as_default};

use super::{DependCondition, Step};

/// What a run is made of. It never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RunConfig {
    /// The id of the run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The name of the run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The group of the run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Why nothing of it can be executed; empty if it can.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub setup_errors: Vec<String>,
    /// The annotations of the run.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Environment of all tasks that a restarted run has too.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub static_environment: BTreeMap<String, String>,
    /// Environment of all tasks. Goes before `static_environment`, and that before the environment of a task.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub environment: BTreeMap<String, String>,
    /// By their ids.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub tasks: BTreeMap<String, RunConfigTask>,
    /// Runs with the same cache group see each other's caches. Empty: the name of the root group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cache_group: String,
}

/// What a task is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RunConfigTask {
    /// 0 if it depends on nothing, or else one more than the highest of those that it depends on. The service sets it.
    #[serde(skip_serializing_if = "is_default")]
    pub level: u32,
    /// Chosen by whoever creates the run; no two tasks ever have the same.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// A name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The tasks that it depends on, by their ids.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub depends: BTreeMap<String, Depend>,
    /// Where it is executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// The environment of its steps.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub environment: BTreeMap<String, String>,
    /// Where its steps begin.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// What executes the commands.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub shell: String,
    /// Who executes the commands.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// One after the other.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub steps: Vec<Step>,
    /// Whether the run may succeed although this task fails.
    #[serde(skip_serializing_if = "is_false")]
    pub ignore_failure: bool,
    /// Whether it starts only once it is approved.
    #[serde(skip_serializing_if = "is_false")]
    pub needs_approval: bool,
    /// Whether it is not executed at all.
    #[serde(skip_serializing_if = "is_false")]
    pub skip: bool,
    /// Credentials by registry.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub docker_registries_auth: BTreeMap<String, RegistryAuth>,
}

/// How a task depends on another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Depend {
    /// The other one: the key under which this stands.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task_id: String,
    /// One of these has to hold.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub conditions: Vec<DependCondition>,
}

/// Where a task is executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Runtime {
    /// `pod`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The processor that is needed, as Go calls it (`386`, `amd64`, `arm`, `arm64`). Empty: any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arch: String,
    /// The steps are executed in the first one.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub containers: Vec<Container>,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Container {
    /// The image that it is made from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Environment of the container.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub environment: BTreeMap<String, String>,
    /// Its user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Whether it may do what the host may.
    pub privileged: bool,
    /// What it begins with.
    pub entrypoint: String,
    /// What is mounted.
    #[serde(deserialize_with = "null_as_default", serialize_with = "empty_as_null")]
    pub volumes: Vec<Volume>,
}

/// Something that is mounted in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Volume {
    /// Where.
    pub path: String,
    /// Memory.
    pub tmpfs: Option<VolumeTmpfs>,
}

/// Memory that is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct VolumeTmpfs {
    /// How many bytes at most; 0: as the host says.
    pub size: i64,
}

/// Credentials for a registry of images.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RegistryAuth {
    /// `basic` or `encodedauth`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name, with `basic`.
    pub username: String,
    /// The password, with `basic`.
    pub password: String,
    /// Both, with `encodedauth`.
    pub auth: String,
}

/// Without the secrets.
impl std::fmt::Debug for RegistryAuth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RegistryAuth")
            .field("kind", &self.kind)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
