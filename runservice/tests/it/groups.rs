//! Groups: one run of each at a time, numbers, and tokens of change groups.

use std::collections::BTreeSet;

use futures::future::join_all;
use runservice::ErrorKind;
use runservice::api::{RunCreateRequest, RunPhase};
use runservice::client::RunsQuery;
use service::testing::wait_until;

use crate::executor::{Ending, Executor, Script};
use crate::host::{Look, Server, assert_kind, assert_not_found, assert_refused};
use crate::new_run::{Create, request, task};

#[tokio::test(flavor = "multi_thread")]
async fn of_a_group_one_run_runs_at_a_time_in_the_order_of_their_creation() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::held()).await;
    let group = "/project/p1/branch/master";
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(client.add_run(group, [task(name)]).await.run.id);
    }
    let other = client
        .add_run("/project/p1/branch/other", [task("other")])
        .await;
    wait_until("both groups run", async || {
        executor.is_running("a") && executor.is_running("other")
    })
    .await;
    for (name, next) in [("a", Some("b")), ("b", Some("c")), ("c", None)] {
        let running = client
            .runs(&RunsQuery {
                groups: vec![group.to_owned()],
                ..RunsQuery::running()
            })
            .await
            .unwrap();
        assert_eq!(running.runs.len(), 1, "{name}");
        executor.release(name, Ending::Success);
        if let Some(next) = next {
            wait_until("the next runs", async || executor.is_running(next)).await;
        }
    }
    for id in &ids {
        client.wait_for_end(id).await;
    }
    executor.release("other", Ending::Success);
    client.wait_for_end(&other.run.id).await;
    assert_eq!(executor.started().len(), 4);
}

/// Beside an external scheduler nothing starts by itself.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_by_itself_if_an_external_scheduler_does_it() {
    let server = Server::with(|settings| settings.runs.start_queued_runs = false).await;
    let client = server.client();
    let executor = Executor::with(&client, |_| Script::default()).await;
    let group = "/project/p1/branch/master";
    let first = client.add_run(group, [task("a").needs_approval()]).await;
    let second = client.add_run(group, [task("b")]).await;
    // What agola's scheduler does.
    let change_group = "changegroup-/project/p1/branch/master";
    let queued = client.runs(&RunsQuery::queued()).await.unwrap();
    assert_eq!(queued.runs[0].id, first.run.id);
    let running = client
        .runs(&RunsQuery {
            groups: vec![group.to_owned()],
            limit: Some(1),
            change_groups: vec![hash(change_group)],
            ..RunsQuery::running()
        })
        .await
        .unwrap();
    assert!(running.runs.is_empty());
    let token = running.change_groups_update_tokens;
    client.start_run(&first.run.id, &token).await.unwrap();
    // The other one has looked at the same moment.
    assert_kind(
        client.start_run(&second.run.id, &token).await,
        ErrorKind::Conflict,
    );
    client
        .wait_for(&first.run.id, "a waits", |run| {
            run.task("a").waiting_approval
        })
        .await;
    let approvers = [("approvers".to_owned(), "[\"u1\"]".to_owned())];
    let a = first.task_id("a");
    client
        .set_task_annotations(&first.run.id, &a, approvers.into(), "")
        .await
        .unwrap();
    client.approve_task(&first.run.id, &a, "").await.unwrap();
    client.wait_for_end(&first.run.id).await;
    assert!(client.look(&second.run.id).await.is_in(RunPhase::Queued));
    assert_eq!(executor.started(), ["a"]);
}

fn hash(text: &str) -> String {
    // Any text without a slash will do.
    text.replace('/', "-")
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_neither_gaps_nor_doubles() {
    let server = Server::new().await;
    let client = server.client();
    let create = async |root: &str, number: usize| {
        let group = format!("/project/{root}/branch/b{}", number % 3);
        let request = RunCreateRequest {
            setup_errors: vec!["none".to_owned()],
            ..request(&group, [])
        };
        let run = client.create_run(&request).await.unwrap().run.unwrap();
        (run.counter, run.id)
    };
    for root in ["p1", "p2"] {
        let created = join_all((0..20).map(|number| create(root, number))).await;
        let counters: BTreeSet<u64> = created.iter().map(|(counter, _)| *counter).collect();
        assert_eq!(counters, (1..=20).collect());
        let mut by_id: Vec<&(u64, String)> = created.iter().collect();
        by_id.sort_by(|one, other| one.1.cmp(&other.1));
        assert!(by_id.is_sorted_by_key(|(counter, _)| counter));
        assert!(by_id.iter().all(|(_, id)| id.len() == 27));
    }
    // A request that is refused takes no number.
    assert_refused(client.create_run(&request("/project", [task("a")])).await);
    assert_refused(client.create_run(&request("project/p1", [task("a")])).await);
    let mut stale = request("/project/p1/branch/b0", [task("a")]);
    stale.change_groups_update_tokens = client.change_groups(&["cg"]).await.unwrap();
    client.create_run(&stale).await.unwrap();
    let again = request("/project/p1/branch/b0", [task("a")]);
    let again = RunCreateRequest {
        change_groups_update_tokens: stale.change_groups_update_tokens,
        ..again
    };
    assert_kind(client.create_run(&again).await, ErrorKind::Conflict);
    assert_eq!(create("p1", 0).await.0, 22);
    let run = client.group_run("/project/p1", 22, &[]).await.unwrap();
    assert_eq!(run.run.unwrap().counter, 22);
    assert_not_found(client.group_run("/project/p1", 23, &[]).await);
    assert_not_found(client.group_run("/project/p", 1, &[]).await);
    assert_not_found(client.group_run("/project/p1/branch/b1", 22, &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_until_one_of_its_groups_changes() {
    let server = Server::with(|settings| settings.runs.start_queued_runs = false).await;
    let client = server.client();
    let group = "/project/p1/branch/master";
    let run = client.add_run(group, [task("a")]).await.run.id;
    let old = client.change_groups(&["cg1", "cg2"]).await.unwrap();
    let other = client.change_groups(&["cg3"]).await.unwrap();
    let none = client.change_groups(&[] as &[&str]).await.unwrap();
    assert!(!none.is_empty());
    let with = |token: &str| RunCreateRequest {
        change_groups_update_tokens: token.to_owned(),
        ..request(group, [task("a")])
    };
    client.create_run(&with(&none)).await.unwrap();
    let by_run = client.run(&run, &["cg1"]).await.unwrap();
    client.create_run(&with(&old)).await.unwrap();
    for stale in [&old, &by_run.change_groups_update_tokens] {
        assert_kind(client.create_run(&with(stale)).await, ErrorKind::Conflict);
        assert_kind(client.cancel_run(&run, stale).await, ErrorKind::Conflict);
    }
    client.create_run(&with(&other)).await.unwrap();
    client.create_run(&with("")).await.unwrap();
    assert_refused(client.create_run(&with("no token")).await);
    let fresh = client.change_groups(&["cg1"]).await.unwrap();
    client.cancel_run(&run, &fresh).await.unwrap();
    assert_refused(client.change_groups(&["x".repeat(257)]).await);
}
