//! The files of a disk cache: a part of a data file each, with checksums of its pages.
//!
//! Layout: `docs/formats.md`, section "Part of a data file in a disk cache".

use std::io;
use std::ops::Range;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::data_file::DataFileIdentity;
use crate::environment::File;

/// Bytes of a part; the last one of a data file may be shorter.
pub(super) const PART_BYTES: u64 = 256 * 1024;
/// Bytes of a page, which is what has a checksum of its own.
const PAGE_BYTES: usize = 4 * 1024;
const PAGES_MAX: usize = 64;
/// Bytes before the first page.
pub(super) const HEADER_BYTES: usize = 512;

const MAGIC: [u8; 8] = *b"\x89DMP\r\n\x1a\n";
const VERSION: u32 = 1;
/// Bytes of the header before the checksums of pages.
const FIELDS_BYTES: usize = 8 + 4 + 4 + 8 + 8 + 4 + 4;

const _: () = assert!(PART_BYTES == (PAGES_MAX * PAGE_BYTES) as u64);
const _: () = assert!(FIELDS_BYTES + 4 * PAGES_MAX + 4 <= HEADER_BYTES);

/// Which bytes of which data file a part has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartIdentity {
    /// XXH3 of the data file's key.
    key_hash: u64,
    file: DataFileIdentity,
    /// How many parts of the data file are before it.
    number: u32,
}

impl PartIdentity {
    pub(super) fn new(key: &str, file: DataFileIdentity, number: u32) -> PartIdentity {
        PartIdentity {
            key_hash: xxh3_64(key.as_bytes()),
            file,
            number,
        }
    }

    /// Which bytes of the data file it has.
    pub(super) fn range(&self) -> Range<u64> {
        let start = u64::from(self.number) * PART_BYTES;
        start..(start + PART_BYTES).min(self.file.bytes)
    }

    /// The length of the part.
    pub(super) fn bytes(&self) -> usize {
        let range = self.range();
        usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0)
    }

    /// What a header begins with.
    fn fields(&self) -> Vec<u8> {
        let mut fields = Vec::with_capacity(HEADER_BYTES);
        fields.extend_from_slice(&MAGIC);
        fields.extend_from_slice(&VERSION.to_le_bytes());
        fields.extend_from_slice(&self.number.to_le_bytes());
        fields.extend_from_slice(&self.key_hash.to_le_bytes());
        fields.extend_from_slice(&self.file.bytes.to_le_bytes());
        fields.extend_from_slice(&self.file.checksum.to_le_bytes());
        let bytes = u32::try_from(self.bytes()).unwrap_or(u32::MAX);
        fields.extend_from_slice(&bytes.to_le_bytes());
        fields
    }
}

/// Why a part does not read; the caller takes it as not there.
#[derive(Debug)]
pub(super) enum PartError {
    /// The file system failed.
    Io(io::Error),
    /// These are not the bytes that were written.
    Damaged,
}

impl From<io::Error> for PartError {
    fn from(error: io::Error) -> PartError {
        PartError::Io(error)
    }
}

/// Writes a part, whose bytes `content` are, to an empty file. What a crash leaves of it is found to be damaged when it is
/// read.
pub(super) fn write(file: &dyn File, identity: &PartIdentity, content: &[u8]) -> io::Result<()> {
    let mut bytes = identity.fields();
    for page in content.chunks(PAGE_BYTES) {
        bytes.extend_from_slice(&crc32c::crc32c(page).to_le_bytes());
    }
    bytes.resize(HEADER_BYTES - 4, 0);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes.extend_from_slice(content);
    file.write_all_at(0, &bytes)
}

/// Reads `range` of the data file, which is within the part, after checking the pages that it is in.
pub(super) fn read(
    file: &dyn File,
    identity: &PartIdentity,
    range: Range<u64>,
) -> Result<Bytes, PartError> {
    let part = identity.range();
    if range.start < part.start || range.end > part.end || range.start > range.end {
        return Err(PartError::Damaged);
    }
    let place = |offset: u64| usize::try_from(offset - part.start).unwrap_or(usize::MAX);
    let (start, end) = (place(range.start), place(range.end));
    let checksums = read_header(file, identity)?;

    let first_page = start / PAGE_BYTES;
    let pages_start = first_page * PAGE_BYTES;
    let pages_end = end.next_multiple_of(PAGE_BYTES).min(identity.bytes());
    let mut pages = vec![0; pages_end - pages_start];
    read_exactly(file, (HEADER_BYTES + pages_start) as u64, &mut pages)?;
    for (page, expected) in pages.chunks(PAGE_BYTES).zip(&checksums[first_page..]) {
        if crc32c::crc32c(page) != *expected {
            return Err(PartError::Damaged);
        }
    }
    Ok(Bytes::from(pages).slice(start - pages_start..end - pages_start))
}

/// Checks the header, and returns the checksums of all pages.
fn read_header(file: &dyn File, identity: &PartIdentity) -> Result<Vec<u32>, PartError> {
    let mut header = [0; HEADER_BYTES];
    read_exactly(file, 0, &mut header)?;
    let (start, checksum) = header.split_at(HEADER_BYTES - 4);
    if crc32c::crc32c(start).to_le_bytes() != *checksum {
        return Err(PartError::Damaged);
    }
    let (fields, checksums) = header.split_at(FIELDS_BYTES);
    if fields != identity.fields() {
        return Err(PartError::Damaged);
    }
    let pages = identity.bytes().div_ceil(PAGE_BYTES);
    let (checksums, _) = checksums.as_chunks();
    Ok(checksums
        .iter()
        .take(pages)
        .map(|checksum| u32::from_le_bytes(*checksum))
        .collect())
}

fn read_exactly(file: &dyn File, offset: u64, buffer: &mut [u8]) -> Result<(), PartError> {
    if file.read_at(offset, buffer)? < buffer.len() {
        return Err(PartError::Damaged);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::environment::{FileSystem, MemoryFiles, OpenMode};

    fn identity(number: u32) -> PartIdentity {
        let file = DataFileIdentity {
            bytes: PART_BYTES + 10_000,
            checksum: 7,
        };
        PartIdentity::new("data/1.data", file, number)
    }

    fn file_with(bytes: &[u8]) -> Arc<dyn File> {
        let files = MemoryFiles::new();
        files.create_dir_all(Path::new("/cache")).unwrap();
        let path = Path::new("/cache/part");
        let file = files.open(path, OpenMode::CreateNew).unwrap();
        file.write_all_at(0, bytes).unwrap();
        file
    }

    /// The last part of a data file, which is a short one.
    fn written() -> (Vec<u8>, Vec<u8>) {
        let content: Vec<u8> = (0..=250).cycle().take(10_000).collect();
        let file = file_with(&[]);
        write(file.as_ref(), &identity(1), &content).unwrap();
        let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        (content, bytes)
    }

    #[test]
    fn any_range_of_a_part_reads_back() {
        let (content, bytes) = written();
        let file = file_with(&bytes);
        for (start, end) in [(0, 10_000), (0, 1), (4_095, 4_097), (9_999, 10_000), (3, 3)] {
            let range = PART_BYTES + start as u64..PART_BYTES + end as u64;
            let read = read(file.as_ref(), &identity(1), range).unwrap();
            assert_eq!(read, &content[start..end]);
        }
        for range in [
            0..1,
            PART_BYTES - 1..PART_BYTES + 1,
            PART_BYTES..PART_BYTES + 10_001,
        ] {
            assert!(read(file.as_ref(), &identity(1), range).is_err());
        }
    }

    #[test]
    fn a_part_of_another_file_or_place_is_not_believed() {
        let (_, bytes) = written();
        let file = file_with(&bytes);
        let (right, range) = (identity(1), PART_BYTES..PART_BYTES + 10);
        let other_file = DataFileIdentity {
            checksum: 8,
            ..right.file
        };
        let others = [
            PartIdentity::new("data/2.data", right.file, 1),
            PartIdentity::new("data/1.data", other_file, 1),
        ];
        for other in others {
            assert!(read(file.as_ref(), &other, range.clone()).is_err());
        }
        assert!(read(file.as_ref(), &identity(0), 0..10).is_err());
        assert!(read(file.as_ref(), &right, range).is_ok());
    }

    #[test]
    fn no_flipped_byte_and_no_cut_goes_unnoticed() {
        let (content, bytes) = written();
        let whole = || PART_BYTES..PART_BYTES + content.len() as u64;
        for at in (0..bytes.len()).step_by(37).chain(0..HEADER_BYTES) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            let file = file_with(&damaged);
            assert!(read(file.as_ref(), &identity(1), whole()).is_err(), "{at}");
        }
        for length in (0..bytes.len()).step_by(499) {
            let file = file_with(&bytes[..length]);
            assert!(
                read(file.as_ref(), &identity(1), whole()).is_err(),
                "{length}"
            );
        }
    }
}
