//! Steps of tasks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::api::json::null_as_default;

/// One step of a task. In JSON the key `type` says which one it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<Fields>", tag = "type", rename_all = "snake_case")]
pub enum Step {
    /// Executes a command.
    Run(RunStep),
    /// Keeps files for tasks that depend on this one.
    SaveToWorkspace(SaveToWorkspaceStep),
    /// Brings the files that the tasks have kept which this one depends on.
    RestoreWorkspace(RestoreWorkspaceStep),
    /// Keeps files for later runs.
    SaveCache(SaveCacheStep),
    /// Brings files that were kept by earlier runs.
    RestoreCache(RestoreCacheStep),
    /// Something that is not known here. A run with such a step has a setup error.
    #[serde(untagged)]
    Unknown(UnknownStep),
}

/// Executes a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RunStep {
    /// A name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What the shell gets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Goes before all other environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Where it is executed, if not where the task begins.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// What executes it, if not the shell of the task.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub shell: String,
    /// Whether it has a terminal. Default true.
    pub tty: bool,
}

impl Default for RunStep {
    fn default() -> RunStep {
        RunStep {
            name: String::new(),
            command: String::new(),
            environment: BTreeMap::new(),
            working_dir: String::new(),
            shell: String::new(),
            tty: true,
        }
    }
}

/// Keeps files for tasks that depend on this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SaveToWorkspaceStep {
    /// A name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Which files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<SaveContent>,
}

/// Brings the files that the tasks have kept which this one depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RestoreWorkspaceStep {
    /// A name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dest_dir: String,
}

/// Keeps files for later runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SaveCacheStep {
    /// A name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A template of the key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Which files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<SaveContent>,
}

/// Brings files that were kept by earlier runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RestoreCacheStep {
    /// A name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Templates of beginnings of keys; the first that is found counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Where to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dest_dir: String,
}

/// Something that is not known here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct UnknownStep {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// A name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Files that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SaveContent {
    /// Where they are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_dir: String,
    /// Where they come to in the archive.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dest_dir: String,
    /// Patterns.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub paths: Vec<String>,
}

impl Step {
    /// Its name for people.
    pub fn name(&self) -> &str {
        match self {
            Step::Run(step) => &step.name,
            Step::SaveToWorkspace(step) => &step.name,
            Step::RestoreWorkspace(step) => &step.name,
            Step::SaveCache(step) => &step.name,
            Step::RestoreCache(step) => &step.name,
            Step::Unknown(step) => &step.name,
        }
    }
}

/// All keys that steps have. They are read like those of every other struct, which a tagged enum would not do.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
struct Fields {
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    kind: String,
    #[serde(deserialize_with = "null_as_default")]
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    command: String,
    #[serde(deserialize_with = "null_as_default")]
    environment: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_as_default")]
    working_dir: String,
    #[serde(deserialize_with = "null_as_default")]
    shell: String,
    tty: Option<bool>,
    #[serde(deserialize_with = "null_as_default")]
    contents: Vec<SaveContent>,
    #[serde(deserialize_with = "null_as_default")]
    dest_dir: String,
    #[serde(deserialize_with = "null_as_default")]
    key: String,
    #[serde(deserialize_with = "null_as_default")]
    keys: Vec<String>,
}

impl From<Option<Fields>> for Step {
    fn from(fields: Option<Fields>) -> Step {
        let fields = fields.unwrap_or_default();
        let name = fields.name;
        match fields.kind.as_str() {
            "run" => Step::Run(RunStep {
                name,
                command: fields.command,
                environment: fields.environment,
                working_dir: fields.working_dir,
                shell: fields.shell,
                tty: fields.tty.unwrap_or(true),
            }),
            "save_to_workspace" => Step::SaveToWorkspace(SaveToWorkspaceStep {
                name,
                contents: fields.contents,
            }),
            "restore_workspace" => Step::RestoreWorkspace(RestoreWorkspaceStep {
                name,
                dest_dir: fields.dest_dir,
            }),
            "save_cache" => Step::SaveCache(SaveCacheStep {
                name,
                key: fields.key,
                contents: fields.contents,
            }),
            "restore_cache" => Step::RestoreCache(RestoreCacheStep {
                name,
                keys: fields.keys,
                dest_dir: fields.dest_dir,
            }),
            _ => Step::Unknown(UnknownStep {
                kind: fields.kind,
                name,
            }),
        }
    }
}

/// One object with all keys.
#[cfg(feature = "server")]
impl utoipa::PartialSchema for Step {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        <Fields as utoipa::PartialSchema>::schema()
    }
}

#[cfg(feature = "server")]
impl utoipa::ToSchema for Step {
    fn schemas(
        schemas: &mut Vec<(
            String,
            utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>,
        )>,
    ) {
        <Fields as utoipa::ToSchema>::schemas(schemas);
    }
}
