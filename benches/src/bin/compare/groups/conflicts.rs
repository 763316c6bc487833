//! Transactions that get into each other's way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use benches::{Numbers, entry_id, entry_value};
use tokio::task::JoinSet;

use super::commits::{directory, synced_objects};
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::subject::Subject;
use crate::subjects::{Datamanager, READ_VALUE_BYTES, Redb, SlateDb};

const CLIENTS: u64 = 64;
const HOT_ENTRIES: usize = 10_000;
const READS: usize = 5;
const WRITES: usize = 5;

pub(super) async fn measure(
    options: &Options,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    transact(
        options,
        Datamanager::in_files(&directory(place, "ours")?).await?,
        report,
    )
    .await?;
    let objects = synced_objects(&directory(place, "slatedb")?)?;
    transact(options, SlateDb::open(objects).await?, report).await?;
    transact(options, Redb::open(&directory(place, "redb")?)?, report).await
}

/// Clients that each read 5 and write 5 of the hot entries in one durable transaction, and try again after a conflict.
async fn transact<S: Subject>(
    options: &Options,
    store: S,
    report: &mut Report,
) -> anyhow::Result<()> {
    store.load(0, HOT_ENTRIES as u64, READ_VALUE_BYTES).await?;
    let conflicts = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let duration = options.duration();
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let (store, conflicts) = (store.clone(), conflicts.clone());
        tasks.spawn(async move {
            let mut numbers = Numbers::from_seed(client);
            let mut committed = 0u64;
            while started.elapsed() < duration {
                let mut draw = |count: usize| -> Vec<String> {
                    (0..count)
                        .map(|_| entry_id(numbers.next_index(HOT_ENTRIES) as u64))
                        .collect()
                };
                let (reads, writes) = (draw(READS), draw(WRITES));
                let value = entry_value(committed, READ_VALUE_BYTES);
                while !store.transact(&reads, &writes, &value).await? {
                    conflicts.fetch_add(1, Ordering::Relaxed);
                }
                committed += 1;
            }
            anyhow::Ok(committed)
        });
    }
    let mut committed = 0;
    while let Some(task) = tasks.join_next().await {
        committed += task??;
    }
    let rate = committed as f64 / started.elapsed().as_secs_f64();
    report.add(
        "transactions of 5 reads and 5 writes of 10,000 hot entries, 64 clients",
        S::NAME,
        Unit::PerSecond,
        rate,
    );
    let share = conflicts.load(Ordering::Relaxed) as f64 / committed.max(1) as f64;
    report.add("conflicts for each of them", S::NAME, Unit::Count, share);
    store.close().await
}
