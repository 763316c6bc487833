//! Which processes have a shared store open, as each of them says itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::{self, Either};
use ost::{ObjectMeta, ObjectPath, Ost};
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::read_view::ReadView;
use crate::state::Shared;
use crate::{Error, Position, Timestamp, sealed_json};

const INSTANCE_FORMAT: u32 = 1;
const INSTANCE_PREFIX: &str = "instances/";
/// How often a process registers anew.
pub(crate) const REGISTRATION_INTERVAL: Duration = Duration::from_secs(20);
/// A process that has not registered for so long is taken to be gone.
pub(crate) const INSTANCE_AGE_MAX: Duration = Duration::from_secs(60);
/// Registrations that are so old are removed.
const REMOVAL_AGE: Duration = Duration::from_secs(600);

/// Whether a process accepts transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Transactions are committed.
    Normal,
    /// Transactions are refused with `Maintenance`.
    Maintenance,
}

impl Mode {
    pub(crate) fn of(view: &ReadView) -> Mode {
        match view.control.maintenance {
            Some(_) => Mode::Maintenance,
            None => Mode::Normal,
        }
    }
}

/// A process that has the store open for writing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Instance {
    /// Its unique name.
    pub name: String,
    /// The version of this library that it runs.
    pub version: String,
    /// Whether it accepts transactions, as of `position`.
    pub mode: Mode,
    /// The newest position that it had applied when it last registered.
    pub position: Position,
    /// How long ago that was, by the storage's clock; zero with a log in etcd, which forgets at once who is gone.
    pub age: Duration,
}

impl Instance {
    /// This process, as it is now.
    pub(crate) fn of(shared: &Shared) -> Instance {
        let view = shared.view();
        Instance {
            name: shared.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: Mode::of(&view),
            position: view.position,
            age: Duration::ZERO,
        }
    }
}

/// The content of `instances/<name>.json`.
#[derive(Debug, Serialize, Deserialize)]
struct InstanceFile {
    format: u32,
    instance: String,
    version: String,
    mode: Mode,
    position: Position,
}

fn path_of(name: &str) -> Result<ObjectPath, Error> {
    Ok(ObjectPath::parse(&format!("{INSTANCE_PREFIX}{name}.json"))?)
}

/// Refuses a name that cannot be a part of a key.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    const CHARACTERS_MAX: usize = 64;
    let good = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if name.is_empty() || name.len() > CHARACTERS_MAX || !name.chars().all(good) {
        return Err(Error::invalid(format!(
            "instance name {name:?} is not 1 to {CHARACTERS_MAX} of the characters a-z A-Z 0-9 - _ ."
        )));
    }
    Ok(())
}

/// What a process registers, as its view is now.
#[cfg(feature = "etcd")]
pub(crate) fn describe(shared: &Shared) -> Vec<u8> {
    serde_json::to_vec(&InstanceFile::of(shared)).expect("numbers and texts can be written as JSON")
}

/// A process as it has registered in etcd, which forgets those that are gone.
#[cfg(feature = "etcd")]
pub(crate) fn parse(bytes: &[u8]) -> Option<Instance> {
    let file: InstanceFile = serde_json::from_slice(bytes).ok()?;
    Some(Instance {
        name: file.instance,
        version: file.version,
        mode: file.mode,
        position: file.position,
        age: Duration::ZERO,
    })
}

impl InstanceFile {
    fn of(shared: &Shared) -> InstanceFile {
        let view = shared.view();
        InstanceFile {
            format: INSTANCE_FORMAT,
            instance: shared.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: Mode::of(&view),
            position: view.position,
        }
    }
}

/// The storage's own time, from an object that is written for it: ages of objects are compared with it (R5).
pub(crate) async fn store_time(
    ost: &Ost,
    environment: &dyn Environment,
) -> Result<Timestamp, Error> {
    let path = ObjectPath::parse(&format!(
        "recovery/time-{}",
        crate::RecordId::random(environment)
    ))?;
    ost.put(&path, Bytes::new()).await?;
    let meta = ost.head(&path).await;
    ost.delete(&path).await?;
    Ok(Timestamp::from_millis(meta?.last_modified_ms))
}

/// Registers this process as its view is now.
async fn register(ost: &Ost, shared: &Shared) -> Result<(), Error> {
    let file = InstanceFile::of(shared);
    let path = path_of(&shared.instance)?;
    Ok(ost.put(&path, sealed_json::encode(&file)?).await?)
}

/// The first registration, whose object tells the storage's time.
pub(crate) async fn register_first(
    ost: &Ost,
    environment: &dyn Environment,
    shared: &Shared,
) -> Result<(), Error> {
    let began = environment.steady_time();
    register(ost, shared).await?;
    let meta = ost.head(&path_of(&shared.instance)?).await?;
    let store_time = Timestamp::from_millis(meta.last_modified_ms);
    shared.store_clock.note(store_time, began);
    // Said here already, so that it does not come with the first commit alone.
    shared
        .store_clock
        .runs_behind(environment, &shared.instance);
    Ok(())
}

/// Registers this process from time to time, and at once when its mode changes; ends and takes the registration back when
/// the store is closed.
pub(crate) async fn keep_registered(
    ost: Ost,
    environment: Arc<dyn Environment>,
    shared: Arc<Shared>,
) {
    let mut control = shared.watch_control();
    let mut mode = Mode::of(&shared.view());
    let mut due = environment.sleep(REGISTRATION_INTERVAL);
    while !shared.is_stopping() {
        let changed = Box::pin(control.changed());
        match future::select(changed, due).await {
            Either::Left((_, left)) if Mode::of(&shared.view()) == mode => {
                due = left;
                continue;
            }
            _ => {}
        }
        due = environment.sleep(REGISTRATION_INTERVAL);
        if shared.is_stopping() {
            break;
        }
        let registered = Mode::of(&shared.view());
        match register(&ost, &shared).await {
            Ok(()) => mode = registered,
            Err(error) => {
                log::warn!(instance = shared.instance; "this process could not be registered: {}", error.chain());
            }
        }
    }
    if let Ok(path) = path_of(&shared.instance)
        && let Err(error) = ost.delete(&path).await
    {
        log::warn!(instance = shared.instance; "the registration could not be taken back: {error}");
    }
}

/// The processes that have registered lately, by name. `now` is the storage's time.
pub(crate) async fn list(ost: &Ost, now: Option<Timestamp>) -> Result<Vec<Instance>, Error> {
    let metas = list_registrations(ost).await?;
    let now = now.or_else(|| newest_time(&metas)).unwrap_or_default();
    let mut instances = Vec::new();
    for meta in metas
        .iter()
        .filter(|meta| age(meta, now) <= INSTANCE_AGE_MAX)
    {
        match ost.get(&meta.path).await {
            Ok(bytes) => instances.push(decode(meta, &bytes, now)?),
            // Closed since it was listed.
            Err(error) if error.kind() == ost::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(instances)
}

fn decode(meta: &ObjectMeta, bytes: &Bytes, now: Timestamp) -> Result<Instance, Error> {
    let file: InstanceFile = sealed_json::decode(meta.path.as_ref(), bytes, INSTANCE_FORMAT)?;
    Ok(Instance {
        name: file.instance,
        version: file.version,
        mode: file.mode,
        position: file.position,
        age: age(meta, now),
    })
}

/// Registers this process and lists those that have registered lately: its own object tells the storage's time (R5).
pub(crate) async fn register_and_list(ost: &Ost, shared: &Shared) -> Result<Vec<Instance>, Error> {
    register(ost, shared).await?;
    list(ost, None).await
}

/// Whether other processes than `own` have registered lately: one request.
pub(crate) async fn others_registered(ost: &Ost, own: &str) -> Result<bool, Error> {
    let own = path_of(own)?;
    let metas = list_registrations(ost).await?;
    let now = newest_time(&metas).unwrap_or_default();
    Ok(metas
        .iter()
        .any(|meta| meta.path != own && age(meta, now) <= INSTANCE_AGE_MAX))
}

/// Whether the process `name` has closed the store, or not registered for long, as this process, which registers too, can
/// tell: one request.
pub(crate) async fn is_gone(ost: &Ost, name: &str) -> Result<bool, Error> {
    let path = path_of(name)?;
    let metas = list_registrations(ost).await?;
    let now = newest_time(&metas).unwrap_or_default();
    let found = metas.iter().find(|meta| meta.path == path);
    Ok(found.is_none_or(|meta| age(meta, now) > INSTANCE_AGE_MAX))
}

/// The registrations of processes that are long gone.
pub(crate) async fn list_dead(ost: &Ost, now: Timestamp) -> Result<Vec<ObjectPath>, Error> {
    let metas = list_registrations(ost).await?;
    let dead = metas
        .into_iter()
        .filter(|meta| age(meta, now) > REMOVAL_AGE);
    Ok(dead.map(|meta| meta.path).collect())
}

async fn list_registrations(ost: &Ost) -> Result<Vec<ObjectMeta>, Error> {
    Ok(ost.list(INSTANCE_PREFIX, None).try_collect().await?)
}

fn newest_time(metas: &[ObjectMeta]) -> Option<Timestamp> {
    let times = metas.iter().map(|meta| meta.last_modified_ms);
    times.max().map(Timestamp::from_millis)
}

fn age(meta: &ObjectMeta, now: Timestamp) -> Duration {
    now.saturating_since(Timestamp::from_millis(meta.last_modified_ms))
}
