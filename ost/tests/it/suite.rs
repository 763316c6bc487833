//! The exported suite, over everything that can run here.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use ost::conformance::{self, Abilities};
use ost::{
    CountingStore, Fault, FaultInjectingStore, Operation, Ost, PosixStore, Throttle,
    ThrottlingStore,
};

const LOCAL: Abilities = Abilities {
    holds_deeper_keys: false,
    decides_parallel_creates: true,
    segment_bytes_max: 255,
    many: 2_500,
    stream_bytes_max: 20 * 1024 * 1024,
};

#[test]
fn memory_passes_without_a_runtime() {
    let run = futures::executor::block_on(conformance::run(&Ost::memory(), &Abilities::default()));
    run.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn local_directory_passes() {
    let directory = tempfile::tempdir().unwrap();
    let ost = Ost::local(directory.path().join("made/later")).unwrap();
    conformance::run(&ost, &LOCAL).await.unwrap();
    // What a writer that was dropped has left is removed on another thread.
    let staging = directory.path().join("made/later/.ost-staging");
    let began = std::time::Instant::now();
    while std::fs::read_dir(&staging).unwrap().count() > 0 {
        let waited = began.elapsed();
        assert!(waited.as_secs() < 10, "unfinished files are left");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[test]
fn local_directory_passes_without_a_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let ost = Ost::local(directory.path()).unwrap();
    let abilities = Abilities { many: 300, ..LOCAL };
    futures::executor::block_on(conformance::run(&ost, &abilities)).unwrap();
}

#[tokio::test]
async fn own_backend_passes_under_any_base_path() {
    for base_path in ["", "p", "p/", "/p", "a/b"] {
        let ost = Ost::from_object_store(Arc::new(InMemory::new()), base_path).unwrap();
        let abilities = Abilities {
            many: 100,
            ..Abilities::default()
        };
        conformance::run(&ost, &abilities).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn wrapped_memory_passes() {
    let throttle = Throttle {
        per_request: Duration::from_millis(30),
        bytes_per_second: Some(10_000_000),
    };
    let faults = FaultInjectingStore::new(Arc::new(InMemory::new()), 1);
    faults.inject(Fault::on(Operation::Rename));
    let sleep = Arc::new(|duration| Box::pin(tokio::time::sleep(duration)) as _);
    let slow = ThrottlingStore::new(Arc::new(faults), throttle, sleep);
    let counting = CountingStore::new(Arc::new(slow));
    let ost = Ost::from_object_store(Arc::new(counting.clone()), "base").unwrap();
    conformance::run(&ost, &Abilities::default()).await.unwrap();
    assert!(counting.counts().of(Operation::Create) > 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrapped_local_directory_passes() {
    let directory = tempfile::tempdir().unwrap();
    let counting = CountingStore::new(Arc::new(PosixStore::new(directory.path()).unwrap()));
    let ost = Ost::from_object_store(Arc::new(counting), "base").unwrap();
    let abilities = Abilities { many: 300, ..LOCAL };
    conformance::run(&ost, &abilities).await.unwrap();
}
