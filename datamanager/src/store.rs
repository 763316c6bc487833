//! What makes a place a store: `store.json`, epochs, and how the first start makes them.

use bytes::Bytes;
use futures::TryStreamExt;
use ost::{Create, ObjectPath, Ost};
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::epoch::{EpochCause, EpochFile, LogPlace};
use crate::failpoint;
use crate::manifest::Manifest;
use crate::store_id::StoreId;
use crate::{Error, ErrorKind, Position, RecordId, Timestamp, sealed_json};

/// What the names of objects begin with that are removed again at once.
pub(crate) const TRIAL_PREFIXES: [&str; 2] = ["recovery/probe-", "recovery/time-"];

const STORE_KEY: &str = "store.json";
const STORE_FORMAT: u32 = 1;

/// Everything that a store may hold directly under its base path.
const KNOWN_NAMES: [&str; 10] = [
    "store.json",
    "lock",
    "epochs/",
    "manifests/",
    "wal/",
    "blobs/",
    "data/",
    "pins/",
    "instances/",
    "recovery/",
];

#[derive(Debug, Serialize, Deserialize)]
struct StoreFile {
    format: u32,
    store: StoreId,
    created: Timestamp,
}

/// A store as it was found.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) id: StoreId,
    pub(crate) epoch: EpochFile,
    pub(crate) manifest: Manifest,
    pub(crate) manifest_checksum: u32,
    /// The newest manifest, if it is damaged and an older one is used instead.
    pub(crate) damaged_manifest: Option<DamagedManifest>,
}

/// A manifest that cannot be read.
#[derive(Debug)]
pub(crate) struct DamagedManifest {
    pub(crate) key: String,
    pub(crate) error: Error,
}

impl Store {
    /// Whether there is a store at `ost`.
    pub(crate) async fn exists(ost: &Ost) -> Result<bool, Error> {
        match ost.head(&ObjectPath::parse(STORE_KEY)?).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ost::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the store at `ost`; `None` if there is none. Writes nothing.
    pub(crate) async fn load(ost: &Ost) -> Result<Option<Store>, Error> {
        let file = match ost.get(&ObjectPath::parse(STORE_KEY)?).await {
            Ok(bytes) => sealed_json::decode::<StoreFile>(STORE_KEY, &bytes, STORE_FORMAT)?,
            Err(error) if error.kind() == ost::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::from(error)),
        };
        let epoch = EpochFile::load_newest(ost).await?;
        let (manifest, manifest_checksum, damaged_manifest) =
            load_usable_manifest(ost, &epoch).await?;
        Ok(Some(Store {
            id: file.store,
            epoch,
            manifest,
            manifest_checksum,
            damaged_manifest,
        }))
    }

    /// Makes a store, or finishes one whose first start was cut off. Every step but the last can be repeated by
    /// anyone with the same result; `store.json` is the last.
    pub(crate) async fn create(
        ost: &Ost,
        environment: &dyn Environment,
        log: LogPlace,
        log_bytes_max: u64,
    ) -> Result<(), Error> {
        check_place(ost).await?;
        let manifest = Manifest::first(log_bytes_max);
        let manifest_key = manifest.key();
        create_or_keep(ost, &manifest_key, sealed_json::encode(&manifest)?).await?;
        let manifest_checksum = match Manifest::load(ost, &manifest_key).await {
            Ok((_, checksum)) => checksum,
            // Others have finished the store, and gone so far from there that its first manifest was removed.
            Err(error) if error.kind() == ErrorKind::NotFound && Store::exists(ost).await? => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let manifest = (manifest_key, manifest_checksum);
        let epoch = EpochFile::new(1, Position::START, manifest, log, EpochCause::Init);
        let (Create::Created | Create::Exists) = epoch.create(ost).await?;
        failpoint::pass("first-epoch-created");
        let file = StoreFile {
            format: STORE_FORMAT,
            store: StoreId::random(environment),
            created: environment.wall_time(),
        };
        create_or_keep(ost, STORE_KEY, sealed_json::encode(&file)?).await
    }
}

/// The newest manifest of `epoch`; if that one is damaged, the one before it, whose files must all be there. Opening then
/// needs every log record behind what the older one covers, or refuses (R26).
async fn load_usable_manifest(
    ost: &Ost,
    epoch: &EpochFile,
) -> Result<(Manifest, u32, Option<DamagedManifest>), Error> {
    let mut lists = 0;
    let (newest, older, error) = loop {
        let mut keys = epoch.list_manifests(ost).await?;
        let newest = keys.pop().ok_or_else(|| epoch.no_manifest(ost))?;
        lists += 1;
        match Manifest::load(ost, &newest).await {
            Ok((manifest, checksum)) => return Ok((manifest, checksum, None)),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                break (newest, keys.pop(), error);
            }
            // Not listed, but named by the epoch: it went only if another was listed by then.
            Err(error) if error.kind() == ErrorKind::NotFound && lists > 1 && keys.is_empty() => {
                return Err(epoch.no_manifest(ost).with_source(error));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Manifest::list_again(lists, error)?;
            }
            Err(error) => return Err(error),
        }
    };
    let Some(older) = older else {
        return Err(error);
    };
    let usable = async {
        let (manifest, checksum) = Manifest::load(ost, &older).await?;
        manifest.check_files(ost).await?;
        Ok::<_, Error>((manifest, checksum))
    };
    match usable.await {
        Ok((manifest, checksum)) => Ok((
            manifest,
            checksum,
            Some(DamagedManifest { key: newest, error }),
        )),
        Err(_) => Err(error),
    }
}

/// Moves a manifest that cannot be read out of the chain, and keeps its bytes. Only for the holder of the store's lock,
/// after it has read everything without that manifest.
pub(crate) async fn set_manifest_aside(
    ost: &Ost,
    damaged: &DamagedManifest,
    instance: &str,
) -> Result<(), Error> {
    let path = ObjectPath::parse(&damaged.key)?;
    let content = ost.get(&path).await?;
    let copy = format!("recovery/damaged-{}", damaged.key.replace('/', "-"));
    ost.put(&ObjectPath::parse(&copy)?, content).await?;
    log::warn!(instance, path = damaged.key, copy; "a damaged manifest was not needed and was set aside: {}", damaged.error.chain());
    ost.delete(&path).await.map_err(Error::from)
}

async fn create_or_keep(ost: &Ost, key: &str, content: Bytes) -> Result<(), Error> {
    match ost.create(&ObjectPath::parse(key)?, content).await? {
        Create::Created | Create::Exists => Ok(()),
    }
}

/// Refuses a place that holds something else than the beginnings of a store, or a store that another process has finished
/// since it was looked for.
pub(crate) async fn check_place(ost: &Ost) -> Result<(), Error> {
    let level = ost.list_level("").await?;
    let mut objects = level.objects.iter();
    if objects.any(|meta| meta.path.as_ref() == STORE_KEY) {
        return Ok(());
    }
    let names = level
        .prefixes
        .into_iter()
        .chain(level.objects.into_iter().map(|meta| meta.path.to_string()));
    for name in names {
        let name = name.as_str();
        if !KNOWN_NAMES
            .iter()
            .any(|known| known.trim_end_matches('/') == name.trim_end_matches('/'))
        {
            return Err(Error::invalid(format!(
                "{} is no store and holds {name:?}: give an empty or a new place",
                ost.location()
            )));
        }
        if ["data", "blobs"].contains(&name.trim_end_matches('/')) {
            return Err(Error::corrupt(format!(
                "{} holds {name:?} and no {STORE_KEY}",
                ost.location()
            )));
        }
    }
    Ok(())
}

/// The keys under `prefix`, and greater than `start_after`, that are a number with `.json` behind it, in order.
pub(crate) async fn list_numbered(
    ost: &Ost,
    prefix: &str,
    start_after: Option<&str>,
) -> Result<Vec<String>, Error> {
    let mut objects = ost.list(prefix, start_after);
    let mut keys = Vec::new();
    while let Some(meta) = objects.try_next().await? {
        let key = meta.path.to_string();
        let name = key
            .strip_prefix(prefix)
            .and_then(|name| name.strip_suffix(".json"));
        if name
            .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
        {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Parallel creates of one key that [`probe`] tries.
const PROBE_PARALLEL_CREATES: usize = 16;

/// Tries whether the place really refuses a second create, and lets exactly one of parallel creates win.
///
/// That lowers the risk of an unsuitable storage; it proves nothing.
///
/// # Errors
/// `Invalid` when it does not.
pub(crate) async fn probe(ost: &Ost, environment: &dyn Environment) -> Result<(), Error> {
    let key = ObjectPath::parse(&format!("recovery/probe-{}", RecordId::random(environment)))?;
    let creates = (0..PROBE_PARALLEL_CREATES).map(|number| {
        let content = Bytes::from(format!("{number}"));
        let key = key.clone();
        async move {
            ost.create(&key, content)
                .await
                .map(|create| (number, create))
        }
    });
    let results = futures::future::join_all(creates).await;
    let verdict = async {
        let mut winners = Vec::new();
        for result in results {
            let (number, create) = result?;
            if matches!(create, Create::Created) {
                winners.push(number.to_string());
            }
        }
        let content = ost.get(&key).await?;
        let second = ost.create(&key, Bytes::from_static(b"second")).await?;
        if winners.len() != 1 || content != winners[0].as_bytes() || matches!(second, Create::Created) {
            return Err(Error::invalid(format!(
                "{} does not keep create-if-absent: of {PROBE_PARALLEL_CREATES} creates of one key {} won",
                ost.location(),
                winners.len()
            )));
        }
        Ok(())
    }
    .await;
    remove_trial(ost, &key).await;
    verdict
}

/// Removes an object that was only to try something. One that cannot be removed does no harm, and is collected later.
pub(crate) async fn remove_trial(ost: &Ost, key: &ObjectPath) {
    if let Err(error) = ost.delete(key).await {
        log::warn!(path:% = key; "an object that is no longer of use could not be removed: {error}");
    }
}

/// What opening says when there is nothing to open.
pub(crate) fn no_store(ost: &Ost) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no store in {}", ost.location()),
    )
}
