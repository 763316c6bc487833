//! Executors: which one gets a task, what becomes of their reports, and what if they go away.

use std::time::Duration;

use runservice::ErrorKind;
use runservice::api::{ExecutorTask, ExecutorTaskPhase, RunTaskStatus};
use service::testing::wait_until;

use crate::executor::{Ending, Executor, Options, Script};
use crate::host::{Look, Server, assert_not_found, assert_refused};
use crate::new_run::{Create, task};

const GROUP: &str = "/project/p1/branch/master";

/// Field case CI-05: the end of a task was not taken over, since nobody had heard that it ran.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_may_end_without_ever_having_been_told_to_run() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "a" => Script::default(),
        _ => Script::failed(),
    })
    .await;
    executor.lose_running();
    let run = client.add_run(GROUP, [task("a"), task("b")]).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed a:success b:failed");
    assert_eq!(run.task("b").steps[0].exit_status, Some(1));
}

/// Field case CI-06: the tasks of an executor that is gone ran for ever.
#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_a_deleted_executor_fail_and_the_next_run_starts() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let run = client.add_run(GROUP, [task("a")]).await;
    let next = client.add_run(GROUP, [task("b")]).await;
    let id = run.run.id.clone();
    client
        .wait_for(&id, "a runs", |run| {
            run.task("a").steps[0].phase == ExecutorTaskPhase::Running
                || run.task("a").status == RunTaskStatus::Running
        })
        .await;
    let executor_id = executor.id().to_owned();
    executor.vanish().await;
    client.delete_executor(&executor_id).await.unwrap();
    // It is the same if there is none.
    client.delete_executor(&executor_id).await.unwrap();
    let run = client.wait_for_end(&id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
    let task_ended = run.task("a");
    assert!(task_ended.end_time.is_some());
    assert!(
        task_ended
            .steps
            .iter()
            .chain([&task_ended.setup_step])
            .all(|step| step.phase != ExecutorTaskPhase::Running
                && (step.phase != ExecutorTaskPhase::Failed || step.end_time.is_some()))
    );
    let _other = Executor::with(&client, |_| Script::default()).await;
    let next = client.wait_for_end(&next.run.id).await;
    assert_eq!(next.outcome(), "finished success b:success");
}

/// Field case CI-06, without anybody who deletes it.
#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_an_executor_that_is_not_heard_of_fail_in_bounded_time() {
    let server = Server::with(|settings| {
        settings.runs.executor_dead_after = Duration::from_millis(600);
        settings.runs.executor_lost_after = Duration::from_millis(1_200);
    })
    .await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let run = client.add_run(GROUP, [task("a")]).await;
    wait_until("a runs", async || executor.is_running("a")).await;
    executor.vanish().await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
}

/// Field case CI-09: an executor that is not heard of gets no tasks, until it is heard of again.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_executor_gets_no_tasks_until_it_reports() {
    let server = Server::with(|settings| {
        settings.runs.executor_dead_after = Duration::from_millis(800);
    })
    .await;
    let client = server.client();
    let named = |id: &str| Options {
        id: id.to_owned(),
        ..Options::default()
    };
    let first = Executor::start(&client, named("1")).await;
    let second = Executor::start(&client, named("2")).await;
    let run = client.add_run(GROUP, [task("a")]).await;
    client.wait_for_end(&run.run.id).await;
    assert_eq!(first.started(), ["a"]);
    first.freeze(true);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let run = client.add_run(GROUP, [task("b")]).await;
    client.wait_for_end(&run.run.id).await;
    assert_eq!(second.started(), ["b"]);
    first.freeze(false);
    wait_until("the first is chosen again", async || {
        let run = client.add_run(GROUP, [task("c")]).await;
        client.wait_for_end(&run.run.id).await;
        first.started().contains(&"c".to_owned())
    })
    .await;
}

/// Field case CI-10: a task is executed once, however often it is handed over.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_pushed_and_asked_for_is_executed_once() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let names: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    let run = client
        .add_run(GROUP, names.iter().map(|name| task(name)))
        .await;
    wait_until("all run", async || executor.started().len() == 10).await;
    // What the service hands out stays the same however often it is asked.
    for _ in 0..20 {
        let tasks = client.executor_tasks(executor.id()).await.unwrap();
        assert_eq!(tasks.len(), 10);
    }
    for name in &names {
        executor.release(name, Ending::Success);
    }
    client.wait_for_end(&run.run.id).await;
    let mut ids = executor.started_ids();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), executor.started().len()), (10, 10));
}

/// An executor that was restarted does not know what it was doing: the task fails, and is not done again.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_its_executor_has_forgotten_fails() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let run = client.add_run(GROUP, [task("a")]).await;
    let id = run.run.id.clone();
    client
        .wait_for(&id, "a runs", |run| {
            run.task("a").status == RunTaskStatus::Running
        })
        .await;
    executor.forget();
    let run = client.wait_for_end(&id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
    assert_eq!(executor.started(), ["a"]);
}

/// Field case CI-08: a task ended while the service was down.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ends_while_the_service_is_down_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let settings = crate::host::settings(directory.path());
    let server = Server::start(&settings).await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let run = client
        .add_run(GROUP, [task("a"), task("b").after("a")])
        .await;
    wait_until("a runs", async || executor.is_running("a")).await;
    server.stop().await;
    executor.release("a", Ending::Success);
    wait_until("a has ended", async || !executor.is_running("a")).await;
    let server = Server::start(&settings).await;
    let client = server.client();
    executor.speak_to(&client);
    wait_until("b runs", async || executor.is_running("b")).await;
    executor.release("b", Ending::Success);
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success a:success b:success");
    assert_eq!(executor.started(), ["a", "b"]);
}

/// Reports that come late, again, or in another order than they were sent change nothing after the end.
#[tokio::test(flavor = "multi_thread")]
async fn reports_after_the_end_change_nothing() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let tasks = [task("a"), task("b")];
    let run = client.add_run(GROUP, tasks).await;
    let (id, a) = (run.run.id.clone(), run.task_id("a"));
    wait_until("both run", async || {
        executor.is_running("a") && executor.is_running("b")
    })
    .await;
    let early = executor.known().into_iter().find(|task| task.id == a);
    let early = early.unwrap();
    executor.release("a", Ending::Success);
    let ended = client
        .wait_for(&id, "a has ended", |run| run.task("a").status.is_finished())
        .await;
    let with_phase = |phase| {
        let mut task = early.clone();
        task.status.phase = phase;
        task.status.start_time = Some("2020-01-01T00:00:00Z".parse().unwrap());
        task
    };
    for phase in [
        ExecutorTaskPhase::Running,
        ExecutorTaskPhase::NotStarted,
        ExecutorTaskPhase::Failed,
        ExecutorTaskPhase::Cancelled,
        ExecutorTaskPhase::Stopped,
    ] {
        // As long as the service knows it, it takes the report; afterwards it says that it does not.
        if let Err(error) = client.report_task(executor.id(), &with_phase(phase)).await {
            assert_eq!(error.kind(), ErrorKind::BadRequest);
        }
    }
    executor.release("b", Ending::Success);
    let run = client.wait_for_end(&id).await;
    assert_eq!(run.outcome(), "finished success a:success b:success");
    assert_eq!(run.task("a").start_time, ended.task("a").start_time);
    for phase in [ExecutorTaskPhase::Running, ExecutorTaskPhase::Failed] {
        assert_refused(client.report_task(executor.id(), &with_phase(phase)).await);
    }
    assert_eq!(client.look(&id).await.outcome(), run.outcome());
    assert_not_found(client.executor_task(executor.id(), &a).await);
}

/// Field case CI-17: a task's resources were kept until the whole run had ended.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_task_goes_as_soon_as_its_logs_are_collected() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "b" => Script::held(),
        _ => Script::default(),
    })
    .await;
    let run = client.add_run(GROUP, [task("a"), task("b")]).await;
    wait_until("the executor knows b alone", async || {
        executor.is_running("b") && executor.known().len() == 1
    })
    .await;
    assert_not_found(client.executor_task(executor.id(), &run.task_id("a")).await);
    executor.release("b", Ending::Success);
    client.wait_for_end(&run.run.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_gets_no_more_tasks_than_it_takes_and_only_those_that_fit() {
    let server = Server::new().await;
    let client = server.client();
    let small = Executor::start(
        &client,
        Options {
            id: "1".to_owned(),
            limit: 2,
            ..Options::script(|_| Script::held())
        },
    )
    .await;
    let arm = Executor::start(
        &client,
        Options {
            id: "2".to_owned(),
            archs: vec!["arm64".to_owned()],
            allows_privileged: true,
            ..Options::script(|_| Script::held())
        },
    )
    .await;
    let arch = |name: &str, arch: &str| {
        let arch = arch.to_owned();
        task(name).change(|task| task.runtime.as_mut().unwrap().arch = arch)
    };
    let privileged = arch("p", "").change(|task| {
        task.runtime.as_mut().unwrap().containers[0].privileged = true;
    });
    let tasks = [
        task("a1"),
        task("a2"),
        task("a3"),
        arch("m", "arm64"),
        privileged,
    ];
    let run = client.add_run(GROUP, tasks).await;
    wait_until("all that can run do", async || {
        small.started().len() == 2 && arm.started().len() == 2
    })
    .await;
    let mut fitting = arm.started();
    fitting.sort();
    assert_eq!(fitting, ["m", "p"]);
    let first = small.started()[0].clone();
    small.release(&first, Ending::Success);
    wait_until("the third runs", async || small.started().len() == 3).await;
    for name in small.started().iter().skip(1) {
        small.release(name, Ending::Success);
    }
    arm.release("m", Ending::Success);
    arm.release("p", Ending::Success);
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.run.result.as_str(), "success");
}

/// An executor of a group takes the place of those that it does not name.
#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_its_siblings_do_not_know_is_forgotten() {
    let server = Server::new().await;
    let client = server.client();
    let member = |id: &str, siblings: &[&str]| Options {
        id: id.to_owned(),
        group: Some((
            "g".to_owned(),
            siblings.iter().map(|id| (*id).to_owned()).collect(),
        )),
        ..Options::script(|_| Script::held())
    };
    let old = Executor::start(&client, member("1", &["1", "2"])).await;
    let run = client.add_run(GROUP, [task("a")]).await;
    wait_until("a runs", async || old.is_running("a")).await;
    old.vanish().await;
    let _new = Executor::start(&client, member("2", &["2"])).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_is_sent_all_that_a_task_is() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "c" => Script::held(),
        _ => Script::default(),
    })
    .await;
    executor.refuse_pushes();
    let with_environment = task("c").after("b").restores().change(|task| {
        task.environment = [("A", "task"), ("B", "task"), ("C", "task")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        task.working_dir = "/w".to_owned();
    });
    let mut request = crate::new_run::request(
        GROUP,
        [
            task("a").saves(),
            task("b").after("a").saves(),
            with_environment,
        ],
    );
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    request.static_environment = [variable("B", "static"), variable("C", "static")].into();
    request.environment = [variable("C", "run")].into();
    let run = client.create_run(&request).await.unwrap();
    let run = crate::host::Seen::from(run);
    wait_until("c runs", async || executor.is_running("c")).await;
    let sent: Vec<ExecutorTask> = client.executor_tasks(executor.id()).await.unwrap();
    let sent = sent
        .iter()
        .find(|task| task.id == run.task_id("c"))
        .unwrap();
    assert_eq!(sent.spec.run_id, run.run.id);
    let data = sent.spec.data.as_ref().unwrap();
    assert_eq!(data.task_name, "c");
    assert_eq!(data.cache_prefix, "p1");
    assert_eq!(data.working_dir, "/w");
    assert_eq!(data.arch, "amd64");
    assert_eq!(data.steps.len(), 2);
    let environment = [
        variable("A", "task"),
        variable("B", "static"),
        variable("C", "run"),
    ];
    assert_eq!(data.environment, environment.into());
    let operations: Vec<(String, u32)> = data
        .workspace_operations
        .iter()
        .map(|operation| (operation.task_id.clone(), operation.step))
        .collect();
    assert_eq!(operations, [(run.task_id("a"), 1), (run.task_id("b"), 1)]);
    executor.release("c", Ending::Success);
    client.wait_for_end(&run.run.id).await;
}
