//! Seeded runs: many tasks, power cuts at any step, and what must hold afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::{DataManager, ErrorKind, Outcome, ScanOptions};
use futures::lock::Mutex;

use crate::host::Host;

/// What the clients of one run were told.
#[derive(Default)]
struct Told {
    /// Acknowledged markers, with the position.
    committed: BTreeMap<String, u64>,
    /// Markers of commits that were told to be unknown.
    unknown: Vec<(String, datamanager::CommitId)>,
    refused: Vec<String>,
}

/// Moves an amount between two accounts, and leaves a marker in the same transaction.
async fn transfer(
    store: &DataManager,
    marker: &str,
    from: usize,
    to: usize,
) -> Result<u64, datamanager::Error> {
    let mut transaction = store.begin();
    let mut read = Vec::new();
    for account in [from, to] {
        let value = transaction.get_raw("account", &account.to_string()).await?;
        let value = value.map_or(100, |value| {
            std::str::from_utf8(&value).unwrap().parse::<i64>().unwrap()
        });
        read.push(value);
    }
    if from != to {
        transaction.put_raw("account", &from.to_string(), (read[0] - 1).to_string())?;
        transaction.put_raw("account", &to.to_string(), (read[1] + 1).to_string())?;
    }
    transaction.put_raw("marker", marker, format!("{from}>{to}"))?;
    Ok(transaction.commit().await?.position.seq)
}

const ACCOUNTS: usize = 4;
const CLIENTS: u64 = 4;

/// Checks the state against what clients were told.
async fn check(store: &DataManager, told: &Told, seed: u64) {
    let snapshot = store.snapshot();
    let markers = snapshot
        .scan_raw("marker", &ScanOptions::new())
        .unwrap()
        .collect()
        .await
        .unwrap();
    let present: BTreeMap<&str, &datamanager::Entry> = markers
        .iter()
        .map(|entry| (entry.id.as_str(), entry))
        .collect();
    for (marker, seq) in &told.committed {
        let entry = present.get(marker.as_str());
        assert_eq!(
            entry.map(|entry| entry.seq),
            Some(*seq),
            "seed {seed}: {marker} was acknowledged"
        );
    }
    for marker in &told.refused {
        assert!(
            !present.contains_key(marker.as_str()),
            "seed {seed}: {marker} was refused"
        );
    }
    for (marker, id) in &told.unknown {
        let expected = if present.contains_key(marker.as_str()) {
            Outcome::Committed
        } else {
            Outcome::NotCommitted
        };
        let outcome = store.outcome(*id).await.unwrap();
        assert!(
            outcome == expected || outcome == Outcome::TooOld,
            "seed {seed}: {marker} is {outcome:?}"
        );
    }
    // The accounts are exactly what the transfers that are present make of them.
    let mut expected = [100i64; ACCOUNTS];
    for entry in &markers {
        let text = std::str::from_utf8(&entry.value).unwrap();
        let (from, to) = text.split_once('>').unwrap();
        expected[from.parse::<usize>().unwrap()] -= 1;
        expected[to.parse::<usize>().unwrap()] += 1;
    }
    for (account, expected) in expected.iter().enumerate() {
        let value = snapshot
            .get_raw("account", &account.to_string())
            .await
            .unwrap();
        let value = value.map_or(100, |value| {
            std::str::from_utf8(&value).unwrap().parse::<i64>().unwrap()
        });
        assert_eq!(value, *expected, "seed {seed}: account {account}");
    }
}

/// What a run came to.
#[derive(Debug, PartialEq)]
struct Run {
    trace_hash: u64,
    records: u64,
    manifests: u64,
}

/// Several lives of a process, each ended by a power cut at a random step.
fn run(seed: u64) -> Run {
    let mut host = Host::new(seed);
    host.settings.segment_records_max = 7;
    // Jobs run all the time, with limits so tiny that every run has many of them.
    host.settings.checkpoint_bytes = 3_000;
    host.settings.log_bytes_max = 20_000;
    host.settings.data_file_bytes_max = 300;
    host.settings.block_bytes = Some(128);
    host.settings.level0_runs_max = 2;
    host.settings.level1_bytes_max = 1_000;
    host.settings.gc_interval = Duration::from_millis(5);
    host.settings.file_retention = Duration::ZERO;
    host.settings.wal_retention = Duration::ZERO;
    let told = Arc::new(Mutex::new(Told::default()));
    let mut random = host.simulation.random();
    let mut last_seq = 0;
    for life in 0..4 {
        let process = host.process();
        let steps = random.below(3_000) as u64;
        let fault = random.below(6);
        host.simulation
            .run_until(async {
                let store = match host.open(&process).await {
                    Ok(store) => store,
                    Err(error) => panic!("seed {seed}: {error:?}"),
                };
                assert!(
                    store.position().seq >= last_seq,
                    "seed {seed}: the log went back"
                );
                check(&store, &*told.lock().await, seed).await;
                process.kill_after(steps);
                match fault {
                    0 => process
                        .memory_files()
                        .fail_write(1 + random.below(4) as u64),
                    1 => process
                        .memory_files()
                        .fail_sync_data(1 + random.below(4) as u64),
                    _ => {}
                }
                let clients = (0..CLIENTS).map(|client| {
                    let (store, told, process) = (store.clone(), told.clone(), process.clone());
                    let mut random = random.fork();
                    async move {
                        for number in 0..20 {
                            let marker = format!("{life}-{client}-{number}");
                            let from = random.below(ACCOUNTS);
                            let to = random.below(ACCOUNTS);
                            process
                                .sleep(Duration::from_millis(random.below(6) as u64))
                                .await;
                            let result = transfer(&store, &marker, from, to).await;
                            let mut told = told.lock().await;
                            match result {
                                Ok(seq) => drop(told.committed.insert(marker, seq)),
                                Err(error) => match (error.kind(), error.commit_id()) {
                                    (ErrorKind::Unknown, Some(id)) => {
                                        told.unknown.push((marker, id))
                                    }
                                    (ErrorKind::Conflict, _) => told.refused.push(marker),
                                    // The process is gone, or its log is latched: nobody knows of this one.
                                    (ErrorKind::Unavailable, _) => return,
                                    _ => panic!("seed {seed}: {error:?}"),
                                },
                            }
                        }
                    }
                });
                futures::future::join_all(clients).await;
                last_seq = told
                    .lock()
                    .await
                    .committed
                    .values()
                    .copied()
                    .max()
                    .unwrap_or(0);
            })
            .unwrap();
        process.cut_power();
    }
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            check(&store, &*told.lock().await, seed).await;
            let stats = store.stats();
            store.close().await.unwrap();
            assert!(
                host.builder(&process).verify().await.unwrap().is_sound(),
                "seed {seed}"
            );
            Run {
                trace_hash: host.simulation.trace_hash(),
                records: stats.position.seq,
                manifests: stats.manifest,
            }
        })
        .unwrap()
}

#[test]
fn power_cuts_and_failing_disks_lose_and_double_nothing() {
    let first: u64 = std::env::var("DM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let rounds: u64 = std::env::var("DM_SOAK_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(40);
    let (mut records, mut manifests) = (0, 0);
    for seed in first..first + rounds {
        let run = run(seed);
        records += run.records;
        manifests += run.manifests;
    }
    assert!(records > 20 * rounds, "the runs commit: {records} records");
    assert!(
        manifests > 5 * rounds,
        "the runs checkpoint and merge: {manifests} manifests"
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).trace_hash, run(8).trace_hash);
}
