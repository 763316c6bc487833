//! Runs that do again what earlier ones have done.

use std::collections::{BTreeMap, BTreeSet};

use super::creation::{Draft, new_run_task};
use crate::Error;
use crate::api::{Run, RunConfig, RunConfigTask, RunPhase, RunResult, RunTaskStatus};
use crate::graph;
use crate::scheduler::is_collected;

/// Refuses a restart that would not do what is expected of it.
pub(super) fn check_restart(run: &Run, from_start: bool) -> Result<(), Error> {
    let refused = |why: &str| {
        let message = format!("run {:?} cannot be restarted: {why}", run.id);
        Err(Error::bad_request(message).with_code("no_restart"))
    };
    match run.phase {
        RunPhase::Finished | RunPhase::Cancelled => {}
        RunPhase::SetupError => return refused("it has setup errors"),
        RunPhase::Queued | RunPhase::Running => return refused("it has not ended"),
    }
    if from_start {
        return Ok(());
    }
    if run.result == RunResult::Success {
        return refused("all of it has succeeded");
    }
    let mut kept = run.tasks.values();
    let is_missing = kept.any(|task| task.status == RunTaskStatus::Success && !is_collected(task));
    match is_missing {
        true => refused("logs or archives of its tasks are not collected yet"),
        false => Ok(()),
    }
}

/// A run like an earlier one. Tasks that are done again get new ids, which `new_id` makes of the old ones: all of them, or
/// those that have not succeeded with all that depend on them. The others keep their ids, and with them logs and archives.
pub(super) fn restart(
    run: &Run,
    config: &RunConfig,
    from_start: bool,
    mut new_id: impl FnMut(&str) -> String,
) -> Draft {
    let again = match from_start {
        true => config.tasks.keys().map(String::as_str).collect(),
        false => tasks_to_do_again(run, config),
    };
    let new_ids: BTreeMap<&str, String> = again.iter().map(|id| (*id, new_id(id))).collect();
    let renamed = |id: &str| new_ids.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let mut tasks = BTreeMap::new();
    let mut run_tasks = BTreeMap::new();
    for (id, task) in &config.tasks {
        let depends = task.depends.iter().map(|(parent, depend)| {
            let mut depend = depend.clone();
            depend.task_id = renamed(&depend.task_id);
            (renamed(parent), depend)
        });
        let task = RunConfigTask {
            id: renamed(id),
            depends: depends.collect(),
            ..task.clone()
        };
        let kept = run
            .tasks
            .get(id)
            .filter(|_| !new_ids.contains_key(id.as_str()));
        let run_task = kept.cloned().unwrap_or_else(|| new_run_task(&task));
        run_tasks.insert(task.id.clone(), run_task);
        tasks.insert(task.id.clone(), task);
    }
    Draft {
        run: Run {
            name: run.name.clone(),
            group: run.group.clone(),
            annotations: run.annotations.clone(),
            phase: RunPhase::Queued,
            result: RunResult::Unknown,
            tasks: run_tasks,
            ..Run::default()
        },
        config: RunConfig {
            id: String::new(),
            tasks,
            ..config.clone()
        },
    }
}

/// What has not succeeded, and all that depends on it, directly or not.
fn tasks_to_do_again<'a>(run: &Run, config: &'a RunConfig) -> BTreeSet<&'a str> {
    let has_succeeded = |id: &str| {
        let task = run.tasks.get(id);
        task.is_some_and(|task| task.status == RunTaskStatus::Success)
    };
    let ids = config.tasks.keys().map(String::as_str);
    graph::with_descendants(&config.tasks, ids.filter(|id| !has_succeeded(id)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::api::{Depend, DependCondition};

    fn id(prefix: &str, name: &str) -> String {
        Uuid::new_v5(&Uuid::NAMESPACE_DNS, format!("{prefix}{name}").as_bytes()).to_string()
    }

    /// `task02` depends on `task01`, `task05` on `task03` and `task04`.
    fn config(prefix: &str, prefix_of: impl Fn(&str) -> &'static str) -> RunConfig {
        let parents: [(&str, &[&str]); 5] = [
            ("task01", &[]),
            ("task02", &["task01"]),
            ("task03", &[]),
            ("task04", &[]),
            ("task05", &["task03", "task04"]),
        ];
        let tasks = parents.map(|(name, parents)| {
            let depends = parents.iter().map(|parent| {
                let parent = id(prefix_of(parent), parent);
                let depend = Depend {
                    task_id: parent.clone(),
                    conditions: vec![DependCondition::OnSuccess],
                };
                (parent, depend)
            });
            let id = id(prefix_of(name), name);
            let task = RunConfigTask {
                id: id.clone(),
                name: name.to_owned(),
                depends: depends.collect(),
                ..RunConfigTask::default()
            };
            (id, task)
        });
        RunConfig {
            id: prefix.to_owned(),
            group: "/user/u1".to_owned(),
            tasks: tasks.into(),
            ..RunConfig::default()
        }
    }

    fn run(config: &RunConfig, status: impl Fn(&str) -> RunTaskStatus) -> Run {
        let tasks = config.tasks.iter().map(|(id, task)| {
            let mut run_task = new_run_task(task);
            run_task.status = status(&task.name);
            (id.clone(), run_task)
        });
        Run {
            id: "old".to_owned(),
            group: config.group.clone(),
            phase: RunPhase::Finished,
            tasks: tasks.collect(),
            ..Run::default()
        }
    }

    fn restarted(status: impl Fn(&str) -> RunTaskStatus, from_start: bool) -> Draft {
        let config = config("", |_| "in");
        let run = run(&config, status);
        restart(&run, &config, from_start, |old| {
            let name = config.tasks.get(old).map(|task| task.name.clone());
            id("out", &name.unwrap())
        })
    }

    fn first_failed(name: &str) -> RunTaskStatus {
        match name {
            "task01" => RunTaskStatus::Failed,
            _ => RunTaskStatus::Success,
        }
    }

    /// Vectors R1 to R3.
    #[test]
    fn all_tasks_are_done_again_from_the_start_or_if_none_has_succeeded() {
        assert_eq!(id("in", "old"), "0722322a-9de1-5094-b135-3b7d80041569");
        assert_eq!(id("out", "task05"), "4c267d66-1f3f-5e82-a8be-25e7e02aa394");
        let expected = config("", |_| "out");
        for draft in [
            restarted(|_| RunTaskStatus::NotStarted, true),
            restarted(|_| RunTaskStatus::NotStarted, false),
            restarted(first_failed, true),
        ] {
            assert_eq!(draft.config, expected);
            assert_eq!(
                draft.run.tasks,
                run(&expected, |_| RunTaskStatus::NotStarted).tasks
            );
            assert_eq!(draft.run.phase, RunPhase::Queued);
        }
    }

    /// Vector R4.
    #[test]
    fn what_has_succeeded_is_kept_unless_it_depends_on_what_has_not() {
        let draft = restarted(first_failed, false);
        let is_again = |name: &str| matches!(name, "task01" | "task02");
        let expected = config("", |name| if is_again(name) { "out" } else { "in" });
        assert_eq!(draft.config, expected);
        let status = |name: &str| match is_again(name) {
            true => RunTaskStatus::NotStarted,
            false => RunTaskStatus::Success,
        };
        assert_eq!(draft.run.tasks, run(&expected, status).tasks);
    }
}
