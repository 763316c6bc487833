//! Logs and archives: collected, followed, deleted.

use std::time::{Duration, Instant};

use futures::StreamExt;
use runservice::api::{FetchPhase, RunTaskStatus};
use runservice::client::{Client, LogStep, TaskLog};
use service::testing::wait_until;

use crate::executor::{Ending, Executor, Script, archive_of};
use crate::host::{Look, Server, assert_not_found, assert_refused, whole};
use crate::new_run::{Create, task};

const GROUP: &str = "/project/p1/branch/master";

fn log<'a>(run: &'a str, task: &'a str, step: u32) -> TaskLog<'a> {
    TaskLog {
        run,
        task,
        step: LogStep::Step(step),
    }
}

/// Field case CI-13: who followed the log of a silent step got not even the headers.
/// Field case CI-14: the end of a log was missing, mostly one without a last newline.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_from_a_silent_begin_to_an_end_without_newline() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script {
        log: Some(Vec::new()),
        ..Script::held()
    })
    .await;
    let run = client.add_run(GROUP, [task("a"), task("other")]).await;
    let (id, a) = (run.run.id.clone(), run.task_id("a"));
    wait_until("both run", async || {
        executor.is_running("a") && executor.is_running("other")
    })
    .await;
    let begin = Instant::now();
    let mut followed = client.follow_log(&log(&id, &a, 0)).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2));
    executor.write_log("a", b"first\n");
    let first = followed.next().await.unwrap().unwrap();
    assert_eq!(&first[..], b"first\n");
    let long: Vec<u8> = (0..1_048_576_u32)
        .map(|number| b'a' + u8::try_from(number % 26).unwrap())
        .collect();
    executor.write_log("a", &long);
    executor.write_log("a", b"no newline");
    executor.release("a", Ending::Success);
    let rest = tokio::time::timeout(Duration::from_secs(20), whole(followed)).await;
    let rest = rest.unwrap();
    let expected = [&long[..], b"no newline"].concat();
    assert!(
        rest == expected,
        "{} bytes instead of {}",
        rest.len(),
        expected.len()
    );
    client
        .wait_for(&id, "it is collected", |run| {
            run.task("a").steps[0].log_phase == FetchPhase::Finished
        })
        .await;
    let kept = whole(client.log(&log(&id, &a, 0)).await.unwrap()).await;
    assert!(kept == [b"first\n", &expected[..]].concat());
    executor.release("other", Ending::Success);
    client.wait_for_end(&id).await;
}

/// Field case CI-16: half a log was kept as if it were whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_cut_is_fetched_again_until_it_is_whole() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::default()).await;
    executor.cut(4);
    let run = client.add_run(GROUP, [task("a").saves()]).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(executor.cuts_left(), 0);
    let (id, a) = (run.run.id.clone(), run.task_id("a"));
    let kept = whole(client.log(&log(&id, &a, 0)).await.unwrap()).await;
    assert_eq!(kept, b"log of step 0 of a\n");
    let setup = TaskLog {
        step: LogStep::Setup,
        ..log(&id, &a, 0)
    };
    assert_eq!(
        whole(client.log(&setup).await.unwrap()).await,
        b"setting up\n"
    );
    let archive = client.archive(&a, 1).await.unwrap();
    assert_eq!(whole(archive).await, archive_of("a", 1));
}

/// Field case CI-16: a log that its executor will not give was asked for, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_refused_or_not_there_does_not_keep_the_run_from_its_end() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::default()).await;
    executor.answer_with(&[500, 403, 404, 503]);
    let run = client.add_run(GROUP, [task("a"), task("b")]).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success a:success b:success");
    assert_eq!(executor.answers_left(), 0);
    let mut missing = 0;
    for name in ["a", "b"] {
        let task = run.task_id(name);
        for step in [LogStep::Setup, LogStep::Step(0)] {
            let log = TaskLog {
                step,
                ..log(&run.run.id, &task, 0)
            };
            match client.log(&log).await {
                Ok(stream) => assert!(!whole(stream).await.is_empty()),
                Err(error) => {
                    assert_not_found::<()>(Err(error));
                    missing += 1;
                }
            }
        }
    }
    assert_eq!(missing, 2);
}

/// Field case CI-16: the executor goes away for good in the middle of a log.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_although_the_executor_that_has_its_logs_is_gone() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    executor.cut(u32::MAX);
    let run = client.add_run(GROUP, [task("a").saves()]).await;
    let id = run.run.id.clone();
    wait_until("it runs", async || executor.is_running("a")).await;
    executor.release("a", Ending::Success);
    client
        .wait_for(&id, "it has ended", |run| {
            run.task("a").status == RunTaskStatus::Success
        })
        .await;
    wait_until("something was cut", async || {
        executor.cuts_left() < u32::MAX
    })
    .await;
    let executor_id = executor.id().to_owned();
    executor.vanish().await;
    client.delete_executor(&executor_id).await.unwrap();
    let run = client.wait_for_end(&id).await;
    assert_eq!(run.outcome(), "finished success a:success");
    assert_not_found(
        client
            .log(&log(&id, &run.task_id("a"), 0))
            .await
            .map(|_| ()),
    );
    assert_not_found(client.archive(&run.task_id("a"), 1).await.map(|_| ()));
}

async fn refused_and_missing(client: &Client, run: &str, task: &str) {
    assert_not_found(client.log(&log("none", task, 0)).await.map(|_| ()));
    assert_not_found(client.log(&log(run, "none", 0)).await.map(|_| ()));
    assert_not_found(client.log(&log(run, task, 1)).await.map(|_| ()));
    assert_not_found(client.delete_log(&log("none", task, 0)).await);
    assert_not_found(client.delete_log(&log(run, "none", 0)).await);
    assert_not_found(client.delete_log(&log(run, task, 1)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_deleted_once_it_is_collected() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let run = client.add_run(GROUP, [task("a")]).await;
    let (id, a) = (run.run.id.clone(), run.task_id("a"));
    wait_until("it runs", async || executor.is_running("a")).await;
    assert_refused(client.delete_log(&log(&id, &a, 0)).await);
    refused_and_missing(&client, &id, &a).await;
    executor.release("a", Ending::Success);
    client.wait_for_end(&id).await;
    client.delete_log(&log(&id, &a, 0)).await.unwrap();
    assert_not_found(client.delete_log(&log(&id, &a, 0)).await);
    assert_not_found(client.log(&log(&id, &a, 0)).await.map(|_| ()));
    let setup = TaskLog {
        step: LogStep::Setup,
        ..log(&id, &a, 0)
    };
    assert_eq!(
        whole(client.log(&setup).await.unwrap()).await,
        b"setting up\n"
    );
    refused_and_missing(&client, &id, &a).await;
}
