//! Opens data files and finds single entries in them.

use std::ops::{Range, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use ost::{ObjectPath, Ost};

use super::block::DataBlock;
use super::cache::BlockCache;
use super::contents::Contents;
use super::cursor::{DataFileCursor, Direction};
use super::entry::DataFileEntry;
use super::error::{Damage, DataFileError};
use super::filter::filter_hash;
use super::frame::decode_frame;
use super::index::BlockHandle;
use super::source::Source;
use super::stats::DataFileStats;
use super::writer::DataFileSummary;

/// What an opener knows of a file and insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataFileIdentity {
    /// Length of the object.
    pub bytes: u64,
    /// The footer's CRC32C.
    pub checksum: u32,
}

impl From<&DataFileSummary> for DataFileIdentity {
    fn from(summary: &DataFileSummary) -> DataFileIdentity {
        DataFileIdentity {
            bytes: summary.bytes,
            checksum: summary.checksum,
        }
    }
}

/// An open data file. Clones are handles to the same one.
///
/// It keeps index and filter in memory, about 1.5 bytes for each entry and 20 for each block; data blocks are
/// read when they are needed and kept in the [`BlockCache`].
///
/// Source: `docs/formats.md`, section "Data file".
#[derive(Clone)]
pub struct DataFile {
    inner: Arc<Inner>,
}

struct Inner {
    source: Source,
    contents: Contents,
    cache: Arc<BlockCache>,
    number: u64,
}

impl DataFile {
    /// Opens the file at `path` with one read, or two if it is large.
    ///
    /// With `expected`, another file than that is refused.
    ///
    /// # Errors
    /// - [`DataFileError::Object`]: the object storage failed, or has no such object.
    /// - [`DataFileError::Corrupt`]: index, filter, stats or footer are damaged, or not the expected ones.
    /// - [`DataFileError::Invalid`]: the file is of a version of the format that this program does not know.
    pub async fn open(
        ost: &Ost,
        path: ObjectPath,
        expected: Option<DataFileIdentity>,
        cache: Arc<BlockCache>,
    ) -> Result<DataFile, DataFileError> {
        let source = Source::open(ost, path, expected, cache.disk()).await?;
        match Contents::read(&source, expected).await {
            Ok(contents) => Ok(DataFile {
                inner: Arc::new(Inner {
                    source,
                    contents,
                    number: cache.number_file(),
                    cache,
                }),
            }),
            Err(error) => {
                if matches!(error, DataFileError::Corrupt { .. }) {
                    source.forget(&(0..source.bytes()));
                }
                Err(error)
            }
        }
    }

    /// The object.
    pub fn path(&self) -> &ObjectPath {
        self.inner.source.path()
    }

    /// Length and checksum, to be compared with what a manifest says.
    pub fn identity(&self) -> DataFileIdentity {
        let footer = &self.inner.contents.footer;
        DataFileIdentity {
            bytes: footer.file_bytes(),
            checksum: footer.checksum(),
        }
    }

    /// What is in the file.
    pub fn stats(&self) -> &DataFileStats {
        &self.inner.contents.stats
    }

    /// Bytes of memory that the open file takes, without what is in the block cache.
    pub fn memory_bytes(&self) -> usize {
        self.inner.contents.memory_bytes()
    }

    /// Whether `key` may be in the file. Reads nothing; no false `false`.
    pub fn may_contain(&self, key: &[u8]) -> bool {
        let Contents { filter, stats, .. } = &self.inner.contents;
        key >= stats.first_key
            && key <= stats.last_key
            && filter
                .as_ref()
                .is_none_or(|filter| filter.may_contain(filter_hash(key)))
    }

    /// The entry of `key`, a tombstone or an expired one like any other.
    ///
    /// Reads nothing if the filter excludes the key, otherwise one block unless that is cached.
    ///
    /// # Errors
    /// - [`DataFileError::Object`]: the object storage failed.
    /// - [`DataFileError::Corrupt`]: the block is damaged.
    pub async fn get(&self, key: &[u8]) -> Result<Option<DataFileEntry>, DataFileError> {
        if !self.may_contain(key) {
            return Ok(None);
        }
        let found = self
            .inner
            .contents
            .index
            .find(key)
            .map_err(|damage| self.corrupt(damage))?;
        let Some((_, handle)) = found else {
            return Ok(None);
        };
        let block = match self.cached_block(handle) {
            Some(block) => block,
            None => {
                let frame = self.read_cached(handle.range(), true).await?;
                self.decode_block(&frame, handle, true)?
            }
        };
        block
            .get(key)
            .map_err(|what| self.corrupt(Damage::new(handle.offset, what)))
    }

    /// Walks over the entries with keys in `range`, upwards or downwards. Reads nothing yet.
    pub fn cursor(&self, range: impl RangeBounds<Bytes>, direction: Direction) -> DataFileCursor {
        DataFileCursor::new(self.clone(), range, direction)
    }

    pub(super) fn contents(&self) -> &Contents {
        &self.inner.contents
    }

    pub(super) fn corrupt(&self, damage: Damage) -> DataFileError {
        damage.in_file(self.inner.source.path())
    }

    pub(super) fn cached_block(&self, handle: BlockHandle) -> Option<DataBlock> {
        self.inner.cache.get(self.inner.number, handle.offset)
    }

    /// Whether a block need not be read; it is not counted as asked for.
    pub(super) fn is_cached(&self, handle: BlockHandle) -> bool {
        self.inner.cache.contains(self.inner.number, handle.offset)
    }

    /// Checks and decodes a block, and keeps it in the cache if asked to.
    pub(super) fn decode_block(
        &self,
        frame: &Bytes,
        handle: BlockHandle,
        fill_cache: bool,
    ) -> Result<DataBlock, DataFileError> {
        let at = |what| self.corrupt(Damage::new(handle.offset, what));
        let bytes = decode_frame(frame, handle.offset).map_err(|damage| {
            self.inner.source.forget(&handle.range());
            self.corrupt(damage)
        })?;
        // An uncompressed block is a slice of what was read, which the cache would keep without counting it.
        let is_slice = frame.as_ptr() == bytes.as_ptr();
        let mut block = DataBlock::parse(bytes).map_err(at)?;
        if fill_cache {
            if is_slice {
                block = block.detached().map_err(at)?;
            }
            self.inner
                .cache
                .insert(self.inner.number, handle.offset, block.clone());
        }
        Ok(block)
    }

    pub(super) async fn read(&self, range: Range<u64>) -> Result<Bytes, DataFileError> {
        self.inner.source.read_object(range).await
    }

    /// The same, from a disk cache if there is one, which is filled if asked to.
    pub(super) async fn read_cached(
        &self,
        range: Range<u64>,
        fills_cache: bool,
    ) -> Result<Bytes, DataFileError> {
        self.inner.source.read(range, fills_cache).await
    }
}
