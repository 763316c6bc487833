//! The result of a run, and its end.

use service::api::Time;

use crate::api::{Run, RunConfig, RunPhase, RunResult, RunTaskStatus};

/// Sets the result once it is known, and the phase once nothing is left to be done. Nothing else does either.
///
/// After a success the phase follows in another pass.
pub(super) fn advance_run(run: &mut Run, config: &RunConfig, has_executor_tasks: bool, now: Time) {
    let all_finished = run.tasks.values().all(|task| task.status.is_finished());
    if run.phase == RunPhase::Running && !run.result.is_set() {
        let fails = run.tasks.values().any(|task| {
            let config = config.tasks.get(&task.id);
            let may_fail = config.is_some_and(|config| config.ignore_failure);
            task.status == RunTaskStatus::Failed && !may_fail
        });
        if fails {
            run.result = RunResult::Failed;
        } else if all_finished {
            run.result = RunResult::Success;
            return;
        } else if run.stop {
            run.result = RunResult::Stopped;
        }
    }
    let is_over = run.result.is_set() && all_finished && !has_executor_tasks;
    if is_over && run.phase == RunPhase::Running {
        run.phase = RunPhase::Finished;
        run.end_time = Some(now);
    }
}
