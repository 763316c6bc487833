//! Merging runs, so that a read looks into few of them.

use std::sync::Arc;

use serde::Serialize;

use super::Jobs;
use super::output::{JobOutput, Pace};
use crate::control::JobKind;
use crate::entry_key::EntryKey;
use crate::file_set::{FileSet, LiveRun, RunCursor};
use crate::manifest::{FileEntry, Manifest, Run};
use crate::merge::Merge;
use crate::mutation;
use crate::{Error, Settings};

/// How much larger each level may be than the one above it.
const LEVEL_FACTOR: u64 = 10;
/// No store is so large that it needs more levels.
const LEVEL_MAX: u32 = 9;

/// What a compaction has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CompactionReport {
    /// Jobs that were run.
    pub jobs: u64,
    /// Data files merged.
    pub files_read: u64,
    /// Bytes of the files merged.
    pub bytes_read: u64,
    /// Data files written.
    pub files_written: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Runs that a read may have to look into afterwards.
    pub runs: u64,
}

/// Files to be merged, and the level that the result goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    /// Newest first, the files of each run in the order of their keys.
    inputs: Vec<Run>,
    output_level: u32,
}

/// How a level that has reached its bound counts in [`fill_of_levels`].
const FILL_WHOLE: u64 = 1_000;

/// How full each level is that could be merged down, in thousandths of its bound.
fn fill_of_levels(manifest: &Manifest, settings: &Settings) -> impl Iterator<Item = (u32, u64)> {
    let level0_runs = manifest.runs.iter().filter(|run| run.level == 0).count() as u64;
    let level0 = (
        0,
        level0_runs * FILL_WHOLE / settings.level0_runs_max as u64,
    );
    let deeper = manifest
        .runs
        .iter()
        .filter(|run| (1..LEVEL_MAX).contains(&run.level))
        .map(|run| {
            let bytes_max = settings
                .level1_bytes_max
                .saturating_mul(LEVEL_FACTOR.saturating_pow(run.level - 1));
            // Beyond its bound, not at it.
            (
                run.level,
                run.bytes().saturating_sub(1).saturating_mul(FILL_WHOLE) / bytes_max,
            )
        });
    std::iter::once(level0).chain(deeper)
}

impl Plan {
    fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.inputs.iter().flat_map(|run| &run.files)
    }

    fn contains(&self, key: &str) -> bool {
        self.files().any(|file| file.key == key)
    }

    /// The next job that a manifest needs, if any: for the level that is furthest beyond its bound.
    fn due(manifest: &Manifest, settings: &Settings) -> Option<Plan> {
        let (level, fill) = fill_of_levels(manifest, settings).max_by_key(|(_, fill)| *fill)?;
        if fill < FILL_WHOLE {
            return None;
        }
        if level == 0 {
            let level0 = manifest
                .runs
                .iter()
                .filter(|run| run.level == 0)
                .cloned()
                .collect();
            return Some(Plan::merge_down(manifest, level0, 1));
        }
        let run = manifest.runs.iter().find(|run| run.level == level)?;
        let below = manifest.runs.iter().find(|run| run.level == level + 1);
        let overlap = |file: &FileEntry| -> u64 {
            let files = below.into_iter().flat_map(|run| &run.files);
            files
                .filter(|other| other.overlaps(&file.first_key, &file.last_key))
                .map(|other| other.bytes)
                .sum()
        };
        // The file that makes the least work for its size goes down.
        let file = run
            .files
            .iter()
            .min_by_key(|file| overlap(file).saturating_mul(1_000) / file.bytes.max(1))?;
        let inputs = vec![Run {
            level,
            files: vec![file.clone()],
        }];
        Some(Plan::merge_down(manifest, inputs, level + 1))
    }

    /// `inputs` and what they overlap on `output_level`.
    fn merge_down(manifest: &Manifest, mut inputs: Vec<Run>, output_level: u32) -> Plan {
        let first = inputs
            .iter()
            .flat_map(|run| &run.files)
            .map(|file| file.first_key.clone())
            .min();
        let last = inputs
            .iter()
            .flat_map(|run| &run.files)
            .map(|file| file.last_key.clone())
            .max();
        let below = manifest.runs.iter().find(|run| run.level == output_level);
        if let (Some(first), Some(last), Some(below)) = (first, last, below) {
            let files: Vec<FileEntry> = below
                .files
                .iter()
                .filter(|file| file.overlaps(&first, &last))
                .cloned()
                .collect();
            if !files.is_empty() {
                inputs.push(Run {
                    level: output_level,
                    files,
                });
            }
        }
        Plan {
            inputs,
            output_level,
        }
    }

    /// Everything, into one run; `None` if that is what there is and nothing could be left out of it.
    fn everything(manifest: &Manifest) -> Option<Plan> {
        let removable = manifest
            .files()
            .any(|file| file.tombstones > 0 || file.expiring > 0);
        if manifest.runs.is_empty()
            || (manifest.runs.len() == 1 && manifest.runs[0].level > 0 && !removable)
        {
            return None;
        }
        let output_level = manifest
            .runs
            .iter()
            .map(|run| run.level)
            .max()
            .unwrap_or(0)
            .max(1);
        Some(Plan {
            inputs: manifest.runs.clone(),
            output_level,
        })
    }
}

impl Jobs {
    /// Runs the compactions that are due, one after the other.
    pub(crate) async fn compact_as_due(&self) -> Result<CompactionReport, Error> {
        self.compact(|manifest| Plan::due(manifest, &self.settings), u64::MAX)
            .await
    }

    /// The same, unless another process is at it.
    pub(super) async fn compact_unless_claimed(&self) -> Result<(), Error> {
        let view = self.shared.view();
        let is_due = Plan::due(&view.files.manifest, &self.settings).is_some();
        if is_due && !self.is_claimed_by_another(JobKind::Compaction).await? {
            self.compact_as_due().await?;
        }
        Ok(())
    }

    /// Merges all runs into one and leaves out what is deleted or has expired.
    pub(crate) async fn compact_everything(&self) -> Result<CompactionReport, Error> {
        self.compact(Plan::everything, 1).await
    }

    async fn compact(
        &self,
        plan: impl Fn(&Manifest) -> Option<Plan>,
        jobs_max: u64,
    ) -> Result<CompactionReport, Error> {
        self.check_writable()?;
        let _one = self.compacting.lock().await;
        let mut report = CompactionReport::default();
        while report.jobs < jobs_max {
            self.check_running()?;
            self.wait_for_claim(JobKind::Compaction).await?;
            self.refresh().await?;
            let set = self.shared.view().files.clone();
            let Some(plan) = plan(&set.manifest) else {
                break;
            };
            let Some(begun) = self.begin(JobKind::Compaction).await? else {
                continue;
            };
            let job_seq = begun.position.seq;
            let result = self.run_compaction(&set, &plan, job_seq).await;
            if result.is_err() {
                self.abandon(job_seq).await;
            }
            let outputs = result?;
            report.jobs += 1;
            report.files_read += plan.files().count() as u64;
            report.bytes_read += plan.files().map(|file| file.bytes).sum::<u64>();
            report.files_written += outputs.len() as u64;
            report.bytes_written += outputs.iter().map(|file| file.bytes).sum::<u64>();
        }
        report.runs = self.shared.view().files.runs.len() as u64;
        Ok(report)
    }

    async fn run_compaction(
        &self,
        set: &Arc<FileSet>,
        plan: &Plan,
        job_seq: u64,
    ) -> Result<Vec<FileEntry>, Error> {
        let outputs = self.merge_files(set, plan, job_seq).await?;
        if mutation::is("remove-before-the-manifest") {
            self.remove_files(&plan.files().cloned().collect::<Vec<_>>())
                .await;
        }
        self.install(job_seq, &outputs, |newest| replace(newest, plan, &outputs))
            .await?;
        Ok(outputs)
    }

    async fn merge_files(
        &self,
        set: &Arc<FileSet>,
        plan: &Plan,
        job_seq: u64,
    ) -> Result<Vec<FileEntry>, Error> {
        let mut merge = Merge::new(false);
        for input in &plan.inputs {
            let is_input =
                |file: &&Arc<crate::file_set::LiveFile>| input.files.contains(&file.entry);
            let files = set
                .runs
                .iter()
                .flat_map(|run| &run.files)
                .filter(is_input)
                .cloned()
                .collect();
            let run = LiveRun { files };
            let (start, end) = (EntryKey::new(), EntryKey::from_static(b"\xff"));
            merge
                .add_cursor(RunCursor::new(set.clone(), &run, start, end, false).without_caching());
        }
        let beneath: Vec<&FileEntry> = set
            .manifest
            .runs
            .iter()
            .filter(|run| run.level > plan.output_level)
            .flat_map(|run| &run.files)
            .collect();
        let mut output = JobOutput::new(self, set.manifest.epoch, job_seq).in_background();
        let mut pace = Pace::default();
        while let Some(mut entry) = merge.next().await? {
            pace.step(self, &entry)?;
            if entry.value_at(set.manifest.covered_time).is_none() {
                // Deleted or expired: a delete is kept only where it hides something further down.
                if !beneath
                    .iter()
                    .any(|file| file.overlaps(&entry.key, &entry.key))
                {
                    continue;
                }
                (entry.value, entry.expires_at) = (None, None);
            }
            output.add(entry).await?;
        }
        output.finish().await
    }
}

/// `newest` with the inputs of a plan replaced by its outputs.
fn replace(newest: &Manifest, plan: &Plan, outputs: &[FileEntry]) -> Result<Manifest, Error> {
    let live = newest.file_keys();
    if let Some(missing) = plan.files().find(|file| !live.contains(file.key.as_str())) {
        return Err(Error::unavailable(format!(
            "{:?} was merged by another job meanwhile",
            missing.key
        )));
    }
    let mut next = newest.clone();
    for run in &mut next.runs {
        run.files.retain(|file| !plan.contains(&file.key));
        if run.level == plan.output_level {
            run.files.extend(outputs.iter().cloned());
        }
    }
    if !next.runs.iter().any(|run| run.level == plan.output_level) {
        next.runs.push(Run {
            level: plan.output_level,
            files: outputs.to_vec(),
        });
    }
    next.runs.retain(|run| !run.files.is_empty());
    next.runs.sort_by_key(|run| run.level);
    for run in next.runs.iter_mut().filter(|run| run.level > 0) {
        run.files
            .sort_by(|left, right| left.first_key.cmp(&right.first_key));
        if run
            .files
            .windows(2)
            .any(|pair| pair[0].last_key >= pair[1].first_key)
        {
            return Err(Error::unavailable(format!(
                "level {} was changed by another job meanwhile",
                run.level
            )));
        }
    }
    Ok(next)
}
