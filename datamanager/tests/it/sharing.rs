//! Several processes that share one store, with a log of objects.

mod costs;
pub(crate) mod records;
mod replies;
mod slow;
pub(crate) mod starts;
mod stopped;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datamanager::environment::{Environment, SeededRandom};
use datamanager::testing::{
    LostReplies, ObjectFaults, ProxyFaults, SimulatedEnvironment, TcpProxy,
};
use datamanager::{
    Builder, CommitId, Cursor, DataManager, Error, ErrorKind, Outcome, Position, RecordInfo,
    ScanOptions, Settings,
};
use futures::future::{join, join_all};
use futures::{StreamExt, TryStreamExt};
use ost::Operation;
use ost::testing::S3Server;

use crate::captured_log;
use crate::place::{Place, on_each_place};
use crate::site::{HEAD_CONFIRM_MAX, Site};

fn number(value: Option<bytes::Bytes>) -> u64 {
    value.map_or(0, |value| {
        std::str::from_utf8(&value).unwrap().parse().unwrap()
    })
}

async fn counter(store: &DataManager) -> u64 {
    let snapshot = store.latest_snapshot().await.unwrap();
    number(snapshot.get_raw("counter", "it").await.unwrap())
}

/// How often an open store registers.
const REGISTRATION_INTERVAL: Duration = Duration::from_secs(20);

/// Raises the counter by one, and leaves a marker in the same transaction.
async fn increment(store: &DataManager, marker: &str) -> Result<Position, Error> {
    let mut transaction = store.begin();
    let value = number(transaction.get_raw("counter", "it").await?);
    transaction.put_raw("counter", "it", (value + 1).to_string())?;
    transaction.put_raw("marker", marker, "")?;
    Ok(transaction.commit().await?.position)
}

/// What the clients of one run were told of their markers.
#[derive(Default)]
struct Told {
    committed: BTreeSet<String>,
    refused: BTreeSet<String>,
    unknown: BTreeMap<String, CommitId>,
}

impl Told {
    fn add(&mut self, other: Told) {
        self.committed.extend(other.committed);
        self.refused.extend(other.refused);
        self.unknown.extend(other.unknown);
    }
}

/// Raises the counter `count` times through `store`, each with as many attempts as it takes.
async fn client(
    store: DataManager,
    process: Arc<SimulatedEnvironment>,
    mut random: SeededRandom,
    count: usize,
) -> Told {
    const ATTEMPTS_MAX: usize = 500;
    let mut told = Told::default();
    for number in 0..count {
        let pause = Duration::from_millis(random.below(400) as u64);
        process.sleep(pause).await;
        let mut done = false;
        for attempt in 0..ATTEMPTS_MAX {
            let marker = format!("{}-{number}-{attempt}", process.name());
            let error = match increment(&store, &marker).await {
                Ok(_) => {
                    told.committed.insert(marker);
                    done = true;
                    break;
                }
                Err(error) => error,
            };
            match (error.kind(), error.commit_id()) {
                // Files are collected as soon as they have been merged here, also those that a transaction reads.
                (ErrorKind::Conflict | ErrorKind::Expired, _) => drop(told.refused.insert(marker)),
                (ErrorKind::Unavailable, _) => {
                    told.refused.insert(marker);
                    process.sleep(Duration::from_millis(50)).await;
                }
                (ErrorKind::Unknown, Some(id)) => {
                    told.unknown.insert(marker, id);
                    done = true;
                    break;
                }
                _ => panic!("{marker}: {error:?}"),
            }
        }
        assert!(done, "{}: no attempt gets through", process.name());
    }
    told
}

/// The markers and the counter of one snapshot.
async fn read(store: &DataManager) -> Result<(BTreeSet<String>, u64), datamanager::Error> {
    let snapshot = store.latest_snapshot().await?;
    let scan = snapshot.scan_raw("marker", &ScanOptions::new())?;
    let entries = scan.collect().await?;
    let counted = number(snapshot.get_raw("counter", "it").await?);
    let present = entries.into_iter().map(|entry| entry.id).collect();
    Ok((present, counted))
}

async fn read_until_done(store: &DataManager) -> (BTreeSet<String>, u64) {
    loop {
        match read(store).await {
            Ok(found) => return found,
            // Files are collected as soon as they have been merged here, also those that a snapshot reads.
            Err(error) if error.kind() == ErrorKind::Expired => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Checks the store against what clients were told.
async fn check(store: &DataManager, told: &Told, seed: u64) {
    let (present, counted) = read_until_done(store).await;
    for marker in &told.committed {
        assert!(present.contains(marker), "seed {seed}: {marker} is lost");
    }
    for marker in &told.refused {
        assert!(!present.contains(marker), "seed {seed}: {marker} is there");
    }
    for (marker, id) in &told.unknown {
        let expected = match present.contains(marker) {
            true => Outcome::Committed,
            false => Outcome::NotCommitted,
        };
        let outcome = store.outcome(*id).await.unwrap();
        assert!(
            outcome == expected || outcome == Outcome::TooOld,
            "seed {seed}: {marker} is {outcome:?}, not {expected:?}"
        );
    }
    assert_eq!(counted, present.len() as u64, "seed {seed}");
}

/// What a run came to.
#[derive(Debug, Default)]
struct Run {
    manifests: u64,
    records: u64,
    records_removed: u64,
    unknown: usize,
    refused: usize,
    left: Left,
}

/// What a run has left: the same for the same seed.
#[derive(Debug, Default, PartialEq)]
struct Left {
    /// A checksum of each object.
    objects: BTreeMap<String, u32>,
    /// Which task ran when; a request is a task that is named by its operation and key.
    trace: u64,
    steps: u64,
}

impl Left {
    fn by(site: &Site) -> Left {
        let checksum = |key: &String| crc32c::crc32c(&site.objects.content(key).unwrap());
        let keys = site.objects.keys().into_iter();
        Left {
            objects: keys.map(|key| (key.clone(), checksum(&key))).collect(),
            trace: site.simulation.trace_hash(),
            steps: site.simulation.steps(),
        }
    }
}

fn run(seed: u64) -> Run {
    const COUNT: usize = 25;
    const LATE_MAX: Duration = HEAD_CONFIRM_MAX.saturating_mul(2);
    let site = Site::new(seed).with_busy_jobs();
    let mut random = site.simulation.random();
    let names = &["a", "b", "c", "d"][..3 + random.below(2)];
    let processes: Vec<_> = names.iter().map(|name| site.process(name)).collect();
    let (told, stats) = site.run(async || {
        let stores = join_all(processes.iter().map(|process| site.open(process))).await;
        site.objects.set_faults(ObjectFaults {
            error_before: 0.02,
            error_after: 0.02,
            late: 0.02,
            late_max: LATE_MAX,
            ..ObjectFaults::default()
        });
        let clients = stores
            .iter()
            .zip(&processes)
            .map(|(store, process)| client(store.clone(), process.clone(), random.fork(), COUNT));
        let mut told = Told::default();
        for each in join_all(clients).await {
            told.add(each);
        }
        site.objects.set_faults(ObjectFaults::default());
        // What is late until then would hold up the closing for longer than that waits.
        processes[0].sleep(LATE_MAX).await;
        // One that is unknown is decided by the record after it.
        stores[0].put_raw("other", "last", "").await.unwrap();
        for store in &stores {
            check(store, &told, seed).await;
        }
        let stats = stores[0].stats();
        for store in &stores {
            store.close().await.unwrap();
        }
        (told, stats)
    });
    let kept = site.objects.keys();
    let kept = kept.iter().filter(|key| key.starts_with("base/wal/"));
    let mut run = Run {
        manifests: stats.manifest,
        records: stats.position.seq,
        records_removed: stats.position.seq.saturating_sub(kept.count() as u64),
        unknown: told.unknown.len(),
        refused: told.refused.len(),
        left: Left::default(),
    };
    let process = site.process("fresh");
    site.run(async || {
        let store = site.open(&process).await;
        check(&store, &told, seed).await;
        store.close().await.unwrap();
        let report = site.builder(&process).verify().await.unwrap();
        assert!(report.is_sound(), "seed {seed}: {report:?}");
    });
    run.left = Left::by(&site);
    run
}

/// The wake-ups of `tokio::sync::watch` come in a random order, which had an effect on the order of the tasks.
#[test]
fn the_same_seed_gives_the_same_requests_and_leaves_the_same_objects() {
    for seed in 1..=3 {
        let (left, again) = (run(seed).left, run(seed).left);
        assert!(left.objects.len() > 10, "seed {seed}: {left:?}");
        assert_eq!(left.steps, again.steps, "seed {seed}");
        assert_eq!(left, again, "seed {seed}");
    }
    assert_ne!(run(1).left, run(2).left);
}

#[test]
fn processes_that_increment_one_counter_lose_and_double_nothing() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = variable("DM_SEED").unwrap_or(1);
    let rounds: u64 = variable("DM_SOAK_ROUNDS").unwrap_or(20);
    let mut sum = Run::default();
    for seed in first..first + rounds {
        let run = run(seed);
        sum.manifests += run.manifests;
        sum.records += run.records;
        sum.records_removed += run.records_removed;
        sum.unknown += run.unknown;
        sum.refused += run.refused;
    }
    assert!(sum.refused > 0, "the runs meet conflicts: {sum:?}");
    assert!(
        sum.manifests > 5 * rounds && sum.records_removed > 20 * rounds,
        "the runs checkpoint, merge and collect: {sum:?}"
    );
}

/// Raises the counter by one, with as many attempts as it takes.
async fn increment_until_done(store: &DataManager, marker: &str) {
    while let Err(error) = increment(store, marker).await {
        let in_vain = [ErrorKind::Conflict, ErrorKind::Unavailable];
        assert!(in_vain.contains(&error.kind()), "{error:?}");
    }
}

pub(crate) async fn writers_at_once_lose_and_double_nothing_while_others_clear_up(place: &Place) {
    const COUNT: usize = 15;
    place.set(|settings| {
        settings.head_confirm_max = HEAD_CONFIRM_MAX;
        settings.checkpoint_records = 12;
        settings.level0_runs_max = 2;
        settings.gc_interval = Duration::from_millis(400);
        settings.file_retention = Duration::ZERO;
        settings.wal_retention = Duration::ZERO;
    });
    let names = ["a", "b", "c", "d"];
    let stores = join_all(names.map(|name| place.open(name))).await;
    let clients = stores.iter().zip(names).map(|(store, name)| async move {
        for number in 0..COUNT {
            increment_until_done(store, &format!("{name}-{number}")).await;
        }
    });
    join_all(clients).await;
    let expected = names.len() * COUNT;
    for store in &stores {
        let (present, counted) = read_until_done(store).await;
        assert_eq!((present.len(), counted), (expected, expected as u64));
    }
    let first = format!("wal/0000000001/{:020}.wal", 1);
    let is_collected = async || !place.keys("wal/").await.contains(&first);
    place.wait_until("the log is collected", is_collected).await;
    for store in &stores {
        store.close().await.unwrap();
    }
    let store = place.open("fresh").await;
    let (present, counted) = read_until_done(&store).await;
    assert_eq!((present.len(), counted), (expected, expected as u64));
    store.close().await.unwrap();
    let report = place.builder("fresh").verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}

on_each_place!(writers_at_once_lose_and_double_nothing_while_others_clear_up);
