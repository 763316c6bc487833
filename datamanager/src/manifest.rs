//! Manifests: what a store consists of at a position of the log.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::TryStreamExt;
use ost::{Create, ObjectPath, Ost};
use serde::{Deserialize, Serialize};

use crate::control::{ControlState, OpenJob};
use crate::data_file::{DataFileIdentity, DataFileSummary};
use crate::epoch::EpochFile;
use crate::mutation;
use crate::{Error, ErrorKind, Position, RecordId, Timestamp, sealed_json};

/// The manifest format that this version writes, and the newest that it reads.
pub(crate) const MANIFEST_FORMAT: u32 = 1;

/// One data file as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) key: String,
    pub(crate) bytes: u64,
    /// The checksum of the file's footer.
    pub(crate) checksum: u32,
    pub(crate) entries: u64,
    pub(crate) tombstones: u64,
    pub(crate) expiring: u64,
    #[serde(with = "base64_bytes")]
    pub(crate) first_key: Bytes,
    #[serde(with = "base64_bytes")]
    pub(crate) last_key: Bytes,
    pub(crate) min_seq: u64,
    pub(crate) max_seq: u64,
}

impl FileEntry {
    pub(crate) fn new(key: &ObjectPath, summary: &DataFileSummary) -> FileEntry {
        FileEntry {
            key: key.to_string(),
            bytes: summary.bytes,
            checksum: summary.checksum,
            entries: summary.stats.entries,
            tombstones: summary.stats.tombstones,
            expiring: summary.stats.expiring,
            first_key: summary.stats.first_key.clone(),
            last_key: summary.stats.last_key.clone(),
            min_seq: summary.stats.min_seq,
            max_seq: summary.stats.max_seq,
        }
    }

    pub(crate) fn identity(&self) -> DataFileIdentity {
        DataFileIdentity {
            bytes: self.bytes,
            checksum: self.checksum,
        }
    }

    /// Whether the file may hold a key of `[first, last]`.
    pub(crate) fn overlaps(&self, first: &[u8], last: &[u8]) -> bool {
        self.first_key[..] <= *last && *first <= self.last_key[..]
    }
}

mod base64_bytes {
    use super::{Bytes, Deserialize, Engine, STANDARD};

    pub(super) fn serialize<S: serde::Serializer>(
        bytes: &Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(serde::de::Error::custom)
    }
}

/// Data files with disjoint ranges of keys, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// 0 for what a checkpoint has written; of each other level there is at most one run.
    pub(crate) level: u32,
    pub(crate) files: Vec<FileEntry>,
}

impl Run {
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// The content of `manifests/<epoch>/<number>.json`, and of the manifest that an epoch begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    pub(crate) epoch: u32,
    /// Counts from 1 within the epoch. The manifest that a later epoch begins with is 0 and has a name of its own, so that
    /// an attempt to begin the epoch that came to nothing is in nobody's way.
    pub(crate) number: u64,
    /// The random part of the name of number 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base_id: Option<RecordId>,
    /// The checksum of the manifest before this one; none for the first of an epoch.
    pub(crate) parent_checksum: Option<u32>,
    /// The data files hold everything up to here.
    pub(crate) covered: Position,
    /// The time of the covered record.
    pub(crate) covered_time: Timestamp,
    /// The control state as of the covered position.
    pub(crate) control: ControlState,
    /// What had been applied by the process that made the manifest.
    pub(crate) position: Position,
    /// The jobs that were open at `position`, less the one that this manifest ends.
    pub(crate) open_jobs: BTreeMap<u64, OpenJob>,
    /// The job that this manifest ends, by the seq of its `JobBegun`.
    pub(crate) job_seq: Option<u64>,
    /// The runs, newest first: what is in one hides what is in those after it.
    pub(crate) runs: Vec<Run>,
    /// Files that the manifest before this one named and this one does not.
    pub(crate) dropped_files: Vec<String>,
}

impl Manifest {
    /// The first manifest of a new store: equal bytes whoever makes it.
    pub(crate) fn first(log_bytes_max: u64) -> Manifest {
        Manifest {
            format: MANIFEST_FORMAT,
            epoch: 1,
            number: 1,
            base_id: None,
            parent_checksum: None,
            covered: Position::START,
            covered_time: Timestamp::default(),
            control: ControlState::new(log_bytes_max),
            position: Position::START,
            open_jobs: BTreeMap::new(),
            job_seq: None,
            runs: Vec::new(),
            dropped_files: Vec::new(),
        }
    }

    /// All live files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.runs.iter().flat_map(|run| &run.files)
    }

    /// The keys of all live files.
    pub(crate) fn file_keys(&self) -> BTreeSet<&str> {
        self.files().map(|file| file.key.as_str()).collect()
    }

    /// Where this manifest is stored.
    pub(crate) fn key(&self) -> String {
        match self.base_id {
            Some(id) => format!("{}base-{id}.json", Self::prefix(self.epoch)),
            None => Self::numbered_key(self.epoch, self.number),
        }
    }

    pub(crate) fn numbered_key(epoch: u32, number: u64) -> String {
        format!("{}{number:020}.json", Self::prefix(epoch))
    }

    /// The number in a manifest's key; 0 for one that an epoch begins with.
    pub(crate) fn number_of(key: &str) -> Option<u64> {
        let name = key.rsplit('/').next()?.strip_suffix(".json")?;
        if name.starts_with("base-") {
            return Some(0);
        }
        name.parse().ok()
    }

    /// The epoch in a manifest's key.
    pub(crate) fn epoch_of(key: &str) -> Option<u32> {
        key.strip_prefix("manifests/")?
            .split('/')
            .next()?
            .parse()
            .ok()
    }

    pub(crate) fn prefix(epoch: u32) -> String {
        format!("manifests/{epoch:010}/")
    }

    /// The keys of the numbered manifests of `epoch`, oldest first.
    pub(crate) async fn list_numbered(ost: &Ost, epoch: u32) -> Result<Vec<String>, Error> {
        crate::store::list_numbered(ost, &Self::prefix(epoch), None).await
    }

    /// The keys of the manifests of `epoch`, oldest first; that with which it begins stands for them until there are others.
    pub(crate) async fn list(ost: &Ost, epoch: u32) -> Result<Vec<String>, Error> {
        let keys = Self::list_numbered(ost, epoch).await?;
        if !keys.is_empty() {
            return Ok(keys);
        }
        Ok(vec![EpochFile::load(ost, epoch).await?.manifest_key])
    }

    /// Reads the newest manifest of `epoch`, found by listing (R25).
    pub(crate) async fn load_newest(ost: &Ost, epoch: u32) -> Result<(Manifest, u32), Error> {
        let mut lists = 0;
        loop {
            let keys = Self::list(ost, epoch).await?;
            let newest = keys.last().ok_or_else(|| {
                Error::corrupt(format!(
                    "{} holds no manifest of epoch {epoch}",
                    ost.location()
                ))
            })?;
            lists += 1;
            match Self::load(ost, newest).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    Self::list_again(lists, error)?;
                }
                loaded => return loaded,
            }
        }
    }

    /// What was listed is missing: it was removed since, and so there are newer ones, which another list shows. That happens
    /// again only to who is stopped for long again.
    ///
    /// # Errors
    /// `Unavailable` when there were enough lists.
    pub(crate) fn list_again(lists: u32, error: Error) -> Result<(), Error> {
        const LISTS_MAX: u32 = 10;
        if lists < LISTS_MAX {
            return Ok(());
        }
        let message = format!("the newest manifest was missing after each of {lists} lists");
        Err(Error::unavailable(message).with_source(error))
    }

    /// Creates this manifest, if its number is free; returns its checksum.
    pub(crate) async fn create(&self, ost: &Ost) -> Result<Option<u32>, Error> {
        let content = sealed_json::encode(self)?;
        let checksum = sealed_json::checksum(&content);
        let key = ObjectPath::parse(&self.key())?;
        if mutation::is("replace-a-manifest") {
            ost.put(&key, content).await?;
            return Ok(Some(checksum));
        }
        Ok(match ost.create(&key, content).await? {
            Create::Created => Some(checksum),
            Create::Exists => None,
        })
    }

    /// Refuses a store in which a live file is missing or has another length: one request.
    pub(crate) async fn check_files(&self, ost: &Ost) -> Result<(), Error> {
        if self.files().next().is_none() {
            return Ok(());
        }
        let objects: Vec<(String, u64)> = ost
            .list("data/", None)
            .map_ok(|meta| (meta.path.to_string(), meta.size))
            .try_collect()
            .await?;
        let found: BTreeMap<String, u64> = objects.into_iter().collect();
        for file in self.files() {
            match found.get(&file.key) {
                None => {
                    return Err(Error::corrupt(format!(
                        "data file {:?} is missing",
                        file.key
                    )));
                }
                Some(bytes) if *bytes != file.bytes => {
                    return Err(Error::corrupt(format!(
                        "data file {:?} has {bytes} bytes at offset 0, not {}",
                        file.key, file.bytes
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Reads a manifest and its checksum.
    pub(crate) async fn load(ost: &Ost, key: &str) -> Result<(Manifest, u32), Error> {
        let bytes = ost.get(&ObjectPath::parse(key)?).await?;
        let manifest: Manifest = sealed_json::decode(key, &bytes, MANIFEST_FORMAT)?;
        if manifest.key() != key {
            return Err(Error::corrupt(format!(
                "{key:?} is manifest {} of epoch {}",
                manifest.number, manifest.epoch
            )));
        }
        Ok((manifest, sealed_json::checksum(&bytes)))
    }
}
