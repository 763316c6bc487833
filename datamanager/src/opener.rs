//! From what is stored to an open log and the state that it leads to: on opening, and whenever a process has to begin anew.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use ost::Ost;

use crate::environment::{Environment, run_blocking};
#[cfg(feature = "etcd")]
use crate::epoch::EtcdPlace;
use crate::epoch::{EpochCause, EpochFile, LogPlace};
use crate::failpoint;
use crate::file_set::{FileContext, FileSet};
use crate::history::History;
#[cfg(feature = "etcd")]
use crate::log::{EtcdLog, EtcdLogOptions, EtcdSession};
use crate::log::{
    FileLog, FileLogOptions, FileLogReader, Log, ObjectLog, ObjectLogOptions, WalObjects,
};
use crate::registry::{ObjectRegistry, Registry};
use crate::state::{OpenLog, State};
use crate::store::{self, DamagedManifest, Store};
use crate::store_id::StoreId;
use crate::{Error, ErrorKind, LogKind, Position, Settings};

/// How often it is looked whether the next epoch has begun.
const EPOCH_PROBE_INTERVAL: Duration = Duration::from_millis(100);
/// The same where a request to a bucket is paid for.
const REMOTE_EPOCH_PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Records of a log that has ended which a process reads to go on with what it knows.
const FINISHED_RECORDS_MAX: u64 = 10_000;

/// How often the store is read before it is believed that something is missing, and how soon again.
const ATTEMPTS_MAX: u32 = 5;
const ATTEMPT_DELAY: Duration = Duration::from_millis(20);

/// How this process reads its store.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) ost: Ost,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) instance: String,
    pub(crate) read_only: bool,
    /// Where a log in files and its lock are.
    pub(crate) log_directory: Option<PathBuf>,
    /// The log that this process can write, or that its caller insists on; a reader reads any.
    pub(crate) kind: Option<LogKind>,
    /// The etcd of a log that is kept there, or is to be.
    #[cfg(feature = "etcd")]
    pub(crate) etcd: Option<Arc<EtcdSession>>,
    pub(crate) context: FileContext,
}

/// A store as it was found, before its log is applied.
struct Found {
    id: StoreId,
    files: Arc<FileSet>,
    /// Why its epoch was begun.
    cause: EpochCause,
    kind: LogKind,
    log: Arc<dyn Log>,
    damaged_manifest: Option<DamagedManifest>,
}

impl Found {
    fn open_log(&self) -> OpenLog {
        OpenLog {
            kind: self.kind,
            log: self.log.clone(),
        }
    }
}

impl Opener {
    /// The state of the store as it is now.
    ///
    /// What is read may be replaced and removed by other processes meanwhile, so it is read again a few times before it is
    /// believed that something is missing.
    pub(crate) async fn open(&self) -> Result<State, Error> {
        for _ in 1..ATTEMPTS_MAX {
            match self.open_once().await {
                Err(error) if self.has_company() && is_about_something_missing(&error) => {
                    self.environment.sleep(ATTEMPT_DELAY).await;
                }
                result => return result,
            }
        }
        let opened = self.open_once().await;
        opened.map_err(|error| match error.kind() {
            ErrorKind::Compacted => Error::unavailable(
                "the log is covered by data files and removed faster than it can be read from one of them on",
            )
            .with_source(error),
            _ => error,
        })
    }

    async fn open_once(&self) -> Result<State, Error> {
        let found = self.find().await?;
        let (instance, settings) = (self.instance.clone(), self.settings.clone());
        let log = found.open_log();
        let mut state = State::new(instance, found.id, settings, found.files.clone(), log);
        self.replay(&found, &mut state).await?;
        Ok(state)
    }

    /// Brings `state` to the store as it is now, and returns the log of the newest epoch. What is missing is read again as
    /// in [`Opener::open`].
    pub(crate) async fn reload(&self, state: &mut State) -> Result<Arc<dyn Log>, Error> {
        for _ in 1..ATTEMPTS_MAX {
            match self.reload_once(state).await {
                Err(error) if self.has_company() && is_about_something_missing(&error) => {
                    self.environment.sleep(ATTEMPT_DELAY).await;
                }
                result => return result,
            }
        }
        self.reload_once(state).await
    }

    async fn reload_once(&self, state: &mut State) -> Result<Arc<dyn Log>, Error> {
        let found = self.find().await?;
        if found.id != state.store() {
            return Err(Error::invalid(format!(
                "{} holds store {} now, not {}",
                self.ost.location(),
                found.id,
                state.store()
            )));
        }
        let is_same_data = found.cause != EpochCause::Import;
        if is_same_data {
            self.finish_epoch(&found, state).await?;
        }
        let now = self.environment.steady_time();
        let (files, log) = (found.files.clone(), found.open_log());
        state.renew(files, log, is_same_data, now);
        self.replay(&found, state).await?;
        state.publish_renewed();
        failpoint::pass("epoch-read");
        log::info!(
            instance = self.instance, epoch = state.epoch(), seq = state.position().seq;
            "went on from manifest {:?}", state.view().files.manifest.key()
        );
        Ok(found.log)
    }

    /// Applies what is left of the log that has ended before the epoch that was found, if that is not much and is all that is
    /// missing: then everything that was known in it goes on to be known (R14).
    async fn finish_epoch(&self, found: &Found, state: &mut State) -> Result<(), Error> {
        let manifest = &found.files.manifest;
        let (last, base) = (state.position(), manifest.covered);
        let missing = base.seq.saturating_sub(last.seq);
        if manifest.epoch != state.epoch() + 1
            || base.epoch != state.epoch()
            || !(1..=FINISHED_RECORDS_MAX).contains(&missing)
        {
            return Ok(());
        }
        let objects = WalObjects::new(self.ost.clone(), found.id, base.epoch);
        let mut left = objects.read_from(last.seq + 1);
        while let Some(record) = left.next().await {
            // Whatever is wrong with it, the state begins anew.
            match record {
                Ok(record) if crate::log::follows(state.position(), &record) => {
                    state.apply(record)?;
                }
                _ => break,
            }
            if state.position().seq >= base.seq {
                break;
            }
        }
        Ok(())
    }

    /// Whether other processes may write to the store.
    fn has_company(&self) -> bool {
        self.read_only || self.kind != Some(LogKind::File)
    }

    async fn find(&self) -> Result<Found, Error> {
        let began = self.environment.steady_time();
        let store = Store::load(&self.ost)
            .await?
            .ok_or_else(|| store::no_store(&self.ost))?;
        let kind = store.epoch.log;
        self.check_log(kind)?;
        let log = self
            .open_log(&store, began)
            .await
            .map_err(|error| needed(error, kind, store.damaged_manifest.as_ref()))?;
        store.manifest.check_files(&self.ost).await?;
        let (context, checksum) = (self.context.clone(), store.manifest_checksum);
        let files = FileSet::new(context, store.manifest, checksum, None);
        Ok(Found {
            id: store.id,
            files: Arc::new(files),
            cause: store.epoch.cause,
            kind,
            log,
            damaged_manifest: store.damaged_manifest,
        })
    }

    /// Applies the log behind the manifest.
    async fn replay(&self, found: &Found, state: &mut State) -> Result<(), Error> {
        let damaged = found.damaged_manifest.as_ref();
        let mut records = found.log.replay(state.position());
        while let Some(record) = records.next().await {
            state.apply(record.map_err(|error| needed(error, found.kind, damaged))?)?;
        }
        check_reached(state)?;
        if let Some(damaged) = damaged
            && !self.read_only
        {
            store::set_manifest_aside(&self.ost, damaged, &self.instance).await?;
        }
        Ok(())
    }

    fn check_log(&self, found: LogKind) -> Result<(), Error> {
        match self.kind {
            Some(asked) if asked != found => Err(Error::invalid(format!(
                "{} has log={found}, not log={asked}; `dm switch-log` moves a store from one to the other",
                self.ost.location()
            ))),
            _ => Ok(()),
        }
    }

    /// Where the store's log files and lock are.
    pub(crate) fn directory(&self) -> Result<PathBuf, Error> {
        self.log_directory
            .clone()
            .or_else(|| self.ost.local_dir().map(PathBuf::from))
            .ok_or_else(|| {
                Error::invalid(format!(
                    "{} is no local directory, which log=file needs",
                    self.ost.location()
                ))
            })
    }

    /// `looked_at` is when the store was looked for, on the steady clock.
    pub(crate) async fn open_log(
        &self,
        store: &Store,
        looked_at: Duration,
    ) -> Result<Arc<dyn Log>, Error> {
        let environment = self.environment.clone();
        match store.epoch.log {
            LogKind::Object => {
                let options = self.object_log_options(store, looked_at);
                Ok(Arc::new(ObjectLog::new(environment, options)))
            }
            LogKind::Etcd => self.open_etcd_log(store).await,
            LogKind::File => {
                let options = self.file_log_options(store)?;
                if self.read_only {
                    return Ok(Arc::new(FileLogReader::new(environment, options)));
                }
                let log = run_blocking(self.environment.as_ref(), move || {
                    FileLog::open(environment, options)
                })
                .await??;
                Ok(Arc::new(log))
            }
        }
    }

    fn object_log_options(&self, store: &Store, looked_at: Duration) -> ObjectLogOptions {
        ObjectLogOptions {
            instance: self.instance.clone(),
            ost: self.ost.clone(),
            registry: self.registry(LogKind::Object),
            store: store.id,
            epoch: store.epoch.epoch,
            base: store.epoch.base,
            manifest: (store.manifest.number, store.manifest.covered),
            confirmed_at: looked_at,
            head_confirm_max: self.settings.head_confirm_max,
            probe_interval_min: self.settings.probe_interval_min,
            probe_interval_max: self.settings.probe_interval_max,
            read_only: self.read_only,
        }
    }

    fn file_log_options(&self, store: &Store) -> Result<FileLogOptions, Error> {
        Ok(FileLogOptions {
            instance: self.instance.clone(),
            directory: self.directory()?,
            store: store.id,
            epoch: store.epoch.epoch,
            base: store.epoch.base,
            covered: store.manifest.covered,
            segment_records_max: self.settings.segment_records_max,
            segment_bytes_max: self.settings.segment_bytes_max,
        })
    }

    /// Makes what the log of an epoch needs before its first append; can be repeated. A store that is being made has no id
    /// yet.
    pub(crate) async fn prepare_log(
        &self,
        kind: LogKind,
        store: Option<StoreId>,
        epoch: u32,
        base: Position,
    ) -> Result<(), Error> {
        match kind {
            LogKind::Object => return Ok(()),
            LogKind::Etcd => return self.prepare_etcd(store, epoch, base).await,
            LogKind::File => {}
        }
        let (files, directory) = (self.environment.files(), self.directory()?);
        run_blocking(self.environment.as_ref(), move || {
            FileLog::create(files.as_ref(), &directory, epoch, base)
        })
        .await?
    }

    /// Where the processes register that share a log of this kind.
    pub(crate) fn registry(&self, kind: LogKind) -> Arc<dyn Registry> {
        #[cfg(feature = "etcd")]
        if kind == LogKind::Etcd
            && let Some(session) = &self.etcd
        {
            return session.clone();
        }
        debug_assert!(
            kind != LogKind::Etcd,
            "a log in etcd is open only with a session"
        );
        Arc::new(ObjectRegistry::new(
            self.environment.clone(),
            self.ost.clone(),
            self.instance.clone(),
        ))
    }

    /// How the place of a log of this kind is described.
    pub(crate) fn place(&self, kind: LogKind) -> LogPlace {
        #[cfg(feature = "etcd")]
        if kind == LogKind::Etcd
            && let Some(session) = &self.etcd
        {
            let etcd = EtcdPlace {
                cluster: session.cluster(),
                prefix: session.prefix().to_owned(),
            };
            let etcd = Some(etcd);
            return LogPlace { kind, etcd };
        }
        LogPlace { kind, etcd: None }
    }

    pub(crate) fn history(&self, store: StoreId) -> History {
        History::new(self.ost.clone(), store)
    }

    /// Completes once `epoch` has begun.
    pub(crate) fn wait_for_epoch(self: Arc<Self>, epoch: u32) -> BoxFuture<'static, ()> {
        let interval = match self.ost.local_dir() {
            Some(_) => EPOCH_PROBE_INTERVAL,
            None => REMOTE_EPOCH_PROBE_INTERVAL,
        };
        Box::pin(async move {
            loop {
                match EpochFile::load(&self.ost, epoch).await {
                    Ok(_) => return,
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => {
                        log::warn!(
                            instance = self.instance, epoch;
                            "it cannot be seen whether the next epoch has begun: {}", error.chain()
                        );
                    }
                }
                self.environment.sleep(interval).await;
            }
        })
    }

    /// Whether `epoch` is the newest one; `Compacted` when it is not.
    pub(crate) async fn check_newest_epoch(&self, epoch: u32) -> Result<(), Error> {
        let newest = EpochFile::newest_number(&self.ost, epoch).await?;
        if newest > epoch {
            return Err(Error::new(
                ErrorKind::Compacted,
                format!("epoch {newest} has begun"),
            ));
        }
        Ok(())
    }
}

#[cfg(feature = "etcd")]
impl Opener {
    fn etcd_session(&self) -> Result<&Arc<EtcdSession>, Error> {
        self.etcd.as_ref().ok_or_else(|| {
            Error::invalid(format!(
                "the log of {} in etcd can be reached only if its endpoints and prefix are given (log=etcd)",
                self.ost.location()
            ))
        })
    }

    async fn open_etcd_log(&self, store: &Store) -> Result<Arc<dyn Log>, Error> {
        let session = self.etcd_session()?.clone();
        let described = store.epoch.etcd.as_ref();
        if let Some(place) = described.filter(|place| place.prefix != session.prefix()) {
            return Err(Error::invalid(format!(
                "{} has its log under the prefix {:?} of etcd, not under {:?}",
                self.ost.location(),
                place.prefix,
                session.prefix()
            )));
        }
        let options = EtcdLogOptions {
            store: store.id,
            epoch: store.epoch.epoch,
            base: store.epoch.base,
            covered: store.manifest.covered,
            cluster: described.map(|place| place.cluster.clone()),
        };
        Ok(Arc::new(EtcdLog::open(session, options).await?))
    }

    async fn prepare_etcd(
        &self,
        store: Option<StoreId>,
        epoch: u32,
        base: Position,
    ) -> Result<(), Error> {
        self.etcd_session()?.prepare(store, epoch, base).await
    }

    /// Whether a log in etcd could begin: it answers, and its prefix is not another store's.
    pub(crate) async fn check_etcd(&self, store: Option<StoreId>) -> Result<(), Error> {
        self.etcd_session()?.check_prefix(store).await
    }
}

#[cfg(not(feature = "etcd"))]
impl Opener {
    async fn open_etcd_log(&self, _store: &Store) -> Result<Arc<dyn Log>, Error> {
        Err(LogKind::no_etcd())
    }

    async fn prepare_etcd(
        &self,
        _store: Option<StoreId>,
        _epoch: u32,
        _base: Position,
    ) -> Result<(), Error> {
        Err(LogKind::no_etcd())
    }

    pub(crate) async fn check_etcd(&self, _store: Option<StoreId>) -> Result<(), Error> {
        Err(LogKind::no_etcd())
    }
}

fn is_about_something_missing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Compacted
    )
}

/// A record that the manifest does not cover must be there: its absence is damage (R1). In a log that is shared it is not if
/// another process has installed a newer manifest meanwhile, which is what `Compacted` tells there: that one is to be read.
fn needed(error: Error, log: LogKind, damaged_manifest: Option<&DamagedManifest>) -> Error {
    match (error.kind(), damaged_manifest) {
        (ErrorKind::Compacted | ErrorKind::Corrupt, Some(damaged)) => Error::corrupt(format!(
            "the newest manifest cannot be used ({}), and the log behind the one before it is not whole",
            damaged.error
        ))
        .with_source(error),
        (ErrorKind::Compacted, None) if log == LogKind::File => {
            Error::corrupt("the log lacks a record that no data file holds").with_source(error)
        }
        _ => error,
    }
}

/// What had been applied when the manifest was made was in the log: it may not end before.
fn check_reached(state: &State) -> Result<(), Error> {
    let known = state.view().files.manifest.position;
    let head = state.position();
    if head.seq < known.seq || (head.seq == known.seq && head.record != known.record) {
        return Err(Error::corrupt(format!(
            "the log ends with record {}, though record {} was in it",
            head.seq, known.seq
        )));
    }
    Ok(())
}
