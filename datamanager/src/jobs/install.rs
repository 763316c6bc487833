//! Ending a job with a manifest.

use std::sync::Arc;

use ost::ObjectPath;
use tokio::sync::oneshot;

use super::Jobs;
use crate::committer::Command;
use crate::conflict::RetiredKeys;
use crate::control::ControlRecord;
use crate::failpoint;
use crate::file_set::FileSet;
use crate::manifest::{FileEntry, Manifest};
use crate::mutation;
use crate::state::LoadedManifest;
use crate::{Error, ErrorKind};

/// How often a job derives its manifest anew after others have installed theirs.
const ATTEMPTS_MAX: u32 = 20;

impl Jobs {
    /// Creates the manifest that follows the newest one, as `derive` makes it, announces it, and reads from it from now
    /// on (R24, R25). Returns its number.
    pub(super) async fn install(
        &self,
        job_seq: u64,
        outputs: &[FileEntry],
        derive: impl Fn(&Manifest) -> Result<Manifest, Error>,
    ) -> Result<u64, Error> {
        let epoch = self.shared.view().epoch;
        for attempt in 1..=ATTEMPTS_MAX {
            let (newest, newest_checksum) = Manifest::load_newest(self.ost(), epoch).await?;
            if newest.job_seq == Some(job_seq) {
                // Created by an attempt whose answer was lost.
                return self.announce(newest, newest_checksum).await;
            }
            self.check_open(job_seq, &newest)?;
            self.check_outputs(outputs).await?;
            let next = self.complete(derive(&newest)?, &newest, newest_checksum, job_seq);
            // A manifest rests on no record that could be lost with the log (R8).
            if !mutation::is("install-before-the-flush") {
                self.shared.log().log.store(next.position).await?;
            }
            failpoint::pass("manifest-derived");
            match next.create(self.ost()).await {
                Ok(Some(checksum)) => {
                    failpoint::pass("manifest-created");
                    return self.announce(next, checksum).await;
                }
                Ok(None) => {}
                Err(error) if attempt < ATTEMPTS_MAX && error.kind() == ErrorKind::Unavailable => {
                    log::warn!(
                        instance = self.shared.instance, manifest = next.number;
                        "it is not clear whether a manifest was created; looking: {}", error.chain()
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::unavailable(format!(
            "no manifest could be created in {ATTEMPTS_MAX} attempts"
        )))
    }

    /// Reads from the newest manifest, should this process have missed it: one whose installation was cut off, for instance.
    /// A job must not rest on files that are no longer the live ones.
    pub(super) async fn refresh(&self) -> Result<(), Error> {
        let view = self.shared.view();
        let keys = Manifest::list(self.ost(), view.epoch).await?;
        let newest = keys.last().and_then(|key| Manifest::number_of(key));
        if newest.is_some_and(|number| number > view.files.manifest.number) {
            let (manifest, checksum) = Manifest::load_newest(self.ost(), view.epoch).await?;
            if view.control.manifest_number < manifest.number {
                self.announce(manifest, checksum).await?;
            } else {
                self.read_from(manifest, checksum).await?;
            }
        }
        Ok(())
    }

    /// A job that was given up may not install: by what is applied here, and by what the newest manifest knew.
    fn check_open(&self, job_seq: u64, newest: &Manifest) -> Result<(), Error> {
        let view = self.shared.view();
        let open_here = view.control.open_jobs.contains_key(&job_seq);
        let ended_there =
            newest.position.seq >= job_seq && !newest.open_jobs.contains_key(&job_seq);
        if !open_here || ended_there {
            return Err(Error::unavailable(format!(
                "job {job_seq} was given up meanwhile"
            )));
        }
        Ok(())
    }

    async fn check_outputs(&self, outputs: &[FileEntry]) -> Result<(), Error> {
        for file in outputs {
            let found = self.ost().head(&ObjectPath::parse(&file.key)?).await;
            let meta = found.map_err(|error| match error.kind() {
                // As happens to the files of a job that was given up.
                ost::ErrorKind::NotFound => {
                    let message = format!("{:?} was removed before it was installed", file.key);
                    Error::unavailable(message).with_source(error)
                }
                _ => Error::from(error),
            })?;
            if meta.size != file.bytes {
                return Err(Error::corrupt(format!(
                    "{:?} has {} bytes, not {}",
                    file.key, meta.size, file.bytes
                )));
            }
        }
        Ok(())
    }

    /// Fills in what every manifest has, whatever its job.
    fn complete(
        &self,
        mut next: Manifest,
        newest: &Manifest,
        newest_checksum: u32,
        job_seq: u64,
    ) -> Manifest {
        let view = self.shared.view();
        next.number = newest.number + 1;
        // It may follow the manifest that the epoch begins with, which has a name of its own.
        next.base_id = None;
        next.parent_checksum = Some(newest_checksum);
        next.job_seq = Some(job_seq);
        next.position = if view.position.seq > newest.position.seq {
            view.position
        } else {
            newest.position
        };
        next.open_jobs = view.control.open_jobs.clone();
        next.open_jobs.remove(&job_seq);
        let live = next.file_keys();
        let dropped = newest
            .files()
            .filter(|file| !live.contains(file.key.as_str()));
        let dropped_files = dropped.map(|file| file.key.clone()).collect();
        next.dropped_files = dropped_files;
        next
    }

    async fn announce(&self, manifest: Manifest, checksum: u32) -> Result<u64, Error> {
        let number = manifest.number;
        let record = ControlRecord::ManifestInstalled {
            number,
            checksum,
            covered: manifest.covered,
            job_seq: manifest.job_seq,
        };
        // Numbers begin anew with each epoch: in the next one it would stand for another manifest.
        let announced = self.control_in(manifest.epoch, record).await;
        failpoint::pass("manifest-announced");
        // The manifest counts whether it is announced or not.
        self.read_from(manifest, checksum).await?;
        announced?;
        Ok(number)
    }

    /// Opens the files of a manifest and has the committer drop what they cover.
    pub(super) async fn read_from(&self, manifest: Manifest, checksum: u32) -> Result<(), Error> {
        let covered = manifest.covered.seq;
        self.wait_applied(covered).await?;
        let view = self.shared.view();
        let files = FileSet::new(self.context.clone(), manifest, checksum, Some(&view.files));
        let files = Arc::new(files);
        for file in files.runs.iter().flat_map(|run| &run.files) {
            if view
                .files
                .manifest
                .files()
                .all(|known| known.key != file.entry.key)
            {
                files.open(file).await?;
            }
        }
        let covered_memtables = view
            .memtables
            .iter()
            .filter(|memtable| memtable.newest_seq() <= covered);
        let retired = covered_memtables
            .map(|memtable| (memtable.clone(), RetiredKeys::of(memtable)))
            .collect();
        let (reply, answer) = oneshot::channel();
        self.send(Command::Install(LoadedManifest { files, retired }, reply))
            .await?;
        answer.await.map_err(|_| self.closed())?;
        failpoint::pass("manifest-read");
        Ok(())
    }

    /// Waits until the record `seq` is applied: a manifest of another process may cover more than that, and first comes the
    /// log, then the files.
    async fn wait_applied(&self, seq: u64) -> Result<(), Error> {
        let mut applied = self.shared.watch_applied();
        let reached = |applied: &u64| *applied >= seq || self.shared.is_stopping();
        applied.wait_for(reached).await.map_err(|_| self.closed())?;
        self.check_running()
    }
}
