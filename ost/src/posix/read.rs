//! Reading whole objects and ranges.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path as StorePath;
use object_store::{GetOptions, GetResult, GetResultPayload, ObjectMeta, Result};

use super::PosixError;
use super::store::{Shared, blocking};
use super::write::is_absence;

/// The bytes that one blocking step reads; smaller objects come in one piece, with their opening.
const READ_CHUNK_BYTES: u64 = 8 * 1024 * 1024;

/// A file that holds an object.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) size: u64,
    meta: ObjectMeta,
}

/// Opens the file of a key.
pub(super) fn open(shared: &Shared, location: &StorePath) -> Result<Opened> {
    shared.check()?;
    let path = shared.target(location)?;
    let not_found = |source: io::Error| object_store::Error::NotFound {
        path: location.to_string(),
        source: Box::new(PosixError::step("open", &path, source)),
    };
    // Looked at before opening: to open a pipe would wait for its writer.
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(not_found(io::Error::other("it is not a file"))),
        Err(error) if is_absence(&error) => return Err(not_found(error)),
        Err(source) => return Err(PosixError::step("open", &path, source).into()),
    }
    let opened = File::open(&path).and_then(|file| {
        let metadata = file.metadata()?;
        Ok((file, metadata))
    });
    match opened {
        Ok((file, metadata)) => Ok(Opened {
            file,
            size: metadata.len(),
            meta: meta(location.clone(), &metadata),
        }),
        Err(error) if is_absence(&error) => Err(not_found(error)),
        Err(source) => Err(PosixError::step("open", &path, source).into()),
    }
}

/// Answers a get.
pub(super) fn get(
    shared: &Shared,
    location: &StorePath,
    options: &GetOptions,
) -> Result<GetResult> {
    let Opened { file, size, meta } = open(shared, location)?;
    options.check_preconditions(&meta)?;
    let range = match &options.range {
        None => 0..size,
        Some(range) => range
            .as_range(size)
            .map_err(|source| object_store::Error::Generic {
                store: "PosixStore",
                source: source.into(),
            })?,
    };
    let payload = if options.head {
        futures::stream::empty().boxed()
    } else if range.end - range.start <= READ_CHUNK_BYTES {
        let bytes = read_at(&file, range.clone())
            .map_err(|source| PosixError::step("read", Path::new(location.as_ref()), source))?;
        futures::stream::once(futures::future::ready(Ok(bytes))).boxed()
    } else {
        chunks(file, location.clone(), range.clone())
    };
    Ok(GetResult {
        payload: GetResultPayload::Stream(payload),
        meta,
        range,
        attributes: Default::default(),
        extensions: Default::default(),
    })
}

fn chunks(file: File, location: StorePath, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
    let file = Arc::new(file);
    futures::stream::try_unfold(range.start, move |start| {
        let file = Arc::clone(&file);
        let location = location.clone();
        let end = range.end.min(start.saturating_add(READ_CHUNK_BYTES));
        async move {
            if start >= end {
                return Ok(None);
            }
            let bytes = blocking(move || {
                Ok(read_at(&file, start..end).map_err(|source| {
                    PosixError::step("read", Path::new(location.as_ref()), source)
                })?)
            })
            .await?;
            Ok(Some((bytes, end)))
        }
    })
    .boxed()
}

/// Reads exactly `range`.
pub(crate) fn read_at(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end.saturating_sub(range.start))
        .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, range.start)?;
    Ok(Bytes::from(buffer))
}

/// What `object_store` wants to know of a file.
pub(super) fn meta(location: StorePath, metadata: &fs::Metadata) -> ObjectMeta {
    let modified = metadata.modified().unwrap_or(std::time::UNIX_EPOCH);
    let (inode, seconds, nanoseconds) = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
    ObjectMeta {
        location,
        last_modified: modified.into(),
        size: metadata.len(),
        e_tag: Some(format!(
            "{inode:x}-{seconds:x}.{nanoseconds:x}-{:x}",
            metadata.len()
        )),
        version: None,
    }
}
