//! Exports, imports, and copies of stores.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream;
use runservice::Error;
use runservice::api::RunCreateRequest;
use runservice::client::{Client, LogStep, RunsQuery, TaskLog};
use serde_json::{Value, json};
use service::testing::wait_until;

use crate::executor::{Executor, Script};
use crate::host::{Look, Server, assert_not_found, assert_refused, settings, whole};
use crate::new_run::{Create, request, task};

const GROUP: &str = "/project/p1/branch/master";

async fn export(client: &Client, format: &str) -> Vec<u8> {
    whole(client.operations().export(format).await.unwrap()).await
}

async fn import(client: &Client, export: Vec<u8>) -> Result<(), Error> {
    // In small pieces, so that objects do not come whole.
    let pieces: Vec<_> = export
        .chunks(1_000)
        .map(|piece| Ok::<_, Error>(Bytes::copy_from_slice(piece)))
        .collect();
    client.operations().import(stream::iter(pieces)).await
}

async fn import_in_maintenance(client: &Client, export: Vec<u8>) -> Result<(), Error> {
    let operations = client.operations();
    operations.enable_maintenance().await.unwrap();
    wait_until("it is in maintenance", async || {
        operations
            .maintenance()
            .await
            .unwrap()
            .waiting_for
            .is_empty()
    })
    .await;
    let imported = import(client, export).await;
    operations.disable_maintenance().await.unwrap();
    wait_until("it serves again", async || operations.ready().await.is_ok()).await;
    imported
}

/// Type, id and object of each entry of an export of agola.
fn entries(export: &[u8]) -> Vec<(String, String, Value)> {
    let entries = serde_json::Deserializer::from_slice(export).into_iter::<Value>();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let text = |key: &str| entry[key].as_str().unwrap().to_owned();
            let data = STANDARD.decode(text("data")).unwrap();
            (
                text("data_type"),
                text("id"),
                serde_json::from_slice(&data).unwrap(),
            )
        })
        .collect()
}

/// Runs in all phases that are archived, of two groups, and one that still waits.
async fn fill(client: &Client) -> String {
    let executor = Executor::with(client, |name| match name {
        "failed" => Script::failed(),
        _ => Script::default(),
    })
    .await;
    for name in ["a", "failed"] {
        let run = client.add_run(GROUP, [task(name).saves()]).await;
        client.wait_for_end(&run.run.id).await;
    }
    let mut faulty = request("/project/p2/tag/v1", []);
    faulty.setup_errors = vec!["no".to_owned()];
    let faulty = client.create_run(&faulty).await.unwrap().run.unwrap();
    client.wait_for_end(&faulty.id).await;
    let executor_id = executor.id().to_owned();
    executor.vanish().await;
    client.delete_executor(&executor_id).await.unwrap();
    let waiting = client
        .add_run(GROUP, [task("waits").needs_approval()])
        .await;
    let second = client.add_run(GROUP, [task("queued")]).await;
    client.cancel_run(&second.run.id, "").await.unwrap();
    client.wait_for_end(&second.run.id).await;
    waiting.run.id
}

/// Field case IE-07: a round trip over objects of every kind, with nothing left out.
/// Field case IE-08: counters and ids go on where they were.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_agola_is_the_same_after_an_import_and_numbers_go_on() {
    let server = Server::new().await;
    let client = server.client();
    let waiting = fill(&client).await;
    let exported = export(&client, "agola").await;
    let objects = entries(&exported);
    let shown: Vec<String> = objects.iter().map(|(kind, _, _)| kind.clone()).collect();
    assert_eq!(
        shown.join(" "),
        "run run run run runconfig runconfig runconfig runconfig runconfig runcounter runcounter"
    );
    // What is not archived is not in it, but its configuration and its number are.
    let has = |kind: &str, id: &str| objects.iter().any(|(of, one, _)| of == kind && one == id);
    assert!(!has("run", &waiting) && has("runconfig", &waiting));
    let counter = objects
        .iter()
        .find(|(kind, id, _)| kind == "runcounter" && id == "p1");
    assert_eq!(counter.unwrap().2, json!(4));
    let other = Server::new().await;
    let other_client = other.client();
    let replaced = "/project/replaced/branch/b";
    other_client.add_run(replaced, [task("a")]).await;
    import_in_maintenance(&other_client, exported.clone())
        .await
        .unwrap();
    assert!(export(&other_client, "agola").await == exported);
    assert_not_found(other_client.group_run(replaced, 1, &[]).await);
    let ended = other_client.runs(&RunsQuery::default()).await.unwrap().runs;
    let next = other_client.add_run(GROUP, [task("next")]).await;
    assert_eq!(next.run.counter, 5);
    assert!(ended.iter().all(|run| run.id < next.run.id));
    let restarted = other_client
        .restart(&ended.last().unwrap().id, true)
        .await
        .unwrap();
    assert_eq!(restarted.run.counter, 6);
    let _executor = Executor::with(&other_client, |_| Script::default()).await;
    other_client.wait_for_end(&next.run.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_with_what_is_not_known_is_refused_and_changes_nothing() {
    let server = Server::new().await;
    let client = server.client();
    let run = client.add_run(GROUP, [task("a")]).await;
    let before = export(&client, "agola").await;
    assert_refused(import(&client, before.clone()).await);
    let id = "0000001h1nts0-0000000000001";
    let entry = |kind: &str, id: &str, object: Value| {
        let data = STANDARD.encode(object.to_string());
        json!({"id": id, "data_type": kind, "data": data})
            .to_string()
            .into_bytes()
    };
    let archived = json!({"id": id, "group": GROUP, "phase": "finished", "result": "success", "archived": true});
    let mut active = archived.clone();
    active["archived"] = json!(false);
    for wrong in [
        entry("user", "u1", json!({"id": "u1"})),
        entry("run", id, active),
        entry(
            "run",
            "no-run-id",
            json!({"id": "no-run-id", "group": GROUP, "phase": "finished", "archived": true}),
        ),
        entry("run", id, json!("text")),
        b"no export".to_vec(),
    ] {
        assert_refused(import_in_maintenance(&client, wrong).await);
        assert!(export(&client, "agola").await == before);
        assert_eq!(client.look(&run.run.id).await.run.id, run.run.id);
    }
    import_in_maintenance(&client, entry("run", id, archived))
        .await
        .unwrap();
    assert_not_found(client.run(&run.run.id, &[]).await);
}

/// A native export has all of it: what was under way goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_export_carries_on_with_what_was_under_way() {
    let server = Server::new().await;
    let client = server.client();
    let waiting = fill(&client).await;
    let exported = export(&client, "native").await;
    let agola = export(&client, "agola").await;
    let other = Server::new().await;
    let client = other.client();
    import_in_maintenance(&client, exported).await.unwrap();
    assert!(export(&client, "agola").await == agola);
    let run = client
        .wait_for(&waiting, "the task waits", |run| {
            run.task("waits").waiting_approval
        })
        .await;
    let _executor = Executor::with(&client, |_| Script::default()).await;
    client
        .approve_task(&waiting, &run.task_id("waits"), "")
        .await
        .unwrap();
    client.wait_for_end(&waiting).await;
    let next = RunCreateRequest {
        setup_errors: vec!["no".to_owned()],
        ..request(GROUP, [])
    };
    let next = client.create_run(&next).await.unwrap().run.unwrap();
    assert_eq!(next.counter, 5);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Field case IE-12: a copy of the store's directory has everything, logs and caches too.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_directory_has_everything() {
    let directory = tempfile::tempdir().unwrap();
    let original = settings(&directory.path().join("one"));
    let server = Server::start(&original).await;
    let client = server.client();
    fill(&client).await;
    let cache = stream::iter([Ok::<_, Error>(Bytes::from_static(b"cache"))]);
    assert!(client.put_cache("p1-k", cache).await.unwrap());
    let exported = export(&client, "agola").await;
    let runs = client.runs(&RunsQuery::default()).await.unwrap();
    server.stop().await;
    let copied = settings(&directory.path().join("two"));
    copy(&original.server.data_dir, &copied.server.data_dir);
    let server = Server::start(&copied).await;
    let client = server.client();
    assert!(export(&client, "agola").await == exported);
    let same = client.runs(&RunsQuery::default()).await.unwrap();
    assert_eq!(same.runs, runs.runs);
    let run = client.look(&runs.runs.last().unwrap().id).await;
    let log = TaskLog {
        run: &run.run.id,
        task: &run.task_id("a"),
        step: LogStep::Step(0),
    };
    assert_eq!(
        whole(client.log(&log).await.unwrap()).await,
        b"log of step 0 of a\n"
    );
    let archive = client.archive(&run.task_id("a"), 1).await.unwrap();
    assert_eq!(whole(archive).await, crate::executor::archive_of("a", 1));
    assert_eq!(whole(client.cache("p1-k").await.unwrap()).await, b"cache");
}
