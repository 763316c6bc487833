//! Object storage that does not answer for a while.

use std::time::Duration;

use datamanager::testing::{ProxyFaults, TcpProxy};
use ost::testing::S3Server;
use service::testing::wait_until;

use crate::executor::{Ending, Executor, Script};
use crate::host::{Look, Server};
use crate::new_run::{Create, task};

/// How long it is away: the 20 seconds that it is about take their time.
fn outage() -> Duration {
    let seconds = std::env::var("DM_SOAK_OUTAGE_SECONDS").ok();
    Duration::from_secs(seconds.map_or(3, |seconds| seconds.parse().unwrap()))
}

async fn with_faults(faults: ProxyFaults) {
    // They have runtimes of their own.
    let started = std::thread::spawn(|| {
        let storage = S3Server::start().unwrap();
        let proxy = TcpProxy::start(storage.address(), 1).unwrap();
        (storage, proxy)
    });
    let (storage, proxy) = started.join().unwrap();
    let [(_, access_key), (_, secret)] = storage.environment();
    let server = Server::with(|settings| {
        let place = &mut settings.server.object_storage;
        place.kind = "s3".to_owned();
        place.endpoint = proxy.endpoint();
        place.bucket = storage.url("").split('/').nth(2).unwrap().to_owned();
        place.location = "eu-test-1".to_owned();
        place.access_key = access_key.to_owned();
        place.secret_access_key = secret.to_owned();
    })
    .await;
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "quick" => Script::default(),
        _ => Script::held(),
    })
    .await;
    let run = client
        .add_run(
            "/project/p1/branch/a",
            [
                task("a").saves(),
                task("b").after("a").restores(),
                task("quick"),
            ],
        )
        .await;
    let stopped = client.add_run("/project/p1/branch/b", [task("c")]).await;
    wait_until("both run", async || {
        executor.is_running("a") && executor.is_running("c")
    })
    .await;
    client.stop_run(&stopped.run.id, "").await.unwrap();
    proxy.set_faults(faults).unwrap();
    proxy.cut();
    executor.release("a", Ending::Success);
    tokio::time::sleep(outage()).await;
    proxy.set_faults(ProxyFaults::default()).unwrap();
    wait_until("b runs", async || executor.is_running("b")).await;
    executor.release("b", Ending::Success);
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(
        run.outcome(),
        "finished success a:success b:success quick:success"
    );
    let stopped = client.wait_for_end(&stopped.run.id).await;
    assert_eq!(stopped.outcome(), "finished stopped c:stopped");
    let mut started = executor.started();
    started.sort();
    assert_eq!(started, ["a", "b", "c", "quick"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_go_on_after_a_storage_that_refused_connections() {
    with_faults(ProxyFaults {
        refuse: true,
        ..ProxyFaults::default()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_go_on_after_a_storage_that_did_not_answer() {
    with_faults(ProxyFaults::black_hole()).await;
}
