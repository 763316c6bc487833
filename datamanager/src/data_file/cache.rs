//! Decoded data blocks of all open files, up to a number of bytes.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::block::DataBlock;
use crate::disk_cache::DiskCache;

/// Memory that a cached block takes besides its bytes, about.
const BLOCK_OVERHEAD_BYTES: u64 = 128;

/// Parts of the cache that lock by themselves. Fixed, so that what is evicted does not depend on the machine.
const SHARDS: usize = 16;

/// Keeps the data blocks that are used most, shared by all data files that were opened with it.
///
/// Indexes and filters are not in it: open files hold them.
#[derive(Debug)]
pub struct BlockCache {
    blocks: Cache<BlockKey, DataBlock, BlockWeighter, BuildHasherDefault<BlockHasher>>,
    next_file: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    /// What stands between this cache and the objects.
    disk: OnceLock<Arc<DiskCache>>,
}

/// A block by its file, as numbered by [`BlockCache::number_file`], and its offset in it.
type BlockKey = (u64, u64);

impl BlockCache {
    /// A cache for up to `bytes_max` bytes of decoded blocks. With 0 it keeps nothing.
    ///
    /// A block longer than a sixteenth of that is not kept.
    pub fn new(bytes_max: u64) -> BlockCache {
        let items = usize::try_from(bytes_max / 4096)
            .unwrap_or(usize::MAX)
            .clamp(SHARDS * 32, 1 << 24);
        let options = OptionsBuilder::new()
            .shards(SHARDS)
            .estimated_items_capacity(items)
            .weight_capacity(bytes_max)
            .build()
            .expect("both required options are set");
        BlockCache {
            blocks: Cache::with_options(
                options,
                BlockWeighter,
                BuildHasherDefault::default(),
                DefaultLifecycle::default(),
            ),
            next_file: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            disk: OnceLock::new(),
        }
    }

    /// Puts a disk cache behind this one; the first one stays.
    pub(crate) fn set_disk(&self, disk: Arc<DiskCache>) {
        // One that comes second is not used.
        let _: Result<(), _> = self.disk.set(disk);
    }

    pub(crate) fn disk(&self) -> Option<Arc<DiskCache>> {
        self.disk.get().cloned()
    }

    /// How many blocks were asked for and there.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// How many blocks were asked for and not there.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// Bytes that the cached blocks take.
    pub fn bytes(&self) -> u64 {
        self.blocks.weight()
    }

    /// A number for a file that was just opened; never given twice.
    pub(super) fn number_file(&self) -> u64 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn get(&self, file: u64, offset: u64) -> Option<DataBlock> {
        let block = self.blocks.get(&(file, offset));
        let counter = if block.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        block
    }

    pub(super) fn contains(&self, file: u64, offset: u64) -> bool {
        self.blocks.contains_key(&(file, offset))
    }

    /// Keeps `block`, which must not be a slice of something longer.
    pub(super) fn insert(&self, file: u64, offset: u64, block: DataBlock) {
        self.blocks.insert((file, offset), block);
    }
}

#[derive(Clone, Debug)]
struct BlockWeighter;

impl Weighter<BlockKey, DataBlock> for BlockWeighter {
    fn weight(&self, _: &BlockKey, block: &DataBlock) -> u64 {
        block.bytes() as u64 + BLOCK_OVERHEAD_BYTES
    }
}

/// Mixes two numbers; needs no seed, as nobody outside chooses them.
#[derive(Debug, Default)]
struct BlockHasher(u64);

impl Hasher for BlockHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
