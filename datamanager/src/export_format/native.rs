//! The first and the last line of a native export.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Position, Timestamp};

/// The native format that this version writes, and the newest that it reads.
pub(super) const NATIVE_VERSION: u64 = 1;
/// What the field `format` of a native header says.
pub(super) const NATIVE_NAME: &str = "datamanager-export";
/// What the trailer begins with. No entry does, so the last line is known before it is parsed.
pub(super) const TRAILER_START: &[u8] = b"{\"end\":";

/// Where the entries of an export come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportHeader {
    /// Names the store, for people.
    pub(crate) store: String,
    /// The state of the store that was exported.
    pub(crate) position: Position,
    /// When that was.
    pub(crate) time: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    version: u64,
    #[serde(borrow)]
    store: Cow<'a, str>,
    position: Position,
    time: Timestamp,
}

impl ExportHeader {
    /// Writes the header line.
    ///
    /// # Errors
    /// `Internal` alone.
    pub(super) fn encode(&self, buffer: &mut Vec<u8>) -> Result<(), Error> {
        let line = HeaderLine {
            format: Cow::Borrowed(NATIVE_NAME),
            version: NATIVE_VERSION,
            store: Cow::Borrowed(&self.store),
            position: self.position,
            time: self.time,
        };
        put_line(buffer, &line)
    }

    /// Reads the header line, of which format and version have been looked at.
    pub(super) fn decode(line: &[u8]) -> Result<ExportHeader, serde_json::Error> {
        let line: HeaderLine<'_> = serde_json::from_slice(line)?;
        Ok(ExportHeader {
            store: line.store.into_owned(),
            position: line.position,
            time: line.time,
        })
    }
}

/// What the last line says of those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trailer {
    pub(super) entries: u64,
    /// CRC32C of every byte before the trailer, as 8 lower-case hexadecimal digits.
    pub(super) crc32c: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrailerLine {
    end: Trailer,
}

impl Trailer {
    pub(super) fn new(entries: u64, checksum: u32) -> Trailer {
        Trailer {
            entries,
            crc32c: format!("{checksum:08x}"),
        }
    }

    /// Writes the trailer line.
    ///
    /// # Errors
    /// `Internal` alone.
    pub(super) fn encode(self, buffer: &mut Vec<u8>) -> Result<(), Error> {
        put_line(buffer, &TrailerLine { end: self })
    }

    pub(super) fn decode(line: &[u8]) -> Result<Trailer, serde_json::Error> {
        serde_json::from_slice(line).map(|line: TrailerLine| line.end)
    }
}

fn put_line(buffer: &mut Vec<u8>, line: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer(&mut *buffer, line).map_err(|error| {
        Error::new(ErrorKind::Internal, "cannot encode a line of an export").with_source(error)
    })?;
    buffer.push(b'\n');
    Ok(())
}
