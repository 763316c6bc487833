//! Loading a store, and reading it.

use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use benches::{Numbers, entry_id};

use super::commits::{directory, synced_objects};
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::subject::Subject;
use crate::subjects::{Datamanager, READ_VALUE_BYTES, Redb, SlateDb};

const HOT_ENTRIES: usize = 1_000;
const SEED: u64 = 1;

pub(super) async fn measure(
    options: &Options,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    read(
        options,
        Datamanager::in_files(&directory(place, "ours")?).await?,
        report,
    )
    .await?;
    let objects = synced_objects(&directory(place, "slatedb")?)?;
    read(options, SlateDb::open(objects).await?, report).await?;
    read(options, Redb::open(&directory(place, "redb")?)?, report).await
}

async fn read<S: Subject>(options: &Options, store: S, report: &mut Report) -> anyhow::Result<()> {
    let entries = options.entries();
    let began = Instant::now();
    store.load(0, entries, READ_VALUE_BYTES).await?;
    let seconds = began.elapsed().as_secs_f64();
    report.add(
        &format!("load of {entries} entries of 400 B"),
        S::NAME,
        Unit::Seconds,
        seconds,
    );
    store.settle().await?;

    let ids: Vec<String> = (0..entries).map(entry_id).collect();
    for (work, ids) in [
        ("get, 1,000 hot entries", &ids[..HOT_ENTRIES]),
        ("get, any entry", &ids[..]),
    ] {
        // The first time warms the caches.
        for _ in 0..2 {
            get(&store, ids, options.gets()).await?;
        }
        let micros = get(&store, ids, options.gets()).await?;
        report.add(work, S::NAME, Unit::Micros, micros);
    }
    let began = Instant::now();
    let found = store.scan().await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(found == entries, "{found} entries are there, not {entries}");
    report.add("scan of all entries", S::NAME, Unit::Seconds, seconds);
    store.close().await
}

/// How long a get takes, on average of many, one after the other.
async fn get<S: Subject>(store: &S, ids: &[String], gets: usize) -> anyhow::Result<f64> {
    let mut numbers = Numbers::from_seed(SEED);
    let began = Instant::now();
    for _ in 0..gets {
        store.check(&ids[numbers.next_index(ids.len())]).await?;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / gets as f64)
}
