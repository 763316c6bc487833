//! Checkpoints, by whom and when, and who reads beside them.

use super::*;

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
