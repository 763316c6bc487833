//! Which tasks are skipped, cancelled or wait for approval, and which can start.

use crate::api::{
    DependCondition, FetchPhase, Run, RunConfig, RunConfigTask, RunTask, RunTaskStatus,
};

use super::Situation;

/// The annotation with the list of those who have approved, JSON in a text.
const APPROVERS: &str = "approvers";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Skip,
    Cancel,
    AskForApproval,
    Approve,
}

/// Goes one step with each task that has not started; returns whether there was one. What a task depends on is taken as it
/// was before.
pub(super) fn advance_tasks(run: &mut Run, situation: &Situation<'_>) -> bool {
    let steps = run.tasks.values().filter_map(|task| {
        let step = next_step(run, task, situation)?;
        Some((task.id.clone(), step))
    });
    let steps: Vec<(String, Step)> = steps.collect();
    for (id, step) in &steps {
        let Some(task) = run.tasks.get_mut(id) else {
            continue;
        };
        match step {
            Step::Skip => task.status = RunTaskStatus::Skipped,
            Step::Cancel => task.status = RunTaskStatus::Cancelled,
            Step::AskForApproval => task.waiting_approval = true,
            Step::Approve => task.approved = true,
        }
        if *step != Step::AskForApproval {
            task.waiting_approval = false;
        }
    }
    !steps.is_empty()
}

fn next_step(run: &Run, task: &RunTask, situation: &Situation<'_>) -> Option<Step> {
    let is_scheduled = situation.executor_tasks.contains_key(&task.id);
    if task.status != RunTaskStatus::NotStarted || is_scheduled {
        return None;
    }
    if run.stop {
        return Some(Step::Skip);
    }
    let config = situation.config.tasks.get(&task.id)?;
    if config.skip {
        return None;
    }
    if parents(config, situation.config).next().is_none() && run.result.is_set() {
        return Some(Step::Cancel);
    }
    if !parents_are_done(run, config, situation.config) {
        return None;
    }
    if !conditions_hold(run, config, situation.config) {
        return Some(Step::Skip);
    }
    if !config.needs_approval || task.approved {
        return None;
    }
    if situation.approves && has_approvers(task) {
        return Some(Step::Approve);
    }
    (!task.waiting_approval).then_some(Step::AskForApproval)
}

/// The tasks that can be given to executors now, by level and name.
pub(super) fn tasks_to_run(run: &Run, situation: &Situation<'_>) -> Vec<String> {
    let can_run = |task: &&RunTask| {
        let is_scheduled = situation.executor_tasks.contains_key(&task.id);
        let config = situation.config.tasks.get(&task.id);
        task.status == RunTaskStatus::NotStarted
            && !is_scheduled
            && !run.stop
            && config.is_some_and(|config| {
                !config.skip
                    && parents_are_done(run, config, situation.config)
                    && conditions_hold(run, config, situation.config)
                    && (!config.needs_approval || task.approved)
            })
    };
    let mut ids: Vec<&str> = run
        .tasks
        .values()
        .filter(can_run)
        .map(|task| task.id.as_str())
        .collect();
    ids.sort_by_key(|id| {
        let config = situation.config.tasks.get(*id);
        config.map(|config| (config.level, config.name.as_str(), *id))
    });
    ids.into_iter().map(str::to_owned).collect()
}

/// The tasks that a task depends on, with the conditions. Those that are not there do not count.
fn parents<'a>(
    task: &'a RunConfigTask,
    config: &'a RunConfig,
) -> impl Iterator<Item = (&'a str, &'a [DependCondition])> {
    let depends = task.depends.iter();
    let depends = depends.filter(|(id, _)| config.tasks.contains_key(*id));
    depends.map(|(id, depend)| (id.as_str(), depend.conditions.as_slice()))
}

fn parents_are_done(run: &Run, task: &RunConfigTask, config: &RunConfig) -> bool {
    parents(task, config).all(|(id, _)| {
        run.tasks.get(id).is_some_and(|parent| {
            let mut archives = parent.workspace_archives_phase.iter();
            parent.status.is_finished() && archives.all(|phase| *phase == FetchPhase::Finished)
        })
    })
}

/// Whether each parent has ended in a way that the task asks for.
fn conditions_hold(run: &Run, task: &RunConfigTask, config: &RunConfig) -> bool {
    parents(task, config).all(|(id, conditions)| {
        let status = run.tasks.get(id).map(|parent| parent.status);
        conditions.iter().any(|condition| {
            let wanted = match condition {
                DependCondition::OnSuccess => RunTaskStatus::Success,
                DependCondition::OnFailure => RunTaskStatus::Failed,
                DependCondition::OnSkipped => RunTaskStatus::Skipped,
            };
            status == Some(wanted)
        })
    })
}

fn has_approvers(task: &RunTask) -> bool {
    let approvers = task.annotations.get(APPROVERS);
    let approvers = approvers.map(|text| serde_json::from_str::<Vec<serde_json::Value>>(text));
    approvers.is_some_and(|list| list.is_ok_and(|list| !list.is_empty()))
}
