//! Reading bytes that nobody has written, for tests: nothing here may panic, whatever they are.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::block::DataBlock;
use super::bytes_reader::BytesReader;
use super::contents::slice_at;
use super::filter::Filter;
use super::footer::{FOOTER_BYTES, Footer, HEADER_BYTES, header};
use super::frame::{decode_frame, repair_frame};
use super::index::Index;
use super::stats::DataFileStats;
use super::verify::read_all;

/// Reads `bytes` as a whole file, as they are and with all checksums put right, and as each piece of a file.
pub(crate) fn read_any_bytes(bytes: &[u8]) {
    // What is wrong does not matter, as long as it is said.
    let _ = read_all(bytes, |_| ());
    let mut repaired = bytes.to_vec();
    if repair(&mut repaired).is_some() {
        let _ = read_all(&repaired, |_| ());
    }
    read_pieces(&Bytes::copy_from_slice(bytes));
}

fn read_pieces(bytes: &Bytes) {
    let start = &bytes[..bytes.len().min(3)];
    if let Ok(block) = DataBlock::parse(bytes.clone()) {
        for interval in 0..block.intervals() {
            let _ = block.decode(interval, &mut VecDeque::new());
        }
        let _ = (block.get(start), block.interval_of(start));
    }
    if let Ok(filter) = Filter::parse(bytes, 0) {
        for hash in [0, 1, u64::MAX] {
            filter.may_contain(hash);
        }
    }
    if let Ok(stats) = DataFileStats::parse(bytes, 0) {
        stats.encode();
    }
    let mut frame = bytes.to_vec();
    if repair_frame(&mut frame, 0).is_some() {
        let _ = decode_frame(&Bytes::from(frame), 0);
    }
}

/// Puts all checksums of a file right, as far as it can be told where they are; `None` if the footer leads nowhere.
fn repair(file: &mut [u8]) -> Option<()> {
    let footer_at = file.len().checked_sub(FOOTER_BYTES)?;
    let mut footer = Footer::read(&file[footer_at..])?;
    if footer.file_bytes() != file.len() as u64 || !footer.is_gapless() {
        return None;
    }
    file.get_mut(..HEADER_BYTES)?.copy_from_slice(&header());
    for section in [footer.index_root, footer.stats, footer.filter] {
        repair_at(file, section.range());
    }
    for leaf in leaves(file, &footer) {
        repair_at(file, leaf);
    }
    for block in blocks(file, &footer) {
        repair_at(file, block);
    }
    for section in [
        &mut footer.data,
        &mut footer.index_leaves,
        &mut footer.index_root,
        &mut footer.filter,
        &mut footer.stats,
    ] {
        section.checksum = crc32c::crc32c(place(file, section.range())?);
    }
    file[footer_at..].copy_from_slice(&footer.encode());
    Some(())
}

fn place(file: &mut [u8], range: Range<u64>) -> Option<&mut [u8]> {
    let (start, end) = (range.start.try_into().ok()?, range.end.try_into().ok()?);
    file.get_mut::<Range<usize>>(start..end)
}

fn repair_at(file: &mut [u8], range: Range<u64>) {
    let offset = range.start;
    if let Some(frame) = place(file, range) {
        repair_frame(frame, offset);
    }
}

/// Where the index's leaves are, as far as its root says it.
fn leaves(file: &[u8], footer: &Footer) -> Vec<Range<u64>> {
    let mut leaves = Vec::new();
    let bytes = Bytes::copy_from_slice(file);
    let root = slice_at(&bytes, 0, footer.index_root.range()).unwrap_or_default();
    let mut reader = BytesReader::new(&root, 0);
    let mut offset = footer.index_leaves.offset;
    for _ in 0..reader.varint_usize().unwrap_or(0) {
        let (Some(separator), Some(length)) = (reader.varint_usize(), reader.varint_usize()) else {
            break;
        };
        let end = offset.saturating_add(length as u64);
        if reader.range(separator).is_none() || end > footer.index_leaves.end() {
            break;
        }
        leaves.push(offset..end);
        offset = end;
    }
    leaves
}

/// Where the data blocks are, as far as the index says it.
fn blocks(file: &[u8], footer: &Footer) -> Vec<Range<u64>> {
    let bytes = Bytes::copy_from_slice(file);
    let section = |range: Range<u64>| slice_at(&bytes, 0, range).unwrap_or_default();
    let index = Index::parse(
        (
            &section(footer.index_leaves.range()),
            footer.index_leaves.offset,
        ),
        (
            &section(footer.index_root.range()),
            footer.index_root.offset,
        ),
        HEADER_BYTES as u64..footer.data.end(),
    );
    let Ok(index) = index else {
        return Vec::new();
    };
    let mut blocks = Vec::new();
    let mut position = Some(index.first());
    while let Some(at) = position {
        // What is damaged ends here; the reader is to say so.
        let _ = index.for_each_block(at, |_, handle| blocks.push(handle.range()));
        position = index.next(at);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_file::verify::decode_all;

    #[test]
    fn a_file_is_whole_again_after_its_checksums_were_put_right() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/data_file");
        for name in ["v1-none.data", "v1-lz4.data", "v1-zstd.data"] {
            let bytes = std::fs::read(format!("{directory}/{name}")).unwrap();
            let footer = Footer::read(&bytes[bytes.len() - FOOTER_BYTES..]).unwrap();
            let mut damaged = bytes.clone();
            let frames = [footer.index_root, footer.filter, footer.stats];
            let mut frames: Vec<Range<u64>> = frames.map(|section| section.range()).to_vec();
            frames.extend(leaves(&bytes, &footer));
            frames.extend(blocks(&bytes, &footer));
            for frame in frames {
                // The last byte of a frame is one of its checksum.
                let last = usize::try_from(frame.end - 1).unwrap();
                damaged[last] ^= 1;
                assert!(decode_all(&damaged).is_err());
                repair(&mut damaged).unwrap();
                assert!(damaged == bytes, "{name}: {frame:?}");
            }
        }
    }
}
