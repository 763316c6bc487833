//! What an object storage holds, and what requests do to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{Error, GetRange, ListResult, ObjectMeta, Result};

use crate::Timestamp;

/// Objects by key, and uploads that are not complete.
#[derive(Debug, Default)]
pub(super) struct Content {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<UploadId, Upload>,
    uploads_begun: u64,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    last_modified: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UploadId(u64);

#[derive(Debug)]
struct Upload {
    key: String,
    parts: BTreeMap<usize, Bytes>,
}

/// An object, and what was asked for of it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) meta: ObjectMeta,
    pub(super) range: Range<u64>,
    pub(super) bytes: Bytes,
}

impl Content {
    pub(super) fn keys(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub(super) fn bytes(&self, key: &str) -> Option<Bytes> {
        self.objects.get(key).map(|object| object.bytes.clone())
    }

    pub(super) fn put(&mut self, key: &str, bytes: Bytes, now: Timestamp) {
        let object = Object {
            bytes,
            last_modified: now,
        };
        self.objects.insert(key.to_owned(), object);
    }

    pub(super) fn create(&mut self, key: &str, bytes: Bytes, now: Timestamp) -> Result<()> {
        if self.objects.contains_key(key) {
            return Err(Error::AlreadyExists {
                path: key.to_owned(),
                source: "the key is taken".into(),
            });
        }
        self.put(key, bytes, now);
        Ok(())
    }

    pub(super) fn delete(&mut self, key: &str) {
        self.objects.remove(key);
    }

    pub(super) fn get(&self, key: &str, range: Option<&GetRange>) -> Result<Found> {
        let Some(object) = self.objects.get(key) else {
            return Err(not_found(key, "there is no object"));
        };
        let size = object.bytes.len();
        let range = match range {
            None => 0..size as u64,
            Some(range) => range
                .as_range(size as u64)
                .map_err(|error| Error::Generic {
                    store: "SimulatedObjects",
                    source: error.into(),
                })?,
        };
        // Both ends are at most the size, which is a `usize`.
        let index = |position: u64| usize::try_from(position).unwrap_or(size);
        Ok(Found {
            meta: object.meta(key)?,
            bytes: object.bytes.slice(index(range.start)..index(range.end)),
            range,
        })
    }

    /// The objects below the directory `prefix`, which is empty or ends with a slash, after `offset`.
    pub(super) fn list(&self, prefix: &str, offset: Option<&str>) -> Result<Vec<ObjectMeta>> {
        self.below(prefix)
            .filter(|(key, _)| offset.is_none_or(|offset| key.as_str() > offset))
            .map(|(key, object)| object.meta(key))
            .collect()
    }

    /// The objects in the directory `prefix`, and its directories.
    pub(super) fn list_level(&self, prefix: &str) -> Result<ListResult> {
        let mut objects = Vec::new();
        let mut directories = BTreeSet::new();
        for (key, object) in self.below(prefix) {
            match key[prefix.len()..].split_once('/') {
                None => objects.push(object.meta(key)?),
                Some((directory, _)) => {
                    directories.insert(format!("{prefix}{directory}"));
                }
            }
        }
        let common_prefixes = directories.iter().map(Path::parse);
        Ok(ListResult {
            objects,
            common_prefixes: common_prefixes.collect::<std::result::Result<_, _>>()?,
            extensions: Default::default(),
        })
    }

    fn below(&self, prefix: &str) -> impl Iterator<Item = (&String, &Object)> {
        self.objects
            .range(prefix.to_owned()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    pub(super) fn begin_upload(&mut self, key: &str) -> UploadId {
        self.uploads_begun += 1;
        let id = UploadId(self.uploads_begun);
        let upload = Upload {
            key: key.to_owned(),
            parts: BTreeMap::new(),
        };
        self.uploads.insert(id, upload);
        id
    }

    pub(super) fn put_part(&mut self, id: UploadId, index: usize, bytes: Bytes) -> Result<()> {
        let upload = self.uploads.get_mut(&id).ok_or_else(|| no_upload(id))?;
        upload.parts.insert(index, bytes);
        Ok(())
    }

    /// Makes the object of the first `parts` parts.
    pub(super) fn complete(&mut self, id: UploadId, parts: usize, now: Timestamp) -> Result<()> {
        let upload = self.uploads.get(&id).ok_or_else(|| no_upload(id))?;
        let mut bytes = BytesMut::new();
        for index in 0..parts {
            let part = upload.parts.get(&index).ok_or_else(|| Error::Generic {
                store: "SimulatedObjects",
                source: format!("part {index} of {parts} is missing").into(),
            })?;
            bytes.extend_from_slice(part);
        }
        let key = upload.key.clone();
        self.uploads.remove(&id);
        self.put(&key, bytes.freeze(), now);
        Ok(())
    }

    pub(super) fn abort(&mut self, id: UploadId) {
        self.uploads.remove(&id);
    }
}

impl Object {
    fn meta(&self, key: &str) -> Result<ObjectMeta> {
        let since_epoch = Duration::from_millis(self.last_modified.as_millis());
        Ok(ObjectMeta {
            location: Path::parse(key)?,
            last_modified: (UNIX_EPOCH + since_epoch).into(),
            size: self.bytes.len() as u64,
            e_tag: None,
            version: None,
        })
    }
}

/// As S3 answers for an upload that was completed or aborted.
fn no_upload(UploadId(number): UploadId) -> Error {
    not_found(&format!("upload {number}"), "there is no upload")
}

fn not_found(path: &str, reason: &str) -> Error {
    Error::NotFound {
        path: path.to_owned(),
        source: reason.into(),
    }
}
