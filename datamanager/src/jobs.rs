//! Work in the background: checkpoints, compactions and the collection of garbage.
//!
//! A job begins with a control record in the log and ends with a manifest (R27). What it has written before that is
//! invisible; if it dies, the next opening gives it up in the log and the collector removes its files.

mod checkpoint;
mod compaction;
mod epoch;
mod garbage;
mod import;
mod install;
mod maintain;
mod output;
mod pins;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future;
use ost::Ost;
use tokio::sync::{mpsc, oneshot};

use crate::committer::{Command, ControlApplied, ControlRequest};
use crate::control::{ControlRecord, JobKind, OpenJob};
use crate::data_file::{Compression, DataFileOptions};
use crate::environment::Environment;
use crate::failpoint;
use crate::file_set::FileContext;
use crate::opener::Opener;
use crate::registry::Registry;
use crate::state::Shared;
use crate::{Error, ErrorKind, LogKind, Settings};

pub use checkpoint::CheckpointReport;
pub use compaction::CompactionReport;
use garbage::Collector;
pub use garbage::GarbageReport;
pub use import::{ImportOptions, ImportReport};
pub(crate) use maintain::{follow_manifests, maintain_files, maintain_log, watch_seal};
pub use pins::Pin;
pub(crate) use pins::{EXPORT_PIN_PREFIX, list_pins};

/// How often it is looked whether a process that has claimed a job is still there.
const CLAIM_LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// What jobs need of an open store.
pub(crate) struct Jobs {
    pub(crate) opener: Arc<Opener>,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) context: FileContext,
    pub(crate) commands: mpsc::Sender<Command>,
    /// One checkpoint, one compaction and one collection at a time in this process.
    pub(crate) checkpointing: tokio::sync::Mutex<()>,
    pub(crate) compacting: tokio::sync::Mutex<()>,
    pub(crate) collecting: tokio::sync::Mutex<Collector>,
    /// When open jobs were first seen here.
    claims_seen: Mutex<BTreeMap<u64, Duration>>,
}

impl Jobs {
    pub(crate) fn new(
        opener: Arc<Opener>,
        shared: Arc<Shared>,
        commands: mpsc::Sender<Command>,
    ) -> Jobs {
        Jobs {
            environment: opener.environment.clone(),
            settings: opener.settings.clone(),
            context: opener.context.clone(),
            opener,
            shared,
            commands,
            checkpointing: Default::default(),
            compacting: Default::default(),
            collecting: Default::default(),
            claims_seen: Default::default(),
        }
    }

    /// Where the processes of the store register.
    pub(crate) fn registry(&self) -> Arc<dyn Registry> {
        self.opener.registry(self.shared.log().kind)
    }

    fn ost(&self) -> &Ost {
        &self.context.ost
    }

    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        if self.opener.read_only {
            return Err(Error::invalid("the store is open read-only"));
        }
        Ok(())
    }

    /// Fails once the store is being closed.
    fn check_running(&self) -> Result<(), Error> {
        if self.shared.is_stopping() {
            return Err(Error::unavailable("the store is being closed"));
        }
        Ok(())
    }

    /// Appends a control record and waits until it is applied.
    pub(crate) async fn control(&self, record: ControlRecord) -> Result<ControlApplied, Error> {
        let epoch = None;
        self.request_control(ControlRequest { record, epoch }).await
    }

    /// As [`Jobs::control`], of a record that belongs to the log of `epoch` alone; `Unavailable` once that has ended.
    async fn control_in(&self, epoch: u32, record: ControlRecord) -> Result<ControlApplied, Error> {
        let epoch = Some(epoch);
        self.request_control(ControlRequest { record, epoch }).await
    }

    async fn request_control(&self, request: ControlRequest) -> Result<ControlApplied, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Control(request, reply)).await?;
        answer.await.map_err(|_| self.closed())?
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| self.closed())
    }

    fn closed(&self) -> Error {
        self.shared
            .failure()
            .unwrap_or_else(|| Error::unavailable("the store has been closed"))
    }

    /// Begins a job; `None` if another process has just claimed such work.
    async fn begin(&self, job: JobKind) -> Result<Option<ControlApplied>, Error> {
        let begun = self
            .control(ControlRecord::JobBegun {
                job,
                instance: self.shared.instance.clone(),
            })
            .await;
        match begun {
            Ok(applied) => {
                failpoint::pass("job-begun");
                Ok(Some(applied))
            }
            Err(error)
                if error.kind() == ErrorKind::Unavailable
                    && self.shared.view().control.claim(job).is_some() =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits while another process does such work.
    async fn wait_for_claim(&self, job: JobKind) -> Result<(), Error> {
        let mut control = self.shared.watch_control();
        while self.is_claimed_by_another(job).await? {
            self.check_running()?;
            let changed = Box::pin(control.changed());
            future::select(changed, self.environment.sleep(CLAIM_LOOK_INTERVAL)).await;
        }
        self.give_up_own(job).await
    }

    /// Whether another process does such work now. An open job of one that can no longer end it, since it is gone or has
    /// taken too long, is given up (R27).
    async fn is_claimed_by_another(&self, kind: JobKind) -> Result<bool, Error> {
        let view = self.shared.view();
        let Some((job_seq, job)) = view.control.claim(kind) else {
            return Ok(false);
        };
        if job.instance == self.shared.instance {
            return Ok(false);
        }
        if !self.is_overdue(job_seq) && !self.is_gone(&job.instance).await? {
            return Ok(true);
        }
        self.give_up(job_seq).await?;
        Ok(false)
    }

    /// Gives up an open job of this process. Only for who holds the lock of such jobs: another one may be under way.
    async fn give_up_own(&self, kind: JobKind) -> Result<(), Error> {
        let view = self.shared.view();
        match view.control.claim(kind) {
            Some((job_seq, job)) if job.instance == self.shared.instance => {
                self.give_up(job_seq).await
            }
            _ => Ok(()),
        }
    }

    async fn give_up(&self, job_seq: u64) -> Result<(), Error> {
        match self.control(ControlRecord::JobAbandoned { job_seq }).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether a job has been open for too long since this process first saw it.
    fn is_overdue(&self, job_seq: u64) -> bool {
        let now = self.environment.steady_time();
        let open_jobs = &self.shared.view().control.open_jobs;
        let mut seen = self
            .claims_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.retain(|job_seq, _| open_jobs.contains_key(job_seq));
        let first_seen = *seen.entry(job_seq).or_insert(now);
        now.saturating_sub(first_seen) > self.settings.job_claim_max
    }

    async fn is_gone(&self, instance: &str) -> Result<bool, Error> {
        match self.shared.log().kind {
            LogKind::File => Ok(true), // one process writes at a time, and this one holds the lock
            _ => self.registry().is_gone(instance).await,
        }
    }

    /// Gives up the open jobs of all processes that are gone.
    async fn end_jobs_of_the_gone(&self) -> Result<(), Error> {
        for kind in [JobKind::Checkpoint, JobKind::Compaction, JobKind::Import] {
            let view = self.shared.view();
            let own = |job: &OpenJob| job.instance == self.shared.instance;
            if view.control.claim(kind).is_some_and(|(_, job)| !own(job)) {
                self.is_claimed_by_another(kind).await?;
            }
        }
        Ok(())
    }

    /// Gives a job up in the log, so that its files can be collected; what it is about may be gone already.
    async fn abandon(&self, job_seq: u64) {
        if self.shared.is_stopping() {
            return; // the next opening gives it up
        }
        if let Err(error) = self.control(ControlRecord::JobAbandoned { job_seq }).await {
            log::warn!(
                instance = self.shared.instance, job_seq;
                "a failed job could not be given up in the log; the next opening does it: {}", error.chain()
            );
        }
    }

    /// Ends the jobs of a process that is gone: a manifest that was created counts and is announced, other jobs are given
    /// up. Only where no other process can be running them.
    pub(crate) async fn end_dead_jobs(
        &self,
        jobs: Vec<u64>,
        unannounced: bool,
    ) -> Result<(), Error> {
        let view = self.shared.view();
        let (manifest, checksum) = (&view.files.manifest, view.files.manifest_checksum);
        if unannounced {
            self.control(ControlRecord::ManifestInstalled {
                number: manifest.number,
                checksum,
                covered: manifest.covered,
                job_seq: manifest.job_seq,
            })
            .await?;
        }
        for job_seq in jobs
            .into_iter()
            .filter(|job_seq| !(unannounced && manifest.job_seq == Some(*job_seq)))
        {
            self.control(ControlRecord::JobAbandoned { job_seq })
                .await?;
        }
        Ok(())
    }

    /// How files of level 0 are written: they are merged into others soon, and are not worth much work.
    fn level0_options(&self) -> DataFileOptions {
        let options = self.data_file_options();
        DataFileOptions {
            compression: match options.compression {
                Compression::Zstd { .. } => Compression::Lz4,
                compression => compression,
            },
            ..options
        }
    }

    fn data_file_options(&self) -> DataFileOptions {
        const LOCAL_BLOCK_BYTES: usize = 4 * 1024;
        const REMOTE_BLOCK_BYTES: usize = 16 * 1024;
        let (block_bytes, compression) = if self.ost().local_dir().is_some() {
            (LOCAL_BLOCK_BYTES, Compression::Lz4)
        } else {
            (REMOTE_BLOCK_BYTES, Compression::Zstd { level: 1 })
        };
        DataFileOptions {
            block_bytes_target: self.settings.block_bytes.unwrap_or(block_bytes),
            compression: self.settings.compression.unwrap_or(compression),
            ..DataFileOptions::default()
        }
    }
}
