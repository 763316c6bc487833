//! Torn and damaged files, power cuts, and deletes that are denied.

use super::*;

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
