//! Commits while checkpoints and compactions run all the time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::commits::directory;
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::subject::{Subject, commit_for};
use crate::subjects::{Datamanager, OURS, READ_VALUE_BYTES};

const WRITERS: usize = 64;

pub(super) async fn measure(
    options: &Options,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let store = Datamanager::in_files(&directory(place, "ours")?).await?;
    store
        .load(0, options.entries() / 4, READ_VALUE_BYTES)
        .await?;
    store.settle().await?;
    commit_for(&store, WRITERS, options.duration() / 4).await?;
    let mut quiet = commit_for(&store, WRITERS, options.duration()).await?;

    let ended = Arc::new(AtomicBool::new(false));
    let jobs = {
        let (store, ended) = (store.clone(), ended.clone());
        tokio::spawn(async move {
            let mut rounds = 0u64;
            while !ended.load(Ordering::Relaxed) {
                store.settle().await?;
                rounds += 1;
            }
            anyhow::Ok(rounds)
        })
    };
    let mut busy = commit_for(&store, WRITERS, options.duration()).await?;
    ended.store(true, Ordering::Relaxed);
    let rounds = jobs.await??;
    anyhow::ensure!(rounds > 0, "no compaction has run");

    let work = |when: &str| format!("commit, 64 writers, {when}, p99");
    let (quiet, busy) = (quiet.percentile(99), busy.percentile(99));
    report.add(&work("quiet"), OURS, Unit::Micros, quiet);
    report.add(&work("beside endless compaction"), OURS, Unit::Micros, busy);
    report.add(
        "p99 beside endless compaction to quiet",
        OURS,
        Unit::Factor,
        busy / quiet,
    );
    store.close().await
}
