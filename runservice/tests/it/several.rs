//! What holds on each kind of log that instances can share; here: in an etcd.
#![cfg(feature = "etcd")]

use datamanager::testing::{Etcd, EtcdOptions};
use runservice::Settings;

use crate::executor::{Executor, Script};
use crate::host::{Look, Server, settings};
use crate::new_run::{Create, task};

/// Bytes that a value in etcd may have; what is larger belongs to the object storage.
const ETCD_VALUE_BYTES_MAX: usize = 1_024 * 1_024;

fn settings_of(directory: &std::path::Path, name: &str, etcd: &Etcd) -> Settings {
    let mut settings = settings(&directory.join(name));
    settings.server.object_storage.kind = "posix".to_owned();
    settings.server.object_storage.path = directory.join("storage");
    settings.server.etcd = Some(service::config::Etcd {
        endpoints: etcd.endpoints().join(","),
        ..Default::default()
    });
    settings
}

/// The largest value in etcd.
fn largest_value(etcd: &Etcd) -> usize {
    use base64::Engine;
    let all = etcd
        .etcdctl(&["get", "", "--from-key", "--write-out=json"])
        .unwrap();
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    let values = all["kvs"].as_array().unwrap().iter().map(|entry| {
        let value = entry["value"].as_str().unwrap_or_default();
        base64::engine::general_purpose::STANDARD
            .decode(value)
            .unwrap()
            .len()
    });
    values.max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_an_etcd_in_which_nothing_large_sits() {
    match Etcd::can_run() {
        Ok(true) => {}
        Ok(false) => return eprintln!("NOT RUN: there is no etcd"),
        Err(error) => panic!("{error}"),
    }
    let etcd = Etcd::start(EtcdOptions::new()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(&settings_of(directory.path(), "one", &etcd)).await;
    let second = Server::start(&settings_of(directory.path(), "two", &etcd)).await;
    crate::large::run_with_large_environment(&first.client()).await;
    assert!(largest_value(&etcd) < ETCD_VALUE_BYTES_MAX);
    let executor = Executor::with(&second.client(), |_| Script::default()).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        let client = if number % 2 == 0 {
            first.client()
        } else {
            second.client()
        };
        let group = format!("/project/p2/branch/b{}", number % 3);
        let tasks = [task("a").saves(), task("b").after("a").restores()];
        ids.push(client.add_run(&group, tasks).await.run.id);
    }
    for id in &ids {
        let run = second.client().wait_for_end(id).await;
        assert_eq!(run.outcome(), "finished success a:success b:success");
    }
    let mut started = executor.started_ids();
    started.sort();
    started.dedup();
    assert_eq!((started.len(), executor.started().len()), (12, 12));
}
