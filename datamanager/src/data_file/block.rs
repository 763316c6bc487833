//! Data blocks: entries with their values.
//!
//! Layout: `docs/formats.md`, section "Data file", "Data block".

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::bytes_reader::{BytesReader, put_varint};
use super::entry::{DataFileEntry, VALUE_BYTES_MAX};
use super::restarts::{RestartBlock, RestartBuilder, RestartEntry, StoredKey, What};
use crate::Timestamp;

const FLAG_TOMBSTONE: u8 = 1;
const FLAG_EXPIRES: u8 = 2;

/// More than an entry takes besides its key and value: two key lengths, flags, seq, expiry, value length, restart.
const ENTRY_OVERHEAD_BYTES_MAX: usize = 2 + 2 + 1 + 10 + 10 + 4 + 4;

/// Builds data blocks, one after the other.
pub(super) struct DataBlockBuilder {
    entries: RestartBuilder,
}

impl DataBlockBuilder {
    pub(super) fn new(restart_interval: usize) -> DataBlockBuilder {
        DataBlockBuilder {
            entries: RestartBuilder::new(restart_interval),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Length of the block if it ended here.
    pub(super) fn bytes(&self) -> usize {
        self.entries.bytes()
    }

    /// The most that the block's length can be with `entry` in it.
    pub(super) fn bytes_with(&self, entry: &DataFileEntry) -> usize {
        let value = entry.value.as_ref().map_or(0, Bytes::len);
        self.bytes() + entry.key.len() + value + ENTRY_OVERHEAD_BYTES_MAX
    }

    /// Appends an entry, which must have a greater key than the one before.
    pub(super) fn add(&mut self, entry: &DataFileEntry) {
        self.entries.add(&entry.key, |_, bytes| {
            let tombstone = if entry.value.is_none() {
                FLAG_TOMBSTONE
            } else {
                0
            };
            let expires = if entry.expires_at.is_some() {
                FLAG_EXPIRES
            } else {
                0
            };
            bytes.push(tombstone | expires);
            put_varint(bytes, entry.seq);
            if let Some(expires_at) = entry.expires_at {
                put_varint(bytes, expires_at.as_millis());
            }
            if let Some(value) = &entry.value {
                put_varint(bytes, value.len() as u64);
            }
        });
        if let Some(value) = &entry.value {
            self.entries.append(value);
        }
    }

    /// Ends the block and gives it.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.entries.finish()
    }

    /// Begins the next block.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// An entry of a data block, read in place.
#[derive(Clone)]
struct BlockEntry {
    key: StoredKey,
    seq: u64,
    expires_at: Option<Timestamp>,
    value: Option<Range<usize>>,
    end: usize,
}

impl RestartEntry for BlockEntry {
    fn read(reader: &mut BytesReader<'_>, _previous: Option<&BlockEntry>) -> Option<BlockEntry> {
        let shared = reader.varint_usize()?;
        let rest = reader.varint_usize()?;
        let flags = reader.u8()?;
        if flags & !(FLAG_TOMBSTONE | FLAG_EXPIRES) != 0 {
            return None;
        }
        let seq = reader.varint()?;
        let expires_at = if flags & FLAG_EXPIRES != 0 {
            Some(Timestamp::from_millis(reader.varint()?))
        } else {
            None
        };
        let value_bytes = if flags & FLAG_TOMBSTONE == 0 {
            Some(reader.varint_usize()?)
        } else {
            None
        };
        let key = StoredKey {
            shared,
            rest: reader.range(rest)?,
        };
        let value = match value_bytes {
            Some(length) if length > VALUE_BYTES_MAX => return None,
            Some(length) => Some(reader.range(length)?),
            None => None,
        };
        Some(BlockEntry {
            key,
            seq,
            expires_at,
            value,
            end: reader.position(),
        })
    }

    fn key(&self) -> &StoredKey {
        &self.key
    }

    fn end(&self) -> usize {
        self.end
    }
}

/// A decoded data block. Clones share the bytes.
#[derive(Clone, Debug)]
pub(crate) struct DataBlock {
    entries: RestartBlock,
}

impl DataBlock {
    pub(super) fn parse(bytes: Bytes) -> Result<DataBlock, What> {
        Ok(DataBlock {
            entries: RestartBlock::parse(bytes)?,
        })
    }

    /// The same block in memory of its own, where it is a slice of a longer read.
    pub(super) fn detached(&self) -> Result<DataBlock, What> {
        DataBlock::parse(Bytes::copy_from_slice(self.entries.bytes()))
    }

    /// Bytes of memory that the block holds.
    pub(super) fn bytes(&self) -> usize {
        self.entries.bytes().len()
    }

    /// How many pieces the block can be decoded in.
    pub(super) fn intervals(&self) -> usize {
        self.entries.intervals()
    }

    /// The entry of `key`. Its value is a slice of the block.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<DataFileEntry>, What> {
        match self.entries.lower_bound::<BlockEntry>(key)? {
            Some(found) if found.is_exact => Ok(Some(
                self.materialize(&found.entry, Bytes::copy_from_slice(key)),
            )),
            _ => Ok(None),
        }
    }

    /// The interval with the first entry whose key is not less than `key`; `None` if all are less.
    pub(super) fn interval_of(&self, key: &[u8]) -> Result<Option<usize>, What> {
        Ok(self
            .entries
            .lower_bound::<BlockEntry>(key)?
            .map(|found| found.interval))
    }

    /// Appends the entries of one interval to `output`. Their keys share one allocation.
    pub(super) fn decode(
        &self,
        interval: usize,
        output: &mut VecDeque<DataFileEntry>,
    ) -> Result<(), What> {
        let mut decoded: Vec<BlockEntry> = Vec::with_capacity(16);
        let mut key_bytes = 0;
        let mut entries = self.entries.entries::<BlockEntry>(interval);
        while let Some(entry) = entries.next_entry()? {
            key_bytes += entry.key.bytes();
            decoded.push(entry);
        }
        let mut keys: Vec<u8> = Vec::with_capacity(key_bytes);
        let mut previous = 0;
        for entry in &decoded {
            let start = keys.len();
            keys.extend_from_within(previous..previous + entry.key.shared);
            keys.extend_from_slice(&self.entries.bytes()[entry.key.rest.clone()]);
            previous = start;
        }
        let keys = Bytes::from(keys);
        let mut start = 0;
        output.extend(decoded.into_iter().map(|entry| {
            let key = start..start + entry.key.bytes();
            start = key.end;
            self.materialize(&entry, keys.slice(key))
        }));
        Ok(())
    }

    fn materialize(&self, entry: &BlockEntry, key: Bytes) -> DataFileEntry {
        DataFileEntry {
            key,
            seq: entry.seq,
            expires_at: entry.expires_at,
            value: entry
                .value
                .clone()
                .map(|value| self.entries.bytes().slice(value)),
        }
    }
}
