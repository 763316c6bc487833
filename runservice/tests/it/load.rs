//! Many runs at once, each in a group of its own: 20, or as many as `DM_SOAK_RUNS` says.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use runservice::api::RunPhase;
use runservice::client::RunsQuery;

use crate::executor::{Executor, Options};
use crate::host::{Server, wait_until};
use crate::new_run::{Create, task};

const CLIENTS: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_end_and_each_of_their_tasks_is_executed_once() {
    let count = std::env::var("DM_SOAK_RUNS").ok();
    let count: usize = count.as_ref().map_or(20, |count| count.parse().unwrap());
    let server = Server::new().await;
    let client = server.client();
    let options = Options {
        interval: Duration::from_secs(2),
        ..Options::default()
    };
    let executor = Executor::start(&client, options).await;
    let began = Instant::now();
    let created: BTreeSet<String> = stream::iter(0..count)
        .map(|number| {
            let client = client.clone();
            async move {
                let group = format!("/project/p{}/branch/b{number}", number % 10);
                let tasks = [task("a"), task("b").after("a"), task("c").after("b")];
                client.add_run(&group, tasks).await.run.id
            }
        })
        .buffer_unordered(CLIENTS)
        .collect()
        .await;
    assert_eq!(created.len(), count);
    let all_created = began.elapsed();
    // Each of them has three tasks, of which the last ones are started last.
    wait_until("all tasks were started", async || {
        executor.started_ids().len() >= count * 3
    })
    .await;
    wait_until("all runs have ended", async || {
        let active = RunsQuery {
            phases: vec![RunPhase::Queued, RunPhase::Running],
            limit: Some(1),
            ..RunsQuery::default()
        };
        client.runs(&active).await.unwrap().runs.is_empty()
    })
    .await;
    let took = began.elapsed();
    let started = executor.started_ids();
    let different: BTreeSet<&String> = started.iter().collect();
    assert_eq!((started.len(), different.len()), (count * 3, count * 3));
    #[expect(clippy::cast_precision_loss, reason = "it is a figure for people")]
    let per_second = (count * 3) as f64 / took.as_secs_f64();
    eprintln!(
        "{count} runs created in {all_created:?}, all done in {took:?}: {per_second:.0} tasks/s"
    );
}
