//! Processes that are left behind while others go on, with a simulated etcd: there it is certain who does what before whom.

use std::sync::Arc;
use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::testing::{SimulatedEnvironment, SimulatedEtcd};
use datamanager::{DataManager, ErrorKind};

use crate::site::Site;

const PREFIX: &str = "/dm";
const HEAD_CONFIRM_MAX: Duration = Duration::from_millis(100);

/// A site whose log is in etcd, and is not flushed for now. Jobs run only when they are asked for.
fn site(seed: u64) -> (Site, SimulatedEtcd) {
    let mut site = Site::new(seed);
    site.keep_nothing();
    site.settings.maintain = false;
    site.settings.flush_interval = Duration::from_secs(60);
    site.settings.etcd_recovery_wait = Duration::from_secs(3);
    site.settings.head_confirm_max = HEAD_CONFIRM_MAX;
    site.settings.probe_interval_max = HEAD_CONFIRM_MAX / 4;
    let etcd = SimulatedEtcd::new(&site.simulation);
    (site, etcd)
}

async fn open(
    site: &Site,
    etcd: &SimulatedEtcd,
    process: &Arc<SimulatedEnvironment>,
) -> DataManager {
    let builder = site.builder(process).name(process.name());
    let builder = builder.etcd(etcd.options(process, PREFIX));
    builder.open().await.unwrap()
}

/// Puts an entry, with as many attempts as a recovery takes.
async fn put_surely(process: &SimulatedEnvironment, store: &DataManager, id: &str) {
    while let Err(error) = store.put_raw("t", id, "x").await {
        let in_vain = [ErrorKind::Unavailable, ErrorKind::Unknown];
        assert!(in_vain.contains(&error.kind()), "{error:?}");
        process.sleep(Duration::from_millis(50)).await;
    }
}

async fn has(store: &DataManager, id: &str) -> bool {
    let snapshot = store.latest_snapshot().await.unwrap();
    snapshot.get_raw("t", id).await.unwrap().is_some()
}

/// A process stood still with a record in its watch that no other process had any more when etcd was lost. The others recovered
/// without it, and put the end of the log in its place. It applied the record nevertheless, and showed it.
#[test]
fn what_a_watch_has_told_before_a_recovery_is_not_applied_after_it() {
    for seed in 1..=5 {
        let (site, etcd) = site(seed);
        let [clock, a, b, c] = ["clock", "a", "b", "c"].map(|name| site.process(name));
        site.run(async || {
            let writer = open(&site, &etcd, &a).await;
            let reader = open(&site, &etcd, &b).await;
            writer.put_raw("t", "1", "x").await.unwrap();
            assert!(has(&reader, "1").await);
            b.pause();
            writer.put_raw("t", "lost", "x").await.unwrap();
            // It is on its way to the one that stands still.
            clock.sleep(Duration::from_secs(1)).await;
            a.kill();
            etcd.wipe();
            let third = open(&site, &etcd, &c).await;
            put_surely(&clock, &third, "after").await;
            b.resume();
            let begun = clock.steady_time();
            while reader.stats().epoch < third.stats().epoch {
                assert!(clock.steady_time() - begun < Duration::from_secs(60));
                let snapshot = reader.snapshot();
                let shown = snapshot.get_raw("t", "lost").await.unwrap();
                assert_eq!(shown, None, "seed {seed}");
                clock.sleep(Duration::from_millis(1)).await;
            }
            reader.close().await.unwrap();
            third.close().await.unwrap();
        });
    }
}
