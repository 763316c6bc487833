//! The process that watches over all processes of a step.
//!
//! The executor starts this program again with a hidden argument for every command. That process, the supervisor, starts the
//! command and ends when all processes that came from it have ended:
//!
//! - What the command leaves behind, also what has detached itself, becomes the supervisor's child (`PR_SET_CHILD_SUBREAPER`),
//!   and is killed once the command itself has ended.
//! - The executor holds a pipe to the supervisor. A byte asks it to stop: all processes get SIGTERM and, after a while, SIGKILL.
//!   When the executor dies the pipe closes, and all are killed at once.
//! - A supervisor that is killed itself is noticed by the executor, which finds the processes by a variable of their environment.
//!
//! What the command prints goes to the pipe that the supervisor has as its standard error, without passing through it.

mod cgroup;
mod child;
mod jobs;
mod processes;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use cgroup::{own_group, remove_stale};
pub(crate) use jobs::{PackJob, UnpackJob};
pub(crate) use processes::kill_marked;

/// The first argument of a supervisor.
pub(crate) const SUPERVISE: &str = "--executor-supervise";
/// The first arguments of what is done with the rights of the user of a task.
pub(crate) const PACK: &str = "--executor-pack";
pub(crate) const UNPACK: &str = "--executor-unpack";
/// The byte that asks a supervisor to stop.
pub(crate) const STOP: u8 = b'T';
/// The variable that marks the processes of an executor's tasks: `<executor id>/<task id>`.
pub(crate) const MARKER: &str = "DM_EXECUTOR_TASK";

/// What a supervisor is to do: one line of JSON on its standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The program, and its arguments.
    pub(crate) command: Vec<String>,
    /// All of the environment.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) directory: PathBuf,
    /// User and group; none: those of the supervisor.
    pub(crate) user: Option<(u32, u32)>,
    /// What the command reads. None: nothing.
    pub(crate) input: Option<PathBuf>,
    /// The file that gets its standard output, which is there. None: the pipe, as for standard error.
    pub(crate) output: Option<PathBuf>,
    pub(crate) limits: Limits,
    /// The control group to make; none: none.
    pub(crate) cgroup: Option<PathBuf>,
    /// How long processes have between SIGTERM and SIGKILL.
    pub(crate) grace_ms: u64,
}

/// What one process may use; none: as the executor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) processes: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) file_bytes: Option<u64>,
    pub(crate) cpu_seconds: Option<u64>,
}

/// What a supervisor tells at its end, as JSON on its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// The command has ended by itself, with this status.
    Exited(i32),
    /// A signal has ended the command.
    Killed(i32),
    /// The command could not be started, and why.
    NotStarted(String),
}

/// Makes this process a supervisor, if an executor has started it as one, and does not return then. Programs that run an
/// executor call it first of all in `main`.
pub fn become_supervisor_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    let Some(first) = arguments.next() else {
        return;
    };
    let status = match first.to_str() {
        Some(SUPERVISE) => child::supervise(),
        Some(PACK) => jobs::pack(),
        Some(UNPACK) => jobs::unpack(),
        _ => return,
    };
    std::process::exit(status);
}
