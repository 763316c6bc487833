//! Ending an epoch and beginning the next (R7).

use std::time::Duration;

use futures::future;
use ost::Create;

use super::Jobs;
use crate::control::{ControlRecord, ControlState, Seal};
use crate::documents::Catalog;
use crate::epoch::{EpochCause, EpochFile};
use crate::failpoint;
use crate::manifest::{FileEntry, Manifest, Run};
use crate::mutation;
use crate::read_view::ReadView;
use crate::{Error, LogKind, Position, RecordId};

/// How long the manifest that an epoch is made from is kept for that.
const PIN_TERM: Duration = Duration::from_secs(600);
/// How long this process takes to go on from the next epoch, at most.
const EPOCH_WAIT_MAX: Duration = Duration::from_secs(60);

impl Jobs {
    /// The epoch that the log has been sealed for, if it has.
    pub(crate) fn sealed_for(&self) -> Option<u32> {
        let view = self.shared.view();
        view.control.sealed.as_ref().map(|seal| seal.next_epoch)
    }

    /// Ends the log. Nothing can be appended to it afterwards, by any process.
    pub(super) async fn seal(
        &self,
        cause: EpochCause,
        log: LogKind,
        job_seq: Option<u64>,
    ) -> Result<Position, Error> {
        let seal = Seal {
            next_epoch: self.shared.view().epoch + 1,
            cause,
            log,
            job_seq,
        };
        if mutation::is("skip-the-seal") {
            return Ok(self.shared.view().position);
        }
        let position = self.control(ControlRecord::Seal(seal)).await?.position;
        failpoint::pass("sealed");
        Ok(position)
    }

    /// Ends the log and begins the next epoch, with a log of another kind and the same data.
    pub(crate) async fn switch_log(&self, to: LogKind) -> Result<(), Error> {
        self.refresh().await?;
        // Sealed already, if a process that moved it before was cut off.
        if self.sealed_for().is_none() {
            self.seal(EpochCause::Switch, to, None).await?;
        }
        self.begin_next_epoch().await
    }

    /// Begins the next epoch with the data of the one that was sealed, unless it has begun already.
    pub(crate) async fn begin_next_epoch(&self) -> Result<(), Error> {
        let view = self.shared.view();
        let Some(seal) = view.control.sealed.clone() else {
            return Ok(());
        };
        // Whatever was to be imported has not come about.
        let cause = match seal.cause {
            EpochCause::Import => EpochCause::Recovery,
            cause => cause,
        };
        let pin_name = format!("epoch-{}-{}", seal.next_epoch, self.shared.instance);
        self.hold_manifest(&view, &pin_name).await?;
        let begun = async {
            let files = self.write_memtables(&view, view.position.seq).await?;
            let mut runs = view.files.manifest.runs.clone();
            if !files.is_empty() {
                runs.insert(0, Run { level: 0, files });
            }
            let data = (runs, view.control.catalog.clone());
            self.create_epoch(&view, data, cause, seal.log).await
        };
        let begun = begun.await;
        self.let_go(&pin_name).await;
        begun.map(drop)
    }

    /// Waits until this process has gone on to `epoch`.
    pub(crate) async fn wait_for_own_epoch(&self, epoch: u32) -> Result<(), Error> {
        let mut control = self.shared.watch_control();
        let mut timeout = self.environment.sleep(EPOCH_WAIT_MAX);
        while self.shared.view().epoch < epoch {
            self.check_running()?;
            match future::select(Box::pin(control.changed()), timeout).await {
                future::Either::Left((_, left)) => timeout = left,
                future::Either::Right(_) => {
                    return Err(Error::unavailable(format!(
                        "epoch {epoch} has begun, and this process has not gone on from it yet"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Keeps the files that `view` reads from being collected.
    async fn hold_manifest(&self, view: &ReadView, pin_name: &str) -> Result<(), Error> {
        let key = view.files.manifest.key();
        match self.hold(pin_name, &key, Some(PIN_TERM)).await? {
            Some(_) => Ok(()),
            None => {
                self.let_go(pin_name).await;
                self.refresh().await?;
                Err(Error::unavailable(
                    "a newer manifest was installed meanwhile; trying again",
                ))
            }
        }
    }

    /// Creates the epoch after that of `view`, which ends with its seal, with `data`: the runs, and what is known of the
    /// indexes in them. Returns whether it is this one that counts.
    pub(super) async fn create_epoch(
        &self,
        view: &ReadView,
        data: (Vec<Run>, Catalog),
        cause: EpochCause,
        log: LogKind,
    ) -> Result<bool, Error> {
        let base = view.position;
        let number = view.epoch + 1;
        let manifest = self.base_manifest(view, data);
        self.shared.log().log.store(base).await?;
        // Only the process that sealed the log for an import begins an epoch with one: an attempt of before may have come late.
        let is_own = |found: &EpochFile| {
            found.manifest_key == manifest.key()
                || (cause == EpochCause::Import && found.cause == EpochCause::Import)
        };
        let checksum = manifest.create(self.ost()).await?.ok_or_else(|| {
            Error::unavailable("the name drawn for the manifest of the next epoch is taken")
        })?;
        failpoint::pass("base-manifest-created");
        let store = Some(self.shared.store);
        self.opener.prepare_log(log, store, number, base).await?;
        failpoint::pass("next-log-prepared");
        let place = self.opener.place(log);
        let epoch = EpochFile::new(number, base, (manifest.key(), checksum), place, cause);
        match epoch.create(self.ost()).await {
            Ok(Create::Created) => {
                failpoint::pass("epoch-created");
                Ok(true)
            }
            Ok(Create::Exists) => Ok(is_own(&EpochFile::load(self.ost(), number).await?)),
            Err(error) => match EpochFile::load(self.ost(), number).await {
                Ok(found) => Ok(is_own(&found)),
                Err(_) => Err(error),
            },
        }
    }

    /// The manifest that covers exactly the seal.
    fn base_manifest(&self, view: &ReadView, (runs, catalog): (Vec<Run>, Catalog)) -> Manifest {
        let newest = &view.files.manifest;
        let control = ControlState {
            catalog,
            ..view.control.for_next_epoch()
        };
        let manifest = Manifest {
            epoch: view.epoch + 1,
            number: 0,
            base_id: Some(RecordId::random(self.environment.as_ref())),
            parent_checksum: Some(view.files.manifest_checksum),
            covered: view.position,
            covered_time: view.time,
            control,
            position: view.position,
            open_jobs: Default::default(),
            job_seq: None,
            runs,
            dropped_files: Vec::new(),
            ..newest.clone()
        };
        let live = manifest.file_keys();
        let dropped = newest
            .files()
            .filter(|file: &&FileEntry| !live.contains(file.key.as_str()))
            .map(|file| file.key.clone())
            .collect();
        Manifest {
            dropped_files: dropped,
            ..manifest
        }
    }
}
