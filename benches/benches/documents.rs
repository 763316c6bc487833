//! Documents with three indexes: reading one by its id and by its indexes, and writing one, each beside the same with bytes.
//!
//! `get_raw` reads the stored bytes of a document, `put_raw` writes such bytes under a type without indexes. Reads find
//! everything in data files of one run, with files and cached blocks warm. `put` replaces a document by one with the same
//! keys except for one, so that one of its three index entries changes. Writes are durable when they return.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use benches::{BenchStore, FILLED_VALUE_BYTES, Numbers, Scale, entry_id, entry_value};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use datamanager::{
    Collection, DataManager, Document, Entry, Error, Indexes, Query, ScanOptions, Timestamp,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");
const SEED: u64 = 3;
const RAW_TYPE: &str = "raw";
const PUTS_PER_TRANSACTION: u64 = 1_000;
/// Documents that have the same team.
const TEAM_SIZE: u64 = 50;
/// What a document has besides its text, about.
const TEXT_BYTES: usize = FILLED_VALUE_BYTES - 120;

#[derive(Debug, Serialize, Deserialize)]
struct Member {
    id: String,
    mail: String,
    team: String,
    rank: u64,
    seen: Timestamp,
    text: String,
}

impl Member {
    fn new(number: u64, seen: u64) -> Member {
        let text = entry_value(number, TEXT_BYTES);
        Member {
            id: entry_id(number),
            mail: mail(number),
            team: team(number),
            rank: number % TEAM_SIZE,
            seen: Timestamp::from_millis(seen),
            // Without quotes, which JSON would escape.
            text: String::from_utf8_lossy(&text).replace('"', "'"),
        }
    }
}

/// In another order than the ids.
fn mail(number: u64) -> String {
    format!("{}@example.org", entry_id(number.wrapping_mul(31)))
}

fn team(number: u64) -> String {
    format!("team-{}", number / TEAM_SIZE)
}

impl Document for Member {
    const TYPE: &'static str = "member";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<Member> {
        Indexes::<Member>::new()
            .unique("mail", |member| member.mail.clone())
            .index("team_rank", |member| (member.team.clone(), member.rank))
            .index("seen", |member| member.seen)
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench_documents(&mut criterion);
    criterion.final_summary();
}

fn bench_documents(criterion: &mut Criterion) {
    let scale = Scale::from_environment().expect("the scale is usable");
    let count = scale.entries as u64;
    let runtime = Runtime::new().expect("threads can be made");
    let store = runtime
        .block_on(BenchStore::empty(Path::new(DIRECTORY)))
        .expect("a store can be made");
    runtime
        .block_on(fill(&store, count))
        .expect("a store can be filled");

    let mut group = criterion.benchmark_group("documents");
    group
        .throughput(Throughput::Elements(1))
        .warm_up_time(Duration::from_secs(3))
        .measurement_time(Duration::from_secs(8));
    bench_reads(&mut group, &runtime, store.store(), count);
    bench_writes(&mut group, &runtime, store.store(), count);
    group.finish();
    runtime.block_on(store.close()).expect("the store closes");
}

async fn fill(store: &BenchStore, count: u64) -> anyhow::Result<()> {
    let mut first = 0;
    while first < count {
        let end = count.min(first + PUTS_PER_TRANSACTION);
        let mut transaction = store.store().begin();
        for number in first..end {
            transaction.put(&Member::new(number, number))?;
        }
        transaction.commit().await?;
        first = end;
    }
    store.settle().await?;
    let members = store.store().collection::<Member>()?;
    for index in ["mail", "team_rank", "seen"] {
        let found = members.count_by(&Query::by(index)).await?;
        anyhow::ensure!(found == count, "index {index} has {found} entries");
    }
    Ok(())
}

fn bench_reads(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    store: &DataManager,
    count: u64,
) {
    let members = &store.collection::<Member>().expect("the type is valid");
    let known: Vec<Known> = (0..count).map(Known::new).collect();
    let mut numbers = Numbers::from_seed(SEED);
    let mut next = || &known[numbers.next_index(known.len())];
    group.bench_function(BenchmarkId::new("get_raw", count), |bencher| {
        bencher.to_async(runtime).iter(|| {
            let known = next();
            async move {
                let found = store.get_raw(Member::TYPE, &known.id).await;
                let found = found.expect("the store can be read");
                black_box(found.expect("the document is there"))
            }
        });
    });
    group.bench_function(BenchmarkId::new("get", count), |bencher| {
        bencher.to_async(runtime).iter(|| {
            let known = next();
            async move { known.check(members.get(&known.id).await) }
        });
    });
    group.bench_function(BenchmarkId::new("find", count), |bencher| {
        bencher.to_async(runtime).iter(|| {
            let known = next();
            async move { known.check(members.find("mail", known.mail.as_str()).await) }
        });
    });
    group.bench_function(BenchmarkId::new("query_first", count), |bencher| {
        bencher.to_async(runtime).iter(|| {
            let known = next();
            async move {
                let key = (known.team.as_str(), known.rank);
                let query = Query::by("team_rank").equal(key).limit(1);
                known.check(first(members, &query).await)
            }
        });
    });
}

/// By what a document is looked for.
struct Known {
    id: String,
    mail: String,
    team: String,
    rank: u64,
}

impl Known {
    fn new(number: u64) -> Known {
        Known {
            id: entry_id(number),
            mail: mail(number),
            team: team(number),
            rank: number % TEAM_SIZE,
        }
    }

    /// Looks whether the right document was found.
    fn check(&self, found: Result<Option<Member>, Error>) -> Member {
        let found = found.expect("the store can be read");
        let found = found.expect("the document is there");
        assert_eq!(found.id, self.id);
        found
    }
}

async fn first(members: &Collection<Member>, query: &Query) -> Result<Option<Member>, Error> {
    members.query(query).await?.next().await
}

fn bench_writes(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    store: &DataManager,
    count: u64,
) {
    let members = store.collection::<Member>().expect("the type is valid");
    let mut numbers = Numbers::from_seed(SEED);
    let mut seen = count;
    let mut next = || {
        seen += 1;
        Member::new(numbers.next_number() % count, seen)
    };
    let stored: Vec<Entry> = runtime
        .block_on(async {
            let options = ScanOptions::new().limit(1_000);
            store.scan_raw(Member::TYPE, &options)?.collect().await
        })
        .expect("the store can be read");
    let mut turn = stored.iter().cycle();
    group.bench_function(BenchmarkId::new("put_raw", count), |bencher| {
        bencher.to_async(runtime).iter(|| {
            let entry = turn.next().expect("it goes round");
            async move {
                let committed = store
                    .put_raw(RAW_TYPE, &entry.id, entry.value.clone())
                    .await;
                committed.expect("a write without reads is committed")
            }
        });
    });
    group.bench_function(BenchmarkId::new("put", count), |bencher| {
        bencher.to_async(runtime).iter_batched(
            &mut next,
            |member| {
                let members = &members;
                async move {
                    let committed = members.put(&member).await;
                    committed.expect("a write without reads is committed")
                }
            },
            criterion::BatchSize::SmallInput,
        );
    });
    let last = runtime.block_on(first(&members, &Query::by("seen").descending().limit(1)));
    let last = last.expect("the index can be read");
    let last = last.expect("there are documents").seen;
    assert!(last >= Timestamp::from_millis(count - 1));
}
