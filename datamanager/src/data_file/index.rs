//! The index: which data block may hold a key.
//!
//! A *separator* stands between two neighbouring blocks: not less than the last key of the one, less than the
//! first of the next, and as short as can be. *Leaves* hold separators with the place of their blocks and stay in
//! memory as they are in the file; the *root* lists the leaves.
//!
//! Layout: `docs/formats.md`, section "Data file", "Index".

use std::ops::Range;

use bytes::Bytes;

use super::bytes_reader::{BytesReader, common_prefix_bytes, put_varint};
use super::entry::KEY_BYTES_MAX;
use super::error::{Damage, DataFileError};
use super::frame::{FRAME_BYTES_MAX, decode_plain_frame, put_plain_frame};
use super::restarts::{RestartBlock, RestartBuilder, RestartEntry, StoredKey};

/// A leaf ends after the entry that takes it past this length.
const LEAF_BYTES_TARGET: usize = 16 * 1024;

/// Entries from one restart to the next in leaves.
const LEAF_RESTART_INTERVAL: usize = 16;

/// Where a data block's frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHandle {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl BlockHandle {
    pub(super) fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    pub(super) fn range(self) -> Range<u64> {
        self.offset..self.end()
    }
}

/// A run of neighbouring blocks in the index, as a cursor walks over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexPosition {
    leaf: usize,
    interval: usize,
}

/// The shortest key that is not less than `last` and less than `next`, of two ascending keys.
pub(super) fn separator<'a>(last: &'a [u8], next: &'a [u8]) -> &'a [u8] {
    let common = common_prefix_bytes(last, next);
    // The shortest prefix of `next` that is greater than `last` is too great by itself only if it is all of `next`.
    if common + 1 < next.len() {
        &next[..=common]
    } else {
        last
    }
}

/// Collects the index while the data blocks are written.
pub(super) struct IndexBuilder {
    leaf: RestartBuilder,
    leaves: Vec<(Vec<u8>, Vec<u8>)>,
    last_separator: Vec<u8>,
    finished_bytes: usize,
}

impl IndexBuilder {
    pub(super) fn new() -> IndexBuilder {
        IndexBuilder {
            leaf: RestartBuilder::new(LEAF_RESTART_INTERVAL),
            leaves: Vec::new(),
            last_separator: Vec::new(),
            finished_bytes: 0,
        }
    }

    /// About how long the index would be if it ended here.
    pub(super) fn bytes(&self) -> usize {
        self.finished_bytes + self.leaf.bytes()
    }

    /// Adds the next data block, with the separator between it and the one after.
    pub(super) fn add(&mut self, separator: &[u8], handle: BlockHandle) {
        self.leaf.add(separator, |is_restart, bytes| {
            if is_restart {
                put_varint(bytes, handle.offset);
            }
            put_varint(bytes, handle.length);
        });
        self.last_separator.clear();
        self.last_separator.extend_from_slice(separator);
        if self.leaf.bytes() >= LEAF_BYTES_TARGET {
            self.finish_leaf();
        }
    }

    fn finish_leaf(&mut self) {
        let leaf = self.leaf.finish().to_vec();
        self.finished_bytes += leaf.len() + self.last_separator.len() + 16;
        self.leaves.push((self.last_separator.clone(), leaf));
        self.leaf.clear();
    }

    /// Appends the leaves to `output`, which is at `offset` of the file, and gives the root.
    pub(super) fn finish(
        mut self,
        mut offset: u64,
        output: &mut Vec<u8>,
    ) -> Result<Vec<u8>, DataFileError> {
        if !self.leaf.is_empty() {
            self.finish_leaf();
        }
        let mut root = Vec::new();
        put_varint(&mut root, self.leaves.len() as u64);
        for (separator, leaf) in &self.leaves {
            let length = put_plain_frame(leaf, offset, output)? as u64;
            put_varint(&mut root, separator.len() as u64);
            put_varint(&mut root, length);
            root.extend_from_slice(separator);
            offset += length;
        }
        Ok(root)
    }
}

/// An entry of a leaf, read in place.
#[derive(Clone)]
struct LeafEntry {
    key: StoredKey,
    handle: BlockHandle,
    end: usize,
}

impl RestartEntry for LeafEntry {
    fn read(reader: &mut BytesReader<'_>, previous: Option<&LeafEntry>) -> Option<LeafEntry> {
        let shared = reader.varint_usize()?;
        let rest = reader.varint_usize()?;
        let offset = match previous {
            Some(previous) => previous.handle.end(),
            None => reader.varint()?,
        };
        let handle = BlockHandle {
            offset,
            length: reader.varint()?,
        };
        let key = StoredKey {
            shared,
            rest: reader.range(rest)?,
        };
        Some(LeafEntry {
            key,
            handle,
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

/// The index of an open file.
#[derive(Debug)]
pub(super) struct Index {
    leaves: Vec<Leaf>,
    data: Range<u64>,
}

#[derive(Debug)]
struct Leaf {
    offset: u64,
    separator: Bytes,
    block: RestartBlock,
}

impl Index {
    /// Reads the index.
    ///
    /// `leaves` and `root` are the sections of the file with their offsets; `data` is where data blocks may be.
    pub(super) fn parse(
        (leaves, leaves_offset): (&Bytes, u64),
        (root, root_offset): (&Bytes, u64),
        data: Range<u64>,
    ) -> Result<Index, Damage> {
        let root = decode_plain_frame(root, root_offset)?;
        let mut reader = BytesReader::new(&root, 0);
        let unreadable = || Damage::new(root_offset, "index root does not read");
        let count = reader.varint_usize().ok_or_else(unreadable)?;
        let mut index = Index {
            leaves: Vec::new(),
            data,
        };
        let mut position = 0_usize;
        for _ in 0..count {
            let separator = reader.varint_usize().ok_or_else(unreadable)?;
            let length = reader.varint_usize().ok_or_else(unreadable)?;
            let separator = root.slice(reader.range(separator).ok_or_else(unreadable)?);
            let end = position
                .checked_add(length)
                .filter(|end| *end <= leaves.len())
                .ok_or_else(unreadable)?;
            let offset = leaves_offset + position as u64;
            let block = decode_plain_frame(&leaves.slice(position..end), offset)?;
            let block = RestartBlock::parse(block).map_err(|what| Damage::new(offset, what))?;
            index.leaves.push(Leaf {
                offset,
                separator,
                block,
            });
            position = end;
        }
        if position != leaves.len() || !reader.is_at_end() || index.leaves.is_empty() {
            return Err(unreadable());
        }
        if !index
            .leaves
            .is_sorted_by(|left, right| left.separator < right.separator)
        {
            return Err(Damage::new(root_offset, "index leaves are out of order"));
        }
        Ok(index)
    }

    /// Bytes of memory that the index holds.
    pub(super) fn bytes(&self) -> usize {
        self.leaves
            .iter()
            .map(|leaf| leaf.block.bytes().len() + leaf.separator.len() + size_of::<Leaf>())
            .sum()
    }

    /// The first block that may hold `key` or a greater one, with its place in the index.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<(IndexPosition, BlockHandle)>, Damage> {
        let leaf = self.leaves.partition_point(|leaf| leaf.separator < key);
        let Some(Leaf { block, offset, .. }) = self.leaves.get(leaf) else {
            return Ok(None);
        };
        match block
            .lower_bound::<LeafEntry>(key)
            .map_err(|what| Damage::new(*offset, what))?
        {
            Some(found) => {
                let position = IndexPosition {
                    leaf,
                    interval: found.interval,
                };
                Ok(Some((position, self.checked(found.entry.handle, *offset)?)))
            }
            None => Err(Damage::new(*offset, "index leaf ends before its separator")),
        }
    }

    /// The place of the first blocks.
    pub(super) fn first(&self) -> IndexPosition {
        IndexPosition {
            leaf: 0,
            interval: 0,
        }
    }

    /// The place of the last blocks.
    pub(super) fn last(&self) -> IndexPosition {
        let leaf = self.leaves.len().saturating_sub(1);
        IndexPosition {
            leaf,
            interval: self.intervals(leaf).saturating_sub(1),
        }
    }

    /// The place after `position`.
    pub(super) fn next(&self, position: IndexPosition) -> Option<IndexPosition> {
        let IndexPosition { leaf, interval } = position;
        if interval + 1 < self.intervals(leaf) {
            Some(IndexPosition {
                leaf,
                interval: interval + 1,
            })
        } else if leaf + 1 < self.leaves.len() {
            Some(IndexPosition {
                leaf: leaf + 1,
                interval: 0,
            })
        } else {
            None
        }
    }

    /// The place before `position`.
    pub(super) fn previous(&self, position: IndexPosition) -> Option<IndexPosition> {
        let IndexPosition { leaf, interval } = position;
        if let Some(interval) = interval.checked_sub(1) {
            return Some(IndexPosition { leaf, interval });
        }
        let leaf = leaf.checked_sub(1)?;
        Some(IndexPosition {
            leaf,
            interval: self.intervals(leaf).saturating_sub(1),
        })
    }

    fn intervals(&self, leaf: usize) -> usize {
        self.leaves
            .get(leaf)
            .map_or(0, |leaf| leaf.block.intervals())
    }

    /// The blocks at `position`, in the file's order.
    pub(super) fn blocks(&self, position: IndexPosition) -> Result<Vec<BlockHandle>, Damage> {
        let mut blocks = Vec::with_capacity(LEAF_RESTART_INTERVAL);
        self.for_each_block(position, |_, handle| blocks.push(handle))?;
        Ok(blocks)
    }

    /// Calls `visit` with separator and place of each block at `position`.
    pub(super) fn for_each_block(
        &self,
        position: IndexPosition,
        mut visit: impl FnMut(&[u8], BlockHandle),
    ) -> Result<(), Damage> {
        let Some(Leaf { block, offset, .. }) = self.leaves.get(position.leaf) else {
            return Ok(());
        };
        let mut separator = Vec::new();
        let mut entries = block.entries::<LeafEntry>(position.interval);
        while let Some(entry) = entries
            .next_entry()
            .map_err(|what| Damage::new(*offset, what))?
        {
            separator.truncate(entry.key.shared);
            separator.extend_from_slice(&block.bytes()[entry.key.rest.clone()]);
            visit(&separator, self.checked(entry.handle, *offset)?);
        }
        Ok(())
    }

    /// Lets no handle pass that leads out of the data blocks or asks for more than a block can be.
    fn checked(&self, handle: BlockHandle, leaf_offset: u64) -> Result<BlockHandle, Damage> {
        let is_within = handle.offset >= self.data.start && handle.end() <= self.data.end;
        if !is_within || handle.length > FRAME_BYTES_MAX as u64 {
            return Err(Damage::new(
                leaf_offset,
                "index points outside the data blocks",
            ));
        }
        Ok(handle)
    }
}

const _: () = assert!(LEAF_BYTES_TARGET >= KEY_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separator_is_short_and_between_its_keys() {
        for (last, next, expected) in [
            (
                &b"user\0abcdef"[..],
                &b"user\0abx123"[..],
                &b"user\0abx"[..],
            ),
            (b"a", b"b", b"a"),
            (b"a", b"ab", b"a"),
            (b"a", b"abc", b"ab"),
            (b"", b"a", b""),
            (b"abc", b"abd", b"abc"),
        ] {
            let found = separator(last, next);
            assert_eq!(found, expected);
            assert!(last <= found && found < next);
        }
    }
}
