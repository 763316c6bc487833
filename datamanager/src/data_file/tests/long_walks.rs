//! Walks that are so long that blocks are read ahead on other threads.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use object_store::memory::InMemory;
use ost::{Fault, FaultInjectingStore, Operation, Throttle, ThrottlingStore};

use super::*;

/// About 8 MB, so that both directions come to read several MiB ahead.
fn entries() -> Vec<DataFileEntry> {
    let value = |number: u64| -> String {
        let scattered =
            (0..25).map(|piece| (number * 25 + piece).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        scattered.map(|number| format!("{number:016x}")).collect()
    };
    (0..20_000_u64)
        .map(|number| entry(format!("{number:06}"), number, value(number)))
        .collect()
}

/// Not every one, as a first read that is dropped has to begin anew.
fn every_other_request_waits() -> Arc<ThrottlingStore> {
    let requests = AtomicU64::new(0);
    let sleep = move |_| {
        let waits = requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        Box::pin(async move {
            if waits {
                tokio::task::yield_now().await;
            }
        }) as _
    };
    let throttle = Throttle {
        per_request: Duration::from_millis(1),
        ..Throttle::default()
    };
    let objects = Arc::new(InMemory::new());
    Arc::new(ThrottlingStore::new(objects, throttle, Arc::new(sleep)))
}

#[tokio::test]
async fn a_long_walk_loses_nothing_to_calls_that_fail_and_are_dropped() {
    let entries = entries();
    let objects = FaultInjectingStore::new(every_other_request_waits(), 1);
    let ost = Ost::from_object_store(Arc::new(objects.clone()), "").unwrap();
    let options = DataFileOptions {
        compression: Compression::None,
        ..DataFileOptions::default()
    };
    ost.put(&path(), encode(&entries, options).into())
        .await
        .unwrap();
    for cache_bytes in [0, 3 << 20] {
        let cache = Arc::new(BlockCache::new(cache_bytes));
        let file = DataFile::open(&ost, path(), None, cache).await.unwrap();
        for direction in [Direction::Forward, Direction::Reverse] {
            objects.clear();
            objects.inject(Fault::on(Operation::Get).probability(0.7));
            let mut cursor = file.cursor(.., direction);
            let (mut found, mut errors, mut dropped) = (Vec::new(), 0, 0);
            loop {
                // Polled once and dropped, ready or not.
                match futures::poll!(pin!(cursor.next())) {
                    Poll::Pending => {
                        dropped += 1;
                        tokio::task::yield_now().await;
                    }
                    Poll::Ready(Ok(Some(entry))) => found.push(entry),
                    Poll::Ready(Ok(None)) => break,
                    Poll::Ready(Err(error)) => {
                        assert!(matches!(&error, DataFileError::Object { .. }), "{error}");
                        errors += 1;
                    }
                }
            }
            if direction == Direction::Reverse {
                found.reverse();
            }
            assert!(found == entries, "{direction:?}, cache of {cache_bytes}");
            assert!(errors > 2 && dropped > 2, "{errors} {dropped}");
            objects.clear();
        }
    }
}

#[tokio::test]
async fn a_long_walk_goes_on_behind_each_damaged_block() {
    let entries = entries();
    let mut bytes = encode(&entries, DataFileOptions::default());
    for at in (100_000..bytes.len() / 2).step_by(100_000) {
        bytes[at] ^= 1;
    }
    let file = open_bytes(bytes).await.unwrap();
    let report = file.verify().await.unwrap();
    assert!(report.damage.len() > 5);
    for direction in [Direction::Forward, Direction::Reverse] {
        let mut cursor = file.cursor(.., direction);
        let (mut found, mut errors) = (0, 0);
        loop {
            match cursor.next().await {
                Ok(Some(_)) => found += 1,
                Ok(None) => break,
                Err(_) => errors += 1,
            }
        }
        assert_eq!(found, report.entries);
        // That the data as a whole fails its checksum is reported once more.
        assert_eq!(errors, report.damage.len() - 1);
    }
}
