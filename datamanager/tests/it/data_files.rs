//! Checkpoints, compaction, garbage: what they write, what survives them, what they leave.

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

/// Field case DM-05: WALs were applied twice after a crash between the status and the marks; and, for every step of a
/// checkpoint, whatever a power cut there leaves is healed by the next.
#[test]
fn a_power_cut_at_every_step_of_a_checkpoint_a_merge_and_a_collection_loses_nothing() {
    let mut steps = 0;
    let mut finished = false;
    while !finished {
        let mut host = quiet(steps);
        host.settings.level0_runs_max = 2;
        host.settings.data_file_bytes_max = 100;
        let process = host.process();
        finished = host
            .simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                for (id, value) in [("a", Some("1")), ("b", Some("1")), ("c", Some("1"))] {
                    store.put_raw("item", id, value.unwrap()).await.unwrap();
                }
                store.checkpoint().await.unwrap();
                store.put_raw("item", "a", "2").await.unwrap();
                store.put_raw("item", "a", "3").await.unwrap();
                store.delete_raw("item", "b").await.unwrap();
                store.put_raw("item", "b", "4").await.unwrap();
                store.delete_raw("item", "c").await.unwrap();
                process.kill_after(steps);
                let jobs = async {
                    store.checkpoint().await?;
                    store.compact_as_due().await?;
                    store.collect_garbage().await?;
                    store.compact().await?;
                    store.collect_garbage().await
                };
                let result = jobs.await;
                assert!(result.is_ok() || process.is_killed(), "{result:?}");
                result.is_ok() && !process.is_killed()
            })
            .unwrap();
        process.cut_power();
        let process = host.process();
        host.simulation
            .run_until(async {
                let expected: BTreeMap<String, Vec<u8>> = [
                    ("a".to_owned(), b"3".to_vec()),
                    ("b".to_owned(), b"4".to_vec()),
                ]
                .into();
                let store = host.open(&process).await.unwrap();
                assert_eq!(dump(&store).await, expected, "after {steps} steps");
                store.checkpoint().await.unwrap();
                store.compact().await.unwrap();
                store.collect_garbage().await.unwrap();
                assert_eq!(dump(&store).await, expected, "healed after {steps} steps");
                // One more manifest, so that the last file of a dead job is older than the newest one.
                store.put_raw("item", "d", "5").await.unwrap();
                store.checkpoint().await.unwrap();
                for _ in 0..3 {
                    store.put_raw("item", "d", "5").await.unwrap();
                    store.checkpoint().await.unwrap();
                }
                store.compact().await.unwrap();
                store.collect_garbage().await.unwrap();
                store.close().await.unwrap();
                let verification = host.builder(&process).verify().await.unwrap();
                assert!(
                    verification.is_sound(),
                    "after {steps} steps: {verification:?}"
                );
                assert_eq!(
                    verification.unreferenced,
                    Vec::<String>::new(),
                    "after {steps} steps"
                );
            })
            .unwrap();
        steps += 1;
        assert!(steps < 2_000, "the jobs end some time");
    }
    assert!(steps > 50, "there were {steps} steps to be cut at");
}

/// Field case DM-04: the cleaner removed data files of a checkpoint that was still running.
#[test]
fn collecting_garbage_while_a_checkpoint_writes_takes_none_of_its_files() {
    for seed in 0..20 {
        let mut host = quiet(seed);
        host.settings.data_file_bytes_max = 500;
        host.settings.block_bytes = Some(64);
        let process = host.process();
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                for round in 0..3 {
                    for number in 0..30 {
                        let id = format!("{number:03}");
                        store
                            .put_raw("item", &id, format!("{round} of {id}"))
                            .await
                            .unwrap();
                    }
                    let collecting = async {
                        for _ in 0..10 {
                            store.collect_garbage().await.unwrap();
                            process.sleep(Duration::from_millis(7)).await;
                        }
                    };
                    let (checkpoint, merge, ()) =
                        futures::join!(store.checkpoint(), store.compact(), collecting);
                    checkpoint.unwrap();
                    merge.unwrap();
                }
                let entries = dump(&store).await;
                assert_eq!(entries.len(), 30);
                assert!(
                    entries
                        .iter()
                        .all(|(id, value)| *value == format!("2 of {id}").into_bytes())
                );
                store.close().await.unwrap();
                let verification = host.builder(&process).verify().await.unwrap();
                assert!(verification.is_sound(), "{verification:?}");
            })
            .unwrap();
    }
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

/// Field case DM-19: a torn checkpoint made the start loop for ever, or was taken as good.
#[test]
fn a_torn_manifest_is_passed_over_where_the_log_makes_up_for_it_and_refused_elsewhere() {
    for (keep_log, size) in [(true, 0), (true, 2), (false, 0), (false, 2)] {
        let mut host = quiet(19);
        host.settings.segment_records_max = 1;
        if keep_log {
            host.settings.wal_retention = Duration::from_secs(3_600);
        }
        let process = host.process();
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                for id in ["a", "b", "c"] {
                    store.put_raw("item", id, "1").await.unwrap();
                    store.checkpoint().await.unwrap();
                }
                store.put_raw("item", "d", "1").await.unwrap();
                let expected = dump(&store).await;
                if !keep_log {
                    // Only what no kept manifest needs may go: here, as if an operator had removed more.
                    for name in process
                        .files()
                        .list(Path::new("/store/wal/0000000001"))
                        .unwrap()
                    {
                        if name.as_str() < "00000000000000000009.wal" {
                            process
                                .files()
                                .remove(&Path::new("/store/wal/0000000001").join(name))
                                .unwrap();
                        }
                    }
                }
                store.close().await.unwrap();
                let newest = keys(&host.ost, "manifests/").await.pop().unwrap();
                let path = ObjectPath::parse(&newest).unwrap();
                let whole = host.ost.get(&path).await.unwrap();
                host.ost
                    .put(&path, whole.slice(..whole.len() * size / 4))
                    .await
                    .unwrap();

                let found = host.builder(&process).verify().await.unwrap();
                assert!(
                    found
                        .damage
                        .iter()
                        .any(|damage| damage.what.contains(&newest)),
                    "{found:?}"
                );
                match host.open(&process).await {
                    Ok(store) => {
                        assert!(keep_log);
                        assert_eq!(dump(&store).await, expected);
                        store.checkpoint().await.unwrap();
                        assert_eq!(dump(&store).await, expected);
                        store.close().await.unwrap();
                        assert!(host.builder(&process).verify().await.unwrap().is_sound());
                        let aside = keys(&host.ost, "recovery/").await;
                        assert!(
                            aside.iter().any(|key| key.contains("damaged-manifests")),
                            "{aside:?}"
                        );
                    }
                    Err(error) => {
                        assert!(!keep_log, "{error:?}");
                        assert_eq!(error.kind(), ErrorKind::Corrupt);
                        assert!(error.chain().contains(&newest), "{error:?}");
                    }
                }
            })
            .unwrap();
    }
}

/// Truncated, altered, empty, swapped and missing data files: an error with path and offset, never wrong data.
#[test]
fn a_damaged_data_file_is_named_and_never_read_as_something_else() {
    type Damage = fn(&[u8], &[u8]) -> Option<Vec<u8>>;
    let damages: [(&str, Damage); 6] = [
        ("missing", |_, _| None),
        ("empty", |_, _| Some(Vec::new())),
        ("truncated", |whole, _| {
            Some(whole[..whole.len() / 2].to_vec())
        }),
        ("swapped", |_, other| Some(other.to_vec())),
        ("altered block", |whole, _| {
            let mut altered = whole.to_vec();
            altered[40] ^= 1;
            Some(altered)
        }),
        ("altered footer", |whole, _| {
            let mut altered = whole.to_vec();
            let last = altered.len() - 20;
            altered[last] ^= 1;
            Some(altered)
        }),
    ];
    for (name, damage) in damages {
        let host = quiet(20);
        let process = host.process();
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                store.put_raw("item", "a", "first").await.unwrap();
                store.checkpoint().await.unwrap();
                store.put_raw("item", "b", "other").await.unwrap();
                store.checkpoint().await.unwrap();
                store.close().await.unwrap();
                let files = keys(&host.ost, "data/").await;
                let path = ObjectPath::parse(&files[0]).unwrap();
                let whole = host.ost.get(&path).await.unwrap();
                let other = host
                    .ost
                    .get(&ObjectPath::parse(&files[1]).unwrap())
                    .await
                    .unwrap();
                match damage(&whole, &other) {
                    Some(bytes) => host.ost.put(&path, bytes.into()).await.unwrap(),
                    None => host.ost.delete(&path).await.unwrap(),
                }
                let verification = host.builder(&process).verify().await.unwrap();
                let named = |text: &str| text.contains(&files[0]);
                assert!(
                    verification.damage.iter().any(|damage| named(&damage.what)),
                    "{name}: {verification:?}"
                );
                let read = async {
                    let store = host.open(&process).await?;
                    let read = store.get_raw("item", "a").await;
                    store.close().await?;
                    read
                };
                let error = read.await.expect_err(name);
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error:?}");
                assert!(named(&error.chain()), "{name}: {error:?}");
            })
            .unwrap();
    }
}

/// Field case OS-20: deletes were denied, as by an object lock, and all work stopped.
#[test]
fn denied_deletes_stop_nothing_else() {
    for log in [LogKind::File, LogKind::Object] {
        let mut host = quiet(20);
        host.settings.head_confirm_max = Duration::from_millis(100);
        host.settings.probe_interval_max = Duration::from_millis(25);
        let objects = FaultInjectingStore::new(Arc::new(InMemory::new()), 20);
        host.use_objects(Arc::new(objects.clone()));
        let denied = Fault::on(Operation::Delete).kind(ost::ErrorKind::Denied);
        objects.inject(denied.clone());
        let process = host.process();
        let builder = || host.builder(&process).log(log);
        let test = async {
            // The first start tries something and clears it up.
            let store = builder().open().await.unwrap();
            for round in 0..6 {
                let value = round.to_string();
                store.put_raw("item", "x", value.clone()).await.unwrap();
                store.put_raw("item", &value, value.clone()).await.unwrap();
                store.checkpoint().await.unwrap();
            }
            store.compact().await.unwrap();
            let expected = dump(&store).await;
            for _ in 0..2 {
                let report = store.collect_garbage().await.unwrap();
                assert!(report.failed.len() > 3, "{log}: {report:?}");
                process.sleep(Duration::from_secs(1)).await;
            }
            store.export(ExportOptions::new()).await.unwrap();
            assert!(builder().verify().await.unwrap().is_sound());
            assert_eq!(dump(&store).await, expected);

            // The others go, even if some are denied.
            objects.clear();
            objects.inject(denied.paths("*/data/*"));
            for _ in 0..3 {
                store.put_raw("item", "late", "x").await.unwrap();
                store.checkpoint().await.unwrap();
            }
            let report = store.collect_garbage().await.unwrap();
            assert_eq!(report.failed, report.data_files, "{log}");
            assert!(report.data_files.len() > 3, "{log}: {report:?}");
            assert!(report.manifests.len() > 3, "{log}: {report:?}");
            objects.clear();
            let report = store.collect_garbage().await.unwrap();
            assert_eq!(report.failed, [""; 0], "{log}");
            assert!(report.data_files.len() > 3, "{log}: {report:?}");
            store.delete_raw("item", "late").await.unwrap();
            assert_eq!(dump(&store).await, expected);
            store.close().await.unwrap();
        };
        host.simulation.run_until(test).unwrap();
    }
}

/// Field case DM-22: what was to be deleted stood only in the memory of the one who had made it garbage.
#[test]
fn another_process_collects_what_dead_ones_have_left() {
    let mut host = quiet(22);
    host.settings.data_file_bytes_max = 200;
    for life in 0..10u64 {
        let process = host.process();
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                for number in 0..10 {
                    store
                        .put_raw("item", &format!("{number}"), format!("{life}"))
                        .await
                        .unwrap();
                }
                process.kill_after(30 + 3 * life);
                let _ = store.checkpoint().await;
            })
            .unwrap();
        process.cut_power();
    }
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            store.compact().await.unwrap();
            for _ in 0..3 {
                store.put_raw("item", "x", "x").await.unwrap();
                store.checkpoint().await.unwrap();
            }
            let planned = store.find_garbage().await.unwrap();
            let done = store.collect_garbage().await.unwrap();
            assert_eq!(planned.data_files, done.data_files);
            assert!(!done.data_files.is_empty());
            assert_eq!(
                store.find_garbage().await.unwrap().data_files,
                Vec::<String>::new()
            );
            store.close().await.unwrap();
            assert!(
                host.builder(&process)
                    .verify()
                    .await
                    .unwrap()
                    .unreferenced
                    .is_empty()
            );
        })
        .unwrap();
}

#[test]
fn a_checkpoint_writes_what_changed_however_much_is_stored() {
    let mut written = Vec::new();
    for stored in [1_000, 10_000] {
        let mut host = quiet(23);
        host.settings.data_file_bytes_max = 64 * 1024;
        let process = host.process();
        let counting = CountingStore::new(Arc::new(InMemory::new()));
        host.use_objects(Arc::new(counting.clone()));
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                for chunk in 0..stored / 1_000 {
                    let mut transaction = store.begin();
                    for number in 0..1_000 {
                        let id = format!("{:08}", chunk * 1_000 + number);
                        transaction
                            .put_raw("item", &id, format!("value of {id}").repeat(5))
                            .unwrap();
                    }
                    transaction.commit().await.unwrap();
                }
                store.checkpoint().await.unwrap();
                store.compact().await.unwrap();
                for number in 0..100 {
                    let id = format!("{:08}", number * stored / 100);
                    store
                        .put_raw("item", &id, format!("changed {number}").repeat(5))
                        .await
                        .unwrap();
                }
                let before = counting.counts();
                let report = store.checkpoint().await.unwrap();
                assert_eq!(report.entries, 100);
                written.push(counting.counts().since(&before).bytes_written());
                store.close().await.unwrap();
            })
            .unwrap();
    }
    assert!(
        written[1] < written[0] * 2,
        "{written:?} bytes for 100 changes among 1,000 and 10,000 entries"
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

#[test]
fn deleted_and_expired_entries_leave_the_files_at_the_bottom() {
    let host = quiet(27);
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            let soon = datamanager::Timestamp::from_millis(process.wall_time().as_millis() + 1_000);
            let mut transaction = store.begin();
            transaction.put_raw("item", "deleted", "x").unwrap();
            transaction
                .put_raw_expiring("item", "expired", "x", soon)
                .unwrap();
            transaction.put_raw("item", "stays", "x").unwrap();
            transaction.commit().await.unwrap();
            store.checkpoint().await.unwrap();
            store.delete_raw("item", "deleted").await.unwrap();
            process.sleep(Duration::from_secs(2)).await;
            store.put_raw("item", "later", "x").await.unwrap();
            store.checkpoint().await.unwrap();
            let entries = |store: &DataManager| {
                store
                    .stats()
                    .runs
                    .iter()
                    .map(|run| run.entries)
                    .sum::<u64>()
            };
            assert_eq!(entries(&store), 5);
            store.compact().await.unwrap();
            assert_eq!(entries(&store), 2);
            assert_eq!(store.count("item").await.unwrap(), 2);
        })
        .unwrap();
}

#[test]
fn a_type_is_dropped_in_bounded_transactions_that_can_be_resumed() {
    let mut host = quiet(28);
    host.settings.transaction_writes_max = 10;
    host.run(async |store| {
        for number in 0..35 {
            store
                .put_raw("item", &format!("p{number:02}"), "x")
                .await
                .unwrap();
            store
                .put_raw("item", &format!("q{number:02}"), "x")
                .await
                .unwrap();
        }
        store.put_raw("items", "p", "x").await.unwrap();
        let mut told = Vec::new();
        assert_eq!(
            store
                .delete_prefix(
                    "item",
                    "p",
                    DeleteOptions::new().progress(|deleted| told.push(deleted)),
                )
                .await
                .unwrap(),
            35
        );
        assert_eq!(told, [10, 20, 30, 35]);
        assert_eq!(store.count("item").await.unwrap(), 35);
        assert_eq!(
            store.drop_type("item", DeleteOptions::new()).await.unwrap(),
            35
        );
        assert_eq!(store.snapshot().types().await.unwrap(), ["items"]);
    });
}

#[test]
fn a_pinned_manifest_and_its_files_stay_until_it_is_unpinned() {
    let mut host = quiet(29);
    host.settings.data_file_bytes_max = 100;
    host.run(async |store| {
        let round = async |value: &str| {
            for number in 0..5 {
                store
                    .put_raw("item", &format!("{number}"), value.to_owned())
                    .await
                    .unwrap();
            }
            store.checkpoint().await.unwrap();
            store.compact().await.unwrap();
        };
        round("1").await;
        let pin = store.pin("backup", None).await.unwrap();
        let pinned = keys(&host.ost, "data/").await;
        for value in ["2", "3", "4"] {
            round(value).await;
            store.collect_garbage().await.unwrap();
        }
        let files = keys(&host.ost, "data/").await;
        assert!(pin_files_are_there(&files, &pinned), "{files:?} {pinned:?}");
        assert!(
            keys(&host.ost, "manifests/")
                .await
                .contains(&pin.manifest_key())
        );
        assert_eq!(store.pins().await.unwrap(), [pin]);
        store.unpin("backup").await.unwrap();
        assert_eq!(
            store.unpin("backup").await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            store.pin("a/b", None).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
        store.collect_garbage().await.unwrap();
        let files = keys(&host.ost, "data/").await;
        assert!(!pin_files_are_there(&files, &pinned));
    });
}

fn pin_files_are_there(files: &[String], pinned: &[String]) -> bool {
    // What the compaction before the pin had made garbage already is not kept.
    pinned.last().is_some_and(|file| files.contains(file))
}

#[test]
fn a_reader_follows_checkpoints_of_the_writer() {
    let mut host = quiet(30);
    host.settings.checkpoint_bytes = u64::MAX;
    let writer = host.process();
    let reader: Arc<SimulatedEnvironment> = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&writer).await.unwrap();
            let view = host.builder(&reader).read_only().open().await.unwrap();
            for round in 0..5 {
                for number in 0..10 {
                    store
                        .put_raw("item", &format!("{number}"), format!("{round}"))
                        .await
                        .unwrap();
                }
                store.checkpoint().await.unwrap();
                store.compact().await.unwrap();
                view.wait_for(store.position()).await.unwrap();
                assert_eq!(dump(&view).await, dump(&store).await);
            }
            // The reader gives up what the files hold as well.
            while view.stats().manifest < store.stats().manifest {
                reader.sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(view.stats().memtable_versions, 0);
            assert_eq!(dump(&view).await, dump(&store).await);
            view.close().await.unwrap();
            store.close().await.unwrap();
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn background_jobs_keep_the_log_short_on_a_real_disk() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.checkpoint_bytes = 20_000;
    settings.log_bytes_max = 100_000;
    settings.level0_runs_max = 2;
    settings.level1_bytes_max = 100_000;
    settings.data_file_bytes_max = 20_000;
    let builder = || {
        let url = directory.path().display().to_string();
        DataManager::builder(&url)
            .unwrap()
            .settings(settings.clone())
    };
    let store = builder().open().await.unwrap();
    let mut expected = BTreeMap::new();
    for round in 0..40u32 {
        let mut transaction = store.begin();
        for number in 0..50u32 {
            let id = format!("{:04}", (round * 7919 + number * 104_729) % 1_000);
            let value = format!("{round}-{number}").repeat(20);
            transaction.put_raw("item", &id, value.clone()).unwrap();
            expected.insert(id, value.into_bytes());
        }
        transaction.commit().await.unwrap();
    }
    assert!(
        store.stats().memtable_log_bytes <= 150_000,
        "{:?}",
        store.stats()
    );
    assert_eq!(dump(&store).await, expected);
    store.close().await.unwrap();
    let store = builder().open().await.unwrap();
    assert_eq!(dump(&store).await, expected);
    assert!(store.stats().runs.len() <= 10, "{:?}", store.stats().runs);
    store.close().await.unwrap();
    assert!(builder().verify().await.unwrap().is_sound());
}

/// A checkpoint failed after its manifest was made and left the process reading from the manifest before. The next one
/// left a delete out, as nothing seemed to be beneath it, and the deleted entry came back.
#[test]
fn a_checkpoint_that_fails_behind_its_manifest_brings_no_deleted_entry_back() {
    let mut host = quiet(31);
    let faulty = FaultInjectingStore::new(Arc::new(InMemory::new()), 31);
    host.use_objects(Arc::new(faulty.clone()));
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            store.put_raw("item", "k", "x").await.unwrap();
            // The new file is opened once the manifest is there.
            faulty.inject(Fault::on(Operation::Get).paths("*data/*").times(1));
            store.checkpoint().await.unwrap_err();
            assert_eq!(faulty.injected(), 1);
            assert_eq!(keys(&host.ost, "manifests/").await.len(), 2);

            store.delete_raw("item", "k").await.unwrap();
            store.checkpoint().await.unwrap();
            assert_eq!(store.get_raw("item", "k").await.unwrap(), None);
            store.close().await.unwrap();
            let store = host.open(&process).await.unwrap();
            assert_eq!(store.get_raw("item", "k").await.unwrap(), None);
            store.close().await.unwrap();
        })
        .unwrap();
}

#[test]
fn a_checkpoint_larger_than_the_memory_bound_is_due_before_it() {
    let mut host = Host::new(33);
    host.settings.log_bytes_max = 10_000;
    host.settings.checkpoint_bytes = u64::MAX;
    host.run(async |store| {
        for number in 0..100 {
            store
                .put_raw("item", &number.to_string(), vec![0; 500])
                .await
                .unwrap();
        }
        assert_eq!(store.count("item").await.unwrap(), 100);
    });
}

/// Verification took files that were collected meanwhile for missing ones.
#[test]
fn verifying_and_opening_beside_a_busy_writer_find_no_damage() {
    let mut host = quiet(34);
    host.settings.segment_records_max = 3;
    host.settings.data_file_bytes_max = 200;
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            store.put_raw("item", "a", "0").await.unwrap();
            let writes = async {
                for number in 0..60 {
                    store
                        .put_raw("item", &format!("{}", number % 7), format!("{number}"))
                        .await
                        .unwrap();
                    store.checkpoint().await.unwrap();
                    store.compact().await.unwrap();
                    store.collect_garbage().await.unwrap();
                }
            };
            let opens = async {
                for _ in 0..20 {
                    let view = host.builder(&process).read_only().open().await.unwrap();
                    view.close().await.unwrap();
                }
            };
            let verifies = async {
                let mut sound = 0;
                for _ in 0..20 {
                    match host.builder(&process).verify().await {
                        Ok(found) => {
                            assert!(found.is_sound(), "{found:?}");
                            sound += 1;
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
                    }
                }
                assert!(sound > 0);
            };
            futures::join!(writes, verifies, opens);
            store.close().await.unwrap();
        })
        .unwrap();
}

/// Its term was over before it had begun: it was counted from the time of a process whose clock was behind the storage's.
#[test]
fn a_pin_of_a_process_whose_clock_is_behind_keeps_its_manifest() {
    // The simulated clock is that of a day long ago, and the storage's is not.
    quiet(36).run(async |store| {
        store.put_raw("item", "a", "0").await.unwrap();
        store.checkpoint().await.unwrap();
        let term = Duration::from_secs(600);
        let pin = store.pin("held", Some(term)).await.unwrap();
        for _ in 0..5 {
            store.put_raw("item", "a", "0").await.unwrap();
            store.checkpoint().await.unwrap();
        }
        let report = store.collect_garbage().await.unwrap();
        assert!(!report.manifests.is_empty(), "{report:?}");
        assert!(!report.manifests.contains(&pin.manifest_key()));
    });
}

#[test]
fn a_pin_whose_term_is_over_keeps_nothing_and_is_no_damage() {
    let host = quiet(35);
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            store.put_raw("item", "a", "0").await.unwrap();
            store
                .pin("short", Some(Duration::from_millis(1)))
                .await
                .unwrap();
            for _ in 0..5 {
                store.put_raw("item", "a", "0").await.unwrap();
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            process.shift_wall_clock(10_000);
            assert!(host.builder(&process).verify().await.unwrap().is_sound());
            store.close().await.unwrap();
        })
        .unwrap();
}
