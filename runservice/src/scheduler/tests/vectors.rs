//! The reference's vectors: one step with all tasks, and what can run.

use super::super::advance_tasks::{advance_tasks, tasks_to_run};
use super::Fixture;
use crate::api::DependCondition::{OnFailure, OnSkipped, OnSuccess};
use crate::api::RunTaskStatus::{Cancelled, NotStarted, Running, Skipped, Success};
use crate::api::{DependCondition, RunResult, RunTaskStatus};

/// `task02` depends on `task01`, and `task05` on `task03` and `task04`.
fn fixture() -> Fixture {
    Fixture::new([
        ("task01", vec![]),
        ("task02", vec![("task01", OnSuccess)]),
        ("task03", vec![]),
        ("task04", vec![]),
        ("task05", vec![("task03", OnSuccess), ("task04", OnSuccess)]),
    ])
}

impl Fixture {
    fn skip(&mut self, id: &str) {
        self.config(id).skip = true;
        self.task(id).status = Skipped;
    }

    fn condition(&mut self, id: &str, parent: &str, condition: DependCondition) {
        let depend = self.config(id).depends.get_mut(parent).unwrap();
        depend.conditions = vec![condition];
    }

    /// One step with all tasks.
    fn advanced(&self) -> Fixture {
        let mut after = self.clone();
        let changed = advance_tasks(&mut after.run, &self.situation());
        assert_eq!(changed, after.run != self.run);
        after
    }

    fn advanced_statuses(&self) -> Vec<RunTaskStatus> {
        self.advanced().statuses()
    }
}

#[test]
fn a1_what_can_run_is_left_to_run() {
    let fixture = fixture();
    assert_eq!(fixture.advanced().run, fixture.run);
}

#[test]
fn a2_to_a6_what_asks_for_another_end_of_its_parents_is_skipped() {
    let mut second = fixture();
    second.skip("task01");
    let expected = [Skipped, Skipped, NotStarted, NotStarted, NotStarted];
    assert_eq!(second.advanced_statuses(), expected);

    let mut third = fixture();
    third.skip("task03");
    third.skip("task04");
    let expected = [NotStarted, NotStarted, Skipped, Skipped, Skipped];
    assert_eq!(third.advanced_statuses(), expected);

    let mut fourth = fixture();
    fourth.skip("task03");
    fourth.task("task04").status = Success;
    let expected = [NotStarted, NotStarted, Skipped, Success, Skipped];
    assert_eq!(fourth.advanced_statuses(), expected);

    // The fifth spells out the conditions that the fourth has.
    let mut sixth = fourth.clone();
    sixth.condition("task05", "task03", OnFailure);
    assert_eq!(sixth.advanced_statuses(), expected);
}

#[test]
fn a7_to_a9_what_gets_what_it_asks_for_can_run_or_waits_for_approval() {
    let mut base = fixture();
    base.skip("task03");
    base.task("task04").status = Success;

    let mut eighth = base.clone();
    eighth.config("task05").needs_approval = true;
    let after = eighth.advanced();
    assert_eq!(after.status("task05"), Skipped);
    assert!(!after.run.tasks["task05"].waiting_approval);

    let mut seventh = base;
    seventh.condition("task05", "task03", OnSkipped);
    assert_eq!(seventh.advanced().run, seventh.run);

    let mut ninth = seventh;
    ninth.config("task05").needs_approval = true;
    let after = ninth.advanced();
    assert_eq!(after.status("task05"), NotStarted);
    assert!(after.run.tasks["task05"].waiting_approval);
}

#[test]
fn a10_and_a11_roots_that_were_not_given_to_anybody_are_cancelled_once_there_is_a_result() {
    let mut tenth = fixture();
    tenth.run.result = RunResult::Success;
    tenth.task("task04").status = Success;
    let expected = [Cancelled, NotStarted, Cancelled, Success, NotStarted];
    assert_eq!(tenth.advanced_statuses(), expected);

    let mut eleventh = tenth;
    eleventh.give("task01");
    let expected = [NotStarted, NotStarted, Cancelled, Success, NotStarted];
    assert_eq!(eleventh.advanced_statuses(), expected);
}

#[test]
fn a12_a_stop_skips_what_was_not_given_to_anybody() {
    let mut fixture = fixture();
    fixture.run.stop = true;
    fixture.task("task01").status = Running;
    fixture.give("task01");
    fixture.task("task03").status = Cancelled;
    fixture.task("task04").status = Success;
    let expected = [Running, Skipped, Cancelled, Success, Skipped];
    assert_eq!(fixture.advanced_statuses(), expected);
}

#[test]
fn g1_to_g4_what_can_run_is_picked() {
    let picked = |fixture: &Fixture| tasks_to_run(&fixture.run, &fixture.situation());
    assert_eq!(picked(&fixture()), ["task01", "task03", "task04"]);

    let mut second = fixture();
    second.skip("task01");
    second.task("task02").status = Skipped;
    assert_eq!(picked(&second), ["task03", "task04"]);

    let mut third = fixture();
    third.config("task01").needs_approval = true;
    assert_eq!(picked(&third), ["task03", "task04"]);

    let mut fourth = third;
    fourth.task("task01").approved = true;
    assert_eq!(picked(&fourth), ["task01", "task03", "task04"]);
}
