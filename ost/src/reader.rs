//! Many ranges of one object.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

#[cfg(doc)]
use crate::ErrorKind;
use crate::posix::{blocking, read_at};
use crate::{Error, ObjectPath, Ost};

/// The longest local read that is done on the calling thread: shorter than handing it to another one.
const INLINE_BYTES_MAX: u64 = 256 * 1024;

/// Reads ranges of one object. Cheap to clone.
///
/// A local file stays open: reads go on after the object is deleted or replaced, and see the object as it was.
/// Elsewhere each read is a request; objects that are never replaced read the same.
#[derive(Clone)]
pub struct ObjectReader {
    ost: Ost,
    path: ObjectPath,
    file: Option<Arc<File>>,
    size: u64,
}

impl ObjectReader {
    pub(crate) fn local(ost: Ost, path: ObjectPath, file: File, size: u64) -> ObjectReader {
        ObjectReader {
            ost,
            path,
            file: Some(Arc::new(file)),
            size,
        }
    }

    pub(crate) fn remote(ost: Ost, path: ObjectPath, size: u64) -> ObjectReader {
        ObjectReader {
            ost,
            path,
            file: None,
            size,
        }
    }

    /// Bytes in the object when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The object's key.
    pub fn path(&self) -> &ObjectPath {
        &self.path
    }

    /// The bytes of `range`, or what there is of them: fewer where the object ends, none beyond.
    ///
    /// A local read of up to 256 KiB runs on the calling thread.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: the object was deleted, where no file is kept open.
    /// [`ErrorKind::Corrupt`]: the file is shorter than it was.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let end = range.end.min(self.size);
        if range.start >= end {
            return Ok(Bytes::new());
        }
        let range = range.start..end;
        let Some(file) = &self.file else {
            return self.ost.get_range(&self.path, range).await;
        };
        let result = if end - range.start <= INLINE_BYTES_MAX {
            read_at(file, range).map_err(unreadable)
        } else {
            let file = Arc::clone(file);
            blocking(move || read_at(&file, range).map_err(unreadable)).await
        };
        result.map_err(|error| self.ost.failed("read", &self.path, error))
    }
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ObjectReader({} in {})",
            self.path,
            self.ost.location()
        )
    }
}

fn unreadable(source: std::io::Error) -> object_store::Error {
    object_store::Error::Generic {
        store: "PosixStore",
        source: source.into(),
    }
}
