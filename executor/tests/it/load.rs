//! Many short runs: 20, or as many as `DM_SOAK_RUNS` says.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use runservice::api::RunPhase;
use runservice::client::RunsQuery;

use crate::host::{count_from, wait_until};
use crate::new_run::Create;
use crate::place::Place;
use crate::program::Executor;
use crate::service_process::RunService;

const CLIENTS: usize = 16;

/// Each of three tasks that follow each other, with the command `true`.
#[tokio::test(flavor = "multi_thread")]
async fn many_runs_of_short_tasks_go_through_and_each_task_is_executed_once() {
    let count = count_from("DM_SOAK_RUNS", 20);
    // With the figures, the commands are really `true`; without them it is counted what was executed.
    let counts = count <= 50;
    let service = RunService::start().await;
    let client = service.client();
    let executor = Executor::start(&service.url()).await;
    let place = Place::new();
    let command = if counts {
        "echo started >> $PLACE/starts"
    } else {
        "true"
    };
    let first = client
        .add_run("/project/p/branch/first", [place.task("a", &["true"])])
        .await;
    wait_until("the executor takes tasks", async || {
        let run = client.run(&first.run.id, &[]).await.unwrap().run.unwrap();
        run.phase.is_finished()
    })
    .await;
    let began = Instant::now();
    let created: BTreeSet<String> = stream::iter(0..count)
        .map(|number| {
            let (client, place) = (&client, &place);
            async move {
                let group = format!("/project/p{}/branch/b{number}", number % 10);
                let task = |name| place.task(name, &[command]);
                let tasks = [task("a"), task("b").after("a"), task("c").after("b")];
                client.add_run(&group, tasks).await.run.id
            }
        })
        .buffer_unordered(CLIENTS)
        .collect()
        .await;
    assert_eq!(created.len(), count);
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
    for id in &created {
        let run = client.run(id, &[]).await.unwrap().run.unwrap();
        assert_eq!(run.result.as_str(), "success", "{id}");
    }
    if counts {
        assert_eq!(place.lines("starts").len(), count * 3);
    }
    #[expect(clippy::cast_precision_loss, reason = "it is a figure for people")]
    let per_second = (count * 3) as f64 / took.as_secs_f64();
    eprintln!("{count} runs of 3 tasks in {took:?}: {per_second:.0} tasks/s");
    place.assert_no_process_within(Duration::from_secs(2)).await;
    drop(executor);
}
