//! Tasks that are stopped, and what is left of them.

use std::time::{Duration, Instant};

use rand::RngExt;
use runservice::api::{RunPhase, RunTaskStatus};

use crate::host::{Look, Server, count_from, wait_until};
use crate::new_run::Create;
use crate::place::{GROUP, Place, run_step};
use crate::program::Executor;

/// Within so long a stop is obeyed, whatever the commands do.
const STOP: Duration = Duration::from_secs(2);
/// What a loaded machine may take more.
const SLACK: Duration = Duration::from_secs(3);

/// A command that does what it can to stay: it heeds no signal, forks, leaves the process group and the session, and has its
/// descendants adopted by others.
const STUBBORN: &str = "trap '' TERM INT HUP QUIT
    (trap '' TERM HUP; sleep 300) &
    setsid sh -c 'trap \"\" TERM HUP; (setsid sleep 300 &) ; sleep 300' &
    (setsid sh -c '(sleep 300 &)' &)
    nohup sleep 300 >/dev/null 2>&1 &
    sleep 0.3; touch $PLACE/stubborn; sleep 300; sleep 300";

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_step_that_ignores_signals_forks_and_detaches() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let tasks = [place.task("a", &[STUBBORN, "touch $PLACE/never"])];
    let run = client.add_run(GROUP, tasks).await;
    place.wait_for("stubborn").await;
    assert!(place.processes().len() >= 5, "{:?}", place.processes());
    let began = Instant::now();
    client.stop_run(&run.run.id, "").await.unwrap();
    place.assert_no_process_within(STOP + SLACK).await;
    let run = client.wait_for_end(&run.run.id).await;
    eprintln!("stopped and collected in {:?}", began.elapsed());
    assert_eq!(run.outcome(), "finished stopped a:stopped");
    let step = &run.task("a").steps[0];
    assert!(step.end_time.is_some() && run.task("a").end_time.is_some());
    assert!(run.task("a").steps[1].start_time.is_none());
    assert!(!place.has("never"));
    drop(executor);
}

/// What a step leaves running ends with it: nothing is left behind, and the next step does not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_leaves_running_ends_with_the_task() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    // The first one holds the log open.
    let leave = "sleep 300 & (setsid sleep 300 >/dev/null 2>&1 &); echo left";
    let began = Instant::now();
    let run = client
        .add_run(GROUP, [place.task("a", &[leave, "true"])])
        .await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success a:success");
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "it was waited for"
    );
    place.assert_no_process_within(STOP).await;
}

/// A step that can end itself has the time to.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_heeds_the_signal_may_tidy_up() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let command = "trap 'echo tidied > $PLACE/tidied; exit 0' TERM; touch $PLACE/runs; while true; do sleep 0.05; done";
    let run = client.add_run(GROUP, [place.task("a", &[command])]).await;
    place.wait_for("runs").await;
    client.stop_run(&run.run.id, "").await.unwrap();
    client.wait_for_end(&run.run.id).await;
    assert_eq!(place.read("tidied"), "tidied\n");
}

/// Field case CI-03: after a stop, waiting tasks were still started when there was room for them.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_after_a_stop() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::with(&server.url(), &[("activeTasksLimit", "1")]).await;
    let place = Place::new();
    let command = "echo started >> $PLACE/starts; sleep 300";
    let tasks = ["a", "b", "c"].map(|name| place.task(name, &[command]));
    let run = client.add_run(GROUP, tasks).await;
    place.wait_for("starts").await;
    client.stop_run(&run.run.id, "").await.unwrap();
    let run = client.wait_for_end(&run.run.id).await;
    let count = |status| {
        let tasks = run.run.tasks.values();
        tasks.filter(|task| task.status == status).count()
    };
    assert_eq!(run.run.result.as_str(), "stopped");
    assert_eq!(count(RunTaskStatus::Stopped), 1, "{}", run.outcome());
    assert_eq!(count(RunTaskStatus::Skipped), 2, "{}", run.outcome());
    assert_eq!(place.lines("starts").len(), 1);
    assert!(place.processes().is_empty());
}

/// Field case CI-26: whenever it is cancelled or stopped, a run says so, and no process of it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_at_any_moment_says_so_and_leaves_no_process() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::start(&server.url()).await;
    for number in 0..count_from("DM_SOAK_STOPS", 6) {
        let place = Place::new();
        let group = format!("/project/p1/branch/b{number}");
        let command = "touch $PLACE/started; sleep 300 & sleep 300";
        let run = client.add_run(&group, [place.task("a", &[command])]).await;
        let id = run.run.id.clone();
        // Which moment it is must not matter.
        let micros = rand::rng().random_range(0..60_000);
        tokio::time::sleep(Duration::from_micros(micros)).await;
        let was_cancelled = client.cancel_run(&id, "").await.is_ok();
        if !was_cancelled {
            client.stop_run(&id, "").await.unwrap();
        }
        let run = client.wait_for_end(&id).await;
        let outcome = run.outcome();
        match was_cancelled {
            true => {
                assert!(run.is_in(RunPhase::Cancelled), "{outcome}");
                assert!(!place.has("started"), "{outcome}");
            }
            false => {
                assert!(outcome.starts_with("finished stopped"), "{outcome}");
                let status = run.task("a").status;
                let is_right = matches!(
                    status,
                    RunTaskStatus::Stopped | RunTaskStatus::Cancelled | RunTaskStatus::Skipped
                );
                assert!(is_right, "after {micros} us: {outcome}");
            }
        }
        place
            .assert_no_process_within(Duration::from_secs(15))
            .await;
    }
    drop(executor);
}

/// Field case CI-12: a task hung for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_takes_too_long_fails_and_says_so() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::with(&server.url(), &[("taskTimeout", "2s")]).await;
    let place = Place::new();
    let tasks = [place.task("a", &["echo first", STUBBORN, "touch $PLACE/never"])];
    let run = client.add_run(GROUP, tasks).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
    assert!(run.task("a").steps[1].end_time.is_some());
    place.assert_no_process_within(STOP + SLACK).await;
    let log = crate::whole_run::log_of(&client, &run.run.id, &run.task_id("a"), 1).await;
    let log = String::from_utf8_lossy(&log).into_owned();
    assert!(
        log.contains("2s"),
        "the log does not say that it timed out: {log:?}"
    );
    assert!(!place.has("never"));
}

/// Field case CI-06: who deletes an executor has its tasks fail, and the executor ends what it does of them.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_was_deleted_ends_its_tasks_and_comes_back() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let run = client.add_run(GROUP, [place.task("a", &[STUBBORN])]).await;
    let next = client.add_run(GROUP, [place.task("b", &["true"])]).await;
    place.wait_for("stubborn").await;
    let task = client
        .executor_task("any", &run.task_id("a"))
        .await
        .unwrap();
    // It may come back before it is missed.
    let id = task.spec.executor_id;
    let deleted = wait_until("the task has failed", async || {
        client.delete_executor(&id).await.unwrap();
        client
            .look(&run.run.id)
            .await
            .task("a")
            .status
            .is_finished()
    });
    deleted.await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
    place
        .assert_no_process_within(Duration::from_secs(15))
        .await;
    let next = client.wait_for_end(&next.run.id).await;
    assert_eq!(next.outcome(), "finished success b:success");
}

/// Field case CI-17: a task that is over keeps nothing while others of its run go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_over_is_removed_while_another_one_of_its_run_goes_on() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let first = place.task(
        "first",
        &["pwd > $PLACE/first; echo x > large; touch $PLACE/a"],
    );
    let second = place.task_of(
        "second",
        vec![run_step(
            "touch $PLACE/b; until test -e $PLACE/go; do sleep 0.05; done",
        )],
    );
    let run = client.add_run(GROUP, [first, second]).await;
    place.wait_for("a").await;
    place.wait_for("b").await;
    let directory = place.read("first");
    wait_until("the first one is removed", async || {
        let gone = !std::path::Path::new(directory.trim()).exists();
        let id = run.task_id("first");
        gone && !executor.files().iter().any(|file| file.contains(&id))
    })
    .await;
    let seen = client.look(&run.run.id).await;
    assert_eq!(seen.task("second").status, RunTaskStatus::Running);
    place.write("go", "");
    client.wait_for_end(&run.run.id).await;
}
