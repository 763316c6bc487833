//! Cases that were seen elsewhere, for which the other tests have no place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use runservice::api::{ExecutorTask, RunTaskStatus};

use crate::host::{Look, Server, wait_until};
use crate::new_run::Create;
use crate::place::{GROUP, Place};
use crate::program::Executor;
use crate::proxy::{Fate, Proxy};

/// Field case CI-05: the report that a task runs was lost, and its end was not heeded then.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_task_counts_although_nobody_heard_that_it_began() {
    let server = Server::new().await;
    let client = server.client();
    let lost = Arc::new(AtomicUsize::new(0));
    let counted = lost.clone();
    let proxy = Proxy::start(&server.url(), move |method, path, body| {
        if method != "POST" || !path.contains("/tasks/") {
            return Fate::Pass;
        }
        let report: ExecutorTask = serde_json::from_slice(body).unwrap();
        match report.status.phase.is_finished() {
            true => Fate::Pass,
            false => {
                counted.fetch_add(1, Ordering::Relaxed);
                Fate::Refuse(503)
            }
        }
    });
    let _executor = Executor::start(proxy.url()).await;
    let place = Place::new();
    let tasks = [
        place.task("good", &["sleep 0.3"]),
        place.task("bad", &["sleep 0.3; exit 1"]).may_fail(),
    ];
    let run = client.add_run(GROUP, tasks).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success bad:failed good:success");
    assert!(lost.load(Ordering::Relaxed) > 0);
}

/// Field case CI-10: a task that was pushed and found at the same time was executed twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_comes_many_times_at_once_is_executed_once() {
    let server = Server::new().await;
    let client = server.client();
    // Not until all of them come.
    let proxy = Proxy::start(&server.url(), |_, _, _| Fate::Pass);
    let mut executor = Executor::start(proxy.url()).await;
    let place = Place::new();
    // So that it is known before it is executed.
    let first = client
        .add_run(GROUP, [place.task("first", &["true"])])
        .await;
    client.wait_for_end(&first.run.id).await;
    executor.freeze(true);
    let command = "echo started >> $PLACE/starts; sleep 0.5";
    let run = client.add_run(GROUP, [place.task("a", &[command])]).await;
    let id = run.task_id("a");
    wait_until("the executor is meant to do it", async || {
        client.executor_task("any", &id).await.is_ok()
    })
    .await;
    let task = client.executor_task("any", &id).await.unwrap();
    let url = format!("{}/api/v1alpha/executor", executor.url());
    let post = || {
        let (url, task) = (url.clone(), task.clone());
        async move {
            let body = serde_json::to_vec(&task).unwrap();
            let posted = reqwest::Client::new().post(&url).body(body).send().await;
            posted.map(|answer| answer.status().as_u16())
        }
    };
    let posts = tokio::spawn(join_all((0..20).map(|_| post())));
    executor.freeze(false);
    for status in posts.await.unwrap() {
        assert_eq!(status.unwrap(), 200);
    }
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success a:success");
    // What comes late, also after a restart, is as old news.
    assert_eq!(post().await.unwrap(), 200);
    executor.die();
    executor.rise().await;
    assert_eq!(post().await.unwrap(), 200);
    let next = client.add_run(GROUP, [place.task("next", &["true"])]).await;
    client.wait_for_end(&next.run.id).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(place.lines("starts").len(), 1);
    let other = ExecutorTask {
        spec: runservice::api::ExecutorTaskSpec {
            executor_id: "somebody else".to_owned(),
            ..task.spec.clone()
        },
        id: "for-somebody-else".to_owned(),
        ..task
    };
    let body = serde_json::to_vec(&other).unwrap();
    let posted = reqwest::Client::new().post(&url).body(body).send().await;
    assert!(posted.unwrap().status().as_u16() < 500);
    assert_eq!(place.lines("starts").len(), 1);
}

/// Field case CI-09: tasks went to an executor that was dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_executor_gets_nothing_and_is_used_again_once_it_reports() {
    let server = Server::with(|settings| {
        settings.runs.executor_dead_after = Duration::from_secs(6);
    })
    .await;
    let client = server.client();
    let place = Place::new();
    // Each has its own name in its environment, by a directory of its own.
    let first = Executor::start(&server.url()).await;
    let second = Executor::start(&server.url()).await;
    let command = "pwd >> $PLACE/where";
    let ran_in = |executor: &Executor| {
        let own = executor.data_dir().to_str().unwrap().to_owned();
        place
            .lines("where")
            .iter()
            .filter(|line| line.starts_with(&own))
            .count()
    };
    for (frozen, other) in [(&first, &second), (&second, &first)] {
        frozen.freeze(true);
        tokio::time::sleep(Duration::from_secs(7)).await;
        let before = ran_in(other);
        for number in 0..2 {
            let group = format!("/project/p1/branch/b{number}");
            let run = client.add_run(&group, [place.task("a", &[command])]).await;
            let run = client.wait_for_end(&run.run.id).await;
            assert_eq!(run.outcome(), "finished success a:success");
        }
        assert_eq!(ran_in(other), before + 2);
        frozen.freeze(false);
    }
}

/// Bad requests are answered as the protocol says, and none of them does harm.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_wrong_are_answered_as_the_protocol_says() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let command = "touch $PLACE/runs; until test -e $PLACE/go; do sleep 0.05; done";
    let run = client.add_run(GROUP, [place.task("a", &[command])]).await;
    place.wait_for("runs").await;
    let a = run.task_id("a");
    let get = async |path: &str| {
        let url = format!("{}/api/v1alpha/executor/{path}", executor.url());
        reqwest::get(url).await.unwrap().status().as_u16()
    };
    for (path, expected) in [
        (format!("logs?taskid={a}&step=0"), 200),
        (format!("logs?taskid={a}&setup"), 200),
        (format!("logs?taskid={a}"), 400),
        (format!("logs?taskid={a}&step=0&setup"), 400),
        (format!("logs?taskid={a}&step=x"), 400),
        (format!("logs?taskid={a}&step=-1"), 400),
        ("logs?step=0".to_owned(), 400),
        (format!("logs?taskid={a}&step=1"), 404),
        ("logs?taskid=none&step=0".to_owned(), 404),
        ("logs?taskid=..%2F..&step=0".to_owned(), 404),
        ("logs?taskid=%2Fetc%2Fpasswd&setup".to_owned(), 404),
        (format!("archives?taskid={a}"), 400),
        (format!("archives?taskid={a}&step=x"), 400),
        (format!("archives?taskid={a}&step=0"), 404),
        ("archives?taskid=..&step=0".to_owned(), 404),
    ] {
        assert_eq!(get(&path).await, expected, "{path}");
    }
    let http = reqwest::Client::new();
    for body in [
        "",
        "null",
        "[]",
        "{",
        "{\"id\":\"x\"}",
        "{\"id\":\"../x\",\"spec\":{}}",
    ] {
        let url = format!("{}/api/v1alpha/executor", executor.url());
        let answer = http.post(url).body(body).send().await.unwrap();
        assert!(answer.status().as_u16() <= 500, "{body}");
    }
    place.write("go", "");
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.task("a").status, RunTaskStatus::Success);
}
