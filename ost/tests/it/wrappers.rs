//! Counting and failing on purpose.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::executor::block_on;
use object_store::memory::InMemory;
use ost::{
    CountingStore, Create, ErrorKind, Fault, FaultInjectingStore, ObjectPath, Operation, Ost,
};

fn faulty(seed: u64) -> (FaultInjectingStore, Ost) {
    let faults = FaultInjectingStore::new(Arc::new(InMemory::new()), seed);
    let ost = Ost::from_object_store(Arc::new(faults.clone()), "p").unwrap();
    (faults, ost)
}

fn path(key: &str) -> ObjectPath {
    ObjectPath::parse(key).unwrap()
}

#[test]
fn requests_and_bytes_are_counted() {
    block_on(async {
        let counting = CountingStore::new(Arc::new(InMemory::new()));
        let ost = Ost::from_object_store(Arc::new(counting.clone()), "").unwrap();
        ost.put(&path("a"), "12345".into()).await.unwrap();
        let before = counting.counts();
        assert_eq!(
            ost.create(&path("a"), "1".into()).await.unwrap(),
            Create::Exists
        );
        ost.get(&path("a")).await.unwrap();
        ost.get_range(&path("a"), 1..3).await.unwrap();
        ost.head(&path("a")).await.unwrap();
        ost.delete(&path("a")).await.unwrap();
        ost.list("", None).try_collect::<Vec<_>>().await.unwrap();
        let mut writer = ost.writer(&path("b")).await.unwrap();
        writer.write(vec![0; 20_000_000].into()).await.unwrap();
        writer.finish().await.unwrap();

        let counts = counting.counts().since(&before);
        let expected = [
            (Operation::Create, 1),
            (Operation::Get, 2),
            (Operation::Head, 1),
            (Operation::Delete, 1),
            (Operation::List, 1),
            (Operation::Upload, 1),
            (Operation::Part, 3),
            (Operation::Complete, 1),
        ];
        for operation in Operation::ALL {
            let expected = expected
                .iter()
                .find(|(of, _)| *of == operation)
                .map_or(0, |(_, count)| *count);
            assert_eq!(counts.of(operation), expected, "{operation}");
        }
        assert_eq!(counts.total(), 11);
        assert_eq!(
            (counts.bytes_written(), counts.bytes_read()),
            (20_000_001, 7)
        );
    });
}

#[test]
fn fault_before_the_effect_leaves_nothing_and_one_after_it_does() {
    block_on(async {
        let (faults, ost) = faulty(1);
        faults.inject(Fault::on(Operation::Put).paths("p/before*"));
        faults.inject(Fault::on(Operation::Put).paths("*after*").after_effect());
        let error = ost.put(&path("before"), "1".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(
            ost.get(&path("before")).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        ost.put(&path("after"), "1".into()).await.unwrap_err();
        assert_eq!(ost.get(&path("after")).await.unwrap(), "1");
        ost.put(&path("other"), "1".into()).await.unwrap();
        assert_eq!(faults.injected(), 2);
        faults.clear();
        ost.put(&path("before"), "1".into()).await.unwrap();
    });
}

#[test]
fn create_whose_answer_is_lost_is_unknown() {
    block_on(async {
        let (faults, ost) = faulty(1);
        faults.inject(Fault::on(Operation::Create).nth(2).after_effect());
        faults.inject(Fault::on(Operation::Create).nth(3));
        assert_eq!(
            ost.create(&path("1"), "1".into()).await.unwrap(),
            Create::Created
        );
        let error = ost.create(&path("2"), "2".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown);
        assert_eq!(ost.get(&path("2")).await.unwrap(), "2");
        let error = ost.create(&path("3"), "3".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    });
}

#[test]
fn faults_have_the_kind_that_was_asked_for() {
    block_on(async {
        let kinds = [
            ErrorKind::NotFound,
            ErrorKind::Invalid,
            ErrorKind::Denied,
            ErrorKind::Unavailable,
            ErrorKind::Unknown,
            ErrorKind::Corrupt,
            ErrorKind::Internal,
        ];
        for kind in kinds {
            let (faults, ost) = faulty(1);
            ost.put(&path("a"), "1".into()).await.unwrap();
            faults.inject(Fault::on_any().kind(kind));
            assert_eq!(ost.get(&path("a")).await.unwrap_err().kind(), kind);
            // Where no object is needed, what is not found is the bucket.
            let kind = if kind == ErrorKind::NotFound {
                ErrorKind::Invalid
            } else {
                kind
            };
            assert_eq!(
                ost.create(&path("b"), "1".into()).await.unwrap_err().kind(),
                kind
            );
            assert_eq!(ost.list_level("").await.unwrap_err().kind(), kind);
            let listed = ost.list("", None).try_collect::<Vec<_>>().await;
            assert_eq!(listed.unwrap_err().kind(), kind);
        }
    });
}

#[test]
fn get_that_breaks_off_is_an_error_and_no_short_object() {
    block_on(async {
        let (faults, ost) = faulty(1);
        ost.put(&path("a"), "0123456789".into()).await.unwrap();
        faults.inject(Fault::on(Operation::Get).after_effect());
        assert_eq!(
            ost.get(&path("a")).await.unwrap_err().kind(),
            ErrorKind::Unavailable
        );
        let mut stream = ost.get_stream(&path("a")).await.unwrap();
        assert_eq!(stream.try_next().await.unwrap().unwrap(), "01234");
        assert_eq!(
            stream.try_next().await.unwrap_err().kind(),
            ErrorKind::Unavailable
        );
    });
}

#[test]
fn writer_is_closed_after_a_failed_part() {
    block_on(async {
        for operation in [Operation::Upload, Operation::Part, Operation::Complete] {
            let (faults, ost) = faulty(1);
            faults.inject(Fault::on(operation).times(1));
            let mut writer = ost.writer(&path("a")).await.unwrap();
            let mut results = Vec::new();
            for _ in 0..4 {
                results.push(writer.write(vec![0; 20_000_000].into()).await.is_ok());
            }
            assert!(writer.finish().await.is_err(), "{operation}: {results:?}");
            assert_eq!(
                ost.get(&path("a")).await.unwrap_err().kind(),
                ErrorKind::NotFound
            );
        }
    });
}

#[test]
fn same_seed_fails_the_same_requests() {
    block_on(async {
        let run = async |seed| {
            let (faults, ost) = faulty(seed);
            faults.inject(Fault::on(Operation::Put).probability(0.3));
            let mut failed = Vec::new();
            for number in 0..200 {
                failed.push(
                    ost.put(&path(&format!("{number}")), "".into())
                        .await
                        .is_err(),
                );
            }
            failed
        };
        let (first, again, other) = (run(17).await, run(17).await, run(18).await);
        assert_eq!(first, again);
        assert_ne!(first, other);
        let count = first.iter().filter(|failed| **failed).count();
        assert!((30..90).contains(&count), "{count} of 200 failed");
    });
}
