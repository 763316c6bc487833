//! Runs from their creation to their end.

use runservice::api::{DependCondition, RunPhase, RunResult};
use runservice::client::{LogStep, TaskLog};

use crate::executor::{Executor, Script};
use crate::host::{Look, Server, whole};
use crate::new_run::{Create, task};

const GROUP: &str = "/project/p1/branch/master";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_executed_and_its_logs_and_archives_are_kept() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::default()).await;
    let run = client
        .add_run(GROUP, [task("a").saves(), task("b").after("a").restores()])
        .await;
    assert_eq!((run.run.phase, run.run.counter), (RunPhase::Queued, 1));
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success a:success b:success");
    assert_eq!(executor.started(), ["a", "b"]);
    assert!(run.run.start_time.is_some() && run.run.end_time.is_some());
    for (step, expected) in [
        (LogStep::Setup, "setting up\n"),
        (LogStep::Step(0), "log of step 0 of a\n"),
    ] {
        let log = TaskLog {
            run: &run.run.id,
            task: &run.task_id("a"),
            step,
        };
        let kept = whole(client.log(&log).await.unwrap()).await;
        assert_eq!(String::from_utf8(kept).unwrap(), expected);
    }
    let archive = client.archive(&run.task_id("a"), 1).await.unwrap();
    assert_eq!(whole(archive).await, crate::executor::archive_of("a", 1));
}

/// The first vector of our own: what handles a failure runs, and what needs a success does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_handled_by_what_waits_for_it() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "a" => Script::failed(),
        _ => Script::default(),
    })
    .await;
    let handler = task("d").on("a", &[DependCondition::OnFailure]);
    let tasks = [
        task("a"),
        task("b").after("a"),
        task("c").after("a"),
        handler,
    ];
    let run = client.add_run(GROUP, tasks).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(
        run.outcome(),
        "finished failed a:failed b:skipped c:skipped d:success"
    );
    assert_eq!(run.run.result, RunResult::Failed);
    assert_eq!(executor.started(), ["a", "d"]);
}
