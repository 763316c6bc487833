//! Servers whose log is in a real etcd.

use std::time::{Duration, Instant};

use datamanager::testing::{Etcd, EtcdOptions};
use service::Options;
use service::client::Path;
use service::config;
use service::testing::{TestServer, wait_until};

use crate::notes::{Notes, options};
use crate::raw::ask;

fn with_etcd(directory: &std::path::Path, endpoints: &[String]) -> Options {
    let mut options = options(directory);
    options.store.as_mut().unwrap().etcd = Some(config::Etcd {
        endpoints: endpoints.join(","),
        ..config::Etcd::default()
    });
    options.store.as_mut().unwrap().etcd_prefix = "notes".to_owned();
    options
}

/// Field cases OP-05 and DM-10: a server died when etcd was down at its start, or did not notice that it is frozen.
#[tokio::test]
async fn servers_wait_for_an_etcd_that_is_down_and_notice_one_that_is_frozen() {
    if !Etcd::can_run().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(EtcdOptions::new()).unwrap();
    let endpoints = etcd.endpoints();
    etcd.kill(0).unwrap();
    let one = TestServer::start(Notes, with_etcd(directory.path(), &endpoints));
    let address = one.address();
    wait_until("the server listens", async || {
        ask(address, "GET", "/healthz", "").await.status == 200
    })
    .await;
    assert_eq!(ask(address, "GET", "/readyz", "").await.code(), "starting");
    etcd.restart(0).unwrap();
    one.wait_until_ready().await;
    let two = TestServer::ready(Notes, with_etcd(directory.path(), &endpoints)).await;
    one.client()
        .post::<_, u64>(&Path::of(["counter"]), &())
        .await
        .unwrap();
    let latest = Path::of(["counter"]).query("consistency", "latest");
    assert_eq!(two.client().get::<u64>(&latest).await.unwrap(), 1);

    etcd.freeze(0).unwrap();
    let began = Instant::now();
    wait_until("it is noticed", async || {
        ask(address, "GET", "/readyz", "").await.status == 503
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        ask(address, "GET", "/readyz", "").await.code(),
        "unavailable"
    );
    assert_eq!(
        one.client()
            .get::<u64>(&Path::of(["counter"]))
            .await
            .unwrap(),
        1
    );
    etcd.thaw(0).unwrap();
    one.wait_until_ready().await;
    two.wait_until_ready().await;
    two.client()
        .post::<_, u64>(&Path::of(["counter"]), &())
        .await
        .unwrap();
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}
