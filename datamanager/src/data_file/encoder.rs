//! Turns sorted entries into the bytes of a data file, without knowing where these go.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use super::batch::{BATCH_BYTES_MIN, BlockBatch, FIRST_BATCH_BYTES_MIN, Frames};
use super::block::DataBlockBuilder;
use super::entry::{DataFileEntry, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::error::DataFileError;
use super::filter::{build_filter, filter_hash};
use super::footer::{FOOTER_BYTES, Footer, Section, header};
use super::frame::{Compression, place_frame, put_plain_frame};
use super::index::{BlockHandle, IndexBuilder, separator};
use super::restarts::RESTART_INTERVAL_MAX;
use super::stats::DataFileStats;

/// How a data file is laid out. Readers need not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataFileOptions {
    /// Bytes of a data block before compression; 64 to 1,048,576, default 4,096. A greater entry gets a block of
    /// its own. More: better compression, fewer requests for a scan. Less: less to read and decode for one entry.
    pub block_bytes_target: usize,
    /// Entries from one whole key to the next in a block; 1 to 255, default 16. More: shorter blocks. Less: less
    /// to decode for one entry.
    pub restart_interval: usize,
    /// How blocks are compressed; default zstd, level 1.
    pub compression: Compression,
    /// Bits of the bloom filter for each key; 0 to 64, default 10, with which about one absent key in a hundred
    /// is looked for in vain. 0: no filter, so that every one is. More takes more memory in every open file.
    pub filter_bits_per_key: u8,
}

impl Default for DataFileOptions {
    fn default() -> DataFileOptions {
        DataFileOptions {
            block_bytes_target: 4096,
            restart_interval: 16,
            compression: Compression::Zstd { level: 1 },
            filter_bits_per_key: 10,
        }
    }
}

impl DataFileOptions {
    /// Refuses values out of their range, by name.
    ///
    /// # Errors
    /// [`DataFileError::Invalid`].
    pub fn validate(&self) -> Result<(), DataFileError> {
        let refuse = |name, value: &dyn std::fmt::Display, accepted| {
            Err(DataFileError::Invalid(format!(
                "{name} is {value}, it must be {accepted}"
            )))
        };
        if !(64..=1 << 20).contains(&self.block_bytes_target) {
            return refuse(
                "block_bytes_target",
                &self.block_bytes_target,
                "64 to 1048576",
            );
        }
        if !(1..=RESTART_INTERVAL_MAX).contains(&self.restart_interval) {
            return refuse("restart_interval", &self.restart_interval, "1 to 255");
        }
        if self.filter_bits_per_key > 64 {
            return refuse("filter_bits_per_key", &self.filter_bits_per_key, "0 to 64");
        }
        match self.compression {
            Compression::Zstd { level } if !(1..=22).contains(&level) => {
                refuse("compression level of zstd", &level, "1 to 22")
            }
            _ => Ok(()),
        }
    }
}

/// Encodes one file. Whoever uses it has its batches of blocks compressed and brings the frames back in the same order.
///
/// Invariants:
/// 1. `offset` is how many bytes of the file have got their place.
/// 2. `last_key` is the greatest key so far; with `lacks_separator` set it is also the last one of the last finished block.
/// 3. The finished blocks that are not in the index yet have their separators in `separators`, but for the last one with
///    `lacks_separator` set, and their places, as far as they have one, in `handles`.
pub(super) struct DataFileEncoder {
    options: DataFileOptions,
    block: DataBlockBuilder,
    /// Finished blocks that are to be compressed.
    batch: BlockBatch,
    /// Bytes of blocks that are being compressed.
    compressing_bytes: usize,
    /// Bytes of blocks whose frames have their place.
    placed_block_bytes: u64,
    index: IndexBuilder,
    separators: VecDeque<Vec<u8>>,
    handles: VecDeque<BlockHandle>,
    /// The separator of the last finished block depends on the key that follows.
    lacks_separator: bool,
    key_hashes: Vec<u64>,
    stats: DataFileStats,
    last_key: Vec<u8>,
    /// The header, until it has been given.
    header: Vec<u8>,
    offset: u64,
    /// Of all bytes that have been given.
    checksum: u32,
}

/// A finished file's end and what is known of the whole.
pub(super) struct EncodedEnd {
    pub(super) output: Vec<u8>,
    pub(super) footer: Footer,
    pub(super) stats: DataFileStats,
}

impl DataFileEncoder {
    pub(super) fn new(options: DataFileOptions) -> Result<DataFileEncoder, DataFileError> {
        options.validate()?;
        let header = header().to_vec();
        Ok(DataFileEncoder {
            block: DataBlockBuilder::new(options.restart_interval),
            batch: BlockBatch::default(),
            compressing_bytes: 0,
            placed_block_bytes: 0,
            index: IndexBuilder::new(),
            separators: VecDeque::new(),
            handles: VecDeque::new(),
            lacks_separator: false,
            key_hashes: Vec::new(),
            stats: DataFileStats::new(),
            last_key: Vec::new(),
            offset: header.len() as u64,
            header,
            checksum: 0,
            options,
        })
    }

    /// Adds an entry, which changes nothing if it is refused.
    pub(super) fn add(&mut self, entry: &DataFileEntry) -> Result<(), DataFileError> {
        self.check(entry)?;
        if !self.block.is_empty() && self.block.bytes_with(entry) > self.options.block_bytes_target
        {
            self.finish_block();
        }
        if mem::take(&mut self.lacks_separator) {
            self.separate(separator(&self.last_key, &entry.key).to_vec());
        }
        self.block.add(entry);
        if self.stats.entries == 0 {
            self.stats.first_key = Bytes::copy_from_slice(&entry.key);
        }
        self.stats.count(entry);
        if self.options.filter_bits_per_key > 0 {
            self.key_hashes.push(filter_hash(&entry.key));
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(&entry.key);
        if self.block.bytes() >= self.options.block_bytes_target {
            self.finish_block();
        }
        Ok(())
    }

    fn check(&self, entry: &DataFileEntry) -> Result<(), DataFileError> {
        let refuse = |what: &str| {
            let shown = &entry.key[..entry.key.len().min(100)];
            Err(DataFileError::Invalid(format!(
                "entry with key \"{}\" {what}",
                shown.escape_ascii()
            )))
        };
        if self.stats.entries > 0 && entry.key <= self.last_key {
            return refuse("does not follow the key before it");
        }
        if entry.key.len() > KEY_BYTES_MAX {
            return refuse(&format!(
                "has a key of {} bytes, at most {KEY_BYTES_MAX} are taken",
                entry.key.len()
            ));
        }
        match &entry.value {
            Some(value) if value.len() > VALUE_BYTES_MAX => refuse(&format!(
                "has a value of {} bytes, at most {VALUE_BYTES_MAX} are taken",
                value.len()
            )),
            _ => Ok(()),
        }
    }

    fn finish_block(&mut self) {
        self.batch.push(self.block.finish());
        self.block.clear();
        self.stats.blocks += 1;
        self.lacks_separator = true;
    }

    /// Sets what stands between the last finished block and the one after.
    fn separate(&mut self, separator: Vec<u8>) {
        self.separators.push_back(separator);
        self.index_blocks();
    }

    /// Takes the blocks into the index of which everything is known.
    fn index_blocks(&mut self) {
        while !self.separators.is_empty()
            && let Some(handle) = self.handles.pop_front()
        {
            if let Some(separator) = self.separators.pop_front() {
                self.index.add(&separator, handle);
            }
        }
    }

    /// About how long the file would be if it ended here. What is not compressed yet counts as if it compressed as well as
    /// what is, and before that as it is.
    pub(super) fn estimated_bytes(&self) -> u64 {
        let placed = self.offset + self.index.bytes() as u64;
        let waiting = (self.batch.bytes() + self.compressing_bytes + self.block.bytes()) as u64;
        let waiting = match u128::from(self.placed_block_bytes) {
            0 => waiting,
            block_bytes => {
                let compressed = u128::from(waiting) * u128::from(placed) / block_bytes;
                u64::try_from(compressed).unwrap_or(u64::MAX)
            }
        };
        let filter = self.key_hashes.len() * usize::from(self.options.filter_bits_per_key) / 8;
        placed + waiting + (filter + FOOTER_BYTES) as u64
    }

    /// Whether the first blocks of the file are to be compressed, which says how long the others become.
    pub(super) fn is_first_batch(&self) -> bool {
        self.placed_block_bytes == 0 && self.compressing_bytes == 0
    }

    /// Takes the blocks to be compressed, once they are worth it.
    pub(super) fn take_batch(&mut self) -> Option<BlockBatch> {
        let bytes_min = match self.is_first_batch() {
            true => FIRST_BATCH_BYTES_MIN,
            false => BATCH_BYTES_MIN,
        };
        if self.batch.bytes() < bytes_min {
            return None;
        }
        Some(self.take_blocks())
    }

    fn take_blocks(&mut self) -> BlockBatch {
        self.compressing_bytes += self.batch.bytes();
        self.batch.take()
    }

    /// Gives the frames of the batch that was taken first, of those that have not come back, their place in the file. Returns
    /// the next bytes of the file.
    pub(super) fn place(&mut self, frames: Frames) -> Vec<u8> {
        let Frames {
            mut bytes,
            lengths,
            block_bytes,
        } = frames;
        let mut start = 0;
        for length in lengths {
            place_frame(&mut bytes[start..start + length], self.offset);
            let handle = BlockHandle {
                offset: self.offset,
                length: length as u64,
            };
            self.handles.push_back(handle);
            self.offset = handle.end();
            start += length;
        }
        self.index_blocks();
        self.compressing_bytes -= block_bytes;
        self.placed_block_bytes += block_bytes as u64;
        if !self.header.is_empty() {
            bytes.splice(..0, mem::take(&mut self.header));
        }
        self.checksum = crc32c::crc32c_append(self.checksum, &bytes);
        bytes
    }

    /// Takes the last blocks to be compressed: no entry follows.
    pub(super) fn end_blocks(&mut self) -> Result<BlockBatch, DataFileError> {
        if self.stats.entries == 0 {
            return Err(DataFileError::Invalid(
                "a data file needs at least one entry".to_owned(),
            ));
        }
        if !self.block.is_empty() {
            self.finish_block();
        }
        if mem::take(&mut self.lacks_separator) {
            self.separate(self.last_key.clone());
        }
        Ok(self.take_blocks())
    }

    /// Ends the file, all of whose frames have got their place.
    pub(super) fn finish(mut self) -> Result<EncodedEnd, DataFileError> {
        debug_assert!(self.compressing_bytes == 0 && self.batch.is_empty());
        debug_assert!(self.separators.is_empty() && self.handles.is_empty());
        self.stats.last_key = Bytes::from(self.last_key);

        let mut output = Vec::new();
        let data = Section {
            offset: 0,
            length: self.offset,
            checksum: self.checksum,
        };
        let mut start = output.len();
        let mut section_after = |before: Section, output: &[u8]| {
            let section = Section {
                offset: before.end(),
                length: (output.len() - start) as u64,
                checksum: crc32c::crc32c(&output[start..]),
            };
            start = output.len();
            section
        };
        let root = self.index.finish(data.end(), &mut output)?;
        let index_leaves = section_after(data, &output);
        put_plain_frame(&root, index_leaves.end(), &mut output)?;
        let index_root = section_after(index_leaves, &output);
        if self.options.filter_bits_per_key > 0 {
            let filter = build_filter(&self.key_hashes, self.options.filter_bits_per_key);
            put_plain_frame(&filter, index_root.end(), &mut output)?;
        }
        let filter = section_after(index_root, &output);
        put_plain_frame(&self.stats.encode(), filter.end(), &mut output)?;
        let stats = section_after(filter, &output);
        let footer = Footer {
            data,
            index_leaves,
            index_root,
            filter,
            stats,
        };
        output.extend_from_slice(&footer.encode());
        Ok(EncodedEnd {
            output,
            footer,
            stats: self.stats,
        })
    }
}
