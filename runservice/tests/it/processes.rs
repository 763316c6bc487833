//! Services that are killed or frozen, and the runs that are under way meanwhile.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use runservice::api::{RunPhase, RunTaskStatus};
use runservice::client::{Client, LogStep, TaskLog};
use service::testing::wait_until;
use tempfile::TempDir;

use crate::executor::{Ending, Executor, Options, Script, archive_of};
use crate::host::{Look, count_from, whole};
use crate::new_run::{Create, task};
use crate::process::{Process, free_address};

const GROUP: &str = "/project/p1/branch/master";

/// A service that is killed and started again at the same place.
struct Mortal {
    directory: TempDir,
    address: String,
    process: Option<Process>,
}

impl Mortal {
    async fn new() -> Mortal {
        let mut mortal = Mortal {
            directory: tempfile::tempdir().unwrap(),
            address: free_address(),
            process: None,
        };
        mortal.start().await;
        mortal
    }

    async fn start(&mut self) {
        let data_dir = self.directory.path().join("data");
        self.process = Some(Process::start(&data_dir, &self.address, None).await);
    }

    async fn die(&mut self) {
        self.process.take().unwrap().kill().await;
    }

    async fn die_and_rise(&mut self) {
        self.die().await;
        self.start().await;
    }

    fn client(&self) -> Client {
        self.process.as_ref().unwrap().client().clone()
    }
}

fn assert_none_twice(executors: &[&Executor]) {
    let all: Vec<String> = executors
        .iter()
        .flat_map(|executor| executor.started_ids())
        .collect();
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!(
        different.len(),
        all.len(),
        "a task was started twice: {all:?}"
    );
}

/// Killed while a run waits for an executor, for its tasks, for an approval, and for its logs.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_at_any_phase_brings_the_run_to_its_end() {
    let mut service = Mortal::new().await;
    let client = service.client();
    let tasks = [
        task("a").saves(),
        task("b").after("a").needs_approval(),
        task("c").after("b").restores(),
    ];
    let run = client.add_run(GROUP, tasks).await;
    let id = run.run.id.clone();
    service.die_and_rise().await;
    client
        .wait_for(&id, "it waits for an executor", |run| {
            run.is_in(RunPhase::Running)
        })
        .await;
    service.die_and_rise().await;
    let executor = Executor::with(&client, |_| Script::held()).await;
    wait_until("a runs", async || executor.is_running("a")).await;
    service.die_and_rise().await;
    // Nobody is there when it ends.
    executor.cut(u32::MAX);
    service.die().await;
    executor.release("a", Ending::Success);
    wait_until("a has ended", async || !executor.is_running("a")).await;
    service.start().await;
    client
        .wait_for(&id, "a has ended", |run| {
            run.task("a").status == RunTaskStatus::Success
        })
        .await;
    wait_until("a log was cut", async || executor.cuts_left() < u32::MAX).await;
    service.die_and_rise().await;
    let run = client.look(&id).await;
    assert!(
        !run.task("b").waiting_approval,
        "its archive is not there yet"
    );
    executor.cut(0);
    client
        .wait_for(&id, "b waits", |run| run.task("b").waiting_approval)
        .await;
    service.die_and_rise().await;
    client
        .approve_task(&id, &run.task_id("b"), "")
        .await
        .unwrap();
    service.die_and_rise().await;
    wait_until("b runs", async || executor.is_running("b")).await;
    executor.release("b", Ending::Success);
    wait_until("c runs", async || executor.is_running("c")).await;
    executor.release("c", Ending::Success);
    service.die_and_rise().await;
    let run = client.wait_for_end(&id).await;
    assert_eq!(
        run.outcome(),
        "finished success a:success b:success c:success"
    );
    assert_eq!(executor.started(), ["a", "b", "c"]);
    service.die_and_rise().await;
    for (step, expected) in [
        (LogStep::Setup, "setting up\n"),
        (LogStep::Step(0), "log of step 0 of a\n"),
    ] {
        let log = TaskLog {
            run: &id,
            task: &run.task_id("a"),
            step,
        };
        let kept = whole(client.log(&log).await.unwrap()).await;
        assert_eq!(String::from_utf8(kept).unwrap(), expected);
    }
    let archive = client.archive(&run.task_id("a"), 1).await.unwrap();
    assert_eq!(whole(archive).await, archive_of("a", 1));
}

/// A stop that was asked for is carried out by the next process.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_outlives_the_service_that_was_asked_for_it() {
    let mut service = Mortal::new().await;
    let client = service.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let run = client
        .add_run(GROUP, [task("a"), task("b").after("a")])
        .await;
    wait_until("a runs", async || executor.is_running("a")).await;
    executor.freeze(true);
    client.stop_run(&run.run.id, "").await.unwrap();
    service.die_and_rise().await;
    executor.freeze(false);
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished stopped a:stopped b:skipped");
    assert_eq!(executor.started(), ["a"]);
}

/// Killed at any moment, many times, with runs at all phases.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_again_and_again_brings_all_runs_to_their_ends() {
    let kills = count_from("DM_SOAK_KILLS", 4);
    let mut service = Mortal::new().await;
    let client = service.client();
    let mut ids = Vec::new();
    for number in 0..kills * 5 {
        let tasks = [
            task("a").saves(),
            task("b"),
            task("c").after("a").after("b").restores(),
        ];
        let group = format!("/project/p1/branch/b{}", number % 7);
        ids.push(client.add_run(&group, tasks).await.run.id);
    }
    let small = |id: &str| Options {
        id: id.to_owned(),
        limit: 3,
        ..Options::script(|name| match name {
            "b" => Script {
                reports_each_step: true,
                ..Script::default()
            },
            _ => Script::default(),
        })
    };
    let one = Executor::start(&client, small("1")).await;
    let two = Executor::start(&client, small("2")).await;
    for number in 0..kills {
        tokio::time::sleep(Duration::from_millis(
            50 + 70 * u64::try_from(number % 5).unwrap(),
        ))
        .await;
        service.die_and_rise().await;
    }
    for id in &ids {
        let run = client.wait_for_end(id).await;
        assert_eq!(
            run.outcome(),
            "finished success a:success b:success c:success"
        );
    }
    assert_none_twice(&[&one, &two]);
    assert_eq!(one.started().len() + two.started().len(), ids.len() * 3);
}

/// Instances that share a store.
struct Pair {
    _directory: TempDir,
    one: Process,
    two: Process,
}

impl Pair {
    async fn new() -> Pair {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| -> PathBuf { directory.path().join(name) };
        let storage = path("storage");
        let one = Process::start(&path("one"), &free_address(), Some(&storage)).await;
        let two = Process::start(&path("two"), &free_address(), Some(&storage)).await;
        Pair {
            _directory: directory,
            one,
            two,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_do_nothing_twice_and_one_goes_on_when_the_other_is_frozen() {
    let pair = Pair::new().await;
    let (first, second) = (pair.one.client(), pair.two.client());
    let at_first = Executor::start(
        &pair.one.impatient_client(),
        Options {
            limit: 4,
            ..Options::default()
        },
    )
    .await;
    let at_second = Executor::start(
        second,
        Options {
            limit: 4,
            ..Options::default()
        },
    )
    .await;
    let tasks = || {
        [
            task("a").saves(),
            task("b").after("a").restores(),
            task("c"),
        ]
    };
    let mut ids = Vec::new();
    for number in 0..16 {
        let client = if number % 2 == 0 { first } else { second };
        let group = format!("/project/p1/branch/b{}", number % 5);
        ids.push(client.add_run(&group, tasks()).await.run.id);
    }
    pair.one.freeze(true);
    // Its executor finds the other one.
    at_first.speak_to(second);
    for number in 0..4 {
        let group = format!("/project/p1/branch/b{number}");
        ids.push(second.add_run(&group, tasks()).await.run.id);
    }
    for id in &ids {
        second.wait_for_end(id).await;
    }
    pair.one.freeze(false);
    for id in &ids {
        let run = first.wait_for_end(id).await;
        assert_eq!(
            run.outcome(),
            "finished success a:success b:success c:success"
        );
    }
    assert_none_twice(&[&at_first, &at_second]);
    assert_eq!(
        at_first.started().len() + at_second.started().len(),
        ids.len() * 3
    );
    let numbers: BTreeSet<u64> = {
        let mut numbers = BTreeSet::new();
        for id in &ids {
            numbers.insert(first.look(id).await.run.counter);
        }
        numbers
    };
    assert_eq!(numbers, (1..=20).collect());
}

/// Either instance does what the other has begun.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_takes_over_from_one_that_is_killed() {
    let pair = Pair::new().await;
    let Pair { one, two, .. } = pair;
    let executor = Executor::with(one.client(), |_| Script::held()).await;
    let run = one
        .client()
        .add_run(GROUP, [task("a").saves(), task("b").after("a")])
        .await;
    wait_until("a runs", async || executor.is_running("a")).await;
    let seen = two.client().look(&run.run.id).await;
    two.client()
        .wait_for(&run.run.id, "it runs", |run| run.is_in(RunPhase::Running))
        .await;
    assert_eq!(seen.run.id, run.run.id);
    one.kill().await;
    executor.speak_to(two.client());
    executor.release("a", Ending::Success);
    wait_until("b runs", async || executor.is_running("b")).await;
    executor.release("b", Ending::Success);
    let run = two.client().wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success a:success b:success");
    assert_none_twice(&[&executor]);
}
