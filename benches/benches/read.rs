//! Single reads from data files: of 1,000 hot entries, and of any entry of the store.
//!
//! Data files and cached blocks are warm: they were written just before, and the warm-up reads them.

use std::path::Path;
use std::time::Duration;

use benches::{BenchStore, DATA_TYPE, FILLED_VALUE_BYTES, Numbers, Scale, belongs_to, entry_id};
use criterion::{BenchmarkId, Criterion, Throughput};
use datamanager::DataManager;
use tokio::runtime::Runtime;

const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");
const SEED: u64 = 1;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench_read(&mut criterion);
    criterion.final_summary();
}

fn bench_read(criterion: &mut Criterion) {
    let scale = Scale::from_environment().expect("the scale is usable");
    let runtime = Runtime::new().expect("threads can be made");
    let store = runtime
        .block_on(BenchStore::filled(
            Path::new(DIRECTORY),
            scale.entries as u64,
        ))
        .expect("a store can be filled");
    let ids: Vec<String> = (0..scale.entries as u64).map(entry_id).collect();
    let mut numbers = Numbers::from_seed(SEED);
    // Ids are scattered, so these lie in blocks of their own.
    let hot = &ids[..scale.hot_entries];

    let mut group = criterion.benchmark_group("read");
    group
        .throughput(Throughput::Elements(1))
        .warm_up_time(Duration::from_secs(5))
        .measurement_time(Duration::from_secs(10));
    for (name, ids) in [("hot", hot), ("random", ids.as_slice())] {
        group.bench_function(BenchmarkId::new(name, scale.entries), |bencher| {
            bencher.to_async(&runtime).iter(|| {
                let id = &ids[numbers.next_index(ids.len())];
                get(store.store(), id)
            });
        });
    }
    group.finish();
    runtime.block_on(store.close()).expect("the store closes");
}

/// Reads one entry, looks whether it is the right one, and returns the length of its value.
async fn get(store: &DataManager, id: &str) -> usize {
    let value = store
        .get_raw(DATA_TYPE, id)
        .await
        .expect("the store can be read")
        .expect("the entry is there");
    assert!(belongs_to(&value, id), "entry {id:?} has another's value");
    assert_eq!(value.len(), FILLED_VALUE_BYTES);
    value.len()
}
