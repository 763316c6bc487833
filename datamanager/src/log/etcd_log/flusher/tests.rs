//! Where a flusher goes on that others have overtaken.

use std::sync::Arc;

use super::*;
use crate::environment::Environment;
use crate::log::etcd_log::session::EtcdSession;
use crate::log::etcd_log::{EtcdLog, EtcdLogOptions};
use crate::open::Builder;
use crate::store::Store;
use crate::testing::{SimulatedEnvironment, SimulatedEtcd, SimulatedObjects, Simulation};
use crate::{DataManager, RecordId, Settings};

const PREFIX: &str = "/dm";

/// Jobs run only when they are asked for; what is known and what is kept grows old soon.
fn settings() -> Settings {
    Settings {
        maintain: false,
        file_retention: Duration::ZERO,
        wal_retention: Duration::ZERO,
        head_confirm_max: Duration::from_millis(100),
        probe_interval_max: Duration::from_millis(25),
        flush_interval: Duration::from_millis(20),
        ..Settings::default()
    }
}

async fn wait_until_flushed(process: &SimulatedEnvironment, store: &DataManager) {
    while store.stats().flushed.seq < store.position().seq {
        process.sleep(Duration::from_millis(5)).await;
    }
}

async fn open_store(
    process: &Arc<SimulatedEnvironment>,
    objects: &SimulatedObjects,
    etcd: &SimulatedEtcd,
) -> DataManager {
    let builder = Builder::from_ost(objects.ost(process, "base"))
        .environment(process.clone())
        .settings(settings())
        .etcd(etcd.options(process, PREFIX));
    builder.open().await.unwrap()
}

/// The log of a process that does nothing but flush.
async fn open_log(
    process: &Arc<SimulatedEnvironment>,
    objects: &SimulatedObjects,
    etcd: &SimulatedEtcd,
) -> (EtcdLog, Arc<Inner>) {
    let ost = objects.ost(process, "base");
    let described = Store::load(&ost).await.unwrap().unwrap();
    let session = EtcdSession::new(
        process.clone(),
        etcd.options(process, PREFIX),
        ost,
        process.name().to_owned(),
        settings().into(),
        false,
    );
    let session = Arc::new(session.unwrap());
    let options = EtcdLogOptions {
        store: described.id,
        epoch: 1,
        base: described.epoch.base,
        covered: described.manifest.covered,
        cluster: None,
    };
    let log = EtcdLog::open(session.clone(), options).await.unwrap();
    let flusher = session.current().unwrap();
    (log, flusher)
}

/// Seed 510070: a create took long. Meanwhile others had read the object, had gone on behind it, and data files had the first of
/// its records. The flusher took that for an object that had been there before and was collected, and took its own back: the rest
/// of its records were missing in the chain, which nobody could read any more.
#[test]
fn an_object_that_came_late_is_taken_back_only_if_data_files_have_all_of_it() {
    let simulation = Simulation::new(1);
    let objects = SimulatedObjects::new(&simulation);
    let etcd = SimulatedEtcd::new(&simulation);
    let [a, b] = ["a", "b"].map(|name| simulation.environment(name));
    let run = async {
        let store = open_store(&b, &objects, &etcd).await;
        for id in ["1", "2", "3"] {
            store.put_raw("t", id, "x").await.unwrap();
        }
        wait_until_flushed(&b, &store).await;
        store.checkpoint().await.unwrap();
        let (_log, flusher) = open_log(&a, &objects, &etcd).await;
        let ost = objects.ost(&a, "base");
        let covered = Store::load(&ost)
            .await
            .unwrap()
            .unwrap()
            .manifest
            .covered
            .seq;
        for (records, fits, stays) in [
            (covered - 1..=covered, false, false),
            (covered..=covered + 1, false, true),
            (covered + 1..=covered + 2, true, true),
        ] {
            let path = ObjectPath::parse(&format!("late/{}", records.start())).unwrap();
            let created = ost.create(&path, Bytes::from_static(b"x")).await.unwrap();
            let answer = flusher.fits_still(records.clone(), created, &path).await;
            assert_eq!(answer.unwrap(), fits, "{records:?} behind {covered}");
            assert_eq!(
                ost.get(&path).await.is_ok(),
                stays,
                "{records:?} behind {covered}"
            );
        }
        b.kill();
        a.kill();
    };
    simulation.run_until(run).unwrap();
}

/// A flusher that had stood still brought records to the object storage behind what it took for the last object there. That
/// one's successor had been covered by data files and removed, so that the new object began at a free number and was read by
/// nobody: the record in it that no other process had brought there was lost together with etcd.
#[test]
fn a_flush_after_a_pause_goes_on_where_others_have_got_to() {
    let simulation = Simulation::new(1);
    let objects = SimulatedObjects::new(&simulation);
    let etcd = SimulatedEtcd::new(&simulation);
    let [a, b] = ["a", "b"].map(|name| simulation.environment(name));
    let run = async {
        let store = open_store(&b, &objects, &etcd).await;
        store.put_raw("t", "1", "x").await.unwrap();
        wait_until_flushed(&b, &store).await;

        let (_log, flusher) = open_log(&a, &objects, &etcd).await;
        let known = flusher.held.stored();
        assert_eq!(known.seq, 1);
        *lock(&flusher.end_known_at) = Some(flusher.now());

        // Of what the other one brings there, some objects go and some stay.
        let mut collected = 0;
        while collected == 0 {
            store.put_raw("t", "2", "x").await.unwrap();
            store.checkpoint().await.unwrap();
            wait_until_flushed(&b, &store).await;
            b.sleep(settings().head_confirm_max).await;
            collected = store.collect_garbage().await.unwrap().log_files;
        }
        let end = store.position();
        b.kill();

        // Everything behind the first record, and one that is in etcd alone.
        let mut predecessor = known.record;
        for seq in known.seq + 1..=end.seq + 1 {
            let other = RecordId::from_bytes([u8::try_from(seq).unwrap(); 16]);
            let record = if seq == end.seq { end.record } else { other };
            let position = Position { seq, record, ..end };
            let bytes = Bytes::from_static(b"record");
            flusher.held.push(
                HeldRecord {
                    position,
                    predecessor,
                    bytes,
                },
                flusher.now(),
            );
            predecessor = record;
        }
        while flusher.held.stored().seq <= end.seq {
            a.sleep(Duration::from_millis(5)).await;
        }
        let keys = objects.keys();
        let is_there = |seq: u64| {
            let end = format!("/{seq:020}.wal");
            keys.iter().any(|key| key.ends_with(&end))
        };
        assert!(is_there(end.seq + 1), "{keys:?}");
        assert!(!is_there(known.seq + 1), "{keys:?}");
    };
    simulation.run_until(run).unwrap();
}
