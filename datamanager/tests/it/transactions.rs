//! Isolation: what transactions see, and which of them clash.

use datamanager::{Conflict, DataManager, ErrorKind, ScanOptions, Timestamp, Token};

use crate::host::Host;

async fn put(store: &DataManager, id: &str, value: &str) {
    store.put_raw("item", id, value.to_owned()).await.unwrap();
}

#[test]
fn own_writes_are_seen_and_others_are_not() {
    Host::new(1).run(async |store| {
        put(&store, "a", "1").await;
        let mut transaction = store.begin();
        put(&store, "a", "2").await;
        put(&store, "b", "2").await;
        assert_eq!(
            transaction.get_raw("item", "a").await.unwrap().unwrap(),
            "1"
        );
        transaction.put_raw("item", "c", "own").unwrap();
        transaction.delete_raw("item", "a").unwrap();
        assert_eq!(transaction.get_raw("item", "a").await.unwrap(), None);
        let found = transaction
            .scan_raw("item", &ScanOptions::new())
            .unwrap()
            .collect()
            .await
            .unwrap();
        let ids: Vec<_> = found.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["c"]);
    });
}

#[test]
fn an_entry_written_since_it_was_read_is_a_conflict_that_names_it() {
    Host::new(2).run(async |store| {
        put(&store, "a", "1").await;
        let mut transaction = store.begin();
        transaction.get_raw("item", "a").await.unwrap();
        transaction.put_raw("item", "b", "x").unwrap();
        put(&store, "a", "2").await;
        let error = transaction.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let expected = Conflict::Entry {
            data_type: "item".to_owned(),
            id: "a".to_owned(),
        };
        assert_eq!(error.conflict(), Some(&expected));
        assert_eq!(store.get_raw("item", "b").await.unwrap(), None);
    });
}

#[test]
fn an_entry_found_missing_and_made_since_is_a_conflict() {
    Host::new(3).run(async |store| {
        let mut transaction = store.begin();
        assert_eq!(transaction.get_raw("item", "a").await.unwrap(), None);
        transaction.put_raw("item", "b", "x").unwrap();
        put(&store, "a", "1").await;
        assert_eq!(
            transaction.commit().await.unwrap_err().kind(),
            ErrorKind::Conflict
        );
    });
}

#[test]
fn a_phantom_in_an_empty_range_is_a_conflict() {
    Host::new(4).run(async |store| {
        let empty = ScanOptions::new().prefix("p");
        let mut first = store.begin();
        let mut second = store.begin();
        for (transaction, id) in [(&mut first, "p1"), (&mut second, "p2")] {
            assert!(
                transaction
                    .scan_raw("item", &empty)
                    .unwrap()
                    .collect()
                    .await
                    .unwrap()
                    .is_empty()
            );
            transaction.put_raw("item", id, "x").unwrap();
        }
        first.commit().await.unwrap();
        let error = second.commit().await.unwrap_err();
        let expected = Conflict::Range {
            data_type: "item".to_owned(),
            id: "p1".to_owned(),
        };
        assert_eq!(error.conflict(), Some(&expected));
    });
}

#[test]
fn a_scan_counts_only_as_far_as_it_was_read() {
    Host::new(5).run(async |store| {
        for id in ["a", "c", "e"] {
            put(&store, id, "1").await;
        }
        // Read up to "c": a write behind it does no harm, one before it does.
        for (written, clashes) in [("d", false), ("b", true)] {
            let mut transaction = store.begin();
            let two = ScanOptions::new().limit(2);
            assert_eq!(
                transaction
                    .scan_raw("item", &two)
                    .unwrap()
                    .collect()
                    .await
                    .unwrap()
                    .len(),
                2
            );
            transaction.put_raw("other", "x", "x").unwrap();
            put(&store, written, "1").await;
            assert_eq!(transaction.commit().await.is_err(), clashes, "{written}");
            store.delete_raw("item", written).await.unwrap();
        }
        for (written, clashes) in [("b", false), ("d", true)] {
            let mut transaction = store.begin();
            let two = ScanOptions::new().limit(2).reverse();
            assert_eq!(
                transaction
                    .scan_raw("item", &two)
                    .unwrap()
                    .collect()
                    .await
                    .unwrap()[1]
                    .id,
                "c"
            );
            transaction.put_raw("other", "x", "x").unwrap();
            put(&store, written, "1").await;
            assert_eq!(transaction.commit().await.is_err(), clashes, "{written}");
            store.delete_raw("item", written).await.unwrap();
        }
    });
}

#[test]
fn write_skew_is_refused() {
    Host::new(6).run(async |store| {
        put(&store, "x", "1").await;
        put(&store, "y", "1").await;
        let mut first = store.begin();
        let mut second = store.begin();
        first.get_raw("item", "x").await.unwrap();
        first.put_raw("item", "y", "0").unwrap();
        second.get_raw("item", "y").await.unwrap();
        second.put_raw("item", "x", "0").unwrap();
        // Both are in one batch, so that the second is checked against the first within it.
        let (first, second) = futures::join!(first.commit(), second.commit());
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    });
}

#[test]
fn blind_writes_and_read_only_transactions_never_conflict() {
    Host::new(7).run(async |store| {
        let mut blind = store.begin();
        blind.put_raw("item", "a", "blind").unwrap();
        let mut reader = store.begin();
        reader.get_raw("item", "a").await.unwrap();
        put(&store, "a", "1").await;
        blind.commit().await.unwrap();
        reader.commit().await.unwrap();
        assert_eq!(store.get_raw("item", "a").await.unwrap().unwrap(), "blind");
    });
}

#[test]
fn reads_above_the_limit_widen_and_still_conflict() {
    let mut host = Host::new(8);
    host.settings.read_points_max = 16;
    host.run(async |store| {
        let mut transaction = store.begin();
        for number in 0..1_000 {
            transaction
                .get_raw("item", &format!("{number:04}"))
                .await
                .unwrap();
            transaction
                .get_raw("other", &format!("{number:04}"))
                .await
                .unwrap();
        }
        transaction.put_raw("item", "x", "x").unwrap();
        put(&store, "0777", "1").await;
        assert_eq!(
            transaction.commit().await.unwrap_err().kind(),
            ErrorKind::Conflict
        );
    });
}

/// Field case DM-15: two updates made from the same read, of which the last won silently.
#[test]
fn a_token_used_twice_loses_no_update() {
    Host::new(9).run(async |store| {
        let token = store.token(["counter"]).unwrap();
        for expected in [true, false] {
            let mut transaction = store.begin();
            transaction.check_token(token.clone()).unwrap();
            transaction.put_raw("item", "counter", "x").unwrap();
            let result = transaction.commit().await;
            assert_eq!(result.is_ok(), expected, "{result:?}");
            if let Err(error) = result {
                assert_eq!(
                    error.conflict(),
                    Some(&Conflict::Group {
                        name: "counter".to_owned()
                    })
                );
            }
        }
        // 50 increments at once, each made from a token and retried, end at 50.
        store.put_raw("item", "counter", "0").await.unwrap();
        let increments = (0..50).map(|_| async {
            loop {
                let token = store.token(["counter"]).unwrap();
                let value = store.get_raw("item", "counter").await.unwrap().unwrap();
                let number: u32 = std::str::from_utf8(&value).unwrap().parse().unwrap();
                let mut transaction = store.begin();
                transaction.check_token(token).unwrap();
                transaction
                    .put_raw("item", "counter", (number + 1).to_string())
                    .unwrap();
                match transaction.commit().await {
                    Ok(_) => return,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
                }
            }
        });
        futures::future::join_all(increments).await;
        assert_eq!(
            store.get_raw("item", "counter").await.unwrap().unwrap(),
            "50"
        );
    });
}

/// Field case DM-06: names with a slash were cut to their last part, so that unrelated groups clashed.
#[test]
fn groups_with_slashes_are_different_and_long_names_are_refused_before_anything_is_written() {
    Host::new(10).run(async |store| {
        let a: Token = store.token(["a/x"]).unwrap().to_string().parse().unwrap();
        let b = store.token(["b/x"]).unwrap();
        let (mut first, mut second) = (store.begin(), store.begin());
        first.check_token(a.clone()).unwrap();
        second.check_token(b).unwrap();
        let (first, second) = futures::join!(first.commit(), second.commit());
        first.unwrap();
        second.unwrap();
        let mut again = store.begin();
        again.check_token(a).unwrap();
        assert_eq!(
            again.commit().await.unwrap_err().kind(),
            ErrorKind::Conflict
        );

        let position = store.position();
        let long = "n".repeat(300);
        assert_eq!(
            store.token([long.clone()]).unwrap_err().kind(),
            ErrorKind::Invalid
        );
        let mut transaction = store.begin();
        assert_eq!(
            transaction.touch_group(&long).unwrap_err().kind(),
            ErrorKind::Invalid
        );
        assert_eq!(store.position(), position);
    });
}

/// Field case DM-12: a commit with more than 128 compares was refused by etcd.
#[test]
fn three_hundred_groups_and_five_hundred_deletes_fit_in_one_commit() {
    Host::new(11).run(async |store| {
        let groups: Vec<String> = (0..300).map(|number| format!("group/{number}")).collect();
        let mut transaction = store.begin();
        transaction
            .check_token(store.token(groups).unwrap())
            .unwrap();
        for number in 0..500 {
            transaction
                .delete_raw("item", &format!("{number}"))
                .unwrap();
        }
        transaction.commit().await.unwrap();
        let mut late = store.begin();
        late.touch_group("group/299").unwrap();
        late.commit().await.unwrap();
    });
}

#[test]
fn snapshots_stay_as_they_are() {
    Host::new(12).run(async |store| {
        put(&store, "a", "1").await;
        put(&store, "b", "1").await;
        let snapshot = store.snapshot();
        put(&store, "a", "2").await;
        store.delete_raw("item", "b").await.unwrap();
        put(&store, "c", "2").await;
        assert_eq!(snapshot.get_raw("item", "a").await.unwrap().unwrap(), "1");
        assert_eq!(snapshot.count("item").await.unwrap(), 2);
        assert_eq!(store.count("item").await.unwrap(), 2);
        assert_eq!(store.get_raw("item", "b").await.unwrap(), None);
    });
}

#[test]
fn an_expired_entry_is_gone_and_its_expiry_is_checked_at_commit() {
    let host = Host::new(13);
    let process = host.process();
    host.simulation
        .run_until(async {
            use datamanager::environment::Environment;
            let store = host.open(&process).await.unwrap();
            let expires_at = Timestamp::from_millis(process.wall_time().as_millis() + 5_000);
            let mut transaction = store.begin();
            transaction
                .put_raw_expiring("item", "a", "x", expires_at)
                .unwrap();
            transaction.commit().await.unwrap();

            let before = store.snapshot();
            let mut read_alive = store.begin();
            assert!(read_alive.get_raw("item", "a").await.unwrap().is_some());
            read_alive.put_raw("item", "b", "x").unwrap();
            process.sleep(std::time::Duration::from_secs(6)).await;

            assert_eq!(store.get_raw("item", "a").await.unwrap(), None);
            assert_eq!(store.count("item").await.unwrap(), 0);
            assert!(before.get_raw("item", "a").await.unwrap().is_some());
            let error = read_alive.commit().await.unwrap_err();
            assert_eq!(error.conflict(), Some(&Conflict::Expiry));

            let mut read_expired = store.begin();
            assert_eq!(read_expired.get_raw("item", "a").await.unwrap(), None);
            read_expired.put_raw("item", "b", "x").unwrap();
            read_expired.commit().await.unwrap();
        })
        .unwrap();
}

#[test]
fn types_lists_each_type_once_and_no_internal_one() {
    Host::new(14).run(async |store| {
        for data_type in ["b", "a", "a-1", "a_1", "9"] {
            store.put_raw(data_type, "x", "1").await.unwrap();
            store.put_raw(data_type, "y", "1").await.unwrap();
        }
        store.put_raw("gone", "x", "1").await.unwrap();
        store.delete_raw("gone", "x").await.unwrap();
        let mut transaction = store.begin();
        transaction.touch_group("g").unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(
            store.snapshot().types().await.unwrap(),
            ["9", "a", "a-1", "a_1", "b"]
        );
    });
}

#[test]
fn what_is_outside_the_limits_is_refused_by_name_and_changes_nothing() {
    let mut host = Host::new(15);
    host.settings.entry_bytes_max = 100;
    host.settings.transaction_bytes_max = 400;
    host.settings.transaction_writes_max = 5;
    host.run(async |store| {
        let mut transaction = store.begin();
        let message = transaction
            .put_raw("item", "big", vec![0; 101])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("\"big\"") && message.contains("101") && message.contains("100"),
            "{message}"
        );
        assert!(transaction.put_raw("Item", "a", "x").is_err());
        assert!(transaction.put_raw("item", "", "x").is_err());
        assert!(transaction.put_raw("item", &"x".repeat(1025), "x").is_err());
        for id in ["a", "b", "c"] {
            transaction.put_raw("item", id, vec![0; 100]).unwrap();
        }
        assert!(
            transaction
                .put_raw("item", "d", vec![0; 100])
                .unwrap_err()
                .to_string()
                .contains("400")
        );
        for id in ["d", "e"] {
            transaction.put_raw("item", id, "").unwrap();
        }
        transaction.put_raw("item", "e", "replaced").unwrap();
        assert!(
            transaction
                .put_raw("item", "f", "")
                .unwrap_err()
                .to_string()
                .contains('5')
        );
        transaction.commit().await.unwrap();
        assert_eq!(store.count("item").await.unwrap(), 5);
    });
}
