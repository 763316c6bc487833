//! Where the bytes of a data file come from: its object, and a disk cache in front of it if there is one.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ost::{ObjectPath, ObjectReader, Ost};

use super::error::{Damage, DataFileError};
use super::reader::DataFileIdentity;
use crate::disk_cache::DiskCache;

pub(super) struct Source {
    path: ObjectPath,
    object: ObjectReader,
    /// The cache, and what it knows the file by.
    disk: Option<(Arc<DiskCache>, DataFileIdentity)>,
}

impl Source {
    /// A file that is not known yet cannot be in the cache.
    pub(super) async fn open(
        ost: &Ost,
        path: ObjectPath,
        expected: Option<DataFileIdentity>,
        disk: Option<Arc<DiskCache>>,
    ) -> Result<Source, DataFileError> {
        let disk = disk.zip(expected);
        let object = match &disk {
            // The end of the file says whether it has this length.
            Some((_, expected)) => ost.reader_of_size(&path, expected.bytes).await,
            None => ost.reader(&path).await,
        };
        match object {
            Ok(object) => Ok(Source { path, object, disk }),
            Err(source) => Err(cannot_read(&path, source)),
        }
    }

    pub(super) fn path(&self) -> &ObjectPath {
        &self.path
    }

    /// The length of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.object.size()
    }

    /// Reads from the disk what is there; with `fills_cache` the rest is kept there.
    pub(super) async fn read(
        &self,
        range: Range<u64>,
        fills_cache: bool,
    ) -> Result<Bytes, DataFileError> {
        let Some((disk, identity)) = &self.disk else {
            return self.read_object(range).await;
        };
        let fetch = |range| self.read_object(range);
        disk.read(self.path.as_str(), *identity, range, fills_cache, fetch)
            .await
    }

    pub(super) async fn read_object(&self, range: Range<u64>) -> Result<Bytes, DataFileError> {
        let bytes = self
            .object
            .read(range.clone())
            .await
            .map_err(|source| cannot_read(&self.path, source))?;
        if bytes.len() as u64 != range.end - range.start {
            let what = format!(
                "file ends within the {} bytes from here",
                range.end - range.start
            );
            return Err(Damage::new(range.start, what).in_file(&self.path));
        }
        Ok(bytes)
    }

    /// Lets the next read of `range` go to the object: what came of it was damaged.
    pub(super) fn forget(&self, range: &Range<u64>) {
        if let Some((disk, identity)) = &self.disk {
            disk.forget(self.path.as_str(), *identity, range);
        }
    }
}

fn cannot_read(path: &ObjectPath, source: ost::Error) -> DataFileError {
    DataFileError::Object {
        what: format!("cannot read data file \"{path}\""),
        source,
    }
}
