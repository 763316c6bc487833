//! What is collected, and what is kept from it.

use std::pin::pin;

use futures::future::{Either, join, select};

use super::*;

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
                    let jobs = join(store.checkpoint(), store.compact());
                    let collecting = async {
                        loop {
                            store.collect_garbage().await.unwrap();
                            process.sleep(Duration::from_millis(1)).await;
                        }
                    };
                    match select(pin!(jobs), pin!(collecting)).await {
                        Either::Left(((checkpoint, merge), _)) => {
                            checkpoint.unwrap();
                            merge.unwrap();
                        }
                        Either::Right((never, _)) => never,
                    }
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
