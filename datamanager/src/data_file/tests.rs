//! Whole files: written, read back, damaged.

mod damage;
mod fixtures;
mod long_walks;
mod round_trip;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use ost::{ObjectPath, Ost};

use super::batch::BatchCompressor;
use super::encoder::DataFileEncoder;
use super::*;
use crate::Timestamp;

fn path() -> ObjectPath {
    ObjectPath::parse("data/1-2-3.data").unwrap()
}

fn entry(key: impl Into<Bytes>, seq: u64, value: impl Into<Bytes>) -> DataFileEntry {
    DataFileEntry {
        key: key.into(),
        seq,
        expires_at: None,
        value: Some(value.into()),
    }
}

/// The bytes of a file with these entries.
fn encode(entries: &[DataFileEntry], options: DataFileOptions) -> Vec<u8> {
    let mut encoder = DataFileEncoder::new(options).unwrap();
    for entry in entries {
        encoder.add(entry).unwrap();
    }
    let mut compressor = BatchCompressor::new(options.compression).unwrap();
    let blocks = encoder.end_blocks().unwrap();
    compressor.compress(&blocks).unwrap();
    let frames = futures::executor::block_on(compressor.next());
    let mut file = encoder.place(frames.unwrap().unwrap());
    file.extend(encoder.finish().unwrap().output);
    file
}

/// Puts `bytes` into a store and opens them, with a cache that all tests share.
async fn open_bytes(bytes: impl Into<Bytes>) -> Result<DataFile, DataFileError> {
    static CACHE: LazyLock<Arc<BlockCache>> = LazyLock::new(|| Arc::new(BlockCache::new(1 << 20)));
    let ost = Ost::memory();
    ost.put(&path(), bytes.into()).await.unwrap();
    DataFile::open(&ost, path(), None, CACHE.clone()).await
}

/// All that is left of a walk.
async fn rest_of(cursor: &mut DataFileCursor) -> Result<Vec<DataFileEntry>, DataFileError> {
    let mut entries = Vec::new();
    while let Some(entry) = cursor.next().await? {
        entries.push(entry);
    }
    Ok(entries)
}
