//! What a definition consists of.

use std::collections::BTreeMap;
use std::fmt;

use configstore::api::When;
use runservice::api::{
    DependCondition, RestoreCacheStep, RestoreWorkspaceStep, SaveCacheStep, SaveToWorkspaceStep,
};

/// What is to be run. Everything in it has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Their names are unique. At least one.
    pub runs: Vec<Run>,
    /// Credentials of all runs, by registry.
    pub docker_registries_auth: BTreeMap<String, RegistryAuth>,
}

/// A run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// Their names are unique in the run.
    pub tasks: Vec<Task>,
    /// When there is such a run; always if there is nothing.
    pub when: Option<When>,
    /// Credentials of all tasks, by registry. They go before those of the definition.
    pub docker_registries_auth: BTreeMap<String, RegistryAuth>,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Where it is executed.
    pub runtime: Runtime,
    /// The environment of its steps.
    pub environment: BTreeMap<String, Value>,
    /// Where its steps begin. Default `~/project`.
    pub working_dir: String,
    /// What executes the commands. Empty: `/bin/sh -e`.
    pub shell: String,
    /// Who executes the commands. Empty: the user of the first container.
    pub user: String,
    /// One after the other.
    pub steps: Vec<Step>,
    /// The tasks that have to end before.
    pub depends: Vec<Depend>,
    /// Whether the run may succeed although this task fails.
    pub ignore_failure: bool,
    /// Whether it starts only once it is approved.
    pub approval: bool,
    /// When it is executed; always if there is nothing. Otherwise it is skipped.
    pub when: Option<When>,
    /// Credentials by registry. They go before those of the run.
    pub docker_registries_auth: BTreeMap<String, RegistryAuth>,
}

/// What kind of place a task is executed at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeKind {
    /// Containers that share a network.
    #[default]
    Pod,
    /// The host of an executor that allows it.
    Host,
}

impl RuntimeKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            RuntimeKind::Pod => "pod",
            RuntimeKind::Host => "host",
        }
    }
}

/// Where a task is executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    /// What kind of place it is.
    pub kind: RuntimeKind,
    /// The processor that is needed: `386`, `amd64`, `arm`, `arm64`. Empty: any.
    pub arch: String,
    /// The steps are executed in the first one. A pod has at least one, a host none.
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The image that it is made from.
    pub image: String,
    /// Its environment.
    pub environment: BTreeMap<String, Value>,
    /// Its user.
    pub user: String,
    /// Whether it may do what the host may.
    pub privileged: bool,
    /// What it begins with.
    pub entrypoint: String,
    /// What is mounted.
    pub volumes: Vec<Volume>,
}

/// Memory that is mounted in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Where.
    pub path: String,
    /// How many bytes at most; as the host says if there is nothing.
    pub tmpfs_bytes_max: Option<i64>,
}

/// Credentials for a registry of images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryAuth {
    /// `basic` (the default) or `encodedauth`.
    pub kind: String,
    /// The name, with `basic`.
    pub username: Value,
    /// The password, with `basic`.
    pub password: Value,
    /// Both, with `encodedauth`.
    pub auth: Value,
}

/// A text, or the variable that has it.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// This text.
    Text(String),
    /// What the variable with this name has; empty if there is none.
    Variable(String),
}

impl Default for Value {
    fn default() -> Value {
        Value::Text(String::new())
    }
}

/// Without the text, which may be a secret.
impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(_) => formatter.write_str("Text(..)"),
            Value::Variable(name) => formatter.debug_tuple("Variable").field(name).finish(),
        }
    }
}

/// A step of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Brings the repository.
    Clone(CloneStep),
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
}

/// Brings the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloneStep {
    /// How many commits, at least 1; all if there is nothing.
    pub depth: Option<u32>,
    /// Whether submodules come too.
    pub recurse_submodules: bool,
}

/// Executes a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunStep {
    /// A name for people.
    pub name: String,
    /// What the shell gets.
    pub command: String,
    /// Goes before all other environment.
    pub environment: BTreeMap<String, Value>,
    /// Where it is executed. Empty: where the task begins.
    pub working_dir: String,
    /// What executes it. Empty: the shell of the task.
    pub shell: String,
    /// Whether it has a terminal. Default true.
    pub tty: bool,
}

/// A task that has to end before another begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depend {
    /// The name of the task.
    pub task: String,
    /// How it has to end: one of these. None: `on_success`.
    pub conditions: Vec<DependCondition>,
}
