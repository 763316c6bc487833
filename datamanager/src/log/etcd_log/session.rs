//! What a process has in etcd for as long as it has the store open, whatever epoch it is: its connection, its lease and its
//! registration.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp, TxnOpResponse};
use futures::future;
use ost::Ost;
use tokio::sync::{Notify, watch};

use super::Inner;
use super::client::{EtcdClient, Failure};
use super::keys::Keys;
use crate::environment::Environment;
use crate::instances::{self, Instance, Mode};
use crate::registry::Registry;
use crate::state::Shared;
use crate::store_id::StoreId;
use crate::{Error, EtcdOptions, Position, Settings};

/// How long etcd keeps the registration of a process that has vanished.
pub(super) const LEASE: Duration = Duration::from_secs(10);
const LEASE_SECONDS: i64 = 10;
/// How often a process renews its registration (R10), and looks whether others recover the log (R11).
const RENEW_INTERVAL: Duration = Duration::from_secs(5);
/// How soon a process looks at an etcd again that it could not use: whoever is refused at once would ask without end.
const RETRY_INTERVAL: Duration = Duration::from_millis(300);
/// How long a process that is closing waits for its log to be closed, before it takes its registration back.
const RELEASE_WAIT_MAX: Duration = Duration::from_secs(15);
/// Revisions of etcd that are remembered with their time.
const REVISIONS_MAX: usize = 1_000;

/// The connection and the registration of one process.
pub(crate) struct EtcdSession {
    pub(super) environment: Arc<dyn Environment>,
    pub(super) client: EtcdClient,
    pub(super) keys: Keys,
    pub(super) ost: Ost,
    pub(super) instance: String,
    pub(super) settings: Arc<Settings>,
    pub(super) read_only: bool,
    /// Held during an append too, so that no renewal comes between its compare and its answer.
    pub(super) registration: tokio::sync::Mutex<Registration>,
    seen: Mutex<Seen>,
    current: Mutex<Weak<Inner>>,
    shared: Mutex<Weak<Shared>>,
    /// Wakes the keeper.
    pub(super) wake: Notify,
    /// Set once the log has been closed.
    released: watch::Sender<bool>,
}

/// This process's key under `instances/`.
#[derive(Debug, Default)]
pub(super) struct Registration {
    lease: Option<i64>,
    /// The revision of the last renewal, if it is known: an append compares it (R10).
    pub(super) mod_revision: Option<i64>,
    renewed_at: Option<Duration>,
}

/// What this process saw last.
#[derive(Default)]
struct Seen {
    /// With the revisions at which they registered first.
    instances: Vec<(i64, Instance)>,
    /// Revisions of etcd, with the times when they were the newest.
    revisions: VecDeque<(Duration, i64)>,
    compacted_at: Option<Duration>,
    maintenance_shown: Option<Option<Position>>,
}

/// What came of a registration.
pub(super) enum Registered {
    Done,
    /// etcd does not hold what it held.
    Changed,
}

impl std::fmt::Debug for EtcdSession {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.client.fmt(formatter)
    }
}

impl EtcdSession {
    pub(crate) fn new(
        environment: Arc<dyn Environment>,
        options: EtcdOptions,
        ost: Ost,
        instance: String,
        settings: Arc<Settings>,
        read_only: bool,
    ) -> Result<EtcdSession, Error> {
        options.check()?;
        Ok(EtcdSession {
            keys: Keys::new(options.prefix()),
            client: EtcdClient::new(environment.clone(), options),
            environment,
            ost,
            instance,
            settings,
            read_only,
            registration: Default::default(),
            seen: Default::default(),
            current: Default::default(),
            shared: Default::default(),
            wake: Notify::new(),
            released: watch::Sender::new(false),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log that this process uses now.
    pub(super) fn current(&self) -> Option<Arc<Inner>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.upgrade()
    }

    pub(super) fn set_current(&self, log: &Arc<Inner>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(log);
    }

    /// The id of the cluster that answered last, as it stands in descriptions.
    pub(crate) fn cluster(&self) -> String {
        match self.client.cluster() {
            Some(cluster) => format!("{cluster:x}"),
            None => "unknown".to_owned(),
        }
    }

    /// The prefix of the store's keys.
    pub(crate) fn prefix(&self) -> &str {
        self.keys.all()
    }

    /// The log is closed: nothing is appended any more.
    pub(super) fn release(&self) {
        self.released.send_replace(true);
        self.wake.notify_one();
    }

    /// Whether this process is the one that does what one process should do: the one that has registered first.
    pub(super) fn is_first(&self) -> bool {
        let seen = self.seen();
        let first = seen.instances.iter().min_by_key(|(since, _)| *since);
        first.is_none_or(|(_, instance)| instance.name == self.instance)
    }

    /// The other processes that were registered when this one looked last.
    pub(super) fn others(&self) -> Vec<String> {
        let seen = self.seen();
        let names = seen.instances.iter().map(|(_, instance)| &instance.name);
        names
            .filter(|name| **name != self.instance)
            .cloned()
            .collect()
    }

    /// Whether the registration may have run out by now.
    pub(super) async fn has_lapsed(&self) -> bool {
        let now = self.environment.steady_time();
        let renewed_at = self.registration.lock().await.renewed_at;
        renewed_at.is_none_or(|at| now.saturating_sub(at) >= LEASE)
    }

    /// Registers this process as it is now. With `is_renewal` only if its key is as it was left.
    pub(super) async fn register(
        &self,
        store: StoreId,
        is_renewal: bool,
    ) -> Result<Registered, Error> {
        let Some(shared) = self.shared() else {
            return Ok(Registered::Done); // being opened, or closed
        };
        let began = self.environment.steady_time();
        let mut registration = self.registration.lock().await;
        let lease = self.keep_or_grant(registration.lease).await?;
        registration.lease = Some(lease);
        let own = self.keys.instance(&self.instance);
        let known = registration.mod_revision;
        let mut compares = vec![Compare::value(
            self.keys.store(),
            CompareOp::Equal,
            store.to_string(),
        )];
        if is_renewal {
            let revision = known.unwrap_or(0);
            compares.push(Compare::mod_revision(
                own.clone(),
                CompareOp::Equal,
                revision,
            ));
        }
        let options = PutOptions::new().with_lease(lease);
        let txn = Txn::new()
            .when(compares)
            .and_then([
                TxnOp::put(own.clone(), instances::describe(&shared), Some(options)),
                self.get_instances(),
            ])
            .or_else([TxnOp::get(self.keys.store(), None)]);
        registration.mod_revision = None;
        let answer = match self.client.txn("register this process", txn).await {
            Ok(answer) => answer,
            Err(Failure::Refused(error)) => {
                // Out of space: the key stays as it was, unless it was the last that fitted.
                let found = self.own_revision(&own, lease).await?;
                registration.mod_revision =
                    found.filter(|found| known.is_some_and(|k| *found >= k));
                return match registration.mod_revision {
                    Some(_) => {
                        registration.renewed_at = Some(began);
                        Ok(Registered::Done)
                    }
                    None => Err(error),
                };
            }
            Err(Failure::Unclear(error)) => return Err(error),
        };
        if answer.succeeded() {
            registration.mod_revision = answer.header().map(|header| header.revision());
            registration.renewed_at = Some(began);
            drop(registration);
            self.note_instances(&answer.op_responses());
            return Ok(Registered::Done);
        }
        if let Some(TxnOpResponse::Get(found)) = answer.op_responses().first()
            && let Some(kv) = found.kvs().first()
            && kv.value() != store.to_string().as_bytes()
        {
            return Err(self.foreign(kv.value(), store));
        }
        Ok(Registered::Changed)
    }

    /// What is said of a prefix that another store uses.
    pub(super) fn foreign(&self, found: &[u8], store: StoreId) -> Error {
        Error::invalid(format!(
            "the prefix {:?} of etcd cluster {} belongs to store {}, not to {store}",
            self.prefix(),
            self.cluster(),
            String::from_utf8_lossy(found)
        ))
    }

    async fn keep_or_grant(&self, lease: Option<i64>) -> Result<i64, Error> {
        if let Some(lease) = lease
            && self
                .client
                .keep_lease(lease)
                .await
                .map_err(Failure::into_error)?
        {
            return Ok(lease);
        }
        self.client
            .grant_lease(LEASE_SECONDS)
            .await
            .map_err(Failure::into_error)
    }

    /// The revision of this process's key, if it is there with this lease.
    async fn own_revision(&self, own: &str, lease: i64) -> Result<Option<i64>, Error> {
        let txn = Txn::new().and_then([TxnOp::get(own, None)]);
        let answer = self.client.txn("read the registration", txn).await;
        let responses = answer.map_err(Failure::into_error)?.op_responses();
        let Some(TxnOpResponse::Get(found)) = responses.first() else {
            return Ok(None);
        };
        let kv = found.kvs().first().filter(|kv| kv.lease() == lease);
        Ok(kv.map(|kv| kv.mod_revision()))
    }

    fn get_instances(&self) -> TxnOp {
        TxnOp::get(self.keys.instances(), Some(GetOptions::new().with_prefix()))
    }

    fn note_instances(&self, responses: &[TxnOpResponse]) {
        let found = responses.iter().find_map(|response| match response {
            TxnOpResponse::Get(found) => Some(found),
            _ => None,
        });
        let Some(found) = found else { return };
        let instances = found.kvs().iter().filter_map(|kv| {
            let instance = instances::parse(kv.value())?;
            Some((kv.create_revision(), instance))
        });
        self.seen().instances = instances.collect();
    }

    /// Reads who is registered.
    async fn look_around(&self) -> Result<(), Error> {
        let txn = Txn::new().and_then([self.get_instances()]);
        let answer = self.client.txn("list the processes", txn).await;
        self.note_instances(&answer.map_err(Failure::into_error)?.op_responses());
        Ok(())
    }

    /// What is due every few seconds; whether etcd could be used.
    async fn tick(&self, shared: &Shared) -> bool {
        let Some(log) = self.current() else {
            return true;
        };
        let is_well = log.upkeep().await;
        let now = self.environment.steady_time();
        {
            let mut seen = self.seen();
            seen.revisions.push_back((now, self.client.revision()));
            if seen.revisions.len() > REVISIONS_MAX {
                seen.revisions.pop_front();
            }
        }
        if self.is_first() && self.client.down().is_none() {
            self.compact_history(now).await;
            self.correct_maintenance(shared).await;
        }
        is_well
    }

    /// Compacts etcd's history up to what it was one interval ago, once in each interval.
    async fn compact_history(&self, now: Duration) {
        let interval = self.settings.etcd_compaction_interval;
        if interval.is_zero() {
            return;
        }
        let revision = {
            let mut seen = self.seen();
            let last = *seen.compacted_at.get_or_insert(now);
            if now.saturating_sub(last) < interval {
                return;
            }
            seen.compacted_at = Some(now);
            let old = |(at, _): &&(Duration, i64)| now.saturating_sub(*at) >= interval;
            seen.revisions
                .iter()
                .rev()
                .find(old)
                .map(|(_, revision)| *revision)
        };
        let Some(revision) = revision.filter(|revision| *revision > 0) else {
            return;
        };
        match self
            .client
            .compact(revision)
            .await
            .map_err(Failure::into_error)
        {
            Ok(()) => log::debug!(instance = self.instance, revision; "compacted etcd's history"),
            // Somebody else has done so already, most likely.
            Err(error) => {
                log::debug!(instance = self.instance, revision; "etcd's history was not compacted: {}", error.chain());
            }
        }
    }

    async fn correct_maintenance(&self, shared: &Shared) {
        let view = shared.view();
        let since = view.control.maintenance.as_ref();
        let position = since.map(|since| since.position);
        if self.seen().maintenance_shown != Some(position) {
            let since = since.map(|since| (since.position, since.instance.as_str()));
            self.show_maintenance(since).await;
        }
    }

    async fn unregister(&self) {
        let lease = self.registration.lock().await.lease.take();
        if let Some(lease) = lease
            && let Err(failure) = self.client.revoke_lease(lease).await
        {
            log::debug!(
                instance = self.instance;
                "the registration could not be taken back and runs out by itself: {}", failure.into_error().chain()
            );
        }
    }
}

#[async_trait]
impl Registry for EtcdSession {
    async fn register_first(&self, shared: &Arc<Shared>) -> Result<(), Error> {
        let began = self.environment.steady_time();
        let environment = self.environment.as_ref();
        let store_time = instances::store_time(&self.ost, environment).await?;
        shared.store_clock.note(store_time, began);
        shared.store_clock.runs_behind(environment, &self.instance);
        self.set_shared(shared);
        match self.current() {
            // From here on an append compares the registration.
            Some(log) => log.check().await,
            None => Ok(()),
        }
    }

    async fn keep_registered(&self, shared: Arc<Shared>) {
        let mut control = shared.watch_control();
        let mut stopped_at = None;
        let mut is_failing = false;
        loop {
            let mode = Mode::of(&shared.view());
            let changed = async {
                loop {
                    if control.changed().await.is_err()
                        || Mode::of(&shared.view()) != mode
                        || shared.is_stopping()
                    {
                        return;
                    }
                }
            };
            let due = self.environment.sleep(match is_failing {
                true => RETRY_INTERVAL,
                false => RENEW_INTERVAL,
            });
            if is_failing {
                due.await; // however many ask for it
            } else if stopped_at.is_none() {
                future::select(
                    Box::pin(changed),
                    future::select(Box::pin(self.wake.notified()), due),
                )
                .await;
            } else {
                future::select(Box::pin(self.wake.notified()), due).await;
            }
            let now = self.environment.steady_time();
            if shared.is_stopping() {
                let since = *stopped_at.get_or_insert(now);
                if *self.released.borrow() || now.saturating_sub(since) >= RELEASE_WAIT_MAX {
                    break;
                }
            }
            is_failing = !self.tick(&shared).await;
        }
        self.unregister().await;
    }

    async fn list(&self, shared: &Shared, read_only: bool) -> Result<Vec<Instance>, Error> {
        self.look_around().await?;
        let mut instances: Vec<Instance> = {
            let seen = self.seen();
            seen.instances
                .iter()
                .map(|(_, instance)| instance.clone())
                .collect()
        };
        if !read_only {
            // As it is now, and not when it renewed its registration last.
            instances.retain(|instance| instance.name != self.instance);
            instances.push(Instance::of(shared));
        }
        instances.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(instances)
    }

    async fn others_registered(&self) -> Result<bool, Error> {
        Ok(!self.others().is_empty())
    }

    async fn is_gone(&self, name: &str) -> Result<bool, Error> {
        self.look_around().await?;
        let seen = self.seen();
        Ok(seen
            .instances
            .iter()
            .all(|(_, instance)| instance.name != name))
    }

    async fn show_maintenance(&self, since: Option<(Position, &str)>) {
        let key = self.keys.maintenance();
        let shown = match since {
            Some((position, instance)) => {
                let value =
                    serde_json::json!({"format": 1, "since": position, "instance": instance});
                let txn = Txn::new().and_then([TxnOp::put(key, value.to_string(), None)]);
                self.client.txn("show maintenance", txn).await.map(drop)
            }
            None => {
                let txn = Txn::new().and_then([TxnOp::delete(key, None)]);
                self.client.txn("show maintenance", txn).await.map(drop)
            }
        };
        match shown {
            Ok(()) => {
                self.seen().maintenance_shown = Some(since.map(|(position, _)| position));
            }
            Err(failure) => {
                log::warn!(
                    instance = self.instance;
                    "maintenance could not be shown in etcd, and is tried again: {}", failure.into_error().chain()
                );
            }
        }
    }
}

impl EtcdSession {
    /// The state that registrations tell of; none while the store is being opened.
    fn shared(&self) -> Option<Arc<Shared>> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade()
    }

    fn set_shared(&self, shared: &Arc<Shared>) {
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(shared);
    }
}
