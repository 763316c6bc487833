//! What executors report, in whatever order it comes.

use service::api::Time;

use super::super::{accept_report, give_up};
use super::Fixture;
use crate::api::{ExecutorTaskPhase, ExecutorTaskStatus, ExecutorTaskStepStatus, RunTaskStatus};

const PHASES: [ExecutorTaskPhase; 6] = [
    ExecutorTaskPhase::NotStarted,
    ExecutorTaskPhase::Cancelled,
    ExecutorTaskPhase::Running,
    ExecutorTaskPhase::Stopped,
    ExecutorTaskPhase::Success,
    ExecutorTaskPhase::Failed,
];

fn status(phase: ExecutorTaskPhase, step: ExecutorTaskPhase) -> ExecutorTaskStatus {
    let step = ExecutorTaskStepStatus {
        phase: Some(step),
        ..ExecutorTaskStepStatus::default()
    };
    ExecutorTaskStatus {
        phase,
        steps: vec![step],
        ..ExecutorTaskStatus::default()
    }
}

/// Field case CI-05: an update in between was lost, and the last one was ignored.
#[test]
fn phases_go_forward_alone_and_may_leave_out_others() {
    use ExecutorTaskPhase::{Cancelled, NotStarted, Running};
    for from in PHASES {
        for to in PHASES {
            let mut stored = status(from, NotStarted);
            let changed = accept_report(&mut stored, &status(to, NotStarted));
            let goes_on = match from {
                NotStarted => to != NotStarted,
                Running => to.is_finished() && to != Cancelled,
                _ => false,
            };
            assert_eq!(changed, goes_on, "{from} to {to}");
            assert_eq!(stored.phase, if goes_on { to } else { from });
        }
    }
}

#[test]
fn what_comes_late_takes_nothing_back() {
    use ExecutorTaskPhase::{Failed, NotStarted, Running, Success};
    let mut stored = status(NotStarted, NotStarted);
    let mut report = status(Running, Success);
    report.steps[0].exit_status = Some(0);
    report.start_time = Some(Time::now());
    assert!(accept_report(&mut stored, &report));
    // An earlier report of the same phase.
    assert!(!accept_report(&mut stored, &status(Running, Running)));
    assert_eq!(stored, report);
    // More steps than there are.
    let mut longer = report.clone();
    longer.steps.push(longer.steps[0].clone());
    assert!(!accept_report(&mut stored, &longer));
    assert!(accept_report(&mut stored, &status(Success, Success)));
    let ended = stored.clone();
    for phase in PHASES {
        assert!(
            !accept_report(&mut stored, &status(phase, Failed)),
            "{phase}"
        );
    }
    assert_eq!(stored, ended);
    assert_eq!(stored.steps[0].exit_status, Some(0));
    assert!(!give_up(&mut stored, "gone", Time::now()));
}

/// Field case CI-06: the task of an executor that has vanished stayed running for ever.
#[test]
fn a_task_without_an_executor_fails_with_what_was_running_of_it() {
    use ExecutorTaskPhase::{Failed, NotStarted, Running, Success};
    let mut stored = status(Running, Running);
    stored.setup_step.phase = Some(Success);
    stored.steps.push(ExecutorTaskStepStatus {
        phase: Some(NotStarted),
        ..ExecutorTaskStepStatus::default()
    });
    let now = Time::now();
    assert!(give_up(&mut stored, "gone", now));
    assert_eq!((stored.phase, stored.end_time), (Failed, Some(now)));
    assert_eq!(stored.fail_error, "gone");
    assert_eq!(stored.setup_step.phase, Some(Success));
    assert_eq!(stored.steps[0].phase, Some(Failed));
    assert_eq!(stored.steps[0].end_time, Some(now));
    assert_eq!(stored.steps[1].phase, Some(NotStarted));
}

#[test]
fn times_of_reports_that_are_not_accepted_are_not_taken_over() {
    let mut fixture = Fixture::new([("a", vec![])]);
    fixture.start();
    fixture.report("a", ExecutorTaskPhase::Success);
    fixture.schedule();
    assert_eq!(fixture.status("a"), RunTaskStatus::Success);
    let task = fixture.executor_tasks.get_mut("a").unwrap();
    task.status.phase = ExecutorTaskPhase::Running;
    task.status.start_time = Some(Time::now());
    fixture.schedule();
    assert_eq!(fixture.status("a"), RunTaskStatus::Success);
    assert_eq!(fixture.run.tasks["a"].start_time, None);
}
