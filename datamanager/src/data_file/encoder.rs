//! Turns sorted entries into the bytes of a data file, without knowing where these go.

use std::mem;

use bytes::Bytes;

use super::block::DataBlockBuilder;
use super::entry::{DataFileEntry, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::error::DataFileError;
use super::filter::{build_filter, filter_hash};
use super::footer::{FOOTER_BYTES, Footer, Section, header};
use super::frame::{Compression, FrameEncoder, put_plain_frame};
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

/// Encodes one file.
///
/// Invariants, kept by `add`:
/// 1. `offset` is how many bytes of the file have been made, taken or not.
/// 2. `last_key` is the greatest key so far; with `unindexed` set it is also the last one of that block.
pub(super) struct DataFileEncoder {
    options: DataFileOptions,
    frames: FrameEncoder,
    block: DataBlockBuilder,
    index: IndexBuilder,
    /// The last finished block: its separator depends on the key that follows.
    unindexed: Option<BlockHandle>,
    key_hashes: Vec<u64>,
    stats: DataFileStats,
    last_key: Vec<u8>,
    output: Vec<u8>,
    offset: u64,
    /// Of the output that has been taken.
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
        let output = header().to_vec();
        Ok(DataFileEncoder {
            frames: FrameEncoder::new(options.compression)?,
            block: DataBlockBuilder::new(options.restart_interval),
            index: IndexBuilder::new(),
            unindexed: None,
            key_hashes: Vec::new(),
            stats: DataFileStats::new(),
            last_key: Vec::new(),
            offset: output.len() as u64,
            output,
            checksum: 0,
            options,
        })
    }

    /// Adds an entry, which changes nothing if it is refused.
    pub(super) fn add(&mut self, entry: &DataFileEntry) -> Result<(), DataFileError> {
        self.check(entry)?;
        if let Some(handle) = self.unindexed.take() {
            self.index
                .add(separator(&self.last_key, &entry.key), handle);
        }
        if !self.block.is_empty() && self.block.bytes_with(entry) > self.options.block_bytes_target
        {
            let handle = self.finish_block()?;
            self.index
                .add(separator(&self.last_key, &entry.key), handle);
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
            self.unindexed = Some(self.finish_block()?);
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

    fn finish_block(&mut self) -> Result<BlockHandle, DataFileError> {
        let length = self
            .frames
            .encode(self.block.finish(), self.offset, &mut self.output)?;
        self.block.clear();
        self.stats.blocks += 1;
        let handle = BlockHandle {
            offset: self.offset,
            length: length as u64,
        };
        self.offset = handle.end();
        Ok(handle)
    }

    /// About how long the file would be if it ended here; the block being filled counts uncompressed.
    pub(super) fn estimated_bytes(&self) -> u64 {
        let filter = self.key_hashes.len() * usize::from(self.options.filter_bits_per_key) / 8;
        let others = self.block.bytes() + self.index.bytes() + filter + FOOTER_BYTES;
        self.offset + others as u64
    }

    /// How many bytes wait to be taken.
    pub(super) fn output_bytes(&self) -> usize {
        self.output.len()
    }

    /// Takes the bytes that were made since the last time.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        self.checksum = crc32c::crc32c_append(self.checksum, &self.output);
        let capacity = self.output.capacity();
        mem::replace(&mut self.output, Vec::with_capacity(capacity))
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Result<EncodedEnd, DataFileError> {
        if self.stats.entries == 0 {
            return Err(DataFileError::Invalid(
                "a data file needs at least one entry".to_owned(),
            ));
        }
        if !self.block.is_empty() {
            self.unindexed = Some(self.finish_block()?);
        }
        if let Some(handle) = self.unindexed.take() {
            self.index.add(&self.last_key, handle);
        }
        self.stats.last_key = Bytes::from(self.last_key);

        let mut output = self.output;
        let data = Section {
            offset: 0,
            length: self.offset,
            checksum: crc32c::crc32c_append(self.checksum, &output),
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
