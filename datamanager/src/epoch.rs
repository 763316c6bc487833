//! Epochs: what a store consists of from one position of the log on, until the log is sealed (R7).

use std::fmt;

use ost::{Create, ObjectPath, Ost};
use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;
use crate::mutation;
use crate::store::list_numbered;
use crate::{Error, LogKind, Position, sealed_json};

const EPOCH_FORMAT: u32 = 1;
const EPOCH_PREFIX: &str = "epochs/";

/// The content of `epochs/<number>.json`. Never changed and never removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EpochFile {
    format: u32,
    pub(crate) epoch: u32,
    /// Where the epoch starts: its first record follows this one, which is the seal of the epoch before.
    pub(crate) base: Position,
    /// The manifest that holds everything up to the base; it counts, whatever else lies beside it.
    pub(crate) manifest_key: String,
    pub(crate) manifest_checksum: u32,
    pub(crate) log: LogKind,
    /// Where in etcd, if the log is kept there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etcd: Option<EtcdPlace>,
    pub(crate) cause: EpochCause,
}

/// Where in etcd a log is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EtcdPlace {
    /// The id of the cluster, in hexadecimal digits, when the epoch began; a cluster may be replaced.
    pub(crate) cluster: String,
    pub(crate) prefix: String,
}

/// Where a log is kept.
#[derive(Clone, Debug)]
pub(crate) struct LogPlace {
    pub(crate) kind: LogKind,
    pub(crate) etcd: Option<EtcdPlace>,
}

/// Why an epoch was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EpochCause {
    Init,
    Recovery,
    Import,
    Switch,
}

impl fmt::Display for EpochCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            EpochCause::Init => "init",
            EpochCause::Recovery => "recovery",
            EpochCause::Import => "import",
            EpochCause::Switch => "switch",
        })
    }
}

impl EpochFile {
    /// The epoch that begins after `base` with the manifest of this key and checksum.
    pub(crate) fn new(
        epoch: u32,
        base: Position,
        (manifest_key, manifest_checksum): (String, u32),
        log: LogPlace,
        cause: EpochCause,
    ) -> EpochFile {
        EpochFile {
            format: EPOCH_FORMAT,
            epoch,
            base,
            manifest_key,
            manifest_checksum,
            log: log.kind,
            etcd: log.etcd,
            cause,
        }
    }

    pub(crate) fn key(epoch: u32) -> String {
        format!("{EPOCH_PREFIX}{epoch:010}.json")
    }

    /// The number in an epoch's key.
    fn number_of(key: &str) -> Option<u32> {
        key.strip_prefix(EPOCH_PREFIX)?
            .strip_suffix(".json")?
            .parse()
            .ok()
    }

    /// The number of the newest epoch, found by listing those after `known`; `known` if there is none.
    pub(crate) async fn newest_number(ost: &Ost, known: u32) -> Result<u32, Error> {
        let keys = list_numbered(ost, EPOCH_PREFIX, Some(&Self::key(known))).await?;
        Ok(keys
            .last()
            .and_then(|key| Self::number_of(key))
            .unwrap_or(known))
    }

    /// Reads the newest epoch.
    pub(crate) async fn load_newest(ost: &Ost) -> Result<EpochFile, Error> {
        match Self::newest_number(ost, 0).await? {
            0 => Err(Error::corrupt(format!("{} holds no epoch", ost.location()))),
            number => Self::load(ost, number).await,
        }
    }

    /// Reads one epoch.
    ///
    /// # Errors
    /// `NotFound` when it has not begun.
    pub(crate) async fn load(ost: &Ost, number: u32) -> Result<EpochFile, Error> {
        let key = Self::key(number);
        let bytes = ost.get(&ObjectPath::parse(&key)?).await?;
        let epoch: EpochFile = sealed_json::decode(&key, &bytes, EPOCH_FORMAT)?;
        if epoch.epoch != number {
            return Err(Error::corrupt(format!(
                "{key:?} describes epoch {}",
                epoch.epoch
            )));
        }
        Ok(epoch)
    }

    /// Begins the epoch, unless another process has begun one of this number.
    pub(crate) async fn create(&self, ost: &Ost) -> Result<Create, Error> {
        let key = ObjectPath::parse(&Self::key(self.epoch))?;
        let content = sealed_json::encode(self)?;
        if mutation::is("replace-an-epoch") {
            ost.put(&key, content).await?;
            return Ok(Create::Created);
        }
        Ok(ost.create(&key, content).await?)
    }

    /// The keys of the epoch's manifests, oldest first. The one that it begins with counts as its first.
    pub(crate) async fn list_manifests(&self, ost: &Ost) -> Result<Vec<String>, Error> {
        let mut keys = Manifest::list_numbered(ost, self.epoch).await?;
        if keys.is_empty() {
            keys.push(self.manifest_key.clone());
        }
        Ok(keys)
    }

    pub(crate) fn no_manifest(&self, ost: &Ost) -> Error {
        Error::corrupt(format!(
            "{} holds no manifest of epoch {}",
            ost.location(),
            self.epoch
        ))
    }
}
