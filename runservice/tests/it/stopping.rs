//! Runs that are stopped or cancelled.

use std::time::Duration;

use runservice::api::{RunPhase, RunTaskStatus};
use service::testing::wait_until;

use crate::executor::{Ending, Executor, Options, Script};
use crate::host::{Look, Server, assert_refused};
use crate::new_run::{Create, task};

const GROUP: &str = "/project/p1/branch/master";

/// Field case CI-01: a run whose task waited for approval did not end when it was stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_approval_can_be_stopped() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::default()).await;
    let run = client.add_run(GROUP, [task("a").needs_approval()]).await;
    let id = run.run.id.clone();
    let run = client
        .wait_for(&id, "the task waits", |run| run.task("a").waiting_approval)
        .await;
    assert!(run.is_in(RunPhase::Running));
    client.stop_run(&id, "").await.unwrap();
    let run = tokio::time::timeout(Duration::from_secs(10), client.wait_for_end(&id)).await;
    let run = run.unwrap();
    assert_eq!(run.outcome(), "finished stopped a:skipped");
    assert!(!run.task("a").waiting_approval);
    assert_refused(client.approve_task(&id, &run.task_id("a"), "").await);
    assert!(executor.started().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_starts_once_it_is_approved_and_keeps_its_annotations() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::default()).await;
    let tasks = [task("a"), task("b").after("a").needs_approval()];
    let run = client.add_run(GROUP, tasks).await;
    let (id, a, b) = (run.run.id.clone(), run.task_id("a"), run.task_id("b"));
    assert_refused(client.approve_task(&id, &a, "").await);
    client
        .wait_for(&id, "b waits", |run| run.task("b").waiting_approval)
        .await;
    assert_eq!(executor.started(), ["a"]);
    let annotations = [("k".to_owned(), "v".to_owned())];
    client
        .set_task_annotations(&id, &b, annotations.clone().into(), "")
        .await
        .unwrap();
    client.approve_task(&id, &b, "").await.unwrap();
    let run = client.wait_for_end(&id).await;
    assert_eq!(run.outcome(), "finished success a:success b:success");
    assert_eq!(run.task("b").annotations, annotations.into());
    assert!(run.task("b").approved && !run.task("b").waiting_approval);
    assert_refused(client.approve_task(&id, &b, "").await);
}

/// What the scheduler of agola does: a task is approved once it has approvers.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_with_approvers_is_approved() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::with(&client, |_| Script::default()).await;
    let run = client.add_run(GROUP, [task("a").needs_approval()]).await;
    let (id, a) = (run.run.id.clone(), run.task_id("a"));
    client
        .wait_for(&id, "the task waits", |run| run.task("a").waiting_approval)
        .await;
    let approvers = |list: &str| [("approvers".to_owned(), list.to_owned())].into();
    for none in ["[]", "no list", "{}"] {
        client
            .set_task_annotations(&id, &a, approvers(none), "")
            .await
            .unwrap();
    }
    assert!(client.look(&id).await.task("a").waiting_approval);
    client
        .set_task_annotations(&id, &a, approvers("[\"u1\"]"), "")
        .await
        .unwrap();
    let run = client.wait_for_end(&id).await;
    assert_eq!(run.outcome(), "finished success a:success");
}

/// Field case CI-02: a stop was not heeded once the run had failed, although a task still ran.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_failed_can_be_stopped() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "a" => Script::failed(),
        _ => Script::held(),
    })
    .await;
    let run = client.add_run(GROUP, [task("a"), task("b")]).await;
    let id = run.run.id.clone();
    wait_until("b runs", async || executor.is_running("b")).await;
    client
        .wait_for(&id, "it has failed", |run| run.run.result.is_set())
        .await;
    client.stop_run(&id, "").await.unwrap();
    // Saying it again is harmless, until it has ended.
    let _ = client.stop_run(&id, "").await;
    let run = client.wait_for_end(&id).await;
    assert_eq!(run.outcome(), "finished failed a:failed b:stopped");
    assert_refused(client.stop_run(&id, "").await);
}

/// Field case CI-03: after a stop, waiting tasks were still started when there was room for them.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_after_a_stop() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::start(
        &client,
        Options {
            limit: 1,
            ..Options::script(|_| Script::held())
        },
    )
    .await;
    let run = client
        .add_run(GROUP, [task("a"), task("b"), task("c")])
        .await;
    let id = run.run.id.clone();
    wait_until("one runs", async || executor.started().len() == 1).await;
    client.stop_run(&id, "").await.unwrap();
    let run = client.wait_for_end(&id).await;
    let count = |status| {
        let tasks = run.run.tasks.values();
        tasks.filter(|task| task.status == status).count()
    };
    assert_eq!(run.run.result.as_str(), "stopped");
    assert_eq!(count(RunTaskStatus::Stopped), 1, "{}", run.outcome());
    assert_eq!(count(RunTaskStatus::Skipped), 2, "{}", run.outcome());
    assert_eq!(executor.started().len(), 1);
}

/// A stop that comes when all has ended does not undo the success.
#[tokio::test(flavor = "multi_thread")]
async fn what_succeeds_although_it_was_stopped_has_succeeded() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script {
        ignores_stop: true,
        ..Script::held()
    })
    .await;
    let run = client.add_run(GROUP, [task("a")]).await;
    let id = run.run.id.clone();
    wait_until("a runs", async || executor.is_running("a")).await;
    client
        .wait_for(&id, "a runs", |run| {
            run.task("a").status == RunTaskStatus::Running
        })
        .await;
    client.stop_run(&id, "").await.unwrap();
    executor.release("a", Ending::Success);
    let run = client.wait_for_end(&id).await;
    assert_eq!(run.task("a").status, RunTaskStatus::Success);
}

/// Field case CI-26: a cancelled run is never started, and stays cancelled; the reference never archives it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_is_never_started_and_is_archived() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "first" => Script::held(),
        _ => Script::default(),
    })
    .await;
    let first = client.add_run(GROUP, [task("first")]).await;
    wait_until("it runs", async || executor.is_running("first")).await;
    let second = client.add_run(GROUP, [task("second")]).await;
    let third = client.add_run(GROUP, [task("third")]).await;
    assert_refused(client.stop_run(&second.run.id, "").await);
    client.cancel_run(&second.run.id, "").await.unwrap();
    assert_refused(client.cancel_run(&second.run.id, "").await);
    assert_refused(client.start_run(&second.run.id, "").await);
    assert_refused(client.cancel_run(&first.run.id, "").await);
    let second = client.wait_for_end(&second.run.id).await;
    assert_eq!(second.outcome(), "cancelled unknown second:notstarted");
    assert!(second.run.end_time.is_some());
    executor.release("first", Ending::Success);
    client.wait_for_end(&third.run.id).await;
    assert_eq!(executor.started(), ["first", "third"]);
    let second = client.look(&second.run.id).await;
    assert_eq!(second.outcome(), "cancelled unknown second:notstarted");
}

/// Field case CI-26: whoever cancels at any moment gets a run that is cancelled and has never started, or one that has started
/// and can be stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cancelled_at_any_moment_is_cancelled_or_can_be_stopped() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let mut cancelled = Vec::new();
    for number in 0..20 {
        let group = format!("/project/p1/branch/b{number}");
        let run = client.add_run(&group, [task(&format!("t{number}"))]).await;
        let id = run.run.id.clone();
        tokio::time::sleep(Duration::from_micros(number * 700)).await;
        let expected = match client.cancel_run(&id, "").await {
            Ok(()) => {
                cancelled.push(run.task_id(&format!("t{number}")));
                "cancelled unknown"
            }
            Err(_) => {
                client.stop_run(&id, "").await.unwrap();
                "finished stopped"
            }
        };
        let run = client.wait_for_end(&id).await;
        assert!(run.outcome().starts_with(expected), "{}", run.outcome());
    }
    let started = executor.started_ids();
    assert!(cancelled.iter().all(|id| !started.contains(id)));
}

/// Field case CI-07: an executor that was restarted before it stopped a task does not know it any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_task_that_its_executor_has_forgotten() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let run = client
        .add_run(GROUP, [task("a"), task("b").after("a")])
        .await;
    let id = run.run.id.clone();
    client
        .wait_for(&id, "a runs", |run| {
            run.task("a").status == RunTaskStatus::Running
        })
        .await;
    executor.freeze(true);
    client.stop_run(&id, "").await.unwrap();
    executor.forget();
    executor.freeze(false);
    let run = client.wait_for_end(&id).await;
    let task = run.task("a").status;
    assert!(
        matches!(task, RunTaskStatus::Failed | RunTaskStatus::Stopped),
        "{}",
        run.outcome()
    );
    assert_eq!(run.task("b").status, RunTaskStatus::Skipped);
    assert_eq!(executor.started(), ["a"]);
}
