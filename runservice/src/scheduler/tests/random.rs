//! Random graphs with random outcomes, against an evaluator that knows nothing of passes.
//!
//! Field case CI-04: tasks ran although what they depend on said otherwise, and the order of looking decided.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::Fixture;
use crate::api::{DependCondition, ExecutorTaskPhase, RunPhase, RunResult, RunTaskStatus};

const GRAPHS: u64 = 1_000;
const TASKS_MAX: usize = 9;

fn graphs() -> u64 {
    let count = std::env::var("DM_SOAK_GRAPHS").ok();
    count.map_or(GRAPHS, |count| count.parse().unwrap())
}

/// A run of up to nine tasks, and how each ends if it is executed. The order of the ids is not that of the levels.
fn random_run(random: &mut SmallRng) -> (Fixture, BTreeMap<String, ExecutorTaskPhase>) {
    let count = random.random_range(1..=TASKS_MAX);
    let mut ids: Vec<String> = (0..count).map(|place| format!("t{place}")).collect();
    for place in (1..ids.len()).rev() {
        ids.swap(place, random.random_range(0..=place));
    }
    let mut tasks = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        let mut parents = Vec::new();
        for parent in &ids[..place] {
            if random.random_bool(0.3) {
                for condition in [
                    DependCondition::OnSuccess,
                    DependCondition::OnFailure,
                    DependCondition::OnSkipped,
                ] {
                    let share = if condition == DependCondition::OnSuccess {
                        0.7
                    } else {
                        0.3
                    };
                    if random.random_bool(share) {
                        parents.push((parent.as_str(), condition));
                    }
                }
            }
        }
        tasks.push((id.as_str(), parents));
    }
    let mut fixture = Fixture::new(tasks);
    let mut outcomes = BTreeMap::new();
    for id in &ids {
        fixture.config(id).ignore_failure = random.random_bool(0.2);
        if random.random_bool(0.1) {
            fixture.config(id).skip = true;
            fixture.task(id).status = RunTaskStatus::Skipped;
        }
        let ends = [
            ExecutorTaskPhase::Success,
            ExecutorTaskPhase::Success,
            ExecutorTaskPhase::Failed,
            ExecutorTaskPhase::Stopped,
        ];
        outcomes.insert(id.clone(), *ends.choose(random).unwrap());
    }
    (fixture, outcomes)
}

/// How a task ends, from how those end that it depends on.
fn expected(
    id: &str,
    fixture: &Fixture,
    outcomes: &BTreeMap<String, ExecutorTaskPhase>,
) -> RunTaskStatus {
    let config = &fixture.config.tasks[id];
    if config.skip {
        return RunTaskStatus::Skipped;
    }
    for (parent, depend) in &config.depends {
        let wanted = match expected(parent, fixture, outcomes) {
            RunTaskStatus::Success => DependCondition::OnSuccess,
            RunTaskStatus::Failed => DependCondition::OnFailure,
            RunTaskStatus::Skipped => DependCondition::OnSkipped,
            _ => return RunTaskStatus::Skipped,
        };
        if !depend.conditions.contains(&wanted) {
            return RunTaskStatus::Skipped;
        }
    }
    match outcomes[id] {
        ExecutorTaskPhase::Success => RunTaskStatus::Success,
        ExecutorTaskPhase::Failed => RunTaskStatus::Failed,
        _ => RunTaskStatus::Stopped,
    }
}

fn expected_result(fixture: &Fixture, ends: &BTreeMap<String, RunTaskStatus>) -> RunResult {
    let fails = ends
        .iter()
        .any(|(id, end)| *end == RunTaskStatus::Failed && !fixture.config.tasks[id].ignore_failure);
    match fails {
        true => RunResult::Failed,
        false => RunResult::Success,
    }
}

/// Goes on with the run in a random way until nothing more happens.
fn play(
    fixture: &mut Fixture,
    outcomes: &BTreeMap<String, ExecutorTaskPhase>,
    random: &mut SmallRng,
    stops: bool,
) {
    let mut given = BTreeMap::new();
    let mut started_before_stop = None;
    for _ in 0..1_000 {
        for id in fixture.start() {
            *given.entry(id).or_insert(0) += 1;
        }
        assert!(given.values().all(|times| *times == 1));
        if let Some(started) = started_before_stop {
            assert_eq!(given.len(), started, "something started behind the stop");
        }
        if fixture.run.phase == RunPhase::Finished {
            return;
        }
        if stops && started_before_stop.is_none() && random.random_bool(0.1) {
            fixture.run.stop = true;
            started_before_stop = Some(given.len());
        }
        let ids: Vec<String> = fixture.executor_tasks.keys().cloned().collect();
        let Some(id) = ids.choose(random) else {
            continue;
        };
        let phase = fixture.executor_tasks[id].status.phase;
        match phase {
            // Some never say that they run.
            ExecutorTaskPhase::NotStarted if random.random_bool(0.7) => {
                fixture.report(id, ExecutorTaskPhase::Running);
            }
            phase if !phase.is_finished() => fixture.report(id, outcomes[id]),
            _ => {
                fixture.schedule();
                fixture.collect(id);
            }
        }
    }
    panic!("the run hangs: {:?}", fixture.run);
}

#[test]
fn random_graphs_end_as_their_conditions_say_whatever_comes_first() {
    for seed in 0..graphs() {
        let random = &mut SmallRng::seed_from_u64(seed);
        let (mut fixture, outcomes) = random_run(random);
        let ids = fixture.run.tasks.keys().cloned();
        let ends: BTreeMap<String, RunTaskStatus> = ids
            .map(|id| {
                let end = expected(&id, &fixture, &outcomes);
                (id, end)
            })
            .collect();
        play(&mut fixture, &outcomes, random, false);
        let statuses: BTreeMap<String, RunTaskStatus> = fixture
            .run
            .tasks
            .iter()
            .map(|(id, task)| (id.clone(), task.status))
            .collect();
        assert_eq!(statuses, ends, "seed {seed}");
        assert_eq!(
            fixture.run.result,
            expected_result(&fixture, &ends),
            "seed {seed}"
        );
        assert!(fixture.run.archived, "seed {seed}");
    }
}

/// Field case CI-03: tasks that waited were started although the run had been stopped.
#[test]
fn random_graphs_end_when_they_are_stopped_and_nothing_starts_behind_that() {
    for seed in 0..graphs() {
        let random = &mut SmallRng::seed_from_u64(seed);
        let (mut fixture, outcomes) = random_run(random);
        play(&mut fixture, &outcomes, random, true);
        assert!(fixture.run.archived, "seed {seed}");
        assert!(fixture.run.result.is_set(), "seed {seed}");
    }
}
