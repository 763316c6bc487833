//! Opening a store.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ost::Ost;
use tokio::sync::{Semaphore, mpsc, watch};

#[cfg(feature = "etcd")]
use crate::EtcdOptions;
use crate::committer::Committer;
use crate::data_file::BlockCache;
use crate::data_manager::{DataManager, Inner};
use crate::disk_cache::DiskCache;
use crate::environment::{Environment, TokioEnvironment, run_blocking};
use crate::epoch::EpochFile;
use crate::file_set::FileContext;
use crate::instances;
use crate::jobs::Jobs;
#[cfg(feature = "etcd")]
use crate::log::EtcdSession;
use crate::opener::Opener;
use crate::state::State;
use crate::store::{self, Store};
use crate::{Error, ErrorKind, LogKind, Position, RecordId, Settings};

const COMMANDS_MAX: usize = 64;
/// How often a store is opened whose log turns out to be moving.
const OPENINGS_MAX: u32 = 5;

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
    instance: Option<String>,
    read_only: bool,
    log: Option<LogKind>,
    log_directory: Option<PathBuf>,
    network_file_system: bool,
    #[cfg(feature = "etcd")]
    etcd: Option<EtcdOptions>,
    /// Whether the log is another one than was asked for, since it is about to be moved.
    is_switching: bool,
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
            instance: None,
            read_only: false,
            log: None,
            log_directory: None,
            network_file_system: false,
            #[cfg(feature = "etcd")]
            etcd: None,
            is_switching: false,
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

    /// Names the instance `instance`, with nothing added, for a program that writes log lines of its own under that name
    /// before the store is open. No two open stores may ever have the same.
    pub fn instance(mut self, instance: impl Into<String>) -> Builder {
        self.instance = Some(instance.into());
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

    /// Keeps the log in this etcd if the store is made now, and refuses a store with a log elsewhere.
    #[cfg(feature = "etcd")]
    pub fn etcd(mut self, etcd: EtcdOptions) -> Builder {
        self.etcd = Some(etcd);
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
        for _ in 1..OPENINGS_MAX {
            if let Some(store) = self.open_once().await? {
                return Ok(store);
            }
        }
        Err(Error::unavailable(
            "the log is moved again and again while the store is being opened",
        ))
    }

    /// `None` once a move of the log that was cut off has been brought to its end: the store is to be opened where it is now.
    async fn open_once(&self) -> Result<Option<DataManager>, Error> {
        let mut opener = self.opener()?;
        let lock = match self.read_only {
            true => None,
            false => self.prepare(&mut opener).await?,
        };
        let disk_cache = self.disk_cache(&opener).await;
        let opener = Arc::new(opener);
        let state = opener.open().await?;
        log::info!(
            instance = opener.instance, store:% = state.store(), epoch = state.epoch(), seq = state.position().seq,
            read_only = self.read_only;
            "opened {}", self.ost.location()
        );
        let view = state.view();
        let dead_jobs: Vec<u64> = view.control.open_jobs.keys().copied().collect();
        let unannounced = view.control.manifest_number < view.files.manifest.number;
        let kind = state.shared().log().kind;
        let is_shared = kind != LogKind::File;
        let is_moving = view.control.sealed.as_ref();
        let is_moving = is_moving.is_some_and(|seal| seal.log != kind) && !self.read_only;
        if is_shared && !self.read_only {
            let registry = opener.registry(state.shared().log().kind);
            registry.register_first(state.shared()).await?;
        }
        let store = start(opener, state, (lock, disk_cache))?;
        if is_moving && !self.is_switching {
            let moved = store.finish_move().await;
            // The log that is open here is no longer the store's.
            let closed = store.close().await;
            return moved.and(closed).map(|()| None);
        }
        if self.read_only {
            store.follow_manifests();
        } else if is_shared {
            store.start_sharing();
            store.start_maintenance()?;
        } else if is_moving {
            // Who is moving the log goes on with that.
            store.start_maintenance()?;
        } else if store.jobs().sealed_for().is_some() {
            // Nobody else is there who could do it.
            let jobs = store.jobs();
            let next_epoch = store.stats().epoch + 1;
            jobs.begin_next_epoch().await?;
            jobs.wait_for_own_epoch(next_epoch).await?;
            store.start_maintenance()?;
        } else {
            store.jobs().end_dead_jobs(dead_jobs, unannounced).await?;
            store.start_maintenance()?;
        }
        Ok(Some(store))
    }

    /// Moves the store's log to another place: ends the log, and begins an epoch whose log is kept as `to`. All data stays.
    ///
    /// No other process may have the store open for writing; one that does not answer is taken to be gone after a minute.
    ///
    /// # Cancel safety
    /// A call that is dropped may leave the log sealed; the next opening, or another process after 10 seconds, goes on.
    ///
    /// # Errors
    /// `Invalid` when the log is there already or cannot be there; `Unavailable` when another process has the store open,
    /// or the storage does not answer.
    pub async fn switch_log(self, to: LogKind) -> Result<(), Error> {
        let mut builder = self;
        builder.is_switching = true;
        let mut opener = builder.opener()?;
        if !Store::exists(&builder.ost).await? {
            return Err(store::no_store(&builder.ost));
        }
        let from = EpochFile::load_newest(&builder.ost).await?.log;
        if from == to {
            return Err(Error::invalid(format!(
                "{} has log={to} already",
                builder.ost.location()
            )));
        }
        opener.kind = Some(to);
        let _lock = match to {
            LogKind::File => Some(builder.take_lock(&opener).await?),
            LogKind::Object => None,
            LogKind::Etcd => {
                let store = Store::load(&builder.ost).await?;
                opener.check_etcd(store.map(|store| store.id)).await?;
                None
            }
        };
        let store = builder.open().await?;
        let switched = store.end_log(to).await;
        // The log that this process has open is no longer the store's.
        let closed = store.close().await;
        switched.and(closed)
    }

    pub(crate) fn ost(&self) -> &Ost {
        &self.ost
    }

    /// How this process reads the store; which log it writes is known once the store has been looked at.
    pub(crate) fn opener(&self) -> Result<Opener, Error> {
        let environment = self.chosen_environment()?;
        let cache = Arc::new(BlockCache::new(self.settings.block_cache_bytes));
        let instance = match &self.instance {
            Some(instance) => {
                instances::check_name(instance)?;
                instance.clone()
            }
            None => {
                let name = self.name.as_deref().unwrap_or("dm");
                instances::check_name(name)?;
                let id = RecordId::random(environment.as_ref()).to_string();
                format!("{name}-{}", &id[..8])
            }
        };
        let settings = Arc::new(self.settings.clone());
        Ok(Opener {
            ost: self.ost.clone(),
            read_only: self.read_only,
            log_directory: self.log_directory.clone(),
            kind: self.asked_log(),
            #[cfg(feature = "etcd")]
            etcd: self.etcd_session(&environment, &instance, &settings)?,
            context: FileContext::new(self.ost.clone(), cache),
            environment,
            settings,
            instance,
        })
    }

    /// Puts a disk cache behind the block cache, if there is to be one.
    async fn disk_cache(&self, opener: &Opener) -> Option<Arc<DiskCache>> {
        if self.ost.local_dir().is_some() {
            return None;
        }
        let environment = opener.environment.clone();
        let cache = DiskCache::open(environment, &self.settings, &opener.instance).await?;
        opener.context.cache.set_disk(cache.clone());
        Some(cache)
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

    /// The log that the caller asks for.
    fn asked_log(&self) -> Option<LogKind> {
        #[cfg(feature = "etcd")]
        if self.log.is_none() && self.etcd.is_some() && !self.is_switching {
            return Some(LogKind::Etcd);
        }
        // A log that is about to be moved is whatever it is.
        self.log.filter(|_| !self.is_switching)
    }

    #[cfg(feature = "etcd")]
    fn etcd_session(
        &self,
        environment: &Arc<dyn Environment>,
        instance: &str,
        settings: &Arc<Settings>,
    ) -> Result<Option<Arc<EtcdSession>>, Error> {
        let Some(options) = self.etcd.clone() else {
            return Ok(None);
        };
        if options.needs_tokio() && tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::invalid("a log in etcd needs a tokio runtime"));
        }
        let session = EtcdSession::new(
            environment.clone(),
            options,
            self.ost.clone(),
            instance.to_owned(),
            settings.clone(),
            self.read_only,
        )?;
        Ok(Some(Arc::new(session)))
    }

    /// The log of a new store if nothing else is said: in files where there are files.
    fn default_log(&self) -> LogKind {
        match self.log_directory.is_some() || self.ost.local_dir().is_some() {
            true => LogKind::File,
            false => LogKind::Object,
        }
    }

    /// Takes the lock if the log needs one, and makes the store if there is none.
    async fn prepare(&self, opener: &mut Opener) -> Result<Option<Box<dyn Send + Sync>>, Error> {
        let existed = Store::exists(&self.ost).await?;
        let kind = match (existed, self.asked_log()) {
            (_, Some(asked)) => asked,
            (true, None) => EpochFile::load_newest(&self.ost).await?.log,
            (false, None) => self.default_log(),
        };
        opener.kind = Some(kind);
        if !existed {
            store::check_place(&self.ost).await?;
        }
        let lock = match kind {
            LogKind::File => Some(self.take_lock(opener).await?),
            LogKind::Object | LogKind::Etcd => None,
        };
        if !existed && !Store::exists(&self.ost).await? {
            let environment = opener.environment.as_ref();
            store::probe(&self.ost, environment).await?;
            if let Err(error) = opener.prepare_log(kind, None, 1, Position::START).await {
                // The log may be that of a store which another process has made meanwhile; opening it shows whether it fits.
                return match Store::exists(&self.ost).await? {
                    true => Ok(lock),
                    false => Err(error),
                };
            }
            let place = opener.place(kind);
            Store::create(&self.ost, environment, place, self.settings.log_bytes_max).await?;
        }
        Ok(lock)
    }

    pub(crate) async fn take_lock(&self, opener: &Opener) -> Result<Box<dyn Send + Sync>, Error> {
        // A program that this one is just starting holds the locks of before until it runs.
        const ATTEMPTS_MAX: u32 = 10;
        const ATTEMPT_DELAY: Duration = Duration::from_millis(20);
        for _ in 1..ATTEMPTS_MAX {
            if let Some(lock) = self.try_take_lock(opener).await? {
                return Ok(lock);
            }
            opener.environment.sleep(ATTEMPT_DELAY).await;
        }
        let shown = opener.directory()?.display().to_string();
        self.try_take_lock(opener).await?.ok_or_else(|| {
            Error::unavailable(format!(
                "another process has {shown:?} open for writing: with log=file a store has one writer at a time; \
                 others can read beside it (read-only). Several writers share a store with log=object: close this \
                 one and run `dm switch-log object`"
            ))
        })
    }

    /// The lock, unless another process has it.
    async fn try_take_lock(&self, opener: &Opener) -> Result<Option<Box<dyn Send + Sync>>, Error> {
        let files = opener.environment.files();
        let directory = opener.directory()?;
        let network_allowed = self.network_file_system;
        run_blocking(opener.environment.as_ref(), move || {
            let shown = directory.display().to_string();
            let refused = |error: std::io::Error| {
                let kind = match error.kind() {
                    std::io::ErrorKind::PermissionDenied
                    | std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Invalid,
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
            files.try_lock(&directory.join("lock")).map_err(refused)
        })
        .await?
    }
}

/// Starts the committer and makes the handle.
fn start(
    opener: Arc<Opener>,
    state: State,
    (lock, disk_cache): (Option<Box<dyn Send + Sync>>, Option<Arc<DiskCache>>),
) -> Result<DataManager, Error> {
    let (environment, settings) = (opener.environment.clone(), opener.settings.clone());
    let queue_kibibytes = settings.queue_bytes_max.div_ceil(1024);
    let (requests, request_receiver) = mpsc::channel(settings.queue_transactions_max);
    let (commands, command_receiver) = mpsc::channel(COMMANDS_MAX);
    let (ended_sender, ended) = watch::channel(false);
    let shared = state.shared().clone();
    let mut writer = [0; 8];
    environment.fill_random(&mut writer);
    let committer = Committer {
        environment: environment.clone(),
        opener: opener.clone(),
        log: shared.log().log.clone(),
        state,
        settings: settings.clone(),
        requests: request_receiver,
        commands: command_receiver,
        postponed: Vec::new(),
        writer: u64::from_le_bytes(writer),
    };
    let hold = Arc::new(Hold {
        lock,
        disk_cache,
        ended: ended_sender,
        instance: shared.instance.clone(),
    });
    let jobs = Arc::new(Jobs::new(opener.clone(), shared.clone(), commands.clone()));
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
        location: opener.ost.location().to_owned(),
        read_only: opener.read_only,
        queue_kibibytes: Arc::new(Semaphore::new(queue_kibibytes)),
        requests,
        commands,
        ended,
        closed: Mutex::new(false),
        jobs,
        hold: Arc::downgrade(&hold),
        types: Arc::default(),
    }))
}

/// What the tasks of an open store hold on to; when the last of them ends, the lock and the disk cache are let go.
pub(crate) struct Hold {
    lock: Option<Box<dyn Send + Sync>>,
    disk_cache: Option<Arc<DiskCache>>,
    ended: watch::Sender<bool>,
    instance: String,
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.lock.take());
        if let Some(cache) = self.disk_cache.take() {
            cache.close();
        }
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
