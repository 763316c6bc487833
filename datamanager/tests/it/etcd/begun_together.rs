//! Processes that make a store at the same moment.

use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::testing::SimulatedEtcd;
use datamanager::{DataManager, ErrorKind};
use futures::future::join_all;

use crate::site::Site;

/// One of two processes that made a store at the same moment found the other's id in etcd, while it had still no store in its
/// hands, and ended with "the prefix belongs to store …: give the new store another one". A seeded run found it.
#[test]
fn processes_that_make_a_store_in_etcd_at_once_share_it() {
    for seed in 1..=40 {
        let site = Site::new(seed);
        let etcd = SimulatedEtcd::new(&site.simulation);
        // So slow that one is through before the other has asked.
        etcd.set_delay(Duration::ZERO..=Duration::from_millis(150));
        site.run(async || {
            let stores = join_all(["a", "b", "c"].map(|name| open(&site, &etcd, name))).await;
            let key = |store: &DataManager| store.stats().epoch;
            assert!(stores.iter().all(|store| key(store) == 1));
            stores[0].put_raw("item", "a", "x").await.unwrap();
            for store in &stores {
                let snapshot = store.latest_snapshot().await.unwrap();
                let found = snapshot.get_raw("item", "a").await.unwrap();
                assert!(found.is_some(), "seed {seed}");
                store.close().await.unwrap();
            }
        });
    }
}

async fn open(site: &Site, etcd: &SimulatedEtcd, name: &str) -> DataManager {
    let process = site.process(name);
    loop {
        let builder = site.builder(&process).etcd(etcd.options(&process, "/dm"));
        match builder.name(name).open().await {
            Ok(store) => return store,
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                process.sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("seed {}: {error:?}", site.seed),
        }
    }
}
