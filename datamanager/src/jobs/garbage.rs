//! Removing what no manifest that is kept names any more.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures::TryStreamExt;
use ost::{ObjectMeta, ObjectPath};
use serde::Serialize;

use super::Jobs;
use super::pins::list_pins;
use crate::epoch::EpochFile;
use crate::failpoint;
use crate::instances;
use crate::manifest::Manifest;
use crate::mutation;
use crate::store::TRIAL_PREFIXES;
use crate::{Error, ErrorKind, LogKind, Position, Timestamp};

/// The newest manifests, which are always kept.
const MANIFESTS_KEPT_MIN: usize = 3;
/// An object that tries something is left over when it is so old.
const TRIAL_AGE: Duration = Duration::from_secs(600);

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

/// What the collector of one process knows.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    /// The manifests that this process has known, with what they cover and since when on its steady clock, oldest first.
    known: VecDeque<(Position, Duration)>,
    /// The manifest as of the last collection that left nothing to wait for.
    settled: Option<String>,
}

impl Collector {
    /// Notes that a manifest that covers `covered` is known now.
    fn note(&mut self, covered: Position, now: Duration) {
        if self
            .known
            .back()
            .is_none_or(|(last, _)| last.seq < covered.seq)
        {
            self.known.push_back((covered, now));
        }
    }

    /// The newest position that has been known to be covered for `delay`; older ones are forgotten.
    fn known_for(&mut self, delay: Duration, now: Duration) -> Option<Position> {
        let old = |(_, since): &(Position, Duration)| now.saturating_sub(*since) >= delay;
        while self.known.get(1).is_some_and(old) {
            self.known.pop_front();
        }
        self.known
            .front()
            .filter(|known| old(known))
            .map(|(covered, _)| *covered)
    }
}

/// One look at what there is.
struct Listing {
    now: Timestamp,
    /// Of all epochs, oldest first; the one that an epoch begins with stands before its others.
    manifests: Vec<ObjectMeta>,
    /// Left over from attempts to begin an epoch that another attempt has begun.
    strays: Vec<ObjectPath>,
    data_files: Vec<ObjectMeta>,
}

impl Jobs {
    /// Collects garbage unless nothing has changed since there was none.
    pub(crate) async fn collect_if_due(&self) -> Result<(), Error> {
        let newest = self.shared.view().files.manifest.key();
        if self.collecting.lock().await.settled.as_ref() == Some(&newest) {
            return Ok(());
        }
        self.collect_garbage(false).await.map(drop)
    }

    /// Removes data files, manifests and log files that are no longer needed (R28). With `dry_run` it only says which
    /// manifests and data files these are.
    ///
    /// What is to go is worked out from the newest manifest object alone, not from what this process has applied.
    pub(crate) async fn collect_garbage(&self, dry_run: bool) -> Result<GarbageReport, Error> {
        if !dry_run {
            self.check_writable()?;
        }
        let mut collector = self.collecting.lock().await;
        if !dry_run {
            self.end_jobs_of_the_gone().await?;
        }
        let applied = self.shared.view().files.manifest.key();
        let mut listing = self.look(dry_run).await?;
        let pinned = self.pinned_manifests(listing.now).await?;
        let retention = self.settings.file_retention;
        let (kept, dropped) = sort_manifests(&listing.manifests, &pinned, listing.now, retention);
        let mut waiting = kept.len() > MANIFESTS_KEPT_MIN;

        let mut live = BTreeSet::new();
        let mut newest: Option<Manifest> = None;
        let mut oldest_covered: Option<Position> = None;
        for meta in kept {
            let loaded = Manifest::load(self.ost(), meta.path.as_ref()).await;
            let (manifest, _) = loaded.map_err(|error| match error.kind() {
                // What is kept by now is another choice.
                ErrorKind::NotFound => {
                    Error::unavailable("another process has collected garbage meanwhile")
                        .with_source(error)
                }
                _ => error,
            })?;
            live.extend(manifest.file_keys().into_iter().map(str::to_owned));
            oldest_covered.get_or_insert(manifest.covered);
            newest = Some(manifest);
        }
        let newest = newest.ok_or_else(|| Error::corrupt("no manifest is left"))?;

        let mut report = GarbageReport::default();
        let dropped = dropped.into_iter().map(|meta| meta.path.clone());
        for path in dropped.chain(std::mem::take(&mut listing.strays)) {
            let failed = report.failed.len();
            self.remove(&path, dry_run, &mut report.failed).await?;
            if report.failed.len() > failed {
                // It can still be read, and so its files stay.
                match Manifest::load(self.ost(), path.as_ref()).await {
                    Ok((manifest, _)) => {
                        live.extend(manifest.file_keys().into_iter().map(str::to_owned));
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            report.manifests.push(path.to_string());
            failpoint::pass("manifest-removed");
        }
        for meta in std::mem::take(&mut listing.data_files) {
            if live.contains(meta.path.as_ref()) {
                continue;
            }
            if !may_go(&meta.path, &newest) {
                waiting = true;
                continue;
            }
            self.remove(&meta.path, dry_run, &mut report.failed).await?;
            report.bytes += meta.size;
            report.data_files.push(meta.path.to_string());
            failpoint::pass("data-file-removed");
        }
        if dry_run {
            return Ok(report);
        }
        self.remove_dead_registrations(listing.now, &mut report.failed)
            .await?;
        self.remove_trials(listing.now, &mut report.failed).await?;
        if let Some(covered) = oldest_covered {
            collector.note(covered, self.environment.steady_time());
            let up_to = self.truncation(&mut collector, covered, &listing).await?;
            waiting |= up_to.is_none_or(|up_to| up_to.seq < covered.seq);
            if let Some(up_to) = up_to {
                report.log_files = self.shared.log().log.truncate(up_to).await?;
            }
        }
        collector.settled = (!waiting && report.failed.is_empty()).then_some(applied);
        Ok(report)
    }

    /// Data files are listed before the manifests: a file of a job that ends in between is named by what is read afterwards,
    /// and one of a job that begins in between is not listed.
    async fn look(&self, dry_run: bool) -> Result<Listing, Error> {
        let data_files = self.ost().list("data/", None).try_collect().await?;
        let now = match dry_run {
            true => self.environment.wall_time(),
            false => self.store_time().await?,
        };
        let newest_epoch = EpochFile::newest_number(self.ost(), self.shared.view().epoch).await?;
        let metas: Vec<ObjectMeta> = self.ost().list("manifests/", None).try_collect().await?;
        let mut manifests = Vec::new();
        let mut strays = Vec::new();
        for of_epoch in metas.chunk_by(|left, right| epoch_of(left) == epoch_of(right)) {
            let Some(epoch) = of_epoch.first().and_then(epoch_of) else {
                continue;
            };
            let is_base = |meta: &&ObjectMeta| Manifest::number_of(meta.path.as_ref()) == Some(0);
            let numbered = |meta: &&ObjectMeta| {
                Manifest::number_of(meta.path.as_ref()).is_some_and(|number| number > 0)
            };
            if of_epoch.iter().any(|meta| is_base(&meta)) && epoch <= newest_epoch {
                let base = EpochFile::load(self.ost(), epoch).await?.manifest_key;
                let (counting, others): (Vec<_>, Vec<_>) = of_epoch
                    .iter()
                    .filter(is_base)
                    .partition(|meta| meta.path.as_ref() == base);
                manifests.extend(counting.into_iter().cloned());
                strays.extend(others.into_iter().map(|meta| meta.path.clone()));
            }
            manifests.extend(of_epoch.iter().filter(numbered).cloned());
        }
        Ok(Listing {
            now,
            manifests,
            strays,
            data_files,
        })
    }

    /// Up to where log files may be removed: what every kept manifest covers, once that has been so for the retention, and
    /// once this process has itself known it for long enough (R16).
    async fn truncation(
        &self,
        collector: &mut Collector,
        oldest_covered: Position,
        listing: &Listing,
    ) -> Result<Option<Position>, Error> {
        let retention = self.settings.wal_retention;
        let mut settled: Option<Position> = None;
        let old = listing
            .manifests
            .iter()
            .filter(|meta| age(meta, listing.now) >= retention);
        for meta in old {
            match Manifest::load(self.ost(), meta.path.as_ref()).await {
                Ok((manifest, _)) => settled = Some(manifest.covered),
                // Removed just now, so not the oldest that is kept.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let delay = self.shared.log().log.removal_delay();
        let known = collector.known_for(delay, self.environment.steady_time());
        let bounds = settled.zip(known);
        Ok(bounds.map(|(settled, known)| {
            [settled, known, oldest_covered]
                .into_iter()
                .min_by_key(|position| position.seq)
                .unwrap_or(oldest_covered)
        }))
    }

    async fn remove_dead_registrations(
        &self,
        now: Timestamp,
        failed: &mut Vec<String>,
    ) -> Result<(), Error> {
        if self.shared.log().kind != LogKind::Object {
            return Ok(());
        }
        for path in instances::list_dead(self.ost(), now).await? {
            self.remove(&path, false, failed).await?;
        }
        Ok(())
    }

    /// Removes objects that tried something, and whose process could not remove them itself.
    async fn remove_trials(&self, now: Timestamp, failed: &mut Vec<String>) -> Result<(), Error> {
        for prefix in TRIAL_PREFIXES {
            let metas: Vec<ObjectMeta> = self.ost().list(prefix, None).try_collect().await?;
            for meta in metas.iter().filter(|meta| age(meta, now) >= TRIAL_AGE) {
                self.remove(&meta.path, false, failed).await?;
            }
        }
        Ok(())
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
        instances::store_time(self.ost(), self.environment.as_ref()).await
    }
}

fn epoch_of(meta: &ObjectMeta) -> Option<u32> {
    Manifest::epoch_of(meta.path.as_ref())
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
        && (job_seq <= newest.position.seq || mutation::is("collect-what-jobs-write"))
        && (!newest.open_jobs.contains_key(&job_seq) || mutation::is("collect-what-jobs-write"))
}

/// Epoch and job of a data file's key.
fn parse_data_file(key: &str) -> Option<(u32, u64)> {
    let name = key.strip_prefix("data/")?.strip_suffix(".data")?;
    let mut parts = name.splitn(3, '-');
    let epoch = parts.next()?.parse().ok()?;
    let job_seq = parts.next()?.parse().ok()?;
    parts.next().map(|_| (epoch, job_seq))
}
