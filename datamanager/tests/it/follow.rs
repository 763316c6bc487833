//! Following the store.

use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::{
    Cursor, DataManager, ErrorKind, ExportOptions, Follow, FollowedTransaction, ImportOptions,
    LogKind,
};
use futures::StreamExt;

use crate::host::Host;
use crate::place::{Place, on_each_place};
use crate::site::Site;

/// Commits a transaction of two writes.
async fn commit(store: &DataManager, number: u32) {
    let mut transaction = store.begin();
    let value = number.to_string();
    transaction.put_raw("left", "x", value.clone()).unwrap();
    transaction.put_raw("right", "x", value).unwrap();
    transaction.commit().await.unwrap();
}

/// The number that both writes of the transaction carry.
fn number_of(transaction: &FollowedTransaction) -> u32 {
    let [left, right] = transaction.writes.as_slice() else {
        panic!("{transaction:?} is not whole");
    };
    assert_eq!((left.data_type.as_str(), left.id.as_str()), ("left", "x"));
    assert_eq!(
        (right.data_type.as_str(), &left.value),
        ("right", &right.value)
    );
    let value = left.value.as_ref().unwrap();
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

async fn next_numbers(follow: &mut Follow, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(number_of(&follow.next().await.unwrap()));
    }
    numbers
}

fn small_memory(seed: u64) -> Host {
    let mut host = Host::new(seed);
    host.settings.follow_bytes_max = 1_500;
    host.settings.segment_records_max = 5;
    host.settings.maintain = false;
    host
}

#[test]
fn every_listener_gets_every_transaction_whole_and_in_order_while_writes_go_on() {
    Host::new(1).run(async |store| {
        let writes = async {
            for number in 0..60 {
                commit(&store, number).await;
            }
        };
        let (mut first, mut second) = (store.follow_new(), store.follow_new());
        let (_, first, second) = futures::join!(
            writes,
            next_numbers(&mut first, 60),
            next_numbers(&mut second, 60)
        );
        assert_eq!(first, Vec::from_iter(0..60));
        assert_eq!(second, first);
    });
}

#[test]
fn transactions_of_one_record_come_one_by_one_and_can_be_resumed_between() {
    let host = Host::new(2);
    host.run(async |store| {
        let mut follow = store.follow_new();
        futures::future::join_all((0..20).map(|number| commit(&store, number))).await;
        let mut seen = Vec::new();
        let mut shared_records = 0;
        for _ in 0..20 {
            let transaction = follow.next().await.unwrap();
            shared_records += u32::from(transaction.index > 0);
            seen.push((transaction.cursor, number_of(&transaction)));
        }
        assert!(shared_records > 0, "no record has several transactions");
        for (place, (cursor, _)) in seen.iter().enumerate() {
            let cursor: Cursor = cursor.to_string().parse().unwrap();
            let mut resumed = store.follow(cursor);
            let expected: Vec<u32> = seen[place + 1..]
                .iter()
                .map(|(_, number)| *number)
                .collect();
            assert_eq!(next_numbers(&mut resumed, expected.len()).await, expected);
            assert_eq!(resumed.cursor(), follow.cursor());
        }
    });
}

#[test]
fn a_slow_listener_gets_what_memory_no_longer_holds() {
    small_memory(3).run(async |store| {
        let mut follow = store.follow_new();
        for number in 0..700 {
            commit(&store, number).await;
        }
        assert_eq!(next_numbers(&mut follow, 300).await, Vec::from_iter(0..300));
        let cursor: Cursor = follow.cursor().to_string().parse().unwrap();
        let mut resumed = store.follow(cursor);
        let rest = Vec::from_iter(300..700);
        assert_eq!(next_numbers(&mut resumed, 400).await, rest);
        assert_eq!(next_numbers(&mut follow, 400).await, rest);
        let mut from_seq = store.follow(store.cursor_before(1).await.unwrap());
        assert_eq!(
            next_numbers(&mut from_seq, 700).await,
            Vec::from_iter(0..700)
        );
        let newest = store.position().seq;
        let at_end = store.cursor_before(newest + 1).await.unwrap();
        assert_eq!(at_end, follow.cursor());
        let error = store.cursor_before(newest + 2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    });
}

#[test]
fn a_cursor_older_than_the_log_is_compacted_and_one_of_another_log_has_diverged() {
    let mut host = small_memory(4);
    host.settings.file_retention = Duration::ZERO;
    host.settings.wal_retention = Duration::ZERO;
    host.run(async |store| {
        let mut follow = store.follow_new();
        let mut early = store.follow_new();
        commit(&store, 0).await;
        assert_eq!(next_numbers(&mut early, 1).await, [0]);
        // A few manifests are always kept, with the log behind the oldest.
        let mut removed = 0;
        for number in 0..60 {
            commit(&store, number).await;
            if number % 10 == 9 {
                store.checkpoint().await.unwrap();
                removed += store.collect_garbage().await.unwrap().log_files;
            }
        }
        assert!(removed > 0);
        for number in 60..80 {
            commit(&store, number).await;
        }
        let error = early.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compacted, "{error:?}");
        let error = follow.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compacted, "{error:?}");
        let again = follow.next().await.unwrap_err();
        assert_eq!(
            (again.kind(), again.to_string()),
            (ErrorKind::Compacted, error.to_string())
        );
        let error = store.cursor_before(2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Compacted);

        let newest = store.position();
        for seq in [newest.seq, newest.seq - 10] {
            let other: Cursor = format!("1/{seq}/{}/end", "ab".repeat(16)).parse().unwrap();
            let error = store.follow(other).next().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Diverged, "{error:?}");
            assert_eq!(error.base().unwrap().seq, 0);
        }
    });
}

#[test]
fn a_snapshot_and_its_listener_miss_nothing() {
    Host::new(5).run(async |store| {
        let writes = async {
            for number in 1..=50 {
                commit(&store, number).await;
            }
        };
        let looks = async {
            loop {
                let (snapshot, mut follow) = store.snapshot_and_follow();
                let there = snapshot.get_raw("left", "x").await.unwrap();
                let there: u32 = there.map_or(0, |value| {
                    std::str::from_utf8(&value).unwrap().parse().unwrap()
                });
                if there == 50 {
                    return;
                }
                assert_eq!(next_numbers(&mut follow, 1).await, [there + 1]);
            }
        };
        futures::join!(writes, looks);
    });
}

#[test]
fn closing_ends_every_listener_with_an_error() {
    Host::new(6).run(async |store| {
        let mut waiting = store.follow_new();
        let close = async { store.close().await.unwrap() };
        let (error, ()) = futures::join!(waiting.next(), close);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
        let mut stream = store.follow_new().into_stream();
        assert!(stream.next().await.unwrap().is_err());
        assert!(stream.next().await.is_none());
    });
}

#[test]
fn a_listener_beside_the_writer_gets_every_transaction() {
    let host = small_memory(7);
    let (writer, reader) = (host.process(), host.process());
    host.simulation
        .run_until(async {
            let store = host.open(&writer).await.unwrap();
            let beside = host.builder(&reader).read_only().open().await.unwrap();
            let mut follow = beside.follow_new();
            for number in 0..50 {
                commit(&store, number).await;
            }
            assert_eq!(next_numbers(&mut follow, 50).await, Vec::from_iter(0..50));
            beside.close().await.unwrap();
            store.close().await.unwrap();
        })
        .unwrap();
}

on_each_place!(
    listeners_of_a_shared_store_get_the_transactions_of_all_processes,
    listeners_get_everything_before_an_import_and_then_where_it_begins,
);

pub(crate) async fn listeners_of_a_shared_store_get_the_transactions_of_all_processes(
    place: &Place,
) {
    let (first, second) = (place.open("a").await, place.open("b").await);
    let reader = place.builder("c").read_only().open().await.unwrap();
    let start = first.follow_new().cursor();
    let mut listeners = [&first, &second, &reader].map(|store| store.follow(start));
    for number in 0..20 {
        let store = if number % 2 == 0 { &first } else { &second };
        store.latest_snapshot().await.unwrap();
        commit(store, number).await;
    }
    let expected = Vec::from_iter(0..20);
    for listener in &mut listeners {
        assert_eq!(next_numbers(listener, 20).await, expected);
    }
    for store in [&first, &second, &reader] {
        store.close().await.unwrap();
    }
}

pub(crate) async fn listeners_get_everything_before_an_import_and_then_where_it_begins(
    place: &Place,
) {
    let (first, second) = (place.open("a").await, place.open("b").await);
    let start = first.follow_new().cursor();
    let (mut near, mut far) = (first.follow(start), second.follow(start));
    for number in 0..10 {
        commit(&first, number).await;
    }
    assert_eq!(next_numbers(&mut near, 10).await, Vec::from_iter(0..10));
    assert_eq!(next_numbers(&mut far, 4).await, Vec::from_iter(0..4));
    let middle: Cursor = far.cursor().to_string().parse().unwrap();
    let mut export = first.export(ExportOptions::new()).await.unwrap();
    let mut exported = Vec::new();
    while let Some(piece) = export.next().await.unwrap() {
        exported.extend_from_slice(&piece);
    }
    for number in 10..15 {
        commit(&first, number).await;
    }
    first.maintenance_on().await.unwrap();
    let input = std::io::Cursor::new(exported);
    let import = async {
        let report = first.import(input, ImportOptions::new()).await;
        report.unwrap().base
    };
    // One listener waits at the end while the import takes effect.
    let (base, live) = futures::join!(import, async {
        let numbers = next_numbers(&mut near, 5).await;
        (numbers, near.next().await.unwrap_err())
    });
    assert_eq!(live.0, Vec::from_iter(10..15));
    assert_eq!(live.1.kind(), ErrorKind::Diverged, "{:?}", live.1);
    assert_eq!(live.1.base(), Some(base));
    assert_eq!(near.next().await.unwrap_err().base(), Some(base));

    let (mut early, mut late) = (second.follow(start), first.follow(middle));
    for (listener, from) in [(&mut far, 4), (&mut early, 0), (&mut late, 4)] {
        let expected = Vec::from_iter(from..15);
        let numbers = next_numbers(listener, expected.len()).await;
        assert_eq!(numbers, expected);
        let error = listener.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Diverged, "{error:?}");
        assert_eq!(error.base(), Some(base));
    }

    first.maintenance_off(false).await.unwrap();
    for store in [&first, &second] {
        store.latest_snapshot().await.unwrap();
        let (snapshot, mut follow) = store.snapshot_and_follow();
        let value = snapshot.get_raw("left", "x").await.unwrap().unwrap();
        let there: u32 = std::str::from_utf8(&value).unwrap().parse().unwrap();
        commit(store, there + 1).await;
        assert_eq!(next_numbers(&mut follow, 1).await, [there + 1]);
    }
    first.close().await.unwrap();
    second.close().await.unwrap();
}

#[test]
fn a_cursor_goes_on_without_gap_or_double_when_the_log_moves() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().display());
    let builder = || DataManager::builder(&url).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut number = 0;
        let mut delivered = 0;
        let mut cursors = Vec::new();
        let mut log = LogKind::File;
        for _ in 0..4 {
            let store = builder().open().await.unwrap();
            assert_eq!(store.stats().log, log);
            let mut follow = match cursors.last() {
                Some((cursor, _)) => store.follow(*cursor),
                None => store.follow_new(),
            };
            for _ in 0..10 {
                commit(&store, number).await;
                number += 1;
            }
            // Some are left for the time after the log has moved.
            let count = number - 3 - delivered;
            let numbers = next_numbers(&mut follow, count as usize).await;
            assert_eq!(numbers, Vec::from_iter(delivered..number - 3));
            delivered = number - 3;
            cursors.push((follow.cursor(), delivered));
            store.close().await.unwrap();
            log = match log {
                LogKind::File => LogKind::Object,
                _ => LogKind::File,
            };
            builder().switch_log(log).await.unwrap();
        }
        let store = builder().open().await.unwrap();
        for (cursor, delivered) in cursors {
            let rest = Vec::from_iter(delivered..number);
            let numbers = next_numbers(&mut store.follow(cursor), rest.len()).await;
            assert_eq!(numbers, rest);
        }
        store.close().await.unwrap();
    });
}

/// What it had read of the log was thrown away each time that nobody waited any longer.
#[test]
fn a_listener_that_is_asked_with_little_patience_gets_on() {
    const RECORDS: u32 = 400;
    let mut site = Site::new(9);
    site.settings.follow_bytes_max = 1_500;
    site.settings.maintain = false;
    let process = site.process("a");
    site.run(async || {
        let store = site.open(&process).await;
        let mut follow = store.follow_new();
        for number in 0..RECORDS {
            commit(&store, number).await;
        }
        // To read a batch takes many times as long as anybody waits.
        let delay = Duration::from_millis(20);
        site.objects.set_delay(delay..=delay);
        let mut delivered = 0;
        for _ in 0..RECORDS {
            let patience = process.sleep(Duration::from_millis(200));
            let next = futures::future::select(Box::pin(follow.next()), patience);
            if let futures::future::Either::Left((next, _)) = next.await {
                assert_eq!(number_of(&next.unwrap()), delivered);
                delivered += 1;
            }
        }
        assert!(delivered > RECORDS / 2, "{delivered} were delivered");
        store.close().await.unwrap();
    });
}
