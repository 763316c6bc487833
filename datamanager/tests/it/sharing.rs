//! Several processes that share one store, with a log of objects.

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

async fn a_batch_costs_one_put_and_who_is_idle_lists_nothing(place: &Place) {
    const BATCHES: u64 = 30;
    place.set(|settings| settings.maintain = false);
    let began = Instant::now();
    let store = place.open("busy").await;
    // Behind the first of them it is looked whether others are there.
    for _ in 0..10 {
        store.put_raw("note", "1", "text").await.unwrap();
    }
    let before = place.requests();
    for _ in 0..BATCHES {
        store.put_raw("note", "1", "text").await.unwrap();
    }
    let spent = place.requests().since(before);
    assert!(
        began.elapsed() < REGISTRATION_INTERVAL,
        "the machine is too slow for this test"
    );
    assert_eq!((spent.puts, spent.lists, spent.deletes), (BATCHES, 0, 0));
    store.close().await.unwrap();

    let reader = place.open("idle").await;
    reader.latest_snapshot().await.unwrap();
    let (before, began) = (place.requests(), Instant::now());
    place.sleep(Duration::from_secs(5)).await;
    let spent = place.requests().since(before);
    assert!(
        began.elapsed() < REGISTRATION_INTERVAL,
        "the machine is too slow for this test"
    );
    assert_eq!((spent.puts, spent.lists, spent.deletes), (0, 0, 0));
    // Every 250 ms, and at shorter intervals at first.
    assert!((10..=26).contains(&spent.gets), "{}", spent.gets);
    reader.close().await.unwrap();
}

#[test]
fn a_batch_costs_one_put_in_simulations() {
    Place::simulation(1).run(a_batch_costs_one_put_and_who_is_idle_lists_nothing);
}

#[test]
fn a_batch_costs_one_put_in_a_directory() {
    Place::counted_directory().run(a_batch_costs_one_put_and_who_is_idle_lists_nothing);
}

#[test]
fn a_batch_costs_one_put_on_an_s3_service() {
    Place::s3().run(a_batch_costs_one_put_and_who_is_idle_lists_nothing);
}

#[test]
fn each_acknowledged_batch_costs_one_put_and_an_idle_process_probes_and_registers_only() {
    const BATCHES: usize = 50;
    let site = Site::new(1);
    let (busy, idle) = (site.process("busy"), site.process("idle"));
    site.run(async || {
        let (store, reader) = (site.open(&busy).await, site.open(&idle).await);
        let count = |name: &str, operation| site.objects.request_count(name, operation, "");
        let writes = [Operation::Put, Operation::Delete, Operation::List];
        site.objects.reset_requests();
        for _ in 0..BATCHES {
            store.put_raw("note", "1", "text").await.unwrap();
        }
        assert_eq!(count("busy", Operation::Create), BATCHES);
        assert_eq!(count("busy", Operation::Put), 0);
        reader.wait_for(store.position()).await.unwrap();

        // Longer than what is found by asking is believed, if asking did not prolong it.
        site.objects.reset_requests();
        idle.sleep(Duration::from_secs(50)).await;
        assert_eq!(count("idle", Operation::Create), 0);
        let wrote = writes.map(|operation| count("idle", operation));
        assert_eq!(wrote, [2, 0, 0], "puts, deletes, lists");
        let registered = site
            .objects
            .request_count("idle", Operation::Put, "base/instances/");
        assert_eq!(registered, 2);
        let probes = site
            .objects
            .request_count("idle", Operation::Get, "base/wal/");
        assert_eq!(count("idle", Operation::Get), probes);
        assert!(
            (150..=200).contains(&probes),
            "{probes} in 50 s, every 250 ms"
        );
        store.close().await.unwrap();
        reader.close().await.unwrap();
    });
}

/// A process is stopped `pause_after` after it began to raise the counter, and goes on when the record that would have
/// been next to its own is long gone. Returns whether it was told that its commit stands, and whether it then stored a
/// record where another one had stood.
fn stopped_run(seed: u64, pause_after: Option<Duration>) -> (bool, bool) {
    let mut site = Site::new(seed);
    site.keep_nothing();
    site.settings.maintain = false;
    let (a, b) = (site.process("a"), site.process("b"));
    site.run(async || {
        let (sleeper, store) = (site.open(&a).await, site.open(&b).await);
        increment(&store, "before").await.unwrap();
        sleeper.wait_for(store.position()).await.unwrap();
        let next_seq = store.position().seq + 1;
        let next_key = format!("base/wal/0000000001/{next_seq:020}.wal");
        let mut listener = store.follow_new();
        let handle = sleeper.clone();
        let answer = a.run("client", async move { increment(&handle, "a").await });
        if let Some(pause_after) = pause_after {
            b.sleep(pause_after).await;
        }
        a.pause();
        b.sleep(Duration::from_millis(20)).await;
        let mut others = 0;
        for number in 0..20 {
            let marker = format!("b-{number}");
            while increment(&store, &marker).await.is_err() {}
            others += 1;
        }
        // The newest three manifests are kept, so all of them have to cover the record.
        for _ in 0..4 {
            store.put_raw("other", "1", "").await.unwrap();
            store.checkpoint().await.unwrap();
        }
        store.collect_garbage().await.unwrap();
        b.sleep(HEAD_CONFIRM_MAX * 4).await;
        store.collect_garbage().await.unwrap();
        assert_eq!(site.objects.content(&next_key), None, "the record is gone");

        a.resume();
        let result = answer.await.unwrap();
        let stored_again = site.objects.content(&next_key).is_some();
        let marker = store.latest_snapshot().await.unwrap();
        let stands = marker.get_raw("marker", "a").await.unwrap().is_some();
        match &result {
            Ok(_) => assert!(stands, "seed {seed}: it was acknowledged"),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                assert!(!stands, "seed {seed}: {error:?}");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unknown, "seed {seed}: {error:?}");
                let expected = match stands {
                    true => Outcome::Committed,
                    false => Outcome::NotCommitted,
                };
                let outcome = store.outcome(error.commit_id().unwrap()).await.unwrap();
                assert!(outcome == expected || outcome == Outcome::TooOld);
            }
        }
        if stored_again {
            let removed = listener.next().await.unwrap();
            assert_eq!(removed.position.seq, next_seq);
            let fresh = site.open(&site.process("fresh")).await;
            check_stray(&fresh, next_seq, removed.cursor).await;
            fresh.close().await.unwrap();
            let report = site.builder(&b).verify().await.unwrap();
            assert!(report.is_sound(), "seed {seed}: {report:?}");
            let key = next_key.strip_prefix("base/").unwrap();
            assert_eq!(report.strays, [key], "seed {seed}");
        }
        let expected = 1 + others + u64::from(stands);
        assert_eq!(counter(&store).await, expected, "seed {seed}");
        assert_eq!(counter(&sleeper).await, expected, "seed {seed}");
        increment(&sleeper, "after").await.unwrap();
        assert_eq!(counter(&store).await, expected + 1, "seed {seed}");
        // What was stored where a record had been removed is garbage, and goes like it.
        store.collect_garbage().await.unwrap();
        assert_eq!(site.objects.content(&next_key), None, "seed {seed}");
        sleeper.close().await.unwrap();
        store.close().await.unwrap();
        let report = site.builder(&b).verify().await.unwrap();
        assert!(report.is_sound(), "seed {seed}: {report:?}");
        assert_eq!(report.strays, [""; 0], "seed {seed}");
        (result.is_ok(), stored_again)
    })
}

/// What a record is to those who read the log that was stored where `cursor` had stood, which is gone.
async fn check_stray(store: &DataManager, seq: u64, cursor: Cursor) {
    let records: Vec<RecordInfo> = store.records(1).try_collect().await.unwrap();
    let strays = records.iter().filter(|record| !record.in_chain);
    let strays: Vec<u64> = strays.map(|record| record.position.seq).collect();
    assert_eq!(strays, [seq]);
    assert_eq!(records.last().unwrap().position, store.position());
    let error = store.follow(cursor).next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compacted, "{error:?}");
    let error = store.cursor_before(seq).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compacted, "{error:?}");
}

/// A listener that began before the first record got what a process that had been stopped for long stored as a first
/// record when the real one had been removed: a transaction that was never committed.
#[test]
fn what_is_stored_where_a_record_was_removed_reaches_no_listener() {
    let mut stored_again = 0;
    for seed in 1..=20 {
        let mut site = Site::new(seed);
        site.keep_nothing();
        site.settings.maintain = false;
        site.settings.follow_bytes_max = 1;
        let (a, b) = (site.process("a"), site.process("b"));
        site.run(async || {
            let (sleeper, store) = (site.open(&a).await, site.open(&b).await);
            let start = store.follow_new().cursor();
            let handle = sleeper.clone();
            let answer = a.run("client", async move { increment(&handle, "a").await });
            if seed % 4 == 0 {
                b.sleep(Duration::from_micros(seed * 100)).await;
            }
            a.pause();
            for number in 0..4 {
                increment_until_done(&store, &format!("b-{number}")).await;
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            b.sleep(HEAD_CONFIRM_MAX * 4).await;
            store.collect_garbage().await.unwrap();
            let first_key = "base/wal/0000000001/00000000000000000001.wal";
            assert_eq!(site.objects.content(first_key), None);
            a.resume();
            let answer = answer.await.unwrap();
            stored_again += u32::from(site.objects.content(first_key).is_some());
            for listening in [&store, &sleeper] {
                let error = listening.follow(start).next().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Compacted, "{error:?}: {answer:?}");
            }
            sleeper.close().await.unwrap();
            store.close().await.unwrap();
        });
    }
    assert!(stored_again > 3, "{stored_again} were stored again");
}

/// What such a process leaves behind was reported as damage, by the verification and by `dm wal`, until it was collected.
#[test]
fn a_process_stopped_past_the_retention_acknowledges_nothing_that_was_not_committed() {
    let (mut acknowledged, mut stored_again) = (0, 0);
    for seed in 1..=30 {
        let pause_after = match seed % 3 {
            0 => None,
            _ => Some(Duration::from_micros(seed * 400)),
        };
        let (was_acknowledged, was_stored_again) = stopped_run(seed, pause_after);
        acknowledged += u32::from(was_acknowledged);
        stored_again += u32::from(was_stored_again);
    }
    assert!(
        acknowledged > 0,
        "some were stopped after they had committed"
    );
    assert!(
        stored_again > 0,
        "some went on where a record had been removed"
    );
}

/// It still believes what it knew before, so what was appended and covered since must not be removed.
#[test]
fn a_process_stopped_for_a_moment_finds_what_was_appended_meanwhile() {
    let mut lost = 0;
    for seed in 1..=20 {
        let mut site = Site::new(seed);
        site.keep_nothing();
        site.settings.maintain = false;
        let (a, b) = (site.process("a"), site.process("b"));
        site.run(async || {
            let (sleeper, store) = (site.open(&a).await, site.open(&b).await);
            increment(&store, "before").await.unwrap();
            sleeper.wait_for(store.position()).await.unwrap();
            let confirmed_at = b.steady_time();
            let handle = sleeper.clone();
            let answer = a.run("client", async move { increment(&handle, "a").await });
            b.sleep(Duration::from_micros(seed * 200)).await;
            a.pause();
            for number in 0..4 {
                let marker = format!("b-{number}");
                while increment(&store, &marker).await.is_err() {}
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            store.collect_garbage().await.unwrap();
            assert!(b.steady_time() - confirmed_at < HEAD_CONFIRM_MAX);
            a.resume();
            let result = answer.await.unwrap();
            let snapshot = store.latest_snapshot().await.unwrap();
            let stands = snapshot.get_raw("marker", "a").await.unwrap().is_some();
            assert_eq!(result.is_ok(), stands, "seed {seed}: {result:?}");
            lost += u32::from(!stands);
            assert_eq!(counter(&store).await, 5 + u64::from(stands), "seed {seed}");
            sleeper.close().await.unwrap();
            store.close().await.unwrap();
        });
    }
    assert!(lost > 0, "some were stopped before they had committed");
}

/// Only where all manifests that are kept hold what had stood there is what a missing record leaves behind no damage.
/// On a service whose answers to reads were slow, one writer came to 1,000 batches and the other to one.
async fn two_busy_writers_take_turns(place: &Place) {
    const BATCHES: usize = 400;
    let stores = [place.open("a").await, place.open("b").await];
    let begun = AtomicUsize::new(0);
    let writers = stores.iter().map(async |store| {
        let mut batches = 0;
        while begun.fetch_add(1, Ordering::SeqCst) < BATCHES {
            store
                .put_raw("note", store.instance(), "text")
                .await
                .unwrap();
            batches += 1;
        }
        batches
    });
    let batches = join_all(writers).await;
    let (least, most) = (batches[0].min(batches[1]), batches[0].max(batches[1]));
    assert!(most <= 2 * least, "{batches:?}");
    for store in &stores {
        store.close().await.unwrap();
    }
}

pub(crate) async fn a_record_that_is_missing_and_may_be_needed_is_damage(place: &Place) {
    place.set(|settings| settings.maintain = false);
    let key = |seq: u64| format!("wal/0000000001/{seq:020}.wal");
    let verify = async || place.builder("v").verify().await.unwrap();
    let store = place.open("a").await;
    for number in 0..10 {
        increment(&store, &number.to_string()).await.unwrap();
    }
    store.close().await.unwrap();
    let removed = place.content(&key(5)).await;
    place.remove(&key(5)).await;
    let error = place.builder("a").open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert!(error.chain().contains("lacks record 5"), "{error:?}");
    let report = verify().await;
    assert_eq!(report.strays, [""; 0]);
    let [damage] = report.damage.as_slice() else {
        panic!("{:?}", report.damage);
    };
    assert!(damage.what.contains("record 6 of epoch 1"), "{damage:?}");

    // The manifest before the newest one does not hold it, and is of use only if the log goes on from there.
    place.put(&key(5), removed).await;
    let store = place.open("a").await;
    store.checkpoint().await.unwrap();
    let between = increment(&store, "between").await.unwrap().seq;
    increment(&store, "behind").await.unwrap();
    store.checkpoint().await.unwrap();
    store.close().await.unwrap();
    place.remove(&key(5)).await;
    place.remove(&key(between)).await;
    let report = verify().await;
    assert_eq!(report.damage.len(), 2, "{:?}", report.damage);

    // What stood before a record that all of them hold is needed for nothing.
    let store = place.open("a").await;
    for number in 0..3 {
        let mark = format!("later {number}");
        increment(&store, &mark).await.unwrap();
        store.checkpoint().await.unwrap();
    }
    store.close().await.unwrap();
    for number in 1..=3 {
        let manifest = format!("manifests/0000000001/{number:020}.json");
        place.remove(&manifest).await;
    }
    let report = verify().await;
    assert!(report.is_sound(), "{:?}", report.damage);
    assert_eq!(report.strays.len() as u64, between - 2);
}

#[test]
fn a_create_whose_answer_took_longer_than_is_believed_is_looked_up() {
    let site = Site::new(1);
    let process = site.process("a");
    site.run(async || {
        let store = site.open(&process).await;
        let creates = || {
            site.objects
                .request_count("a", Operation::Create, "base/wal/")
        };
        let lists = || {
            let count = |prefix| site.objects.request_count("a", Operation::List, prefix);
            (count("base/epochs/"), count("base/manifests/"))
        };
        store.put_raw("note", "1", "soon").await.unwrap();
        site.objects.reset_requests();
        store.put_raw("note", "2", "soon").await.unwrap();
        assert_eq!(
            (creates(), lists()),
            (1, (0, 0)),
            "what is young is believed"
        );

        site.objects.reset_requests();
        let late = HEAD_CONFIRM_MAX;
        site.objects.set_delay(late..=late);
        let commit = store.put_raw("note", "3", "late");
        let calm_down = async {
            while creates() == 0 {
                process.sleep(Duration::from_millis(1)).await;
            }
            let soon = Duration::from_millis(1);
            site.objects.set_delay(soon..=soon);
        };
        let (committed, ()) = join(commit, calm_down).await;
        assert_eq!(committed.unwrap().position, store.position());
        assert_eq!((creates(), lists()), (1, (1, 1)));
        store.close().await.unwrap();
    });
}

/// Field case DM-14: the reply to a commit was lost, it was told as failed though it stood, and its retry made a double.
#[test]
fn commits_whose_replies_are_lost_are_told_truly_and_counted_once() {
    const CLIENTS: usize = 2;
    const COUNT: usize = 50;
    let server = S3Server::start().unwrap();
    let proxy = TcpProxy::start(server.address(), 1).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let open = async |number: usize| {
            let ost = server.open_through(&proxy.endpoint(), "base");
            let builder = Builder::from_ost(ost).name(format!("client{number}"));
            builder.open().await.unwrap()
        };
        let stores = join_all((0..CLIENTS).map(open)).await;
        proxy
            .set_faults(ProxyFaults {
                lose: LostReplies::Every(10),
                ..ProxyFaults::default()
            })
            .unwrap();
        let clients = stores.iter().map(async |store| {
            for number in 0..COUNT {
                let marker = format!("{}-{number}", store.instance());
                increment_once(store, &marker).await;
            }
        });
        join_all(clients).await;
        proxy.set_faults(ProxyFaults::default()).unwrap();
        let lost = proxy.counts().replies_lost;
        assert!(lost > 20, "{lost} replies were lost");
        for store in &stores {
            let (present, counted) = read_until_done(store).await;
            let expected = CLIENTS * COUNT;
            assert_eq!((present.len(), counted), (expected, expected as u64));
            store.close().await.unwrap();
        }
    });
}

/// Raises the counter by one, as a client that looks up what it was not told.
async fn increment_once(store: &DataManager, marker: &str) {
    loop {
        let Err(error) = increment(store, marker).await else {
            return;
        };
        match (error.kind(), error.commit_id()) {
            (ErrorKind::Conflict | ErrorKind::Unavailable, _) => {}
            (ErrorKind::Unknown, Some(id)) => match outcome(store, id).await {
                Outcome::Committed => return,
                Outcome::NotCommitted => {}
                outcome => panic!("{marker} is {outcome:?}"),
            },
            _ => panic!("{marker}: {error:?}"),
        }
    }
}

/// What became of a commit, once that is decided.
async fn outcome(store: &DataManager, id: CommitId) -> Outcome {
    loop {
        match store.outcome(id).await {
            Ok(Outcome::Undecided) => tokio::time::sleep(Duration::from_millis(10)).await,
            Ok(decided) => return decided,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
    }
}

#[test]
fn what_a_process_could_not_clear_up_itself_is_collected_when_it_is_old() {
    let mut site = Site::new(100);
    site.settings.maintain = false;
    let process = site.process("a");
    let (probe, time) = ("base/recovery/probe-1", "base/recovery/time-2");
    let kept = "base/recovery/damaged-manifests-0000000001-00000000000000000002.json";
    site.run(async || {
        let store = site.open(&process).await;
        for key in [probe, time, kept] {
            site.objects.put_directly(key, "");
        }
        let left = || {
            let keys = site.objects.keys().into_iter();
            keys.filter(|key| key.starts_with("base/recovery/")).count()
        };
        store.collect_garbage().await.unwrap();
        assert_eq!(left(), 3, "somebody may be at it");
        process.sleep(Duration::from_secs(700)).await;
        store.collect_garbage().await.unwrap();
        assert_eq!(left(), 1);
        assert!(site.objects.content(kept).is_some());
        store.close().await.unwrap();
    });
}

/// Field case OS-06: only the first page of a list was seen, and the rest counted as deleted.
#[test]
fn a_log_longer_than_a_page_of_a_list_is_read_and_collected_whole() {
    const PAGE: usize = 7;
    let server = S3Server::start().unwrap();
    server.set_page_entries_max(PAGE);
    let mut settings = Settings::default();
    settings.maintain = false;
    settings.head_confirm_max = Duration::from_millis(500);
    settings.probe_interval_max = Duration::from_millis(100);
    settings.file_retention = Duration::ZERO;
    settings.wal_retention = Duration::ZERO;
    settings.data_file_bytes_max = 300;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let builder = || Builder::from_ost(server.open("base")).settings(settings.clone());
        let count = async |prefix: &str| {
            let listed = server.open("base");
            let keys: Vec<_> = listed.list(prefix, None).try_collect().await.unwrap();
            keys.len()
        };
        let store = builder().open().await.unwrap();
        let numbers = 0..5 * PAGE;
        for number in numbers.clone() {
            increment(&store, &number.to_string()).await.unwrap();
        }
        store.close().await.unwrap();
        let store = builder().open().await.unwrap();
        assert_eq!(store.stats().records_applied, numbers.len() as u64);
        assert_eq!(counter(&store).await, numbers.len() as u64);
        assert_eq!(store.records(1).count().await, numbers.len());

        for round in 0..2 * PAGE {
            increment(&store, &format!("round {round}")).await.unwrap();
            store.checkpoint().await.unwrap();
        }
        assert!(count("data/").await > 2 * PAGE);
        let expected = read(&store).await.unwrap();
        store.compact().await.unwrap();
        let began = Instant::now();
        while count("wal/").await > PAGE {
            assert!(began.elapsed() < Duration::from_secs(15));
            store.collect_garbage().await.unwrap();
        }
        let report = builder().verify().await.unwrap();
        assert!(
            report.is_sound() && report.unreferenced.is_empty(),
            "{report:?}"
        );
        assert_eq!(read(&store).await.unwrap(), expected);
        store.close().await.unwrap();
    });
}

#[test]
fn two_busy_writers_share_the_log_within_a_factor_of_two() {
    const CLIENTS: usize = 4;
    for seed in 1..=3 {
        let site = Site::new(seed);
        let (a, b) = (site.process("a"), site.process("b"));
        let batches = site.run(async || {
            let stores = [site.open(&a).await, site.open(&b).await];
            let end = a.steady_time() + Duration::from_secs(20);
            let environment = &a;
            let writers = stores.iter().map(|store| {
                let clients = (0..CLIENTS).map(move |client| {
                    let id = client.to_string();
                    async move {
                        let mut positions = BTreeSet::new();
                        while environment.steady_time() < end {
                            let committed = store.put_raw("note", &id, "text").await.unwrap();
                            positions.insert(committed.position.seq);
                        }
                        positions
                    }
                });
                async move {
                    let positions = join_all(clients).await.into_iter().flatten();
                    positions.collect::<BTreeSet<u64>>().len()
                }
            });
            let batches = join_all(writers).await;
            for store in &stores {
                store.close().await.unwrap();
            }
            batches
        });
        let (least, most) = (batches[0].min(batches[1]), batches[0].max(batches[1]));
        assert!(least > 500 && most <= 2 * least, "seed {seed}: {batches:?}");
    }
}

on_each_place!(
    four_first_starts_at_once_make_one_store,
    writers_at_once_lose_and_double_nothing_while_others_clear_up,
    two_busy_writers_take_turns,
    a_record_that_is_missing_and_may_be_needed_is_damage,
);

pub(crate) async fn four_first_starts_at_once_make_one_store(place: &Place) {
    let names = ["a", "b", "c", "d"];
    let stores = join_all(names.map(|name| place.open(name))).await;
    let ids: BTreeSet<String> = stores.iter().map(|store| store.stats().store).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    for (store, name) in stores.iter().zip(names) {
        increment_until_done(store, name).await;
    }
    for store in &stores {
        assert_eq!(counter(store).await, names.len() as u64);
        store.close().await.unwrap();
    }
    assert_eq!(place.keys("epochs/").await.len(), 1);
    place.content("store.json").await;
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

/// A process that was stopped during the first start, while others made the store and worked with it, took their files for
/// those of something else, or said that the store was not found.
#[test]
fn a_first_start_that_stands_still_at_any_request_finds_the_store_that_others_have_made() {
    const REQUESTS: [Operation; 6] = [
        Operation::Get,
        Operation::Head,
        Operation::List,
        Operation::ListLevel,
        Operation::Put,
        Operation::Create,
    ];
    let mut stopped_at = 0;
    for stop_at in 1.. {
        let mut site = Site::new(100 + stop_at);
        site.keep_nothing();
        site.settings.maintain = false;
        let (a, b) = (site.process("a"), site.process("b"));
        let stopped = site.run(async || {
            let builder = site.builder(&b);
            let mut opening = b.run("open", async move { builder.open().await });
            let asked = || -> usize {
                let of = |operation| site.objects.request_count("b", operation, "");
                REQUESTS.into_iter().map(of).sum()
            };
            let reached = async {
                while (asked() as u64) < stop_at {
                    a.sleep(Duration::from_micros(50)).await;
                }
            };
            let first = futures::future::select(&mut opening, Box::pin(reached)).await;
            let stopped = matches!(first, futures::future::Either::Right(_));
            drop(first);
            if stopped {
                b.pause();
            }
            let store = site.open(&a).await;
            for number in 0..5 {
                increment_until_done(&store, &format!("a-{number}")).await;
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            b.resume();
            if stopped {
                let other = opening.await.unwrap().unwrap();
                assert_eq!(other.stats().store, store.stats().store);
                assert_eq!(counter(&other).await, 5, "stopped at request {stop_at}");
                other.close().await.unwrap();
            }
            store.close().await.unwrap();
            stopped
        });
        if !stopped {
            break;
        }
        stopped_at = stop_at;
    }
    assert!(stopped_at > 20, "the first start has {stopped_at} requests");
}

/// Raises the counter by one, with as many attempts as it takes.
async fn increment_until_done(store: &DataManager, marker: &str) {
    while let Err(error) = increment(store, marker).await {
        let in_vain = [ErrorKind::Conflict, ErrorKind::Unavailable];
        assert!(in_vain.contains(&error.kind()), "{error:?}");
    }
}

/// It asked again and again, deeper each time, for as long as the storage was slow.
#[test]
fn a_storage_slower_than_is_believed_is_unavailable_and_not_asked_for_ever() {
    let mut site = Site::new(70);
    site.settings.maintain = false;
    let (a, b) = (site.process("a"), site.process("b"));
    site.run(async || {
        let store = site.open(&a).await;
        increment(&store, "before").await.unwrap();
        let usual = Duration::from_millis(5)..=Duration::from_millis(20);
        site.objects
            .set_delay(HEAD_CONFIRM_MAX * 6 / 5..=HEAD_CONFIRM_MAX * 3 / 2);
        let error = store.latest_snapshot().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.chain().contains("head_confirm_max"), "{error:?}");
        site.objects.set_delay(usual);
        b.sleep(Duration::from_secs(10)).await;
        increment_until_done(&store, "after").await;
        assert_eq!(counter(&store).await, 2);
        store.close().await.unwrap();
    });
}

#[test]
fn a_process_whose_clock_is_far_ahead_raises_no_times_and_says_so() {
    const MINUTE_MS: i64 = 60_000;
    captured_log::start();
    let said = || captured_log::lines_of("clock-ahead-");
    let site = Site::new(90);
    let (right, wrong) = (site.process("right"), site.process("wrong"));
    site.run(async || {
        wrong.shift_wall_clock(4 * MINUTE_MS);
        let store = site.open(&right).await;
        let builder = site.builder(&wrong).name("clock-ahead");
        let ahead = builder.clone().open().await.unwrap();
        let times = async |store: &DataManager| {
            increment_until_done(store, &format!("at {}", store.position())).await;
            store.stats().time
        };
        // A few minutes are nothing unusual.
        let late = times(&ahead).await;
        assert!(late.saturating_since(right.wall_time()) > Duration::from_secs(200));
        assert_eq!(said(), [""; 0]);
        right.sleep(Duration::from_secs(600)).await;
        let last = times(&store).await;

        // It is put forward while the store is open.
        wrong.shift_wall_clock(2 * MINUTE_MS);
        right.sleep(Duration::from_secs(30)).await;
        assert_eq!(times(&ahead).await, last);
        assert_eq!(times(&ahead).await, last);
        assert_eq!(said().len(), 1, "{:?}", said());
        assert!(said()[0].contains("clock is ahead of the object storage's"));
        assert!(times(&store).await > last, "others raise it");

        // It is put right again, and forward before the store is opened.
        wrong.shift_wall_clock(-6 * MINUTE_MS);
        let last = times(&ahead).await;
        assert!(last.saturating_since(right.wall_time()) < Duration::from_secs(1));
        ahead.close().await.unwrap();
        wrong.shift_wall_clock(6 * MINUTE_MS);
        let ahead = builder.open().await.unwrap();
        assert_eq!(said().len(), 2, "{:?}", said());
        right.sleep(Duration::from_secs(30)).await;
        assert_eq!(times(&ahead).await, last);
        ahead.close().await.unwrap();
        store.close().await.unwrap();
    });
}

/// A process that was stopped each time between listing the manifests and reading the newest one said that it was not
/// found: a collector had removed it, and there were newer ones.
#[test]
fn manifests_that_are_removed_while_a_process_stands_still_are_looked_for_again() {
    for stops in 1..=8 {
        let mut site = Site::new(70 + stops);
        site.keep_nothing();
        site.settings.maintain = false;
        let (a, b) = (site.process("a"), site.process("b"));
        site.run(async || {
            let store = site.open(&a).await;
            let builder = site.builder(&b);
            let opening = b.run("open", async move { builder.open().await });
            let opened = stop_after_lists(&site, &store, &b, stops, opening).await;
            let other = opened.unwrap();
            increment(&other, "b").await.unwrap();
            let handle = other.clone();
            let checkpoint = b.run("checkpoint", async move { handle.checkpoint().await });
            let result = stop_after_lists(&site, &store, &b, stops, checkpoint).await;
            if let Err(error) = result {
                // The others were faster.
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            }
            assert_eq!(counter(&store).await, 1);
            store.close().await.unwrap();
            other.close().await.unwrap();
        });
    }
}

/// Stops `process` the first `stops` times that it has listed manifests, and replaces all of these before it goes on.
async fn stop_after_lists<T>(
    site: &Site,
    store: &DataManager,
    process: &SimulatedEnvironment,
    stops: u64,
    work: impl Future<Output = Option<T>>,
) -> T {
    let lists = || {
        let name = process.name();
        let operation = Operation::List;
        site.objects
            .request_count(name, operation, "base/manifests/")
    };
    let replace = async {
        for _ in 0..stops {
            let before = lists();
            while lists() == before {
                let moment = Duration::from_micros(100);
                site.objects.environment().sleep(moment).await;
            }
            process.pause();
            for _ in 0..4 {
                store.put_raw("other", "1", "").await.unwrap();
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            process.resume();
        }
        std::future::pending::<()>().await;
    };
    match futures::future::select(Box::pin(work), Box::pin(replace)).await {
        futures::future::Either::Left((done, _)) => done.unwrap(),
        futures::future::Either::Right(_) => unreachable!("it goes on for ever"),
    }
}

/// The upkeep of a process took a job that was run by hand for one that had been cut off, and gave it up.
#[test]
fn jobs_run_by_hand_and_the_upkeep_of_their_process_leave_each_other_alone() {
    for seed in 1..=5 {
        let site = Site::new(seed).with_busy_jobs();
        let process = site.process("a");
        site.run(async || {
            let store = site.open(&process).await;
            let writes = async {
                for number in 0..600 {
                    let id = format!("{:03}", number % 100);
                    store.put_raw("note", &id, "text").await.unwrap();
                }
            };
            let jobs = async {
                let mut jobs = 0;
                while store.position().seq < 600 {
                    store.compact().await.unwrap();
                    jobs += store.compact_as_due().await.unwrap().jobs;
                    jobs += u64::from(store.checkpoint().await.unwrap().files > 0);
                }
                jobs
            };
            let ((), jobs) = join(writes, jobs).await;
            assert!(jobs > 0, "some had something to do");
            store.close().await.unwrap();
        });
    }
}

/// It said that a file was not found, which for a job has no meaning.
#[test]
fn a_job_whose_files_were_collected_says_that_it_came_to_nothing() {
    let mut site = Site::new(3);
    site.keep_nothing();
    site.settings.maintain = false;
    site.settings.job_claim_max = Duration::from_secs(10);
    let (a, b) = (site.process("a"), site.process("b"));
    site.run(async || {
        let (store, other) = (site.open(&a).await, site.open(&b).await);
        increment(&store, "a").await.unwrap();
        other.latest_snapshot().await.unwrap();
        let has_asked = async |operation, prefix: &str| {
            let asked = || site.objects.request_count("b", operation, prefix);
            let before = asked();
            while asked() == before {
                a.sleep(Duration::from_micros(100)).await;
            }
        };
        let handle = other.clone();
        let job = b.run("checkpoint", async move { handle.checkpoint().await });
        // It looks for its files before a manifest names them, and gets the answer when they are gone.
        has_asked(Operation::Put, "base/data/").await;
        has_asked(Operation::Get, "base/manifests/").await;
        let late = Duration::from_secs(40);
        site.objects.set_delay(late..=late);
        has_asked(Operation::Head, "base/data/").await;
        let soon = Duration::from_millis(1);
        site.objects.set_delay(soon..=soon);
        for _ in 0..2 {
            store.collect_garbage().await.unwrap();
            a.sleep(Duration::from_secs(11)).await;
        }
        store.checkpoint().await.unwrap();
        store.collect_garbage().await.unwrap();
        let error = job.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.chain().contains("no object"), "{error:?}");
        store.close().await.unwrap();
        other.close().await.unwrap();
    });
}

/// A process that began anew, and was slow in it while others merged the files of the manifest that it had read, took that
/// for damage and served nothing any more.
#[test]
fn files_that_are_merged_while_a_process_begins_anew_are_no_damage() {
    let mut site = Site::new(4);
    site.keep_nothing();
    site.settings.maintain = false;
    let (a, b) = (site.process("a"), site.process("b"));
    site.run(async || {
        let (store, other) = (site.open(&a).await, site.open(&b).await);
        let grow = async || {
            for _ in 0..4 {
                increment(&store, "a").await.unwrap();
                store.checkpoint().await.unwrap();
                store.compact().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
        };
        b.pause();
        grow().await;
        a.sleep(HEAD_CONFIRM_MAX * 4).await;
        store.collect_garbage().await.unwrap();
        b.resume();
        let has_asked = async |operation, prefix: &str| {
            let asked = || site.objects.request_count("b", operation, prefix);
            let before = asked();
            while asked() == before {
                a.sleep(Duration::from_micros(100)).await;
            }
        };
        let handle = other.clone();
        let snapshot = b.run("read", async move { handle.latest_snapshot().await });
        has_asked(Operation::Get, "base/manifests/").await;
        let late = HEAD_CONFIRM_MAX / 3;
        site.objects.set_delay(late..=late);
        has_asked(Operation::List, "base/data/").await;
        let soon = Duration::from_millis(1);
        site.objects.set_delay(soon..=soon);
        grow().await;
        drop(snapshot.await.unwrap().unwrap());
        assert_eq!(counter(&other).await, 8);
        store.close().await.unwrap();
        other.close().await.unwrap();
    });
}
