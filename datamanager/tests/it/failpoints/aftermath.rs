//! What is looked at once a worker has died.

use std::collections::BTreeMap;
use std::time::Duration;

use datamanager::{DataManager, ErrorKind, ScanOptions};

use super::{Store, worker};

const WAIT_MAX: Duration = Duration::from_secs(90);

/// Opens what a worker has left twice, each time looks at everything and goes on working.
pub(super) fn check(store: &Store, case: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for opening in 1..=2 {
        let checked = async {
            let opened = store.open().await;
            check_marks(&opened, store, case).await;
            go_on(&opened, store, &format!("opening{opening}")).await;
            check_marks(&opened, store, case).await;
            opened.close().await.unwrap();
            store.is_sound().await;
        };
        let checked = runtime.block_on(async { tokio::time::timeout(WAIT_MAX, checked).await });
        checked.unwrap_or_else(|_| panic!("{case}: opening {opening} does not come to its end"));
    }
}

async fn go_on(opened: &DataManager, store: &Store, name: &str) {
    if opened.maintenance().since.is_some() {
        // A log that has ended goes on as the next epoch after 10 seconds.
        while let Err(error) = opened.maintenance_off(true).await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    worker::mark(opened, store, &format!("{name}-one"), 10).await;
    let jobs = async {
        opened.checkpoint().await.unwrap();
        worker::mark(opened, store, &format!("{name}-two"), 10).await;
        opened.checkpoint().await.unwrap();
        opened.compact().await.unwrap();
        opened.collect_garbage().await.unwrap();
    };
    // A job of the dead one is given up by a collection, once it has been open for long enough.
    let give_up = async {
        loop {
            let _ = opened.collect_garbage().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    futures::future::select(Box::pin(jobs), Box::pin(give_up)).await;
}

/// The marks that were told committed are there with a number each, none that was refused, and the counter is their count.
async fn check_marks(opened: &DataManager, store: &Store, case: &str) {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    let journal = std::fs::read_to_string(store.journal()).unwrap_or_default();
    for line in journal.lines() {
        let (mark, what) = line.split_once(' ').unwrap();
        told.insert(mark.to_owned(), what.to_owned());
    }
    let snapshot = opened.latest_snapshot().await.unwrap();
    let mut marks = BTreeMap::new();
    let mut scan = snapshot.scan_raw("mark", &ScanOptions::new()).unwrap();
    while let Some(entry) = scan.next().await.unwrap() {
        marks.insert(entry.id, number(&entry.value));
    }
    for (mark, what) in &told {
        let is_there = marks.contains_key(mark);
        match what.as_str() {
            "committed" => assert!(is_there, "{case}: {mark} is lost"),
            "refused" => assert!(!is_there, "{case}: {mark} was refused"),
            _ => {}
        }
    }
    let mut numbers: Vec<u64> = marks.values().copied().collect();
    numbers.sort_unstable();
    let expected: Vec<u64> = (1..=marks.len() as u64).collect();
    assert_eq!(numbers, expected, "{case}: {marks:?}");
    assert!(marks.keys().all(|mark| told.contains_key(mark)), "{case}");
    let counter = snapshot.get_raw("counter", "it").await.unwrap();
    let counter = counter.map_or(0, |value| number(&value));
    assert_eq!(counter, marks.len() as u64, "{case}");
}

pub(super) fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}
