//! The two ends of a data file: a header that names the format, a footer that says where everything is.
//!
//! Layout: `docs/formats.md`, section "Data file", "Header" and "Footer".

use std::ops::Range;

use super::bytes_reader::BytesReader;
use super::error::Damage;

/// What a data file begins with. Like PNG's, it shows when a transfer took the file for text.
const HEADER_MAGIC: [u8; 8] = *b"\x89DMF\r\n\x1a\n";

/// What a data file ends with.
const FOOTER_MAGIC: [u8; 8] = *b"\x89DMFend\n";

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Length of the header.
pub(super) const HEADER_BYTES: usize = 8 + 4 + 4;

/// Length of the footer.
pub(super) const FOOTER_BYTES: usize = 5 * SECTION_BYTES + 8 + 4 + 4 + 4 + 8;

/// Length of a section's place in the footer: offset, length, checksum.
const SECTION_BYTES: usize = 8 + 8 + 4;

/// The footer's end that no version may lay out anew: version, checksum, magic.
const ENDING_BYTES: usize = 4 + 4 + 8;

/// The file's first bytes.
pub(super) fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&HEADER_MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// A part of the file, with the checksum of its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) checksum: u32,
}

impl Section {
    pub(super) fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    pub(super) fn range(self) -> Range<u64> {
        self.offset..self.end()
    }
}

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    /// The header and all data blocks.
    pub(super) data: Section,
    pub(super) index_leaves: Section,
    pub(super) index_root: Section,
    /// Of length 0 in a file without a filter.
    pub(super) filter: Section,
    pub(super) stats: Section,
}

impl Footer {
    /// The sections with their names, in the file's order.
    pub(super) fn sections(&self) -> [(&'static str, Section); 5] {
        [
            ("data", self.data),
            ("index leaves", self.index_leaves),
            ("index root", self.index_root),
            ("filter", self.filter),
            ("stats", self.stats),
        ]
    }

    /// Length of the whole file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.stats.end().saturating_add(FOOTER_BYTES as u64)
    }

    /// The file's last bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FOOTER_BYTES);
        for (_, section) in self.sections() {
            bytes.extend_from_slice(&section.offset.to_le_bytes());
            bytes.extend_from_slice(&section.length.to_le_bytes());
            bytes.extend_from_slice(&section.checksum.to_le_bytes());
        }
        bytes.extend_from_slice(&self.file_bytes().to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&FOOTER_MAGIC);
        bytes
    }

    /// The footer's own checksum, which through those in it stands for every byte of the file.
    pub(super) fn checksum(&self) -> u32 {
        let footer = self.encode();
        crc32c::crc32c(&footer[..FOOTER_BYTES - 12])
    }

    /// Reads the footer off the end of `tail`, the last bytes of a file of `file_bytes` bytes.
    pub(super) fn parse(tail: &[u8], file_bytes: u64) -> Result<Footer, FooterError> {
        let footer_offset = file_bytes.saturating_sub(FOOTER_BYTES as u64);
        let damage = |what| FooterError::Damage(Damage::new(footer_offset, what));
        if file_bytes < (HEADER_BYTES + FOOTER_BYTES) as u64 || tail.len() < FOOTER_BYTES {
            return Err(damage("file is too short"));
        }
        let bytes = &tail[tail.len() - FOOTER_BYTES..];
        if bytes[FOOTER_BYTES - 8..] != FOOTER_MAGIC {
            return Err(damage("file does not end as a data file does"));
        }
        let mut ending = BytesReader::new(bytes, FOOTER_BYTES - ENDING_BYTES);
        let (version, checksum) = (ending.u32().unwrap_or(0), ending.u32().unwrap_or(0));
        if version != VERSION {
            return Err(FooterError::UnknownVersion(version));
        }
        if crc32c::crc32c(&bytes[..FOOTER_BYTES - 12]) != checksum {
            return Err(damage("footer fails its checksum"));
        }
        let footer = Footer::read(bytes).ok_or_else(|| damage("footer does not read"))?;
        // Written anew it has the same bytes only if its fields agree with each other and the version.
        if footer.file_bytes() != file_bytes || footer.encode() != bytes || !footer.is_gapless() {
            return Err(damage("footer contradicts itself or the file's length"));
        }
        Ok(footer)
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Footer> {
        let mut reader = BytesReader::new(bytes, 0);
        let mut section = || {
            Some(Section {
                offset: reader.u64()?,
                length: reader.u64()?,
                checksum: reader.u32()?,
            })
        };
        Some(Footer {
            data: section()?,
            index_leaves: section()?,
            index_root: section()?,
            filter: section()?,
            stats: section()?,
        })
    }

    pub(super) fn is_gapless(&self) -> bool {
        let mut end = 0;
        for (_, section) in self.sections() {
            if section.offset != end || section.offset.checked_add(section.length).is_none() {
                return false;
            }
            end = section.end();
        }
        self.data.length >= HEADER_BYTES as u64
    }
}

/// Why a footer does not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FooterError {
    Damage(Damage),
    /// Written by a newer version of this library, most likely.
    UnknownVersion(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer() -> Footer {
        let section = |offset, length| Section {
            offset,
            length,
            checksum: 7,
        };
        Footer {
            data: section(0, 100),
            index_leaves: section(100, 50),
            index_root: section(150, 20),
            filter: section(170, 0),
            stats: section(170, 30),
        }
    }

    #[test]
    fn footer_reads_back() {
        let bytes = footer().encode();
        assert_eq!(bytes.len(), FOOTER_BYTES);
        assert_eq!(FOOTER_BYTES, 128);
        assert_eq!(Footer::parse(&bytes, 328), Ok(footer()));
    }

    #[test]
    fn footer_of_another_version_names_it() {
        let mut bytes = footer().encode();
        bytes[112] = 2;
        assert_eq!(
            Footer::parse(&bytes, 328),
            Err(FooterError::UnknownVersion(2))
        );
    }

    #[test]
    fn footer_with_gap_or_of_another_length_is_refused() {
        let mut with_gap = footer();
        with_gap.stats.offset += 1;
        with_gap.stats.length -= 1;
        for (footer, bytes) in [(footer(), 329), (with_gap, 328)] {
            let error = Footer::parse(&footer.encode(), bytes).unwrap_err();
            assert!(
                matches!(error, FooterError::Damage(damage) if damage.what.contains("contradicts"))
            );
        }
    }
}
