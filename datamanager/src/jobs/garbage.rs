//! Removing what no manifest that is kept names any more.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use ost::{ObjectMeta, ObjectPath};
use serde::Serialize;

use super::Jobs;
use super::pins::list_pins;
use crate::manifest::Manifest;
use crate::{Error, ErrorKind, Position, RecordId, Timestamp};

/// The newest manifests, which are always kept.
const MANIFESTS_KEPT_MIN: usize = 3;

/// What a collection of garbage has removed, or would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GarbageReport {
    /// Keys of manifests.
    pub manifests: Vec<String>,
    /// Keys of data files.
    pub data_files: Vec<String>,
    /// Bytes of the data files.
    pub bytes: u64,
    /// Log files removed; not known on a dry run.
    pub log_files: u64,
    /// Keys that could not be removed; the next collection tries again.
    pub failed: Vec<String>,
}

impl Jobs {
    /// Removes data files, manifests and log files that are no longer needed (R28). With `dry_run` it only says which
    /// manifests and data files these are.
    ///
    /// What is to go is worked out from the newest manifest object alone, not from what this process has applied.
    pub(crate) async fn collect_garbage(&self, dry_run: bool) -> Result<GarbageReport, Error> {
        if !dry_run {
            self.check_writable()?;
        }
        let _one = self.collecting.lock().await;
        let epoch = self.shared.view().epoch;
        // Data files are listed before the manifests: a file of a job that ends in between is named by what is read
        // afterwards, and one of a job that begins in between is not listed.
        let data_files: Vec<ObjectMeta> = self.ost().list("data/", None).try_collect().await?;
        let now = if dry_run {
            self.environment.wall_time()
        } else {
            self.store_time().await?
        };
        let manifests: Vec<ObjectMeta> = self
            .ost()
            .list(&Manifest::prefix(epoch), None)
            .try_collect()
            .await?;
        let pinned = self.pinned_manifests(now).await?;
        let (kept, dropped) =
            sort_manifests(&manifests, &pinned, now, self.settings.file_retention);

        let mut live = BTreeSet::new();
        let mut newest: Option<Manifest> = None;
        let mut oldest_covered: Option<Position> = None;
        for meta in kept {
            let (manifest, _) = Manifest::load(self.ost(), meta.path.as_ref()).await?;
            live.extend(manifest.file_keys().into_iter().map(str::to_owned));
            oldest_covered.get_or_insert(manifest.covered);
            newest = Some(manifest);
        }
        let newest = newest
            .ok_or_else(|| Error::corrupt(format!("no manifest of epoch {epoch} is left")))?;

        let mut report = GarbageReport::default();
        for meta in dropped {
            self.remove(&meta.path, dry_run, &mut report.failed).await?;
            report.manifests.push(meta.path.to_string());
        }
        for meta in data_files {
            if live.contains(meta.path.as_ref()) || !may_go(&meta.path, &newest) {
                continue;
            }
            self.remove(&meta.path, dry_run, &mut report.failed).await?;
            report.bytes += meta.size;
            report.data_files.push(meta.path.to_string());
        }
        if !dry_run && let Some(covered) = oldest_covered {
            report.log_files = self.truncate_log(covered, &manifests, now).await?;
        }
        Ok(report)
    }

    /// Removes log files that every kept manifest covers, once that has been so for the retention.
    async fn truncate_log(
        &self,
        oldest_covered: Position,
        manifests: &[ObjectMeta],
        now: Timestamp,
    ) -> Result<u64, Error> {
        let retention = self.settings.wal_retention;
        let mut settled = None;
        for meta in manifests.iter().filter(|meta| age(meta, now) >= retention) {
            match Manifest::load(self.ost(), meta.path.as_ref()).await {
                Ok((manifest, _)) => settled = Some(manifest.covered),
                // Removed just now, so not the oldest that is kept.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        match settled {
            Some(settled) if settled.seq < oldest_covered.seq => self.log.truncate(settled).await,
            Some(_) => self.log.truncate(oldest_covered).await,
            None => Ok(0),
        }
    }

    /// The manifests that pins keep. A pin whose term is over stays where it is: it may be being renewed.
    async fn pinned_manifests(&self, now: Timestamp) -> Result<BTreeSet<String>, Error> {
        let pins = list_pins(self.ost()).await?;
        let holding = pins
            .into_iter()
            .filter(|pin| pin.expires_at.is_none_or(|expires_at| expires_at > now));
        Ok(holding.map(|pin| pin.manifest_key()).collect())
    }

    async fn remove(
        &self,
        path: &ObjectPath,
        dry_run: bool,
        failed: &mut Vec<String>,
    ) -> Result<(), Error> {
        if dry_run {
            return Ok(());
        }
        self.check_running()?;
        if let Err(error) = self.ost().delete(path).await {
            log::warn!(instance = self.shared.instance, path:% = path; "garbage could not be removed: {error}");
            failed.push(path.to_string());
        }
        Ok(())
    }

    /// The storage's own time, from an object that is written for it: ages of objects are compared with it (R5).
    async fn store_time(&self) -> Result<Timestamp, Error> {
        let path = ObjectPath::parse(&format!(
            "recovery/time-{}",
            RecordId::random(self.environment.as_ref())
        ))?;
        self.ost().put(&path, Bytes::new()).await?;
        let meta = self.ost().head(&path).await;
        self.ost().delete(&path).await?;
        Ok(Timestamp::from_millis(meta?.last_modified_ms))
    }
}

fn age(meta: &ObjectMeta, now: Timestamp) -> Duration {
    now.saturating_since(Timestamp::from_millis(meta.last_modified_ms))
}

/// Splits manifests, which come oldest first, into those that are kept and those that may go.
fn sort_manifests<'a>(
    manifests: &'a [ObjectMeta],
    pinned: &BTreeSet<String>,
    now: Timestamp,
    retention: Duration,
) -> (Vec<&'a ObjectMeta>, Vec<&'a ObjectMeta>) {
    let newest_from = manifests.len().saturating_sub(MANIFESTS_KEPT_MIN);
    let is_kept = |place: usize| {
        let successor_is_young = manifests
            .get(place + 1)
            .is_none_or(|successor| age(successor, now) < retention);
        place >= newest_from
            || successor_is_young
            || pinned.contains(manifests[place].path.as_ref())
    };
    let (kept, dropped): (Vec<usize>, Vec<usize>) =
        (0..manifests.len()).partition(|place| is_kept(*place));
    let metas = |places: Vec<usize>| places.into_iter().map(|place| &manifests[place]).collect();
    (metas(kept), metas(dropped))
}

/// Whether a data file that no kept manifest names is left over: its job began before the newest manifest was made, and
/// is not open in it.
fn may_go(path: &ObjectPath, newest: &Manifest) -> bool {
    let Some((epoch, job_seq)) = parse_data_file(path.as_ref()) else {
        return false;
    };
    epoch <= newest.epoch
        && job_seq <= newest.position.seq
        && !newest.open_jobs.contains_key(&job_seq)
}

/// Epoch and job of a data file's key.
fn parse_data_file(key: &str) -> Option<(u32, u64)> {
    let name = key.strip_prefix("data/")?.strip_suffix(".data")?;
    let mut parts = name.splitn(3, '-');
    let epoch = parts.next()?.parse().ok()?;
    let job_seq = parts.next()?.parse().ok()?;
    parts.next().map(|_| (epoch, job_seq))
}
