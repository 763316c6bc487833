//! Which runs are asked for.

use service::client::Path;

use super::with_change_groups;
use crate::api::{RunPhase, RunResult};

/// Which runs of all groups are asked for. The default is the newest 25 of all runs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsQuery {
    /// Only in one of these phases; empty: in any.
    pub phases: Vec<RunPhase>,
    /// Only with one of these results; empty: with any.
    pub results: Vec<RunResult>,
    /// Only in one of these groups or below it; empty: in any.
    pub groups: Vec<String>,
    /// Only the newest run of each group path. Needs groups.
    pub last_run: bool,
    /// Oldest first.
    pub ascending: bool,
    /// Begins behind the run with this id.
    pub start: Option<String>,
    /// At most so many, and not more than 40. Default 25.
    pub limit: Option<u32>,
    /// The answer has a token for these change groups.
    pub change_groups: Vec<String>,
}

impl RunsQuery {
    /// The runs in a phase, oldest first.
    pub fn in_phase(phase: RunPhase) -> RunsQuery {
        RunsQuery {
            phases: vec![phase],
            ascending: true,
            ..RunsQuery::default()
        }
    }

    /// The runs that wait for being started, oldest first.
    pub fn queued() -> RunsQuery {
        RunsQuery::in_phase(RunPhase::Queued)
    }

    /// The runs whose tasks are executed, oldest first.
    pub fn running() -> RunsQuery {
        RunsQuery::in_phase(RunPhase::Running)
    }

    /// The newest run of a group.
    pub fn last_of(group: impl Into<String>) -> RunsQuery {
        RunsQuery {
            groups: vec![group.into()],
            limit: Some(1),
            ..RunsQuery::default()
        }
    }

    /// The oldest run of a group that waits for being started.
    pub fn first_queued_of(group: impl Into<String>) -> RunsQuery {
        RunsQuery {
            groups: vec![group.into()],
            limit: Some(1),
            ..RunsQuery::queued()
        }
    }

    pub(super) fn apply(&self, path: Path) -> Path {
        let path = path_with_names(path, &self.phases, &self.results);
        let path = self
            .groups
            .iter()
            .fold(path, |path, group| path.query("group", group));
        let path = flag(path, "lastrun", self.last_run);
        let path = path.optional("start", self.start.as_ref());
        page(path, self.ascending, self.limit, &self.change_groups)
    }
}

/// Which runs of one group are asked for, and of those below it. The default is the newest 25, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRunsQuery {
    /// Only in one of these phases; empty: in any.
    pub phases: Vec<RunPhase>,
    /// Only with one of these results; empty: with any.
    pub results: Vec<RunResult>,
    /// Oldest first.
    pub ascending: bool,
    /// Begins behind the run with this number.
    pub start: Option<u64>,
    /// At most so many, and not more than 40. Default 25.
    pub limit: Option<u32>,
    /// The answer has a token for these change groups.
    pub change_groups: Vec<String>,
}

impl GroupRunsQuery {
    pub(super) fn apply(&self, path: Path) -> Path {
        let path = path_with_names(path, &self.phases, &self.results);
        let path = path.optional("start", self.start.map(|start| start.to_string()));
        page(path, self.ascending, self.limit, &self.change_groups)
    }
}

fn path_with_names(path: Path, phases: &[RunPhase], results: &[RunResult]) -> Path {
    let path = phases
        .iter()
        .fold(path, |path, phase| path.query("phase", phase.as_str()));
    results
        .iter()
        .fold(path, |path, result| path.query("result", result.as_str()))
}

fn page(path: Path, ascending: bool, limit: Option<u32>, change_groups: &[String]) -> Path {
    let path = flag(path, "asc", ascending);
    let path = path.optional("limit", limit.map(|limit| limit.to_string()));
    with_change_groups(path, change_groups)
}

pub(super) fn flag(path: Path, name: &str, is_set: bool) -> Path {
    match is_set {
        true => path.query(name, ""),
        false => path,
    }
}
