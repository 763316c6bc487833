//! Work in the background: checkpoints, compactions and the collection of garbage.
//!
//! A job begins with a control record in the log and ends with a manifest (R27). What it has written before that is
//! invisible; if it dies, the next opening gives it up in the log and the collector removes its files.

mod checkpoint;
mod compaction;
mod garbage;
mod install;
mod maintain;
mod output;
mod pins;

use std::sync::Arc;

use ost::Ost;
use tokio::sync::{mpsc, oneshot};

use crate::committer::{Command, ControlApplied};
use crate::control::{ControlRecord, JobKind};
use crate::data_file::DataFileOptions;
use crate::environment::Environment;
use crate::file_set::FileContext;
use crate::log::Log;
use crate::state::Shared;
use crate::{Error, Settings};

pub use checkpoint::CheckpointReport;
pub use compaction::CompactionReport;
pub use garbage::GarbageReport;
pub(crate) use maintain::{follow_manifests, maintain_files, maintain_log};
pub use pins::Pin;
pub(crate) use pins::list_pins;

/// What jobs need of an open store.
pub(crate) struct Jobs {
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) context: FileContext,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) read_only: bool,
    /// One checkpoint, one compaction and one collection at a time in this process.
    pub(crate) checkpointing: tokio::sync::Mutex<()>,
    pub(crate) compacting: tokio::sync::Mutex<()>,
    pub(crate) collecting: tokio::sync::Mutex<()>,
}

impl Jobs {
    fn ost(&self) -> &Ost {
        &self.context.ost
    }

    fn check_writable(&self) -> Result<(), Error> {
        if self.read_only {
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
        let (reply, answer) = oneshot::channel();
        self.send(Command::Control(record, reply)).await?;
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

    async fn begin(&self, job: JobKind) -> Result<ControlApplied, Error> {
        self.control(ControlRecord::JobBegun {
            job,
            instance: self.shared.instance.clone(),
        })
        .await
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

    fn data_file_options(&self) -> DataFileOptions {
        const LOCAL_BLOCK_BYTES: usize = 4 * 1024;
        const REMOTE_BLOCK_BYTES: usize = 16 * 1024;
        let default = if self.ost().local_dir().is_some() {
            LOCAL_BLOCK_BYTES
        } else {
            REMOTE_BLOCK_BYTES
        };
        DataFileOptions {
            block_bytes_target: self.settings.block_bytes.unwrap_or(default),
            compression: self.settings.compression,
            ..DataFileOptions::default()
        }
    }
}
