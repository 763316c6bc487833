//! Writing what is in memory to data files.

use serde::Serialize;

use super::Jobs;
use super::output::{JobOutput, Pace};
use crate::committer::ControlApplied;
use crate::control::JobKind;
use crate::entry_key::EntryKey;
use crate::manifest::{Manifest, Run};
use crate::memtable::Version;
use crate::merge::Merge;
use crate::mutation;
use crate::read_view::ReadView;
use crate::{Error, Position};

/// What a checkpoint has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckpointReport {
    /// Data files hold everything up to here.
    pub covered: Position,
    /// The manifest that says so.
    pub manifest: u64,
    /// Data files written.
    pub files: u64,
    /// Entries written, deletes included.
    pub entries: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Whether there is something to write. Control records alone are left in the log until they take room.
fn has_enough(view: &ReadView) -> bool {
    let entries: usize = view.memtables.iter().map(|memtable| memtable.len()).sum();
    let log_bytes: u64 = view
        .memtables
        .iter()
        .map(|memtable| memtable.log_bytes())
        .sum();
    entries > 0 || log_bytes >= view.control.log_bytes_max / 2
}

impl Jobs {
    /// Writes what only the log and memory hold to a new run of data files. Does nothing if there is nothing.
    pub(crate) async fn checkpoint(&self) -> Result<CheckpointReport, Error> {
        self.check_writable()?;
        let _one = self.checkpointing.lock().await;
        loop {
            self.wait_for_claim(JobKind::Checkpoint).await?;
            self.refresh().await?;
            let view = self.shared.view();
            if !has_enough(&view) {
                let manifest = &view.files.manifest;
                return Ok(CheckpointReport {
                    covered: manifest.covered,
                    manifest: manifest.number,
                    ..CheckpointReport::default()
                });
            }
            let Some(begun) = self.begin(JobKind::Checkpoint).await? else {
                continue;
            };
            let result = self.write_checkpoint(&begun).await;
            if result.is_err() {
                self.abandon(begun.position.seq).await;
            }
            return result;
        }
    }

    async fn write_checkpoint(&self, begun: &ControlApplied) -> Result<CheckpointReport, Error> {
        let job_seq = begun.position.seq;
        let view = self.shared.view();
        let covered_before = view.files.manifest.covered.seq;
        let files = self.write_memtables(&view, job_seq).await?;
        let mut report = CheckpointReport {
            covered: begun.position,
            files: files.len() as u64,
            ..Default::default()
        };
        report.entries = files.iter().map(|file| file.entries).sum();
        report.bytes = files.iter().map(|file| file.bytes).sum();
        let outputs = files.clone();
        let installed = self
            .install(job_seq, &outputs, |newest: &Manifest| {
                // What was written rests on what the files beneath held when it began.
                if newest.covered.seq != covered_before {
                    return Err(Error::unavailable(
                        "another checkpoint has been installed meanwhile",
                    ));
                }
                let mut next = newest.clone();
                next.covered = match mutation::is("cover-what-was-not-written") {
                    true => self.shared.view().position,
                    false => begun.position,
                };
                next.covered_time = begun.time;
                next.control = begun.control.as_ref().clone();
                if !files.is_empty() {
                    next.runs.insert(
                        0,
                        Run {
                            level: 0,
                            files: files.clone(),
                        },
                    );
                }
                Ok(next)
            })
            .await?;
        report.manifest = installed;
        Ok(report)
    }

    /// One run of what all memtables of `view` hold up to the record `job_seq`.
    pub(super) async fn write_memtables(
        &self,
        view: &ReadView,
        job_seq: u64,
    ) -> Result<Vec<crate::manifest::FileEntry>, Error> {
        let mut merge = Merge::new(false);
        let (start, end) = (EntryKey::new(), EntryKey::from_static(b"\xff"));
        for memtable in view.memtables.iter() {
            merge.add_memtable(
                memtable.clone(),
                Version::end_of(job_seq),
                start.clone(),
                end.clone(),
            );
        }
        let mut output = JobOutput::of_level0(self, view.epoch, job_seq).in_background();
        let mut pace = Pace::default();
        while let Some(entry) = merge.next().await? {
            pace.step(self, &entry)?;
            // A delete with nothing beneath has nothing to hide.
            let hides = entry.value.is_some() || view.files.may_hold(&entry.key);
            if hides {
                output.add(entry).await?;
            }
        }
        output.finish().await
    }
}
