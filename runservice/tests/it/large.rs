//! Runs that are large, and many of them.

use std::time::{Duration, Instant};

use runservice::client::Client;

use crate::executor::{Executor, Options, Script};
use crate::host::{Look, Server, count_from};
use crate::new_run::{Create, NewTask, request, task};

/// A run of that many tasks, each of which but the first waits for one before it.
fn tree(count: usize) -> Vec<NewTask> {
    let names: Vec<&'static str> = (0..count)
        .map(|number| &*format!("t{number:04}").leak())
        .collect();
    let mut tasks = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let new = task(name);
        tasks.push(match number {
            0 => new,
            _ => new.after(names[(number - 1) / 4]),
        });
    }
    tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_500_tasks_is_executed() {
    let server = Server::new().await;
    let client = server.client();
    let count = count_from("DM_SOAK_TASKS", 500);
    let executor = Executor::start(
        &client,
        Options {
            interval: Duration::from_secs(2),
            limit: 60,
            ..Options::default()
        },
    )
    .await;
    let run = client.add_run("/project/p1/branch/b", tree(count)).await;
    let begin = Instant::now();
    let run = client.wait_for_end(&run.run.id).await;
    eprintln!("{count} tasks of one run took {:?}", begin.elapsed());
    assert_eq!(run.run.result.as_str(), "success");
    let mut started = executor.started_ids();
    started.sort();
    started.dedup();
    assert_eq!((started.len(), executor.started().len()), (count, count));
}

pub(crate) async fn run_with_large_environment(client: &Client) {
    let _executor = Executor::with(client, |_| Script::default()).await;
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_2_mib_of_environment_is_executed() {
    let server = Server::new().await;
    run_with_large_environment(&server.client()).await;
}

/// Prints the figure that the documents give; DM_SOAK_RUNS=1000 and a release build make it one.
#[tokio::test(flavor = "multi_thread")]
async fn many_runs_are_executed_side_by_side() {
    let count = count_from("DM_SOAK_RUNS", 40);
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::start(
        &client,
        Options {
            interval: Duration::from_secs(2),
            ..Options::default()
        },
    )
    .await;
    let begin = Instant::now();
    let creations = (0..count).map(|number| {
        let client = client.clone();
        async move {
            let group = format!("/project/p{}/branch/b{number}", number % 10);
            let tasks = [task("a"), task("b").after("a"), task("c").after("b")];
            client.add_run(&group, tasks).await.run.id
        }
    });
    let ids: Vec<String> = {
        use futures::StreamExt;
        futures::stream::iter(creations)
            .buffered(16)
            .collect()
            .await
    };
    for id in &ids {
        let run = client.wait_for_end(id).await;
        assert_eq!(run.run.result.as_str(), "success");
    }
    let seconds = begin.elapsed().as_secs_f64();
    let tasks = u32::try_from(executor.started().len()).unwrap();
    eprintln!(
        "{tasks} tasks of {count} runs in {seconds:.1} s: {:.0} a second",
        f64::from(tasks) / seconds
    );
    let mut started = executor.started_ids();
    started.sort();
    started.dedup();
    assert_eq!(
        (started.len(), executor.started().len()),
        (count * 3, count * 3)
    );
}
