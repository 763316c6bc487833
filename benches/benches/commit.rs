//! Durable commits of 1 KiB by writers that run side by side, and the bare writes that they cannot be faster than.
//!
//! One iteration is a round: every writer commits once. So the time of an iteration is what one commit takes among
//! that many, and the throughput counts commits. Beside each stands `raw`: one append to a file, of the ids and values
//! of a whole round, and one `fdatasync`.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::{BenchStore, DATA_TYPE, Scale, entry_id, entry_value};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use datamanager::DataManager;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");
const WRITERS: [usize; 3] = [1, 64, 1024];
const VALUE_BYTES: usize = 1024;
/// A prime, so that an id gets another value each time it is written.
const VALUES: u64 = 251;

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

/// All writers, between two runs.
struct Writers {
    writers: Vec<Writer>,
}

/// One writer: it commits its own ids in turn, with values in turn.
struct Writer {
    store: DataManager,
    ids: Vec<String>,
    values: Arc<[Bytes]>,
    commits: usize,
}

impl Writers {
    fn new(store: &DataManager, count: usize, ids_per_writer: usize) -> Writers {
        let values: Arc<[Bytes]> = (0..VALUES)
            .map(|number| entry_value(number, VALUE_BYTES))
            .collect();
        let mut ids = (0..).map(entry_id);
        let writers = (0..count)
            .map(|_| Writer {
                store: store.clone(),
                ids: ids.by_ref().take(ids_per_writer).collect(),
                values: values.clone(),
                commits: 0,
            })
            .collect();
        Writers { writers }
    }

    /// How long it takes until every writer has committed `rounds` times.
    async fn commit(&mut self, rounds: u64) -> Duration {
        let started = Instant::now();
        let mut tasks: JoinSet<Writer> = self
            .writers
            .drain(..)
            .map(|writer| writer.commit(rounds))
            .collect();
        while let Some(writer) = tasks.join_next().await {
            self.writers.push(writer.expect("writers do not panic"));
        }
        started.elapsed()
    }

    /// Looks whether the last commit of each writer is there.
    async fn check(&self, store: &DataManager) -> anyhow::Result<()> {
        for writer in &self.writers {
            let Some(last) = writer.commits.checked_sub(1) else {
                continue; // the bench was not asked for
            };
            let found = store.get_raw(DATA_TYPE, writer.id(last)).await?;
            anyhow::ensure!(
                found.as_ref() == Some(writer.value(last)),
                "entry {:?} is not what commit {last} wrote",
                writer.id(last)
            );
        }
        Ok(())
    }
}

impl Writer {
    async fn commit(mut self, commits: u64) -> Writer {
        for _ in 0..commits {
            let value = self.value(self.commits).clone();
            let committed = self
                .store
                .put_raw(DATA_TYPE, self.id(self.commits), value)
                .await
                .expect("a write without reads is committed");
            black_box(committed);
            self.commits += 1;
        }
        self
    }

    fn id(&self, commit: usize) -> &str {
        &self.ids[commit % self.ids.len()]
    }

    fn value(&self, commit: usize) -> &Bytes {
        &self.values[commit % self.values.len()]
    }
}

/// The ids and values of one commit each of `count` writers.
fn round_bytes(count: usize) -> Vec<u8> {
    (0..count as u64)
        .flat_map(|number| {
            let mut entry = entry_id(number).into_bytes();
            entry.extend_from_slice(&entry_value(number, VALUE_BYTES));
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
