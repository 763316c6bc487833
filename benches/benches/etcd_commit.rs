//! Durable commits of 1 KiB over a log in etcd, by writers that run side by side, and the transaction of etcd that each
//! record takes.
//!
//! One iteration is a round: every writer commits once. Beside them stands `raw`: one client that makes transactions of
//! the same shape, two compares and two puts with one value of 1 KiB, one after the other.
//!
//! The etcd is one node of this machine, with its data in a temporary directory (`TMPDIR`), and syncs each commit. The
//! objects are in cargo's target directory.

use std::path::Path;
use std::time::Duration;

use benches::{BenchStore, RawEtcd, Scale, WRITERS, Writers};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use datamanager::testing::{Etcd, EtcdOptions};
use tokio::runtime::Runtime;

const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

#[expect(clippy::print_stderr, reason = "somebody who measures has to see it")]
fn main() {
    if !Etcd::is_installed() {
        eprintln!("NOT RUN: etcd is not installed");
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    bench_etcd_commit(&mut criterion);
    criterion.final_summary();
}

fn bench_etcd_commit(criterion: &mut Criterion) {
    let scale = Scale::from_environment().expect("the scale is usable");
    let runtime = Runtime::new().expect("threads can be made");
    let etcd = Etcd::start(EtcdOptions::new()).expect("etcd starts");
    let endpoints = etcd.endpoints().join(",");
    let mut group = criterion.benchmark_group("etcd_commit");
    group
        .sample_size(20)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_secs(3))
        .measurement_time(Duration::from_secs(10));

    let mut raw = runtime
        .block_on(RawEtcd::connect(&endpoints, "/raw"))
        .expect("etcd answers");
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("raw", 1), |bencher| {
        bencher.iter_custom(|commits| {
            let committed = runtime.block_on(raw.commit(commits));
            committed.expect("a transaction succeeds")
        });
    });
    for count in WRITERS {
        group.throughput(Throughput::Elements(count as u64));
        let prefix = format!("/bench/{count}");
        let options =
            datamanager::EtcdOptions::new(&endpoints, &prefix).expect("the URLs are usable");
        let store = runtime
            .block_on(BenchStore::in_etcd(Path::new(DIRECTORY), options))
            .expect("a store can be made");
        let mut writers = Writers::new(store.store(), count, scale.written_ids / count);
        group.bench_function(BenchmarkId::new("etcd_log", count), |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(writers.commit(rounds)));
        });
        runtime
            .block_on(writers.check(store.store()))
            .expect("what was committed is there");
        runtime.block_on(store.close()).expect("the store closes");
    }
    group.finish();
}
