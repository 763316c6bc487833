//! Refusing transactions while an operator works on the store.

use futures::future::{self, Either};
use serde::Serialize;
use tokio::io::AsyncRead;

use crate::control::{ControlRecord, JobKind};
use crate::data_manager::DataManager;
use crate::failpoint;
use crate::instances::{Instance, Mode};
use crate::{Error, ErrorKind, ImportOptions, ImportReport, LogKind, Position};

/// Whether the store is in maintenance, as far as this process has applied the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MaintenanceStatus {
    /// The mode of this process.
    pub mode: Mode,
    /// From which record on transactions are refused, if they are.
    pub since: Option<Position>,
    /// The instance that switched it on.
    pub instance: Option<String>,
    /// The instance that is importing, if one is.
    pub importing: Option<String>,
}

impl DataManager {
    /// Whether the store is in maintenance here.
    pub fn maintenance(&self) -> MaintenanceStatus {
        let view = self.inner.shared.view();
        let since = view.control.maintenance.as_ref();
        let import = view.control.claim(JobKind::Import);
        MaintenanceStatus {
            mode: Mode::of(&view),
            since: since.map(|since| since.position),
            instance: since.map(|since| since.instance.clone()),
            importing: import.map(|(_, job)| job.instance.clone()),
        }
    }

    /// Refuses transactions with `Maintenance` from the position on that is returned, in every process (R30). Reads,
    /// checkpoints and the like go on.
    ///
    /// # Cancel safety
    /// A call that is dropped may or may not have switched it on.
    ///
    /// # Errors
    /// `Unavailable` when the log cannot be written.
    pub async fn maintenance_on(&self) -> Result<Position, Error> {
        self.latest_snapshot().await?;
        if let Some(since) = self.maintenance().since {
            return Ok(since);
        }
        self.set_maintenance(true).await
    }

    /// Accepts transactions again. With `force` an import that is under way is abandoned.
    ///
    /// # Cancel safety
    /// A call that is dropped may or may not have switched it off.
    ///
    /// # Errors
    /// `Invalid` while an import is under way and `force` is not given; names the import. `Unavailable` when the log cannot
    /// be written.
    pub async fn maintenance_off(&self, force: bool) -> Result<Position, Error> {
        self.latest_snapshot().await?;
        let view = self.inner.shared.view();
        if force && let Some((job_seq, _)) = view.control.claim(JobKind::Import) {
            let abandoned = ControlRecord::JobAbandoned { job_seq };
            match self.inner.jobs.control(abandoned).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if view.control.maintenance.is_none() {
            return Ok(view.position);
        }
        self.set_maintenance(false).await
    }

    async fn set_maintenance(&self, on: bool) -> Result<Position, Error> {
        self.inner.jobs.check_writable()?;
        let instance = self.instance().to_owned();
        let record = ControlRecord::Maintenance {
            on,
            instance: instance.clone(),
        };
        let jobs = &self.inner.jobs;
        let position = jobs.control(record).await?.position;
        failpoint::pass("maintenance-appended");
        let since = on.then_some((position, instance.as_str()));
        jobs.registry().show_maintenance(since).await;
        Ok(position)
    }

    /// The processes that have the store open for writing, by name. One that has vanished is listed for another minute, or
    /// for 15 seconds with a log in etcd.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when the storage does not answer.
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        let (jobs, shared) = (&self.inner.jobs, &self.inner.shared);
        if shared.log().kind == LogKind::File {
            let own = (!self.inner.read_only).then(|| Instance::of(shared));
            return Ok(own.into_iter().collect());
        }
        jobs.registry().list(shared, self.inner.read_only).await
    }

    /// Replaces the whole content of the store by what `input` holds; see [`ImportOptions`].
    ///
    /// The input is read to its end and checked before anything changes. Then the import takes effect as one step, in every
    /// process: afterwards the store holds what was imported and nothing else, and is in a new epoch. Transactions that began
    /// before get `Conflict`. Maintenance stays on until it is switched off.
    ///
    /// # Cancel safety
    /// Dropping the call before it takes effect changes nothing; what has been written is collected later.
    ///
    /// # Errors
    /// - `Invalid`: the store is not in maintenance, or the input is not a whole export: it names the place. Nothing has
    ///   changed.
    /// - `Unavailable`: a process has not reported maintenance in time, or the storage or the log failed. Nothing has
    ///   changed, unless the message says otherwise.
    pub async fn import(
        &self,
        input: impl AsyncRead + Send + Unpin + 'static,
        mut options: ImportOptions,
    ) -> Result<ImportReport, Error> {
        options.types = Some(self.inner.types.clone());
        self.inner.jobs.import(Box::new(input), options).await
    }

    /// Seals the log and begins an epoch whose log is kept as `to`.
    pub(crate) async fn end_log(&self, to: LogKind) -> Result<(), Error> {
        let others: Vec<String> = self
            .instances()
            .await?
            .into_iter()
            .map(|instance| instance.name)
            .filter(|name| name != self.instance())
            .collect();
        if !others.is_empty() {
            return Err(Error::unavailable(format!(
                "other processes have the store open: {}; stop them first",
                others.join(", ")
            )));
        }
        self.inner.jobs.switch_log(to).await
    }

    /// Waits for the epoch that a log which has ended is to move to, and begins it if nobody else does so in time.
    pub(crate) async fn finish_move(&self) -> Result<(), Error> {
        let (jobs, environment) = (&self.inner.jobs, &self.inner.environment);
        let Some(next_epoch) = jobs.sealed_for() else {
            return Ok(());
        };
        let log = self.inner.shared.log();
        if log.kind != LogKind::File {
            let begun = jobs.opener.clone().wait_for_epoch(next_epoch);
            let late = environment.sleep(log.log.seal_age_max());
            if let Either::Left(_) = future::select(begun, late).await {
                return Ok(());
            }
        }
        jobs.begin_next_epoch().await
    }

    /// Writes records in the newest format that this version knows from now on, which older versions cannot read. Returns
    /// the format before and the one now.
    ///
    /// # Cancel safety
    /// A call that is dropped may or may not have raised the format.
    ///
    /// # Errors
    /// `Unavailable` when the log cannot be written.
    pub async fn upgrade(&self) -> Result<(u8, u8), Error> {
        self.inner.jobs.check_writable()?;
        let before = self.inner.shared.view().control.record_format;
        let newest = crate::record::RECORD_FORMAT;
        if before < newest {
            let record_format = newest;
            let record = ControlRecord::Upgrade { record_format };
            self.inner.jobs.control(record).await?;
        }
        Ok((before, newest))
    }
}
