//! Durable commits of 1 KiB by writers that run side by side, and the bare writes that they cannot be faster than.
//!
//! One iteration is a round: every writer commits once. So the time of an iteration is what one commit takes among
//! that many, and the throughput counts commits. Beside each stands `raw`: one append to a file, of the ids and values
//! of a whole round, and one `fdatasync`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use benches::{BenchStore, COMMITTED_VALUE_BYTES, Scale, WRITERS, Writers, entry_id, entry_value};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use tokio::runtime::Runtime;

const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench_commit(&mut criterion);
    criterion.final_summary();
}

fn bench_commit(criterion: &mut Criterion) {
    let scale = Scale::from_environment().expect("the scale is usable");
    let runtime = Runtime::new().expect("threads can be made");
    let mut group = criterion.benchmark_group("commit");
    group
        .sample_size(20)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_secs(3))
        .measurement_time(Duration::from_secs(10));
    for count in WRITERS {
        group.throughput(Throughput::Elements(count as u64));

        let store = runtime
            .block_on(BenchStore::empty(Path::new(DIRECTORY)))
            .expect("a store can be made");
        let mut writers = Writers::new(store.store(), count, scale.written_ids / count);
        group.bench_function(BenchmarkId::new("file_log", count), |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(writers.commit(rounds)));
        });
        runtime
            .block_on(writers.check(store.store()))
            .expect("what was committed is there");
        runtime.block_on(store.close()).expect("the store closes");

        let round_bytes = round_bytes(count);
        group.bench_function(BenchmarkId::new("raw", count), |bencher| {
            bencher.iter_custom(|rounds| {
                append_and_sync(&round_bytes, rounds).expect("the file can be written")
            });
        });
    }
    group.finish();
}

/// The ids and values of one commit each of `count` writers.
fn round_bytes(count: usize) -> Vec<u8> {
    (0..count as u64)
        .flat_map(|number| {
            let mut entry = entry_id(number).into_bytes();
            entry.extend_from_slice(&entry_value(number, COMMITTED_VALUE_BYTES));
            entry
        })
        .collect()
}

/// How long `appends` appends of `bytes` to a new file take, each made durable before the next.
fn append_and_sync(bytes: &[u8], appends: u64) -> io::Result<Duration> {
    let directory = tempfile::tempdir_in(DIRECTORY)?;
    let mut file = File::create_new(directory.path().join("raw"))?;
    file.sync_all()?;
    let started = Instant::now();
    for _ in 0..appends {
        file.write_all(bytes)?;
        file.sync_data()?;
    }
    let elapsed = started.elapsed();
    assert_eq!(file.metadata()?.len(), appends * bytes.len() as u64);
    Ok(elapsed)
}
