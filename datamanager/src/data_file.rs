//! Data files: sorted, immutable files of entries, each with the newest write of a key.
//!
//! A checkpoint or a compaction writes them with [`DataFileWriter`]; reads go through [`DataFile`]: single keys by
//! bloom filter, index and one cached block, ranges with a [`DataFileCursor`] in both directions. Every byte stands
//! under a checksum, [`DataFile::verify`] checks them all.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use datamanager::data_file::{
//!     BlockCache, DataFile, DataFileEntry, DataFileIdentity, DataFileOptions, DataFileWriter, Direction,
//! };
//! use ost::{ObjectPath, Ost};
//!
//! # futures::executor::block_on(async {
//! let ost = Ost::memory();
//! let path = ObjectPath::parse("data/1.data")?;
//! let mut writer = DataFileWriter::create(&ost, path.clone(), DataFileOptions::default()).await?;
//! for (key, value) in [("user\0ann", "1"), ("user\0bob", "2")] {
//!     writer.add(&DataFileEntry { key: key.into(), seq: 7, expires_at: None, value: Some(value.into()) }).await?;
//! }
//! let summary = writer.finish().await?;
//!
//! let cache = Arc::new(BlockCache::new(8 << 20));
//! let file = DataFile::open(&ost, path, Some(DataFileIdentity::from(&summary)), cache).await?;
//! let bob = file.get(b"user\0bob").await?.and_then(|entry| entry.value);
//! assert_eq!(bob, Some(Bytes::from("2")));
//! let mut cursor = file.cursor(Bytes::from("user\0")..Bytes::from("user\x01"), Direction::Reverse);
//! assert_eq!(cursor.next().await?.map(|entry| entry.key), Some(Bytes::from("user\0bob")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Source: `docs/formats.md`, section "Data file".

mod entry;
mod error;

mod batch;
mod encoder;
mod writer;

mod ahead;
mod cache;
mod cursor;
mod reader;
mod source;
mod verify;

mod block;
mod contents;
mod filter;
mod footer;
mod frame;
mod index;
mod restarts;
mod stats;

mod bytes_reader;

#[cfg(any(test, feature = "testing"))]
mod any_bytes;

#[cfg(test)]
mod tests;

#[cfg(feature = "testing")]
pub(crate) use any_bytes::read_any_bytes;
pub use cache::BlockCache;
pub use cursor::{DataFileCursor, Direction};
pub use encoder::DataFileOptions;
pub use entry::{DataFileEntry, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use error::DataFileError;
pub use frame::Compression;
pub use reader::{DataFile, DataFileIdentity};
pub use stats::DataFileStats;
pub use verify::{DataFileDamage, DataFileReport};
pub use writer::{DataFileSummary, DataFileWriter};
