//! Everything of a file but its data blocks: what an open file keeps in memory.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::error::{Damage, DataFileError};
use super::filter::Filter;
use super::footer::{FOOTER_BYTES, Footer, FooterError, HEADER_BYTES, Section};
use super::frame::decode_plain_frame;
use super::index::Index;
use super::reader::DataFileIdentity;
use super::source::Source;
use super::stats::DataFileStats;

/// The first read of a file asks for this much of its end, which holds all but the data blocks of a small one.
const TAIL_BYTES: u64 = 64 * 1024;

/// Index, filter, stats and footer, checked against their checksums.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) footer: Footer,
    pub(super) index: Index,
    pub(super) filter: Option<Filter>,
    pub(super) stats: DataFileStats,
}

impl Contents {
    /// Reads them with one read, or two if the file is large. With `expected`, another file than that is refused.
    pub(super) async fn read(
        source: &Source,
        expected: Option<DataFileIdentity>,
    ) -> Result<Contents, DataFileError> {
        let (path, bytes) = (source.path(), source.bytes());
        let tail_offset = bytes.saturating_sub(TAIL_BYTES);
        let tail = source.read(tail_offset..bytes, true).await?;
        let footer = parse_footer(&tail, bytes, path)?;
        let found = DataFileIdentity {
            bytes,
            checksum: footer.checksum(),
        };
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            let what = format!(
                "file has {} bytes and checksum {:08x} instead of {} and {:08x}",
                found.bytes, found.checksum, expected.bytes, expected.checksum
            );
            return Err(Damage::new(footer.stats.end(), what).in_file(path));
        }
        let range = footer.data.end()..bytes;
        let rest = match slice_at(&tail, tail_offset, range.clone()) {
            // A copy, so that not the data blocks before it stay in memory as well.
            Some(rest) => Bytes::copy_from_slice(&rest),
            None => source.read(range.clone(), true).await?,
        };
        Contents::parse(footer, &rest, range.start).map_err(|damage| damage.in_file(path))
    }

    /// Reads them off `bytes`, which is all of the file from `offset` on.
    pub(super) fn parse(footer: Footer, bytes: &Bytes, offset: u64) -> Result<Contents, Damage> {
        let section = |name: &'static str, section: Section| {
            let content = slice_at(bytes, offset, section.range())
                .ok_or_else(|| Damage::new(section.offset, format!("{name} cannot be reached")))?;
            if crc32c::crc32c(&content) != section.checksum {
                return Err(Damage::new(
                    section.offset,
                    format!("{name} fails its checksum"),
                ));
            }
            Ok(content)
        };
        let leaves = section("index leaves", footer.index_leaves)?;
        let root = section("index root", footer.index_root)?;
        let index = Index::parse(
            (&leaves, footer.index_leaves.offset),
            (&root, footer.index_root.offset),
            HEADER_BYTES as u64..footer.data.end(),
        )?;
        let filter = if footer.filter.length == 0 {
            None
        } else {
            let content =
                decode_plain_frame(&section("filter", footer.filter)?, footer.filter.offset)?;
            Some(Filter::parse(&content, footer.filter.offset)?)
        };
        let content = decode_plain_frame(&section("stats", footer.stats)?, footer.stats.offset)?;
        let stats = DataFileStats::parse(&content, footer.stats.offset)?;
        Ok(Contents {
            footer,
            index,
            filter,
            stats,
        })
    }

    /// Bytes of memory that they take.
    pub(super) fn memory_bytes(&self) -> usize {
        let keys = self.stats.first_key.len() + self.stats.last_key.len();
        self.index.bytes()
            + self.filter.as_ref().map_or(0, Filter::bytes)
            + keys
            + size_of::<Contents>()
    }

    /// Where the footer is.
    pub(super) fn footer_range(&self) -> Range<u64> {
        self.footer.stats.end()..self.footer.file_bytes()
    }
}

/// Reads the footer off `tail`, the last bytes of the file `path`.
pub(super) fn parse_footer(
    tail: &[u8],
    file_bytes: u64,
    path: &dyn fmt::Display,
) -> Result<Footer, DataFileError> {
    Footer::parse(tail, file_bytes).map_err(|error| match error {
        FooterError::Damage(damage) => damage.in_file(path),
        FooterError::UnknownVersion(version) => DataFileError::Invalid(format!(
            "data file \"{path}\" is of version {version} of the format, this program reads version 1"
        )),
    })
}

/// The bytes of the file at `range`, out of `bytes` that begin at `offset` of it.
pub(super) fn slice_at(bytes: &Bytes, offset: u64, range: Range<u64>) -> Option<Bytes> {
    let start = usize::try_from(range.start.checked_sub(offset)?).ok()?;
    let end = usize::try_from(range.end.checked_sub(offset)?).ok()?;
    (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
}

const _: () = assert!(FOOTER_BYTES as u64 <= TAIL_BYTES);
