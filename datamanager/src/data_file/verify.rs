//! Reads a data file as a whole and tells everything that is wrong with it.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use ost::ObjectPath;

use super::block::DataBlock;
#[cfg(any(test, feature = "testing"))]
use super::contents::parse_footer;
use super::contents::{Contents, slice_at};
use super::entry::DataFileEntry;
use super::error::{Damage, DataFileError};
use super::filter::filter_hash;
use super::footer::{HEADER_BYTES, header};
use super::frame::decode_frame;
use super::index::BlockHandle;
use super::reader::DataFile;
use super::stats::DataFileStats;

/// Sections are read in pieces of this length.
const READ_BYTES: u64 = 1024 * 1024;

/// More damage than this is counted, not listed.
const DAMAGE_COUNT_MAX: usize = 1000;

/// What [`DataFile::verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFileReport {
    /// The object.
    pub path: ObjectPath,
    /// Its length; so much was read.
    pub bytes: u64,
    /// Entries that could be read.
    pub entries: u64,
    /// Everything that is wrong, by offset; up to 1,000 of it. Empty: the file is as it was written.
    pub damage: Vec<DataFileDamage>,
    /// How many more there are.
    pub damage_left_out: u64,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFileDamage {
    /// Offset in the file of the block, section or field.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for DataFileDamage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at offset {}: {}", self.offset, self.what)
    }
}

impl DataFile {
    /// Reads the whole file anew, past the cache, and checks every byte and every promise of the format: checksums,
    /// the order of keys, the index's separators, that the filter has every key, the stats.
    ///
    /// # Errors
    /// [`DataFileError::Object`]: the object storage failed. Damage is no error but in the report.
    pub async fn verify(&self) -> Result<DataFileReport, DataFileError> {
        let contents = self.contents();
        let footer = contents.footer;
        let mut verifier = Verifier::new(contents);

        let first = self.read(0..HEADER_BYTES as u64).await?;
        verifier.header(&first);
        let mut checksum = crc32c::crc32c(&first);
        let mut read_up_to = HEADER_BYTES as u64;
        let mut pieces: VecDeque<BlockHandle> = verifier.blocks().into();
        while !pieces.is_empty() {
            let mut run: Vec<BlockHandle> = Vec::new();
            let end = |run: &[BlockHandle]| run.last().map_or(read_up_to, |handle| handle.end());
            while let Some(handle) = pieces.front() {
                if !run.is_empty() && handle.end() - read_up_to > READ_BYTES {
                    break;
                }
                run.extend(pieces.pop_front());
            }
            let range = read_up_to..end(&run);
            let bytes = self.read(range.clone()).await?;
            checksum = crc32c::crc32c_append(checksum, &bytes);
            read_up_to = range.end;
            for handle in run {
                let frame = slice_at(&bytes, range.start, handle.range()).unwrap_or_default();
                verifier.block(&frame, handle, |_| ());
            }
        }
        let [data, others @ ..] = footer.sections();
        checksum = self.checksum_of(read_up_to..data.1.end(), checksum).await?;
        if checksum != data.1.checksum {
            verifier.report(Damage::new(
                data.1.offset,
                "data fails its checksum as a whole",
            ));
        }
        for (name, section) in others {
            if self.checksum_of(section.range(), 0).await? != section.checksum {
                verifier.report(Damage::new(
                    section.offset,
                    format!("{name} fails its checksum"),
                ));
            }
        }
        let range = contents.footer_range();
        if self.read(range.clone()).await? != footer.encode() {
            verifier.report(Damage::new(
                range.start,
                "footer has changed since the file was opened",
            ));
        }
        let entries = verifier.found.entries;
        let (mut damage, damage_left_out) = verifier.finish();
        damage.sort_by_key(|damage| damage.offset);
        Ok(DataFileReport {
            path: self.path().clone(),
            bytes: footer.file_bytes(),
            entries,
            damage: damage
                .into_iter()
                .map(|Damage { offset, what }| DataFileDamage {
                    offset,
                    what: what.into_owned(),
                })
                .collect(),
            damage_left_out,
        })
    }

    /// The checksum of `range` after bytes whose checksum is `checksum`.
    async fn checksum_of(
        &self,
        range: Range<u64>,
        mut checksum: u32,
    ) -> Result<u32, DataFileError> {
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + READ_BYTES);
            checksum = crc32c::crc32c_append(checksum, &self.read(start..end).await?);
            start = end;
        }
        Ok(checksum)
    }
}

/// As [`read_all`], with all entries in memory.
#[cfg(test)]
pub(crate) fn decode_all(
    file: &[u8],
) -> Result<(DataFileStats, Vec<DataFileEntry>), DataFileError> {
    let mut entries = Vec::new();
    let stats = read_all(file, |entry| entries.push(entry))?;
    Ok((stats, entries))
}

/// Reads a whole file that is in memory and shows each entry to `visit`; an error is the first damage in it. Any bytes may
/// be given.
#[cfg(any(test, feature = "testing"))]
pub(super) fn read_all(
    file: &[u8],
    mut visit: impl FnMut(DataFileEntry),
) -> Result<DataFileStats, DataFileError> {
    let path = "in memory";
    let file = Bytes::copy_from_slice(file);
    let footer = parse_footer(&file, file.len() as u64, &path)?;
    let contents = Contents::parse(footer, &file, 0).map_err(|damage| damage.in_file(path))?;
    let mut verifier = Verifier::new(&contents);
    verifier.header(&file[..HEADER_BYTES]);
    let data = slice_at(&file, 0, footer.data.range()).unwrap_or_default();
    if crc32c::crc32c(&data) != footer.data.checksum {
        verifier.report(Damage::new(0, "data fails its checksum as a whole"));
    }
    for handle in verifier.blocks() {
        let frame = slice_at(&data, 0, handle.range()).unwrap_or_default();
        verifier.block(&frame, handle, &mut visit);
    }
    match verifier
        .finish()
        .0
        .into_iter()
        .min_by_key(|damage| damage.offset)
    {
        Some(damage) => Err(damage.in_file(path)),
        None => Ok(contents.stats),
    }
}

/// Checks a file block by block.
struct Verifier<'a> {
    contents: &'a Contents,
    damage: Vec<Damage>,
    damage_left_out: u64,
    /// Counted from the entries that could be read.
    found: DataFileStats,
    /// Separators of the blocks to come.
    separators: VecDeque<Vec<u8>>,
    /// The separator before the block to come.
    above: Option<Vec<u8>>,
}

impl<'a> Verifier<'a> {
    fn new(contents: &'a Contents) -> Verifier<'a> {
        Verifier {
            contents,
            damage: Vec::new(),
            damage_left_out: 0,
            found: DataFileStats::new(),
            separators: VecDeque::new(),
            above: None,
        }
    }

    fn header(&mut self, bytes: &[u8]) {
        if bytes != header() {
            self.report(Damage::new(
                0,
                "header is not that of a data file of version 1",
            ));
        }
    }

    /// All blocks, as far as they follow each other without a gap.
    fn blocks(&mut self) -> Vec<BlockHandle> {
        let Contents { index, footer, .. } = self.contents;
        let mut blocks: Vec<BlockHandle> = Vec::new();
        let mut end = HEADER_BYTES as u64;
        let mut has_gap = false;
        let mut position = Some(index.first());
        while let Some(at) = position {
            let read = index.for_each_block(at, |separator, handle| {
                has_gap |= handle.offset != end || handle.length == 0;
                if !has_gap {
                    end = handle.end();
                    blocks.push(handle);
                    self.separators.push_back(separator.to_vec());
                }
            });
            if let Err(damage) = read {
                self.report(damage);
                has_gap = true;
            }
            position = if has_gap { None } else { index.next(at) };
        }
        if has_gap || end != footer.data.end() {
            let what = "index does not cover the data blocks without a gap";
            self.report(Damage::new(footer.index_leaves.offset, what));
        }
        blocks
    }

    /// Checks the next block and shows its entries to `visit`.
    fn block(&mut self, frame: &Bytes, handle: BlockHandle, mut visit: impl FnMut(DataFileEntry)) {
        let below = self.separators.pop_front();
        self.found.blocks += 1;
        let block = decode_frame(frame, handle.offset).and_then(|bytes| {
            DataBlock::parse(bytes).map_err(|what| Damage::new(handle.offset, what))
        });
        match block {
            Ok(block) => {
                for interval in 0..block.intervals() {
                    let mut entries = VecDeque::new();
                    match block.decode(interval, &mut entries) {
                        Ok(()) => entries.into_iter().for_each(|entry| {
                            self.entry(&entry, handle.offset, below.as_deref());
                            visit(entry);
                        }),
                        Err(what) => self.report(Damage::new(handle.offset, what)),
                    }
                }
            }
            Err(damage) => self.report(damage),
        }
        self.above = below;
    }

    /// Checks an entry of the block at `offset`, which has the separator `below` after it.
    fn entry(&mut self, entry: &DataFileEntry, offset: u64, below: Option<&[u8]>) {
        let DataFileEntry { key, .. } = entry;
        let is_out_of_order = self.found.entries > 0 && *key <= self.found.last_key;
        let is_misplaced = self.above.as_deref().is_some_and(|above| key <= above)
            || below.is_some_and(|below| &key[..] > below);
        let filter = self.contents.filter.as_ref();
        let is_unfiltered = filter.is_some_and(|filter| !filter.may_contain(filter_hash(key)));
        for (is_wrong, what) in [
            (is_out_of_order, "does not follow the key before it"),
            (is_misplaced, "is in another block than the index says"),
            (is_unfiltered, "is missing in the filter"),
        ] {
            if is_wrong {
                let shown = key[..key.len().min(100)].escape_ascii();
                self.report(Damage::new(offset, format!("key \"{shown}\" {what}")));
            }
        }
        if self.found.entries == 0 {
            self.found.first_key = key.clone();
        }
        self.found.last_key = key.clone();
        self.found.count(entry);
    }

    fn report(&mut self, damage: Damage) {
        if self.damage.len() < DAMAGE_COUNT_MAX {
            self.damage.push(damage);
        } else {
            self.damage_left_out += 1;
        }
    }

    /// Compares the counts, and gives the damage with the number of what was left out of it.
    fn finish(mut self) -> (Vec<Damage>, u64) {
        // With a block missing the numbers differ anyway.
        if self.damage.is_empty() && self.found != self.contents.stats {
            let what = "stats do not agree with the entries";
            self.report(Damage::new(self.contents.footer.stats.offset, what));
        }
        (self.damage, self.damage_left_out)
    }
}
