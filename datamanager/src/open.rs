//! Opening a store.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use ost::Ost;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::committer::Committer;
use crate::data_file::BlockCache;
use crate::data_manager::{DataManager, Inner};
use crate::environment::{Environment, TokioEnvironment, run_blocking};
use crate::file_set::{FileContext, FileSet};
use crate::jobs::Jobs;
use crate::log::{FileLog, FileLogOptions, FileLogReader, Log};
use crate::state::State;
use crate::store::{self, DamagedManifest, Store};
use crate::{Error, ErrorKind, LogKind, RecordId, Settings};

const COMMANDS_MAX: usize = 64;

/// How a store is opened.
///
/// A URL is `file:///absolute/path`, `file://./relative/path` or a bare path. Its query may name the log:
/// `file:///var/lib/app?log=file`.
#[derive(Clone, Debug)]
pub struct Builder {
    ost: Ost,
    environment: Option<Arc<dyn Environment>>,
    settings: Settings,
    name: Option<String>,
    read_only: bool,
    log: Option<LogKind>,
    log_directory: Option<PathBuf>,
    network_file_system: bool,
}

impl Builder {
    /// Options for the store at `url`.
    ///
    /// # Errors
    /// `Invalid` for a URL that cannot be used, naming what is wrong with it.
    pub fn from_url(url: &str) -> Result<Builder, Error> {
        let (url, log) = take_log_parameter(url)?;
        let ost = Ost::from_url(&url)
            .map_err(|error| Error::invalid("cannot open the store").with_source(error))?;
        let mut builder = Builder::from_ost(ost);
        builder.log = log;
        Ok(builder)
    }

    /// Options for the store at `ost`.
    pub fn from_ost(ost: Ost) -> Builder {
        Builder {
            ost,
            environment: None,
            settings: Settings::default(),
            name: None,
            read_only: false,
            log: None,
            log_directory: None,
            network_file_system: false,
        }
    }

    /// Reaches clocks, tasks and files through `environment` instead of tokio and the operating system.
    pub fn environment(mut self, environment: Arc<dyn Environment>) -> Builder {
        self.environment = Some(environment);
        self
    }

    /// Uses `settings` instead of the defaults.
    pub fn settings(mut self, settings: Settings) -> Builder {
        self.settings = settings;
        self
    }

    /// Begins the instance's unique name with `name`.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// Opens for reading only: takes no lock, writes nothing, and follows what another process writes.
    ///
    /// A reader that was stopped for longer than the writer keeps its log (`wal_retention`) cannot follow any more:
    /// [`DataManager::latest_snapshot`] and [`DataManager::wait_for`] are `Compacted` then, and it has to be opened again.
    pub fn read_only(mut self) -> Builder {
        self.read_only = true;
        self
    }

    /// Keeps the log as `log` if the store is made now, and refuses a store with another.
    pub fn log(mut self, log: LogKind) -> Builder {
        self.log = Some(log);
        self
    }

    /// Keeps a file log in `directory` of the environment's file system instead of beside the objects.
    pub fn log_directory(mut self, directory: impl Into<PathBuf>) -> Builder {
        self.log_directory = Some(directory.into());
        self
    }

    /// Accepts a directory on a network file system, whose locks and syncs may not hold what they promise.
    pub fn allow_network_file_system(mut self) -> Builder {
        self.network_file_system = true;
        self
    }

    /// Opens the store, and makes it if the place is empty.
    ///
    /// When it returns, everything that was ever acknowledged has been read back.
    ///
    /// # Cancel safety
    /// Dropping the call lets go of the store; what a first start has made so far is kept by the next.
    ///
    /// # Errors
    /// - `NotFound`: there is no store, and it was to be opened read-only.
    /// - `Invalid`: a setting, a place that holds something else, a store of a newer format or with another log, a
    ///   directory that cannot be written.
    /// - `Unavailable`: another process has the store, or the storage does not answer.
    /// - `Corrupt`: a part of the store is missing or altered; names path and offset.
    pub async fn open(self) -> Result<DataManager, Error> {
        self.settings.validate()?;
        let environment = self.chosen_environment()?;
        let lock = if self.read_only {
            None
        } else {
            Some(self.prepare(environment.as_ref()).await?)
        };
        let instance = self.instance_name(environment.as_ref());
        let found = self.read_back(&environment, &instance).await?;
        let state = &found.state;
        log::info!(
            instance, store:% = state.store(), epoch = state.epoch(), seq = state.position().seq, read_only = self.read_only;
            "opened {}", self.ost.location()
        );
        let dead_jobs: Vec<u64> = state.view().control.open_jobs.keys().copied().collect();
        let unannounced = state.view().control.manifest_number < state.view().files.manifest.number;
        let store = self.start(environment, found, lock)?;
        if store.is_read_only() {
            store.follow_manifests();
        } else {
            store.jobs().end_dead_jobs(dead_jobs, unannounced).await?;
            store.start_maintenance()?;
        }
        Ok(store)
    }

    /// Reads the newest manifest and the log behind it. Beside a writer these may be replaced and removed while they are
    /// read, so a reader begins again a few times before it believes that something is missing.
    async fn read_back(
        &self,
        environment: &Arc<dyn Environment>,
        instance: &str,
    ) -> Result<Found, Error> {
        const ATTEMPTS_MAX: u32 = 5;
        const DELAY: Duration = Duration::from_millis(20);
        for _ in 1..ATTEMPTS_MAX {
            match self.try_to_read_back(environment, instance).await {
                Err(error) if self.read_only && is_about_something_missing(&error) => {
                    environment.sleep(DELAY).await;
                }
                result => return result,
            }
        }
        self.try_to_read_back(environment, instance).await
    }

    async fn try_to_read_back(
        &self,
        environment: &Arc<dyn Environment>,
        instance: &str,
    ) -> Result<Found, Error> {
        let store = Store::load(&self.ost)
            .await?
            .ok_or_else(|| store::no_store(&self.ost))?;
        self.check_log(store.epoch.log)?;
        let log = self
            .open_log(environment, &store, instance)
            .await
            .map_err(|error| needed(error, store.damaged_manifest.as_ref()))?;

        store.manifest.check_files(&self.ost).await?;
        let settings = Arc::new(self.settings.clone());
        let cache = Arc::new(BlockCache::new(settings.block_cache_bytes));
        let context = FileContext::new(self.ost.clone(), cache);
        let files = FileSet::new(
            context.clone(),
            store.manifest,
            store.manifest_checksum,
            None,
        );
        let covered = files.manifest.covered;
        let mut state = State::new(instance.to_owned(), store.id, settings, Arc::new(files));
        let mut records = log.read(covered);
        while let Some(record) = records.next().await {
            let record = record.map_err(|error| needed(error, store.damaged_manifest.as_ref()))?;
            state.apply(&record)?;
        }
        drop(records);
        check_reached(&state)?;
        if let Some(damaged) = &store.damaged_manifest
            && !self.read_only
        {
            store::set_manifest_aside(&self.ost, damaged, instance).await?;
        }
        Ok(Found {
            state,
            log,
            log_kind: store.epoch.log,
            context,
        })
    }

    /// Starts the committer and makes the handle.
    fn start(
        self,
        environment: Arc<dyn Environment>,
        found: Found,
        lock: Option<Box<dyn Send + Sync>>,
    ) -> Result<DataManager, Error> {
        let Found {
            state,
            log,
            log_kind,
            context,
        } = found;
        let settings = Arc::new(self.settings);
        let queue_kibibytes = settings.queue_bytes_max.div_ceil(1024);
        let (requests, request_receiver) = mpsc::channel(settings.queue_transactions_max);
        let (commands, command_receiver) = mpsc::channel(COMMANDS_MAX);
        let (ended_sender, ended) = watch::channel(false);
        let shared = state.shared().clone();
        let mut writer = [0; 8];
        environment.fill_random(&mut writer);
        let committer = Committer {
            environment: environment.clone(),
            log: log.clone(),
            state,
            settings: settings.clone(),
            requests: request_receiver,
            commands: command_receiver,
            writer: u64::from_le_bytes(writer),
        };
        let hold = Arc::new(Hold {
            lock,
            ended: ended_sender,
            instance: shared.instance.clone(),
        });
        let jobs = Jobs {
            environment: environment.clone(),
            settings: settings.clone(),
            shared: shared.clone(),
            context,
            log: log.clone(),
            commands: commands.clone(),
            read_only: self.read_only,
            checkpointing: Default::default(),
            compacting: Default::default(),
            collecting: Default::default(),
        };
        let name = format!("{} committer", shared.instance);
        let held = hold.clone();
        let stopping = shared.clone();
        let task = async move {
            committer.run().await;
            stopping.stop();
            drop(held);
        };
        environment
            .spawn_thread(&name, Box::pin(task))
            .map_err(|error| {
                Error::unavailable("cannot start the committer's thread").with_source(error)
            })?;
        Ok(DataManager::new(Inner {
            environment,
            settings,
            shared,
            log,
            log_kind,
            location: self.ost.location().to_owned(),
            read_only: self.read_only,
            queue_kibibytes: Arc::new(Semaphore::new(queue_kibibytes)),
            requests,
            commands,
            ended,
            closed: Mutex::new(false),
            jobs: Arc::new(jobs),
            hold: Arc::downgrade(&hold),
        }))
    }

    pub(crate) fn ost(&self) -> &Ost {
        &self.ost
    }

    pub(crate) fn chosen_environment(&self) -> Result<Arc<dyn Environment>, Error> {
        match &self.environment {
            Some(environment) => Ok(environment.clone()),
            None => {
                let environment = TokioEnvironment::current().map_err(|error| {
                    Error::invalid("a store is opened within a tokio runtime").with_source(error)
                })?;
                Ok(Arc::new(environment))
            }
        }
    }

    fn instance_name(&self, environment: &dyn Environment) -> String {
        let id = RecordId::random(environment).to_string();
        format!("{}-{}", self.name.as_deref().unwrap_or("dm"), &id[..8])
    }

    fn check_log(&self, found: LogKind) -> Result<(), Error> {
        match self.log {
            Some(asked) if asked != found => Err(Error::invalid(format!(
                "{} has log={found}, not log={asked}: a store keeps the log that it was made with",
                self.ost.location()
            ))),
            _ => Ok(()),
        }
    }

    /// Where the store's log files and lock are.
    fn directory(&self) -> Result<PathBuf, Error> {
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

    /// Takes the lock, and makes the store if there is none.
    async fn prepare(&self, environment: &dyn Environment) -> Result<Box<dyn Send + Sync>, Error> {
        let existed = Store::exists(&self.ost).await?;
        if !existed {
            store::check_place(&self.ost).await?;
        }
        let lock = self.take_lock(environment).await?;
        if !existed && !Store::exists(&self.ost).await? {
            let log = self.log.unwrap_or(LogKind::File);
            store::probe(&self.ost, environment).await?;
            let (files, directory) = (environment.files(), self.directory()?);
            run_blocking(environment, move || {
                FileLog::create(files.as_ref(), &directory, 1)
            })
            .await??;
            Store::create(&self.ost, environment, log, self.settings.log_bytes_max).await?;
        }
        Ok(lock)
    }

    async fn take_lock(
        &self,
        environment: &dyn Environment,
    ) -> Result<Box<dyn Send + Sync>, Error> {
        let files = environment.files();
        let directory = self.directory()?;
        let network_allowed = self.network_file_system;
        run_blocking(environment, move || {
            let shown = directory.display().to_string();
            let refused = |error: std::io::Error| {
                let kind = match error.kind() {
                    std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Invalid,
                    _ => ErrorKind::Unavailable,
                };
                Error::new(kind, format!("cannot write in {shown:?}")).with_source(error)
            };
            files.create_dir_all(&directory).map_err(refused)?;
            if let Some(name) = files.network_file_system(&directory).map_err(refused)?
                && !network_allowed
            {
                return Err(Error::invalid(format!(
                    "{shown:?} is on a network file system ({name}), where log=file is not safe: \
                     use a local disk"
                )));
            }
            let path = directory.join("lock");
            files.try_lock(&path).map_err(refused)?.ok_or_else(|| {
                Error::unavailable(format!(
                    "another process has {shown:?} open for writing: with log=file a store has one writer at a time; \
                     others can read beside it (read-only); several writers will share a store with log=object, which \
                     this version does not have yet"
                ))
            })
        })
        .await?
    }

    pub(crate) fn file_log_options(
        &self,
        store: &Store,
        instance: &str,
    ) -> Result<FileLogOptions, Error> {
        Ok(FileLogOptions {
            instance: instance.to_owned(),
            directory: self.directory()?,
            store: store.id,
            epoch: store.epoch.epoch,
            covered: store.manifest.covered,
            segment_records_max: self.settings.segment_records_max,
            segment_bytes_max: self.settings.segment_bytes_max,
        })
    }

    async fn open_log(
        &self,
        environment: &Arc<dyn Environment>,
        store: &Store,
        instance: &str,
    ) -> Result<Arc<dyn Log>, Error> {
        let options = self.file_log_options(store, instance)?;
        if self.read_only {
            return Ok(Arc::new(FileLogReader::new(environment.clone(), options)));
        }
        let for_log = environment.clone();
        let log = run_blocking(environment.as_ref(), move || {
            FileLog::open(for_log, options)
        })
        .await??;
        Ok(Arc::new(log))
    }
}

/// A store as it was read back.
struct Found {
    state: State,
    log: Arc<dyn Log>,
    log_kind: LogKind,
    context: FileContext,
}

fn is_about_something_missing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Compacted
    )
}

/// A record that the manifest does not cover must be there: its absence is damage (R1).
fn needed(error: Error, damaged_manifest: Option<&DamagedManifest>) -> Error {
    match (error.kind(), damaged_manifest) {
        (ErrorKind::Compacted | ErrorKind::Corrupt, Some(damaged)) => Error::corrupt(format!(
            "the newest manifest cannot be used ({}), and the log behind the one before it is not whole",
            damaged.error
        ))
        .with_source(error),
        (ErrorKind::Compacted, None) => {
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

/// What the tasks of an open store hold on to; when the last of them ends, the lock is let go.
pub(crate) struct Hold {
    lock: Option<Box<dyn Send + Sync>>,
    ended: watch::Sender<bool>,
    instance: String,
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.lock.take());
        log::info!(instance = self.instance; "closed");
        self.ended.send_replace(true);
    }
}

/// Splits the parameter `log` off the query of a URL.
fn take_log_parameter(url: &str) -> Result<(String, Option<LogKind>), Error> {
    let Some((place, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), None));
    };
    let mut log = None;
    let mut kept = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some(("log", kind)) => log = Some(kind.parse()?),
            _ => kept.push(parameter),
        }
    }
    let url = if kept.is_empty() {
        place.to_owned()
    } else {
        format!("{place}?{}", kept.join("&"))
    };
    Ok((url, log))
}
