//! The loops that run jobs when they are due.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, Either};

use super::Jobs;
use crate::control::JobKind;
use crate::manifest::Manifest;
use crate::{Error, ErrorKind};

/// How long a checkpoint that is due waits for the one that another process is writing, before it is looked again.
const CLAIMED_DELAY: Duration = Duration::from_secs(1);
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
        let result = match jobs.is_claimed_by_another(JobKind::Checkpoint).await {
            Ok(true) => {
                jobs.environment.sleep(CLAIMED_DELAY).await;
                jobs.shared.notify_if_checkpoint_due();
                continue;
            }
            Ok(false) => jobs.checkpoint().await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            jobs.report("a checkpoint", &error).await;
            jobs.shared.checkpoint_due.notify_one();
        }
    }
}

/// Merges runs when there are many, and collects garbage from time to time.
pub(crate) async fn maintain_files(jobs: Arc<Jobs>) {
    let mut collected_at = jobs.environment.steady_time();
    while !jobs.shared.is_stopping() {
        if let Err(error) = jobs.compact_unless_claimed().await {
            jobs.report("a compaction", &error).await;
        }
        let since = jobs.environment.steady_time().saturating_sub(collected_at);
        let left = jobs.settings.gc_interval.saturating_sub(since);
        let changed = Box::pin(jobs.shared.runs_changed.notified());
        if let Either::Left(_) = future::select(changed, jobs.environment.sleep(left)).await {
            continue;
        }
        collected_at = jobs.environment.steady_time();
        if let Err(error) = jobs.collect_if_due().await {
            jobs.report("a collection of garbage", &error).await;
        }
    }
}

/// Goes on with the old data when the log has been sealed for a while and the next epoch has not begun: whoever sealed it may
/// be gone (R7).
pub(crate) async fn watch_seal(jobs: Arc<Jobs>) {
    let mut control = jobs.shared.watch_control();
    while !jobs.shared.is_stopping() {
        let Some(next_epoch) = jobs.sealed_for() else {
            if control.changed().await.is_err() {
                return;
            }
            continue;
        };
        let log = jobs.shared.log();
        jobs.environment.sleep(log.log.seal_age_max()).await;
        if jobs.sealed_for() != Some(next_epoch) || jobs.shared.is_stopping() {
            continue;
        }
        if let Err(error) = jobs.begin_next_epoch().await {
            jobs.report("beginning the next epoch", &error).await;
        }
    }
}

/// Reads from each newer manifest that another process announces (R25).
pub(crate) async fn follow_manifests(jobs: Arc<Jobs>) {
    let mut control = jobs.shared.watch_control();
    while !jobs.shared.is_stopping() && control.changed().await.is_ok() {
        let view = jobs.shared.view();
        if view.control.manifest_number <= view.files.manifest.number {
            continue;
        }
        let read = async {
            let (manifest, checksum) = Manifest::load_newest(jobs.ost(), view.epoch).await?;
            jobs.read_from(manifest, checksum).await
        };
        if let Err(error) = read.await {
            jobs.report("reading a new manifest", &error).await;
            control.mark_changed();
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
