//! The rules of the service. Nothing here knows HTTP.
//!
//! Reads are made of one snapshot. A change is one transaction that reads what it rests on, so that no other change can
//! take that away, whatever process makes it; clashes are tried again inside.

mod archives;
mod caches;
mod configs;
mod creation;
mod events;
mod executors;
mod listing;
mod logs;
mod restart;
mod run_actions;
mod runs;

pub(crate) use caches::check_cache_key;
pub(crate) use executors::ExecutorTasks;
pub(crate) use listing::{GroupQuery, RunFilter, RunQuery};
pub(crate) use logs::{Content, LogPart};

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use datamanager::{DataManager, Snapshot, Token};
use ost::Ost;
use tokio::sync::Mutex;

use crate::config::RunSettings;
use crate::executor_client::ExecutorClient;
use crate::objects::Part;
use crate::store::Database;
use crate::worker::{Duty, Liveness, Wake};
use crate::{Error, ErrorKind};
use configs::ConfigCache;

/// How long it is waited for the newest state of the log.
const LATEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What the service does, on one store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Actions {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    /// Logs, workspace archives and caches.
    objects: Ost,
    settings: RunSettings,
    executors: ExecutorClient,
    liveness: Liveness,
    configs: ConfigCache,
    wake: Wake,
    /// Held while tasks are given to executors with a limit, so that those of one process do not clash.
    assigning: Mutex<()>,
    /// Whether an executor had a limit when they were looked at last.
    has_limits: AtomicBool,
    /// Held while a run is created, for the same reason.
    creating: Mutex<()>,
    /// How often executors were asked in vain for logs and archives.
    attempts: std::sync::Mutex<HashMap<(String, Part), u32>>,
}

impl Actions {
    pub(crate) fn new(
        store: DataManager,
        objects: Ost,
        settings: RunSettings,
    ) -> Result<Actions, Error> {
        let executors = ExecutorClient::new(&settings)?;
        Ok(Actions {
            inner: Arc::new(Inner {
                database: Database::new(store),
                objects,
                settings,
                executors,
                liveness: Liveness::default(),
                configs: ConfigCache::new(),
                wake: Wake::default(),
                assigning: Mutex::new(()),
                has_limits: AtomicBool::new(false),
                creating: Mutex::new(()),
                attempts: std::sync::Mutex::default(),
            }),
        })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }

    pub(crate) fn store(&self) -> &DataManager {
        self.inner.database.data_manager()
    }

    pub(crate) fn instance(&self) -> &str {
        self.store().instance()
    }

    pub(crate) fn objects(&self) -> &Ost {
        &self.inner.objects
    }

    pub(crate) fn settings(&self) -> &RunSettings {
        &self.inner.settings
    }

    pub(crate) fn executor_client(&self) -> &ExecutorClient {
        &self.inner.executors
    }

    pub(crate) fn liveness(&self) -> &Liveness {
        &self.inner.liveness
    }

    pub(crate) fn configs(&self) -> &ConfigCache {
        &self.inner.configs
    }

    pub(crate) fn assigning(&self) -> &Mutex<()> {
        &self.inner.assigning
    }

    pub(crate) fn has_limits(&self) -> bool {
        self.inner.has_limits.load(Ordering::Relaxed)
    }

    pub(crate) fn note_limits(&self, has_limits: bool) {
        self.inner.has_limits.store(has_limits, Ordering::Relaxed);
    }

    pub(crate) fn creating(&self) -> &Mutex<()> {
        &self.inner.creating
    }

    /// Counts an attempt to get something from an executor that was in vain; returns how many there were.
    pub(crate) fn count_attempt(&self, task_id: &str, part: Part) -> u32 {
        let attempts = self.inner.attempts.lock();
        let mut attempts = attempts.unwrap_or_else(PoisonError::into_inner);
        let count = attempts.entry((task_id.to_owned(), part)).or_default();
        *count += 1;
        *count
    }

    pub(crate) fn forget_attempts(&self, task_id: &str, part: Part) {
        let attempts = self.inner.attempts.lock();
        let mut attempts = attempts.unwrap_or_else(PoisonError::into_inner);
        attempts.remove(&(task_id.to_owned(), part));
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn now_seconds(&self) -> u64 {
        self.snapshot().time().as_millis() / 1_000
    }

    pub(crate) fn wake(&self) -> &Wake {
        &self.inner.wake
    }

    /// Sees to it that something is looked at now.
    pub(crate) fn due(&self, duty: Duty) {
        self.inner.wake.add(duty);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.inner.database.snapshot()
    }

    /// The newest state of all instances. Executors take an answer for the truth: what is not in it they give up.
    pub(crate) async fn latest_snapshot(&self) -> Result<Snapshot, Error> {
        let latest = self.store().latest_snapshot();
        let latest = tokio::time::timeout(LATEST_TIMEOUT, latest).await;
        Ok(latest.map_err(|_| Error::unavailable("the store's log does not answer"))??)
    }

    /// A token for change groups, as of a state that is not newer than what is read afterwards.
    pub(crate) fn token(&self, groups: &[String]) -> Result<String, Error> {
        Ok(self.store().token(groups.iter().cloned())?.to_string())
    }
}

/// The token that a client has sent; none if it is empty.
fn parse_token(text: &str) -> Result<Option<Token>, Error> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|cause: datamanager::Error| {
            let message = "the change-group token is not one that this service has given";
            Error::new(ErrorKind::BadRequest, message)
                .with_code("invalid_token")
                .with_source(cause)
        }),
    }
}
