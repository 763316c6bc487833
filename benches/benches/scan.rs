//! Scans of data files: of the whole store both ways, and of 100 entries from any place on.

use std::path::Path;
use std::time::Duration;

use benches::{BenchStore, DATA_TYPE, FILLED_VALUE_BYTES, Numbers, Scale, belongs_to, entry_id};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use datamanager::{DataManager, ScanOptions};
use tokio::runtime::Runtime;

const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");
const RANGE_ENTRIES: usize = 100;
const SEED: u64 = 2;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench_scan(&mut criterion);
    criterion.final_summary();
}

fn bench_scan(criterion: &mut Criterion) {
    let scale = Scale::from_environment().expect("the scale is usable");
    let runtime = Runtime::new().expect("threads can be made");
    let store = runtime
        .block_on(BenchStore::filled(
            Path::new(DIRECTORY),
            scale.entries as u64,
        ))
        .expect("a store can be filled");
    let mut ids: Vec<String> = (0..scale.entries as u64).map(entry_id).collect();
    ids.sort_unstable();
    runtime.block_on(check_order(store.store(), &ids));

    let mut group = criterion.benchmark_group("scan");
    group
        .sample_size(20)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_secs(3))
        .measurement_time(Duration::from_secs(10))
        .throughput(Throughput::Elements(scale.entries as u64));
    for (name, options) in [
        ("forward", ScanOptions::new()),
        ("reverse", ScanOptions::new().reverse()),
    ] {
        group.bench_function(BenchmarkId::new(name, scale.entries), |bencher| {
            bencher
                .to_async(&runtime)
                .iter(|| scan(store.store(), &options, scale.entries));
        });
    }

    let mut numbers = Numbers::from_seed(SEED);
    let starts = &ids[..=ids.len() - RANGE_ENTRIES];
    group
        .sample_size(100)
        .sampling_mode(SamplingMode::Auto)
        .throughput(Throughput::Elements(RANGE_ENTRIES as u64));
    group.bench_function(BenchmarkId::new("range_of_100", scale.entries), |bencher| {
        bencher.to_async(&runtime).iter(|| {
            let start = starts[numbers.next_index(starts.len())].as_str();
            let options = ScanOptions::new().start(start).limit(RANGE_ENTRIES);
            let store = store.store();
            async move { scan(store, &options, RANGE_ENTRIES).await }
        });
    });
    group.finish();
    runtime.block_on(store.close()).expect("the store closes");
}

/// Scans to the end, looks whether as many entries came as there are, each with its own value, and returns the bytes of
/// all values.
async fn scan(store: &DataManager, options: &ScanOptions, expected: usize) -> usize {
    let mut scan = store
        .scan_raw(DATA_TYPE, options)
        .expect("the type is valid");
    let (mut count, mut value_bytes) = (0, 0);
    while let Some(entry) = scan.next().await.expect("the store can be read") {
        assert!(belongs_to(&entry.value, &entry.id));
        count += 1;
        value_bytes += entry.value.len();
    }
    assert_eq!(count, expected);
    assert_eq!(value_bytes, expected * FILLED_VALUE_BYTES);
    value_bytes
}

/// Looks once whether scans give `ids` in their order, and in the opposite order backwards.
async fn check_order(store: &DataManager, ids: &[String]) {
    let forward = ScanOptions::new();
    let reverse = ScanOptions::new().reverse();
    let mut forward = store
        .scan_raw(DATA_TYPE, &forward)
        .expect("the type is valid");
    let mut reverse = store
        .scan_raw(DATA_TYPE, &reverse)
        .expect("the type is valid");
    for (low, high) in ids.iter().zip(ids.iter().rev()) {
        let entry = forward.next().await.expect("the store can be read");
        assert_eq!(entry.map(|entry| entry.id).as_ref(), Some(low));
        let entry = reverse.next().await.expect("the store can be read");
        assert_eq!(entry.map(|entry| entry.id).as_ref(), Some(high));
    }
}
