//! Runs from their start to their end.

use super::Fixture;
use crate::api::DependCondition::{OnFailure, OnSuccess};
use crate::api::ExecutorTaskPhase::{Failed, Running, Stopped, Success};
use crate::api::{FetchPhase, RunPhase, RunResult, RunTaskStatus};

#[test]
fn what_waits_for_a_failure_runs_after_it_and_the_run_ends_behind_that() {
    let mut fixture = Fixture::new([
        ("a", vec![]),
        ("b", vec![("a", OnSuccess)]),
        ("c", vec![("a", OnSuccess)]),
        ("d", vec![("a", OnFailure)]),
    ]);
    assert_eq!(fixture.start(), ["a"]);
    fixture.report("a", Running);
    assert!(fixture.start().is_empty());
    fixture.report("a", Failed);
    assert_eq!(fixture.start(), ["d"]);
    assert_eq!(fixture.run.result, RunResult::Failed);
    assert_eq!(fixture.status("b"), RunTaskStatus::Skipped);
    assert_eq!(fixture.status("c"), RunTaskStatus::Skipped);
    fixture.collect("a");
    fixture.schedule();
    assert_eq!(fixture.run.phase, RunPhase::Running);
    fixture.report("d", Success);
    fixture.schedule();
    // Not before it is collected.
    assert_eq!(fixture.run.phase, RunPhase::Running);
    fixture.collect("d");
    let changes = fixture.schedule();
    assert_eq!(changes.events, [(RunPhase::Finished, RunResult::Failed)]);
    assert!(fixture.run.archived && fixture.run.end_time.is_some());
    assert!(!fixture.schedule().is_changed);
}

#[test]
fn branches_that_do_not_fail_run_to_their_end() {
    let mut fixture = Fixture::new([("a", vec![]), ("b", vec![]), ("c", vec![("b", OnSuccess)])]);
    assert_eq!(fixture.start(), ["a", "b"]);
    fixture.report("a", Failed);
    assert!(fixture.start().is_empty());
    assert_eq!(fixture.run.result, RunResult::Failed);
    fixture.report("b", Success);
    assert_eq!(fixture.start(), ["c"]);
}

#[test]
fn a_failure_that_may_be_does_not_fail_the_run() {
    let mut fixture = Fixture::new([("a", vec![]), ("b", vec![("a", OnSuccess)])]);
    fixture.config("a").ignore_failure = true;
    fixture.start();
    fixture.end("a", Failed);
    let changes = fixture.schedule();
    assert_eq!(fixture.status("b"), RunTaskStatus::Skipped);
    // Both were noted, whichever pass it was.
    assert_eq!(
        changes.events.last(),
        Some(&(RunPhase::Finished, RunResult::Success))
    );
    assert_eq!(fixture.run.result, RunResult::Success);
}

#[test]
fn a_success_is_told_before_the_end() {
    let mut fixture = Fixture::new([("a", vec![])]);
    fixture.start();
    fixture.report("a", Success);
    let changes = fixture.schedule();
    assert_eq!(changes.events, [(RunPhase::Running, RunResult::Success)]);
    assert_eq!(changes.ended, ["a"]);
    fixture.collect("a");
    let changes = fixture.schedule();
    assert_eq!(changes.events, [(RunPhase::Finished, RunResult::Success)]);
}

/// Field case CI-01: a run that waited for approval did not end when it was stopped.
#[test]
fn a_stop_ends_a_run_that_waits_for_approval() {
    let mut fixture = Fixture::new([("a", vec![])]);
    fixture.config("a").needs_approval = true;
    assert!(fixture.start().is_empty());
    assert!(fixture.run.tasks["a"].waiting_approval);
    fixture.run.stop = true;
    fixture.task("a").waiting_approval = false;
    let changes = fixture.schedule();
    assert_eq!(fixture.run.result, RunResult::Stopped);
    assert_eq!(fixture.run.phase, RunPhase::Finished);
    assert_eq!(fixture.status("a"), RunTaskStatus::Skipped);
    assert!(!fixture.run.tasks["a"].waiting_approval && fixture.run.archived);
    assert!(!changes.events.is_empty());
}

/// Field case CI-02: a stop was ignored once the run had failed.
#[test]
fn a_stop_reaches_tasks_that_run_although_the_run_has_failed() {
    let mut fixture = Fixture::new([("a", vec![]), ("b", vec![])]);
    fixture.start();
    fixture.report("a", Failed);
    fixture.report("b", Running);
    fixture.schedule();
    assert_eq!(fixture.run.result, RunResult::Failed);
    fixture.run.stop = true;
    assert_eq!(fixture.schedule().stop, ["b"]);
    fixture.executor_tasks.get_mut("b").unwrap().stop = true;
    assert!(fixture.schedule().stop.is_empty());
    fixture.end("b", Stopped);
    fixture.collect("a");
    fixture.schedule();
    assert_eq!(fixture.run.phase, RunPhase::Finished);
    assert_eq!(fixture.run.result, RunResult::Failed);
}

#[test]
fn a_stop_that_comes_when_all_has_ended_changes_nothing() {
    let mut fixture = Fixture::new([("a", vec![])]);
    fixture.start();
    fixture.report("a", Success);
    fixture.run.stop = true;
    fixture.schedule();
    assert_eq!(fixture.run.result, RunResult::Success);
}

#[test]
fn archives_are_waited_for() {
    let mut fixture = Fixture::new([("a", vec![]), ("b", vec![("a", OnSuccess)])]);
    fixture.task("a").workspace_archives = vec![0];
    fixture.task("a").workspace_archives_phase = vec![FetchPhase::NotStarted];
    fixture.start();
    fixture.report("a", Success);
    assert!(fixture.start().is_empty());
    fixture.task("a").workspace_archives_phase = vec![FetchPhase::Finished];
    assert_eq!(fixture.start(), ["b"]);
}

#[test]
fn a_cancelled_run_and_one_without_tasks_are_archived() {
    let mut fixture = Fixture::new([("a", vec![])]);
    fixture.run.phase = RunPhase::Cancelled;
    assert!(fixture.schedule().events.is_empty());
    assert!(fixture.run.archived);
    assert_eq!(fixture.status("a"), RunTaskStatus::NotStarted);

    let mut fixture = Fixture::new([]);
    fixture.run.phase = RunPhase::SetupError;
    fixture.schedule();
    assert!(fixture.run.archived);

    let mut fixture = Fixture::new([]);
    let changes = fixture.schedule();
    let events = [
        (RunPhase::Running, RunResult::Success),
        (RunPhase::Finished, RunResult::Success),
    ];
    assert_eq!(changes.events, events);
    assert!(fixture.run.archived);
}

#[test]
fn a_queued_run_waits() {
    let mut fixture = Fixture::new([("a", vec![])]);
    fixture.run.phase = RunPhase::Queued;
    let changes = fixture.schedule();
    assert!(!changes.is_changed && changes.start.is_empty());
}

#[test]
fn a_task_with_approvers_is_approved_where_that_is_done_here() {
    for (approvers, approves, starts) in [
        ("[\"ann\"]", true, true),
        ("[\"ann\"]", false, false),
        ("[]", true, false),
        ("ann", true, false),
    ] {
        let mut fixture = Fixture::new([("a", vec![])]);
        fixture.approves = approves;
        fixture.config("a").needs_approval = true;
        let annotations = &mut fixture.task("a").annotations;
        annotations.insert("approvers".to_owned(), approvers.to_owned());
        assert_eq!(
            !fixture.start().is_empty(),
            starts,
            "{approvers} {approves}"
        );
        let task = &fixture.run.tasks["a"];
        assert_eq!((task.approved, task.waiting_approval), (starts, !starts));
    }
}
