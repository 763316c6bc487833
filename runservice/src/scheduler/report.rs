//! What executors report.

use service::api::Time;

use crate::api::{
    ExecutorTaskPhase, ExecutorTaskStatus, ExecutorTaskStepStatus, RunTask, RunTaskStatus,
    RunTaskStep,
};

/// Whether something in phase `current` can be reported to be in phase `reported`: phases do not go back, and nothing comes
/// after the last. Phases in between may be missing, since reports can be lost.
fn may_become(current: ExecutorTaskPhase, reported: ExecutorTaskPhase) -> bool {
    use ExecutorTaskPhase::{Cancelled, Failed, NotStarted, Running, Stopped, Success};
    match reported {
        NotStarted => current == NotStarted,
        Cancelled => matches!(current, NotStarted | Cancelled),
        Running => matches!(current, NotStarted | Running),
        Stopped | Success | Failed => {
            matches!(current, NotStarted | Running) || current == reported
        }
    }
}

/// Brings what is stored of a task up to a report; returns whether anything has changed. Reports that come late, twice or in
/// another order take nothing back.
pub(crate) fn accept_report(stored: &mut ExecutorTaskStatus, report: &ExecutorTaskStatus) -> bool {
    if stored.phase.is_finished() || !may_become(stored.phase, report.phase) {
        return false;
    }
    let before = stored.clone();
    stored.phase = report.phase;
    if !report.fail_error.is_empty() {
        stored.fail_error.clone_from(&report.fail_error);
    }
    stored.start_time = report.start_time.or(stored.start_time);
    stored.end_time = report.end_time.or(stored.end_time);
    accept_step(&mut stored.setup_step, &report.setup_step);
    // There are as many steps as the task has, whatever is reported.
    for (step, reported) in stored.steps.iter_mut().zip(&report.steps) {
        accept_step(step, reported);
    }
    *stored != before
}

fn accept_step(stored: &mut ExecutorTaskStepStatus, report: &ExecutorTaskStepStatus) {
    let (current, reported) = (
        stored.phase.unwrap_or_default(),
        report.phase.unwrap_or_default(),
    );
    if !may_become(current, reported) {
        return;
    }
    // None is the same as not started: it stays what it is.
    if reported != current {
        stored.phase = Some(reported);
    }
    stored.exit_status = report.exit_status.or(stored.exit_status);
    stored.start_time = report.start_time.or(stored.start_time);
    stored.end_time = report.end_time.or(stored.end_time);
}

/// Ends a task whose executor is gone; returns false if it has ended before.
pub(crate) fn give_up(status: &mut ExecutorTaskStatus, reason: &str, now: Time) -> bool {
    if status.phase.is_finished() {
        return false;
    }
    status.phase = ExecutorTaskPhase::Failed;
    reason.clone_into(&mut status.fail_error);
    status.end_time = Some(now);
    for step in std::iter::once(&mut status.setup_step).chain(&mut status.steps) {
        if step.phase == Some(ExecutorTaskPhase::Running) {
            step.phase = Some(ExecutorTaskPhase::Failed);
            step.end_time = Some(now);
        }
    }
    true
}

/// Brings a task of a run up to what its executor has reported; returns whether anything has changed.
pub(super) fn take_over(task: &mut RunTask, status: &ExecutorTaskStatus) -> bool {
    let current = match task.status {
        RunTaskStatus::NotStarted => ExecutorTaskPhase::NotStarted,
        RunTaskStatus::Running => ExecutorTaskPhase::Running,
        // What has ended stays.
        _ => return false,
    };
    if !may_become(current, status.phase) {
        return false;
    }
    let before = task.clone();
    task.status = match status.phase {
        ExecutorTaskPhase::NotStarted => RunTaskStatus::NotStarted,
        ExecutorTaskPhase::Cancelled => RunTaskStatus::Cancelled,
        ExecutorTaskPhase::Running => RunTaskStatus::Running,
        ExecutorTaskPhase::Stopped => RunTaskStatus::Stopped,
        ExecutorTaskPhase::Success => RunTaskStatus::Success,
        ExecutorTaskPhase::Failed => RunTaskStatus::Failed,
    };
    task.start_time = status.start_time;
    task.end_time = status.end_time;
    take_over_step(&mut task.setup_step, &status.setup_step);
    for (step, reported) in task.steps.iter_mut().zip(&status.steps) {
        take_over_step(step, reported);
    }
    *task != before
}

fn take_over_step(step: &mut RunTaskStep, reported: &ExecutorTaskStepStatus) {
    step.phase = reported.phase.unwrap_or_default();
    step.exit_status = reported.exit_status;
    step.start_time = reported.start_time;
    step.end_time = reported.end_time;
}
