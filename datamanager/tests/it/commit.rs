//! Group commit and its answers.

use std::time::Duration;

use datamanager::{CommitId, Error, ErrorKind, Outcome};
use futures::future::join_all;

use crate::host::Host;

#[test]
fn commits_made_at_once_share_records() {
    let host = Host::new(1);
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            let before = process.memory_files().counters();
            let commits = (0..100).map(|number: u32| {
                let store = &store;
                async move { store.put_raw("item", &number.to_string(), "x").await }
            });
            let committed = join_all(commits).await;
            let mut places: Vec<_> = committed.into_iter().map(Result::unwrap).collect();
            places.sort_by_key(|place| (place.position.seq, place.index));
            places.dedup();
            assert_eq!(places.len(), 100, "each commit has a place of its own");
            let synced = process.memory_files().counters().sync_data - before.sync_data;
            assert_eq!(synced, store.position().seq, "one sync a record");
            assert!(synced < 50, "{synced} records for 100 commits");
        })
        .unwrap();
}

#[test]
fn a_failed_write_is_unavailable_and_the_next_commit_works() {
    let host = Host::new(2);
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            store.put_raw("item", "a", "1").await.unwrap();
            process.memory_files().fail_write(1);
            let error = store.put_raw("item", "b", "1").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            assert_eq!(store.get_raw("item", "b").await.unwrap(), None);
            store.put_raw("item", "c", "1").await.unwrap();
            store.close().await.unwrap();

            let store = host.open(&process).await.unwrap();
            assert_eq!(store.count("item").await.unwrap(), 2);
            assert!(host.builder(&process).verify().await.unwrap().is_sound());
        })
        .unwrap();
}

/// A sync that failed is not made good by a later one, since the kernel counts the lost pages as written.
#[test]
fn after_a_failed_sync_the_outcome_is_unknown_until_the_store_is_opened_again() {
    for power_cut in [false, true] {
        let host = Host::new(3);
        let process = host.process();
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                store.put_raw("item", "a", "1").await.unwrap();
                process.memory_files().fail_sync_data(1);
                let error = store.put_raw("item", "b", "1").await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unknown, "{error:?}");
                let id: CommitId = error.commit_id().unwrap().to_string().parse().unwrap();
                assert_eq!(store.outcome(id).await.unwrap(), Outcome::Undecided);
                let refused = store.put_raw("item", "c", "1").await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Unavailable);
                assert!(refused.to_string().contains("opened again"), "{refused:?}");
                assert_eq!(store.get_raw("item", "a").await.unwrap().unwrap(), "1");
                store.close().await.unwrap();

                if power_cut {
                    process.cut_power();
                }
                let process = host.process();
                let store = host.open(&process).await.unwrap();
                let present = store.get_raw("item", "b").await.unwrap().is_some();
                let expected = if present {
                    Outcome::Committed
                } else {
                    Outcome::NotCommitted
                };
                assert_eq!(store.outcome(id).await.unwrap(), expected);
                store.put_raw("item", "c", "1").await.unwrap();
                assert_eq!(
                    store.outcome(id).await.unwrap(),
                    expected,
                    "it does not change any more"
                );
                // What was read back once stays, even after the power is cut.
                process.cut_power();
                let store = host.open(&host.process()).await.unwrap();
                assert_eq!(store.get_raw("item", "b").await.unwrap().is_some(), present);
                assert!(store.get_raw("item", "c").await.unwrap().is_some());
            })
            .unwrap();
    }
}

#[test]
fn transactions_wait_at_the_memory_bound_and_then_are_unavailable() {
    let mut host = Host::new(4);
    host.settings.log_bytes_max = 10_000;
    host.settings.maintain = false;
    host.settings.commit_timeout = Duration::from_secs(3);
    host.run(async |store| {
        let mut refused = None;
        for number in 0..100 {
            match store
                .put_raw("item", &number.to_string(), vec![0; 500])
                .await
            {
                Ok(_) => {}
                Err(error) => {
                    refused = Some((number, error));
                    break;
                }
            }
        }
        let (number, error) = refused.expect("the bound is reached");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("10000 are allowed"), "{error}");
        assert_eq!(store.count("item").await.unwrap(), number);
        // A checkpoint is the way out.
        store.checkpoint().await.unwrap();
        store.put_raw("item", "again", "x").await.unwrap();
    });
}

#[test]
fn after_close_commits_are_refused_and_snapshots_still_read() {
    Host::new(5).run(async |store| {
        store.put_raw("item", "a", "1").await.unwrap();
        let snapshot = store.snapshot();
        store.close().await.unwrap();
        store.close().await.unwrap();
        let refused: Error = store.put_raw("item", "b", "1").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert_eq!(snapshot.count("item").await.unwrap(), 1);
    });
}

#[test]
fn a_dropped_commit_is_whole_or_absent() {
    for seed in 0..50 {
        let host = Host::new(seed);
        host.run(async |store| {
            let mut transaction = store.begin();
            transaction.put_raw("item", "a", "1").unwrap();
            transaction.put_raw("item", "b", "1").unwrap();
            let commit = Box::pin(transaction.commit());
            let other = Box::pin(store.put_raw("other", "x", "1"));
            // Whichever is done first ends the other.
            drop(futures::future::select(commit, other).await);
            store.put_raw("other", "y", "1").await.unwrap();
            let count = store.count("item").await.unwrap();
            assert!(count == 0 || count == 2, "{count}");
        });
    }
}

/// Field case DM-18: stopping waited for sleeping loops.
#[test]
fn closing_takes_less_than_two_seconds() {
    let host = Host::new(6);
    let process = host.process();
    host.simulation
        .run_until(async {
            use datamanager::environment::Environment;
            let store = host.open(&process).await.unwrap();
            store.put_raw("item", "a", "1").await.unwrap();
            let reader = host.builder(&process).read_only().open().await.unwrap();
            let before = process.steady_time();
            store.close().await.unwrap();
            reader.close().await.unwrap();
            assert!(process.steady_time() - before < Duration::from_secs(2));
        })
        .unwrap();
}

#[test]
fn a_reader_beside_the_writer_follows_and_writes_nothing() {
    let host = Host::new(7);
    let writer = host.process();
    let reader = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&writer).await.unwrap();
            store.put_raw("item", "a", "1").await.unwrap();
            let before = reader.memory_files().counters();
            let view = host.builder(&reader).read_only().open().await.unwrap();
            assert_eq!(view.count("item").await.unwrap(), 1);
            let committed = store.put_raw("item", "b", "1").await.unwrap();
            assert_eq!(
                view.latest_snapshot()
                    .await
                    .unwrap()
                    .count("item")
                    .await
                    .unwrap(),
                2
            );
            let later = store.put_raw("item", "c", "1").await.unwrap();
            assert!(later.position.seq > committed.position.seq);
            view.wait_for(later.position).await.unwrap();
            assert_eq!(view.count("item").await.unwrap(), 3);
            let refused = view.put_raw("item", "d", "1").await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid);
            let after = reader.memory_files().counters();
            let writes = store.position().seq - 1;
            assert_eq!(
                after.writes - before.writes,
                writes,
                "only the writer's records"
            );
            view.close().await.unwrap();
        })
        .unwrap();
}

#[test]
fn times_in_the_log_never_go_back_when_the_clock_does() {
    let host = Host::new(8);
    let process = host.process();
    host.simulation
        .run_until(async {
            use futures::TryStreamExt;
            let store = host.open(&process).await.unwrap();
            for shift in [0, -3_600_000, 10_000, 7_200_000] {
                process.shift_wall_clock(shift);
                store.put_raw("item", "a", "1").await.unwrap();
            }
            let records: Vec<_> = store.records(1).try_collect().await.unwrap();
            let times: Vec<_> = records.iter().map(|record| record.time).collect();
            assert_eq!(times.len(), 4);
            assert!(times.is_sorted(), "{times:?}");
            assert!(times[0] < times[3]);
            store.close().await.unwrap();
        })
        .unwrap();
}
