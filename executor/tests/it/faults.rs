//! What goes wrong around tasks: executors that die, a service that is away, a disk that is full.

use std::process::Command;
use std::time::Duration;

use runservice::api::{RunPhase, RunTaskStatus};

use crate::host::{Look, Server, count_from, wait_until};
use crate::new_run::Create;
use crate::place::{GROUP, Place};
use crate::program::Executor;
use crate::service_process::RunService;
use crate::whole_run::log_of;

/// A step with a part of its log, and processes that have left it.
const LONG: &str = "echo started >> $PLACE/starts; printf 'before the end'
    (setsid sleep 300 &); setsid sh -c 'trap \"\" TERM; sleep 300; sleep 300' &
    sleep 0.2; touch $PLACE/runs; sleep 300";

/// Field case CI-06. Its processes end with it, and after its start it says what became of the task, with the log.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_killed_leaves_no_process_and_has_the_task_fail() {
    let server = Server::new().await;
    let client = server.client();
    let mut executor = Executor::start(&server.url()).await;
    for round in 0..count_from("DM_SOAK_KILLS", 1) {
        let place = Place::new();
        let tasks = [
            place.task("a", &[LONG, "touch $PLACE/never"]),
            place.task("b", &["true"]).after("a"),
        ];
        let run = client.add_run(GROUP, tasks).await;
        let next = client.add_run(GROUP, [place.task("next", &["true"])]).await;
        place.wait_for("runs").await;
        assert!(place.processes().len() >= 3, "{:?}", place.processes());
        executor.die();
        place.assert_no_process_within(Duration::from_secs(5)).await;
        executor.rise().await;
        let run = client.wait_for_end(&run.run.id).await;
        assert_eq!(
            run.outcome(),
            "finished failed a:failed b:skipped",
            "round {round}"
        );
        let task = run.task("a");
        assert!(task.end_time.is_some() && task.steps[0].end_time.is_some());
        assert_eq!(task.steps[0].exit_status, None);
        let log = log_of(&client, &run.run.id, &run.task_id("a"), 0).await;
        assert!(
            log.starts_with(b"before the end"),
            "{:?}",
            String::from_utf8_lossy(&log)
        );
        assert_eq!(place.lines("starts").len(), 1);
        assert!(!place.has("never"));
        let next = client.wait_for_end(&next.run.id).await;
        assert_eq!(next.outcome(), "finished success next:success");
    }
}

/// Whatever an executor was doing when it was killed, no task is executed twice, and every run ends.
#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_executed_twice_whenever_the_executor_is_killed() {
    let server = Server::new().await;
    let client = server.client();
    let mut executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let mut runs = Vec::new();
    for round in 0..count_from("DM_SOAK_KILLS", 4) {
        let group = format!("/project/p1/branch/b{round}");
        let tasks = ["a", "b", "c", "d"].map(|name| {
            let command = format!("echo {round}{name} >> $PLACE/starts; sleep 0.1");
            place.task(name, &[&command])
        });
        runs.push(client.add_run(&group, tasks).await.run.id);
        let micros: u64 = rand::random_range(0..300_000);
        tokio::time::sleep(Duration::from_micros(micros)).await;
        executor.die();
        executor.rise().await;
    }
    for id in &runs {
        let run = client.wait_for_end(id).await;
        let mut statuses = run.run.tasks.values().map(|task| task.status);
        let is_right = |status| {
            matches!(
                status,
                RunTaskStatus::Success | RunTaskStatus::Failed | RunTaskStatus::Cancelled
            )
        };
        assert!(statuses.all(is_right), "{}", run.outcome());
    }
    let mut starts = place.lines("starts");
    let count = starts.len();
    starts.sort();
    starts.dedup();
    assert_eq!(starts.len(), count, "a task was executed twice");
    place.assert_no_process_within(Duration::from_secs(5)).await;
}

/// Asked to end, it ends its tasks, and says so before or after.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_restarted_has_its_tasks_fail_with_a_reason() {
    let server = Server::new().await;
    let client = server.client();
    let mut executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let run = client.add_run(GROUP, [place.task("a", &[LONG])]).await;
    place.wait_for("runs").await;
    executor.stop();
    assert_eq!(place.processes(), Vec::<u32>::new());
    executor.rise().await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
    let log = log_of(&client, &run.run.id, &run.task_id("a"), 0).await;
    assert!(log.starts_with(b"before the end"));
    assert_eq!(place.lines("starts").len(), 1);
}

/// Field case CI-07: an executor that was restarted before it had stopped a task did not know it any more, and nothing happened.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_executor_was_restarted_before_it_stopped_it_ends() {
    let server = Server::new().await;
    let client = server.client();
    let mut executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let run = client.add_run(GROUP, [place.task("a", &[LONG])]).await;
    place.wait_for("runs").await;
    client
        .wait_for(&run.run.id, "it runs", |run| {
            run.task("a").status == RunTaskStatus::Running
        })
        .await;
    executor.freeze(true);
    client.stop_run(&run.run.id, "").await.unwrap();
    executor.die();
    executor.rise().await;
    let run = client.wait_for_end(&run.run.id).await;
    let status = run.task("a").status;
    let is_right = matches!(status, RunTaskStatus::Failed | RunTaskStatus::Stopped);
    assert!(is_right, "{}", run.outcome());
    place.assert_no_process_within(Duration::from_secs(5)).await;
}

/// The data directory is gone, so the executor has a new name and knows nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_without_its_data_directory_is_a_new_one() {
    let server = Server::with(|settings| {
        settings.runs.executor_dead_after = Duration::from_secs(4);
        settings.runs.executor_lost_after = Duration::from_secs(5);
    })
    .await;
    let client = server.client();
    let mut executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let run = client.add_run(GROUP, [place.task("a", &[LONG])]).await;
    place.wait_for("runs").await;
    executor.die();
    std::fs::remove_dir_all(executor.data_dir()).unwrap();
    executor.rise().await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
    let next = client.add_run(GROUP, [place.task("b", &["true"])]).await;
    let next = client.wait_for_end(&next.run.id).await;
    assert_eq!(next.outcome(), "finished success b:success");
}

/// Field case CI-08: a task ended while the service was down, and its status was lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ends_while_the_service_is_away_is_told_when_it_is_back() {
    let away = Duration::from_secs(count_from("DM_SOAK_OUTAGE_SECONDS", 3) as u64);
    let mut service = RunService::start().await;
    let client = service.client();
    let mut executor = Executor::start(&service.url()).await;
    let place = Place::new();
    let command = "echo started >> $PLACE/starts; touch $PLACE/$NAME
        until test -e $PLACE/go; do sleep 0.05; done; printf 'without a newline'; touch $PLACE/$NAME.ended; exit $CODE";
    let task = |name: &str, code: &str| {
        place.task(name, &[command]).change(|task| {
            task.environment.insert("NAME".to_owned(), name.to_owned());
            task.environment.insert("CODE".to_owned(), code.to_owned());
        })
    };
    let tasks = [
        task("good", "0"),
        task("bad", "5").may_fail(),
        place.task("after", &["true"]).after("good"),
    ];
    let run = client.add_run(GROUP, tasks).await;
    place.wait_for("good").await;
    place.wait_for("bad").await;
    service.die();
    place.write("go", "");
    place.wait_for("good.ended").await;
    place.wait_for("bad.ended").await;
    tokio::time::sleep(away).await;
    // What it has to tell outlives the executor, too.
    executor.die();
    executor.rise().await;
    service.rise().await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(
        run.outcome(),
        "finished success after:success bad:failed good:success"
    );
    assert_eq!(run.task("bad").steps[0].exit_status, Some(5));
    for name in ["good", "bad"] {
        let log = log_of(&client, &run.run.id, &run.task_id(name), 0).await;
        assert_eq!(log, b"without a newline", "{name}");
    }
    assert_eq!(place.lines("starts").len(), 2);
}

/// A service that is killed again and again under tasks that go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_while_tasks_run_loses_none_of_them() {
    let mut service = RunService::start().await;
    let client = service.client();
    let _executor = Executor::start(&service.url()).await;
    let place = Place::new();
    let command = "echo started >> $PLACE/starts; sleep 0.2; echo done";
    let tasks = [
        place.task("a", &[command]),
        place.task("b", &[command]).after("a"),
        place.task("c", &[command]).after("b"),
    ];
    let run = client.add_run(GROUP, tasks).await;
    for _ in 0..count_from("DM_SOAK_KILLS", 3) {
        let micros: u64 = rand::random_range(0..500_000);
        tokio::time::sleep(Duration::from_micros(micros)).await;
        service.die();
        service.rise().await;
    }
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(
        run.outcome(),
        "finished success a:success b:success c:success"
    );
    assert_eq!(place.lines("starts").len(), 3);
}

/// Field case CI-27: an executor whose disk was full took tasks and hung.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_the_task_and_no_more_are_taken_until_there_is_room() {
    let namespace = Command::new("unshare").args(["-rm", "true"]).status();
    if !namespace.is_ok_and(|status| status.success()) {
        eprintln!("NOT RUN: no mount namespace can be made here");
        return;
    }
    let server = Server::new().await;
    let client = server.client();
    let mut executor = Executor::new(&server.url(), &[("diskFreeBytesMin", "4000000")]);
    let data_dir = executor.data_dir().to_owned();
    executor
        .rise_with(|program| {
            let mut mounted = Command::new("unshare");
            let script = "mkdir -p \"$0\" && mount -t tmpfs -o size=16m none \"$0\" && exec \"$@\"";
            mounted.args(["-rm", "sh", "-c", script]).arg(data_dir);
            mounted.arg(program.get_program()).args(program.get_args());
            mounted.env_clear();
            for (name, value) in program.get_envs() {
                mounted.env(name, value.unwrap());
            }
            mounted
        })
        .await;
    let place = Place::new();
    // It keeps the disk full until it may go on, when the log has no room for what it says.
    let fill = "head -c 30000000 /dev/zero > large 2>/dev/null || touch $PLACE/full
        until test -e $PLACE/go; do sleep 0.05; done; head -c 100000 /dev/zero | tr '\\0' x; sleep 300";
    let run = client.add_run(GROUP, [place.task("fill", &[fill])]).await;
    place.wait_for("full").await;
    let ready = format!("{}/readyz", executor.url());
    wait_until("the executor says that it cannot work", async || {
        reqwest::get(&ready).await.unwrap().status() == 503
    })
    .await;
    let next = client
        .add_run(
            "/project/p2/branch/b",
            [place.task("next", &["echo there is room"])],
        )
        .await;
    // It is looked at every other second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let waiting = client.look(&next.run.id).await;
    assert_eq!(waiting.statuses(), "next:notstarted");
    place.write("go", "");
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed fill:failed");
    let next = client.wait_for_end(&next.run.id).await;
    assert_eq!(next.outcome(), "finished success next:success");
    wait_until("the executor can work again", async || {
        reqwest::get(&ready).await.unwrap().status() == 200
    })
    .await;
    assert!(next.is_in(RunPhase::Finished));
}
