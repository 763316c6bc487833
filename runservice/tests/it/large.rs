//! Runs that are large.

use std::time::{Duration, Instant};

use futures::StreamExt;
use runservice::api::{DependCondition, RunPhase, RunTaskStatus};
use runservice::client::Client;

use crate::executor::{Executor, Options, Script};
use crate::host::{Look, Server, count_from};
use crate::new_run::{Create, NewTask, request, task};

const TASKS: usize = 500;

/// 500 tasks, each of which but the first waits for one before it. So many are executed; the others wait for a failure that
/// does not come.
fn tree(executed: usize) -> Vec<NewTask> {
    let names: Vec<&'static str> = (0..TASKS)
        .map(|number| &*format!("t{number:04}").leak())
        .collect();
    let mut tasks = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let new = task(name).saves();
        tasks.push(match number {
            0 => new,
            _ if number < executed => new.after(names[(number - 1) / 4]),
            _ => new.on(names[(number - 1) / 4], &[DependCondition::OnFailure]),
        });
    }
    tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_500_tasks_is_executed() {
    let server = Server::new().await;
    let client = server.client();
    let executed = count_from("DM_SOAK_TASKS", 20).clamp(1, TASKS);
    let executor = Executor::start(
        &client,
        Options {
            interval: Duration::from_secs(2),
            limit: 60,
            ..Options::default()
        },
    )
    .await;
    // To ask for a run of this size again and again is more work than to execute it.
    let mut events = client.run_events(None).await.unwrap();
    let run = client.add_run("/project/p1/branch/b", tree(executed)).await;
    let begin = Instant::now();
    while events.next().await.unwrap().unwrap().phase != RunPhase::Finished {}
    let run = client.wait_for_end(&run.run.id).await;
    let took = begin.elapsed();
    eprintln!("{executed} of {TASKS} tasks of one run took {took:?}");
    assert_eq!(run.run.result.as_str(), "success");
    let statuses: Vec<RunTaskStatus> = run.run.tasks.values().map(|task| task.status).collect();
    let count = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!(count(RunTaskStatus::Success), executed);
    assert_eq!(count(RunTaskStatus::Skipped), TASKS - executed);
    let mut started = executor.started_ids();
    started.sort();
    started.dedup();
    assert_eq!(
        (started.len(), executor.started().len()),
        (executed, executed)
    );
}

pub(crate) async fn run_with_large_environment(client: &Client) {
    let executor = Executor::with(client, |_| Script::default()).await;
    let mut new = request(
        "/project/p1/branch/b",
        [
            task("a").saves(),
            task("b").after("a"),
            task("c").after("b"),
        ],
    );
    for number in 0..32 {
        let value = format!("{number:02}").repeat(32 * 1024);
        new.static_environment
            .insert(format!("LARGE_{number}"), value);
    }
    let run = client.create_run(&new).await.unwrap().run.unwrap();
    let run = client.wait_for_end(&run.id).await;
    assert_eq!(
        run.outcome(),
        "finished success a:success b:success c:success"
    );
    assert_eq!(run.config.static_environment, new.static_environment);
    let again = client.restart(&run.run.id, true).await.unwrap();
    let again = client.wait_for_end(&again.run.id).await;
    assert_eq!(again.config.static_environment, new.static_environment);
    // Nobody is to be given tasks who is gone.
    let executor_id = executor.id().to_owned();
    executor.vanish().await;
    client.delete_executor(&executor_id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_2_mib_of_environment_is_executed() {
    let server = Server::new().await;
    run_with_large_environment(&server.client()).await;
}
