//! The loops that run jobs when they are due.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, Either};

use super::Jobs;
use crate::manifest::Manifest;
use crate::{Error, ErrorKind};

/// How long a loop waits after a failure.
const FAILURE_DELAY: Duration = Duration::from_secs(1);

/// A checkpoint waits while there are so many times as many runs of level 0 as are merged at once.
const LEVEL0_RUNS_FACTOR: usize = 2;
/// How long a checkpoint waits for runs to be merged, at most.
const CHECKPOINT_DELAY_MAX: Duration = Duration::from_secs(20);

/// Writes checkpoints when enough is in memory.
pub(crate) async fn maintain_log(jobs: Arc<Jobs>) {
    while !jobs.shared.is_stopping() {
        let due = Box::pin(jobs.shared.checkpoint_due.notified());
        let interval = jobs.environment.sleep(jobs.settings.checkpoint_interval);
        future::select(due, interval).await;
        jobs.wait_for_compaction().await;
        if jobs.shared.is_stopping() {
            return;
        }
        if let Err(error) = jobs.checkpoint().await {
            jobs.report("a checkpoint", &error).await;
            jobs.shared.checkpoint_due.notify_one();
        }
    }
}

/// Merges runs when there are many, and collects garbage from time to time.
pub(crate) async fn maintain_files(jobs: Arc<Jobs>) {
    let mut collected_at = jobs.environment.steady_time();
    while !jobs.shared.is_stopping() {
        if let Err(error) = jobs.compact_as_due().await {
            jobs.report("a compaction", &error).await;
        }
        let since = jobs.environment.steady_time().saturating_sub(collected_at);
        let left = jobs.settings.gc_interval.saturating_sub(since);
        let changed = Box::pin(jobs.shared.runs_changed.notified());
        if let Either::Left(_) = future::select(changed, jobs.environment.sleep(left)).await {
            continue;
        }
        collected_at = jobs.environment.steady_time();
        if let Err(error) = jobs.collect_garbage(false).await {
            jobs.report("a collection of garbage", &error).await;
        }
    }
}

/// Reads from each newer manifest that another process announces (R25).
pub(crate) async fn follow_manifests(jobs: Arc<Jobs>) {
    let mut applied = jobs.shared.watch_applied();
    while !jobs.shared.is_stopping() && applied.changed().await.is_ok() {
        let view = jobs.shared.view();
        if view.control.manifest_number <= view.files.manifest.number {
            continue;
        }
        let read = async {
            let (manifest, checksum) = Manifest::load_newest(jobs.ost(), view.epoch).await?;
            // The newest manifest may cover more than has been applied here: first the log, then the files.
            let covered = manifest.covered.seq;
            let reached = |seq: &u64| *seq >= covered || jobs.shared.is_stopping();
            if jobs.shared.watch_applied().wait_for(reached).await.is_ok()
                && !jobs.shared.is_stopping()
            {
                jobs.read_from(manifest, checksum).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = read.await {
            jobs.report("reading a new manifest", &error).await;
            applied.mark_changed();
        }
    }
}

impl Jobs {
    /// Holds a checkpoint back while so many runs wait to be merged that reads would suffer; meanwhile the log grows to its
    /// bound and transactions wait. If merging does not get anywhere, the checkpoint goes on all the same after a while.
    async fn wait_for_compaction(&self) {
        let mut applied = self.shared.watch_applied();
        let mut timeout = self.environment.sleep(CHECKPOINT_DELAY_MAX);
        loop {
            let runs = self
                .shared
                .view()
                .files
                .manifest
                .runs
                .iter()
                .filter(|run| run.level == 0)
                .count();
            if runs < LEVEL0_RUNS_FACTOR * self.settings.level0_runs_max
                || self.shared.is_stopping()
            {
                return;
            }
            let changed = Box::pin(applied.changed());
            match future::select(changed, timeout).await {
                Either::Left((_, left)) => timeout = left,
                Either::Right(_) => return,
            }
        }
    }

    async fn report(&self, what: &str, error: &Error) {
        if self.shared.is_stopping() {
            return;
        }
        if error.kind() == ErrorKind::Corrupt {
            log::error!(instance = self.shared.instance; "{what} found damage: {}", error.chain());
        } else {
            log::warn!(instance = self.shared.instance; "{what} failed and is tried again: {}", error.chain());
        }
        self.environment.sleep(FAILURE_DELAY).await;
    }
}
