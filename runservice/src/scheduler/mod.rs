//! What becomes of a run: a function of the run, its configuration and what is scheduled of it. Nothing here reads a clock,
//! a store or a network.
//!
//! Executor tasks, not the statuses of run tasks, are the truth about what was given to executors. A task is given to one only
//! while its status is `notstarted` and it has no executor task; an executor task goes only once its task has ended. So no task
//! is executed twice.

mod advance_run;
mod advance_tasks;
mod choice;
mod report;
mod spec;
#[cfg(test)]
mod tests;

pub(crate) use choice::{Candidate, Requirements, choose_executor};
pub(crate) use report::{accept_report, give_up};
pub(crate) use spec::{new_executor_task, whole_executor_task};

use std::collections::BTreeMap;

use service::api::Time;

use crate::api::{FetchPhase, Run, RunConfig, RunPhase, RunResult, RunTask};
use crate::store::ExecutorTaskDocument;

/// What the scheduler looks at beside the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) config: &'a RunConfig,
    /// What is given to executors of this run, by the ids of the tasks.
    pub(crate) executor_tasks: &'a BTreeMap<String, ExecutorTaskDocument>,
    /// Whether a task that has approvers is approved.
    pub(crate) approves: bool,
    pub(crate) now: Time,
}

/// What follows from a pass.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Whether the run is another one than before.
    pub(crate) is_changed: bool,
    /// The phases and results that the run has gone through, in their order.
    pub(crate) events: Vec<(RunPhase, RunResult)>,
    /// Tasks to be given to executors, those on the lowest level first.
    pub(crate) start: Vec<String>,
    /// Executor tasks that have to be told to stop.
    pub(crate) stop: Vec<String>,
    /// Tasks that were found ended, whose logs and archives can be collected.
    pub(crate) ended: Vec<String>,
}

/// Brings a run as far as it goes without anything happening outside.
pub(crate) fn schedule(run: &mut Run, situation: &Situation<'_>) -> Changes {
    let mut changes = Changes::default();
    if run.archived {
        return changes;
    }
    take_reports(run, situation, &mut changes);
    // Each round brings at least one task or the run itself a step further, of which each has few.
    for _ in 0..run.tasks.len() * 2 + 4 {
        let before = (run.phase, run.result);
        let has_executor_tasks = !situation.executor_tasks.is_empty();
        advance_run::advance_run(run, situation.config, has_executor_tasks, situation.now);
        let mut goes_on = before != (run.phase, run.result);
        if goes_on {
            changes.events.push((run.phase, run.result));
        }
        if run.phase == RunPhase::Running {
            goes_on |= advance_tasks::advance_tasks(run, situation);
        }
        goes_on |= settle_unfetchable(run, situation);
        if !goes_on {
            break;
        }
        changes.is_changed = true;
    }
    if run.phase == RunPhase::Running {
        changes.start = advance_tasks::tasks_to_run(run, situation);
        if run.stop {
            let unstopped = situation.executor_tasks.values();
            let unstopped = unstopped.filter(|task| !task.stop && !task.status.phase.is_finished());
            changes.stop = unstopped.map(|task| task.id.clone()).collect();
        }
    }
    if is_settled(run) && situation.executor_tasks.is_empty() {
        run.archived = true;
        changes.is_changed = true;
    }
    changes
}

/// Takes over what executors have reported.
fn take_reports(run: &mut Run, situation: &Situation<'_>, changes: &mut Changes) {
    for (id, executor_task) in situation.executor_tasks {
        let Some(task) = run.tasks.get_mut(id) else {
            continue;
        };
        let was_finished = task.status.is_finished();
        changes.is_changed |= report::take_over(task, &executor_task.status);
        if !was_finished && task.status.is_finished() {
            changes.ended.push(id.clone());
        }
    }
}

/// Marks logs and archives that nobody can have any more as collected: those of tasks that have ended and have no executor
/// task, and in a run that is over those of all tasks without one.
fn settle_unfetchable(run: &mut Run, situation: &Situation<'_>) -> bool {
    let is_over = run.phase.is_finished();
    let mut is_changed = false;
    for task in run.tasks.values_mut() {
        let has_ended = is_over || task.status.is_finished();
        if has_ended && !situation.executor_tasks.contains_key(&task.id) && !is_collected(task) {
            set_collected(task);
            is_changed = true;
        }
    }
    is_changed
}

/// Whether all logs and archives of a task are where they stay.
pub(crate) fn is_collected(task: &RunTask) -> bool {
    let steps = std::iter::once(&task.setup_step).chain(&task.steps);
    let logs = steps.map(|step| step.log_phase);
    let mut phases = logs.chain(task.workspace_archives_phase.iter().copied());
    phases.all(|phase| phase == FetchPhase::Finished)
}

fn set_collected(task: &mut RunTask) {
    task.setup_step.log_phase = FetchPhase::Finished;
    for step in &mut task.steps {
        step.log_phase = FetchPhase::Finished;
    }
    task.workspace_archives_phase.fill(FetchPhase::Finished);
}

/// Whether nothing of a run changes any more.
fn is_settled(run: &Run) -> bool {
    run.phase.is_finished() && run.tasks.values().all(is_collected)
}
