//! Checkpoints, compaction, garbage: what they write, what survives them, what they leave.

mod checkpoints;
mod collection;
mod damage;
mod pins;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::testing::SimulatedEnvironment;
use datamanager::{
    DataManager, DeleteOptions, ErrorKind, ExportOptions, LogKind, ScanOptions, Settings,
};
use object_store::memory::InMemory;
use ost::{CountingStore, Fault, FaultInjectingStore, ObjectPath, Operation, Ost};

use crate::host::Host;

/// A host whose jobs run only when they are asked for, and remove at once what is not needed.
fn quiet(seed: u64) -> Host {
    let mut host = Host::new(seed);
    host.settings.maintain = false;
    host.settings.file_retention = Duration::ZERO;
    host.settings.wal_retention = Duration::ZERO;
    host
}

async fn dump(store: &DataManager) -> BTreeMap<String, Vec<u8>> {
    let entries = store
        .scan_raw("item", &ScanOptions::new())
        .unwrap()
        .collect()
        .await
        .unwrap();
    entries
        .into_iter()
        .map(|entry| (entry.id, entry.value.to_vec()))
        .collect()
}

async fn keys(ost: &Ost, prefix: &str) -> Vec<String> {
    use futures::TryStreamExt;
    ost.list(prefix, None)
        .map_ok(|meta| meta.path.to_string())
        .try_collect()
        .await
        .unwrap()
}

/// Field case DM-01: positions ran on across files, and an id equal to a file's last one was looked for in the next.
#[test]
fn every_id_is_found_across_the_borders_of_many_small_files() {
    let mut host = quiet(1);
    host.settings.data_file_bytes_max = 2_048;
    host.settings.block_bytes = Some(256);
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            let mut transaction = store.begin();
            // Values that do not compress, so that there are many files.
            let mut random = host.simulation.random();
            let mut expected = BTreeMap::new();
            for number in 0..200 {
                let mut value = vec![0; 300];
                random.fill(&mut value);
                transaction
                    .put_raw("item", &format!("id-{number:04}"), value.clone())
                    .unwrap();
                expected.insert(format!("id-{number:04}"), value);
            }
            transaction.commit().await.unwrap();
            let report = store.checkpoint().await.unwrap();
            assert!(report.files >= 20, "{report:?}");
            store.close().await.unwrap();

            let store = host.open(&process).await.unwrap();
            assert_eq!(
                store.stats().memtable_versions,
                0,
                "everything comes from the files"
            );
            for (id, value) in &expected {
                assert_eq!(
                    store.get_raw("item", id).await.unwrap().unwrap(),
                    value,
                    "{id}"
                );
                for other in [
                    format!("{id}0"),
                    format!("{id}\u{1}"),
                    id[..id.len() - 1].to_owned(),
                ] {
                    assert_eq!(
                        store.get_raw("item", &other).await.unwrap(),
                        None,
                        "{other}"
                    );
                }
            }
            assert_eq!(dump(&store).await, expected);
            let reversed = store
                .scan_raw("item", &ScanOptions::new().reverse())
                .unwrap()
                .collect()
                .await
                .unwrap();
            assert!(
                reversed
                    .iter()
                    .map(|entry| &entry.id)
                    .eq(expected.keys().rev())
            );
            store.close().await.unwrap();
        })
        .unwrap();
}

/// Field case DM-16: every restart replayed the whole history.
#[test]
fn opening_reads_the_manifest_and_the_log_behind_it_alone() {
    let mut requests = Vec::new();
    for records in [200, 2_000] {
        let mut host = quiet(16);
        host.settings.segment_records_max = 10;
        let process = host.process();
        let counting = CountingStore::new(Arc::new(InMemory::new()));
        host.use_objects(Arc::new(counting.clone()));
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                for number in 0..records {
                    store
                        .put_raw("item", &number.to_string(), "x")
                        .await
                        .unwrap();
                }
                store.checkpoint().await.unwrap();
                store.put_raw("item", "last", "x").await.unwrap();
                store.close().await.unwrap();

                let (counts, files) = (counting.counts(), process.memory_files().counters());
                let store = host.open(&process).await.unwrap();
                let counts = counting.counts().since(&counts);
                let opens = process.memory_files().counters().opens - files.opens;
                requests.push((counts.of(Operation::Get), counts.of(Operation::List), opens));
                // The record behind the checkpoint and the manifest's announcement.
                assert_eq!(store.stats().records_applied, 2);
                assert_eq!(store.count("item").await.unwrap(), records + 1);
                store.close().await.unwrap();
            })
            .unwrap();
    }
    assert_eq!(
        requests[0], requests[1],
        "the same with ten times the history"
    );
    assert!(
        requests[0].0 <= 4 && requests[0].1 <= 4 && requests[0].2 <= 5,
        "{requests:?}"
    );
}

#[test]
fn snapshots_and_scans_go_on_through_ten_rounds_of_checkpoint_merge_and_collection() {
    let mut host = quiet(24);
    host.settings.file_retention = Duration::from_secs(3_600);
    host.settings.data_file_bytes_max = 300;
    host.settings.block_bytes = Some(64);
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            let mut kept = Vec::new();
            for round in 0..10 {
                for number in 0..20 {
                    let id = format!("{:02}", (number * 7 + round) % 40);
                    store
                        .put_raw("item", &id, format!("{round}"))
                        .await
                        .unwrap();
                }
                store
                    .delete_raw("item", &format!("{:02}", round * 3))
                    .await
                    .unwrap();
                let mut scan = store.scan_raw("item", &ScanOptions::new()).unwrap();
                let first = scan.next().await.unwrap().unwrap();
                kept.push((store.snapshot(), dump(&store).await, scan, first));
                store.checkpoint().await.unwrap();
                store.compact().await.unwrap();
                store.collect_garbage().await.unwrap();
                for (snapshot, expected, ..) in &kept {
                    let found = snapshot
                        .scan_raw("item", &ScanOptions::new())
                        .unwrap()
                        .collect()
                        .await
                        .unwrap();
                    let found: BTreeMap<_, _> = found
                        .into_iter()
                        .map(|entry| (entry.id, entry.value.to_vec()))
                        .collect();
                    assert_eq!(found, *expected);
                }
            }
            for (_, expected, scan, first) in kept {
                let rest = scan.collect().await.unwrap();
                let found: Vec<_> = std::iter::once(first)
                    .chain(rest)
                    .map(|entry| entry.id)
                    .collect();
                assert!(found.iter().eq(expected.keys()));
            }
        })
        .unwrap();
}

#[test]
fn a_snapshot_that_keeps_too_much_in_memory_expires_and_says_so() {
    let mut host = quiet(25);
    host.settings.snapshot_bytes_max = 3_000;
    host.run(async |store| {
        let mut snapshots = Vec::new();
        for round in 0..10 {
            store
                .put_raw("item", "a", format!("{round}").repeat(1_000))
                .await
                .unwrap();
            snapshots.push(store.snapshot());
            store.checkpoint().await.unwrap();
        }
        let mut expired = 0;
        for (round, snapshot) in snapshots.iter().enumerate() {
            match snapshot.get_raw("item", "a").await {
                Ok(value) => assert_eq!(value.unwrap(), format!("{round}").repeat(1_000)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Expired);
                    expired += 1;
                }
            }
        }
        assert!((5..10).contains(&expired), "{expired} of 10 expired");
        assert!(snapshots[9].get_raw("item", "a").await.is_ok());
    });
}

#[test]
fn a_token_older_than_what_is_remembered_is_still_decided_exactly() {
    let mut host = quiet(26);
    host.settings.conflict_window_bytes_max = 0;
    host.run(async |store| {
        let tokens = [
            store.token(["changed"]).unwrap(),
            store.token(["unchanged"]).unwrap(),
        ];
        let mut touched = store.begin();
        touched.touch_group("changed").unwrap();
        touched.commit().await.unwrap();
        let mut reader = store.begin();
        reader.get_raw("item", "a").await.unwrap();
        reader.put_raw("item", "b", "x").unwrap();
        for _ in 0..3 {
            store.put_raw("item", "x", "x").await.unwrap();
            store.checkpoint().await.unwrap();
        }
        let mut results = Vec::new();
        for token in tokens {
            let mut transaction = store.begin();
            transaction.check_token(token).unwrap();
            results.push(transaction.commit().await.is_ok());
        }
        assert_eq!(results, [false, true]);
        let error = reader.commit().await.unwrap_err();
        assert_eq!(error.conflict(), Some(&datamanager::Conflict::TooOld));
    });
}
