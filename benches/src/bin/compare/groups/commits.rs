//! Durable commits of 1 KiB on a local disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use benches::{COMMITTED_VALUE_BYTES, WRITERS, entry_id, entry_value};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use tokio::task::block_in_place;

use crate::options::Options;
use crate::report::{Report, Unit};
use crate::samples::percentile;
use crate::subject::{Subject, commit_for};
use crate::subjects::{Datamanager, RAW, Redb, SlateDb};

/// A directory of its own for each store.
pub(super) fn directory(place: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let directory = place.join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// A local directory as an object storage whose writes are durable.
pub(super) fn synced_objects(directory: &Path) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let objects = LocalFileSystem::new_with_prefix(directory)?.with_fsync(true);
    Ok(Arc::new(objects))
}

pub(super) async fn measure(
    options: &Options,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    for writers in WRITERS {
        let work = format!("commit, log in files, {writers} writers");
        let name = |store: &str| format!("{store}-{writers}");
        let store = Datamanager::in_files(&directory(place, &name("ours"))?).await?;
        commit(options, &work, writers, &store, report).await?;
        let objects = synced_objects(&directory(place, &name("slatedb"))?)?;
        let store = SlateDb::open(objects).await?;
        commit(options, &work, writers, &store, report).await?;
        if writers == 1 {
            // It has one writer at a time, and a sync for each.
            let store = Redb::open(&directory(place, "redb")?)?;
            commit(options, &work, writers, &store, report).await?;
        }
        append_and_sync(options, &work, writers, place, report)?;
    }
    Ok(())
}

/// Measures one store and closes it.
pub(super) async fn commit<S: Subject>(
    options: &Options,
    work: &str,
    writers: usize,
    store: &S,
    report: &mut Report,
) -> anyhow::Result<()> {
    // What is done for the first time is not measured.
    commit_for(store, writers, options.duration() / 4).await?;
    let mut commits = commit_for(store, writers, options.duration()).await?;
    report.add(work, S::NAME, Unit::PerSecond, commits.rate());
    report.add(
        &format!("{work}, p50"),
        S::NAME,
        Unit::Micros,
        commits.percentile(50),
    );
    report.add(
        &format!("{work}, p99"),
        S::NAME,
        Unit::Micros,
        commits.percentile(99),
    );
    store.close().await
}

/// One append to a file of the ids and values of one commit of each writer, and one `fdatasync`, again and again.
fn append_and_sync(
    options: &Options,
    work: &str,
    writers: usize,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let bytes: Vec<u8> = (0..writers as u64)
        .flat_map(|number| {
            let value = entry_value(number, COMMITTED_VALUE_BYTES);
            [entry_id(number).as_bytes(), &value].concat()
        })
        .collect();
    block_in_place(|| {
        let mut file = File::create_new(place.join(format!("raw-{writers}")))?;
        file.sync_all()?;
        let started = Instant::now();
        let mut micros = Vec::new();
        while started.elapsed() < options.duration() {
            let began = Instant::now();
            file.write_all(&bytes)?;
            file.sync_data()?;
            micros.push(began.elapsed().as_secs_f64() * 1e6);
        }
        let rate = (micros.len() * writers) as f64 / started.elapsed().as_secs_f64();
        report.add(work, RAW, Unit::PerSecond, rate);
        report.add(
            &format!("{work}, p50"),
            RAW,
            Unit::Micros,
            percentile(&mut micros, 50),
        );
        Ok(())
    })
}
