//! Reading an export of either format.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::AsyncRead;

use super::entry_fields::{EntryFields, Text, explain};
use super::input::{Input, Piece};
use super::native::{NATIVE_NAME, NATIVE_VERSION, TRAILER_START, Trailer};
use super::place::Part;
use super::{DecodedEntry, ExportFormat, ExportHeader};
use crate::Error;

/// Bytes that an entry's object has beside its data, at most. The longest id needs 24 KiB of it, if all of its bytes
/// are escaped; what is left is for names of fields and for white space.
const ENTRY_FRAME_BYTES_MAX: usize = 32 * 1024;

/// What a decoder accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecoderLimits {
    /// Bytes of one entry's value, at most. The decoder holds about four thirds of that.
    pub(crate) entry_bytes_max: usize,
}

/// Reads the entries of an export, of whichever format, compressed or not.
///
/// Entries are handed out before the end has been seen. They count only once [`next`](Self::next) has returned `None`:
/// until then the export may turn out to be cut off or altered. Neither order nor duplicates are checked.
pub(crate) struct ExportDecoder<R> {
    input: Input<R>,
    limits: DecoderLimits,
    format: ExportFormat,
    /// There in format native.
    header: Option<ExportHeader>,
    /// The type of the last entry, checked; empty before the first.
    data_type: Arc<str>,
    entries: u64,
    /// CRC32C of the lines so far, in format native.
    checksum: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Entries,
    /// The trailer has been read and fits.
    BehindTrailer,
    Ended,
    Failed,
}

/// What tells the formats apart, from the first object.
#[derive(Deserialize)]
struct FirstObject<'a> {
    #[serde(borrow)]
    format: Option<Text<'a>>,
    version: Option<u64>,
    data_type: Option<IgnoredAny>,
}

impl<R: AsyncRead + Unpin + Send> ExportDecoder<R> {
    /// Finds out what `reader` gives, and reads the header if there is one.
    ///
    /// # Errors
    /// - `Invalid`: this is no export, one of a newer version, or one that is cut off.
    /// - `Unavailable`: the reader failed.
    pub(crate) async fn open(reader: R, limits: DecoderLimits) -> Result<ExportDecoder<R>, Error> {
        let mut decoder = ExportDecoder {
            input: Input::open(reader).await?,
            limits,
            format: ExportFormat::Agola,
            header: None,
            data_type: Arc::from(""),
            entries: 0,
            checksum: 0,
            stage: Stage::Entries,
        };
        decoder.find_format().await?;
        if decoder.format == ExportFormat::Native {
            decoder.read_header().await?;
        }
        Ok(decoder)
    }

    /// The format that was found.
    pub(crate) fn format(&self) -> ExportFormat {
        self.format
    }

    /// Where the entries come from; format agola does not say it.
    pub(crate) fn header(&self) -> Option<&ExportHeader> {
        self.header.as_ref()
    }

    /// The next entry, or `None` at the end of a whole and valid export.
    ///
    /// # Errors
    /// - `Invalid`: the export is not whole or not valid; the message says where and why.
    /// - `Unavailable`: the reader failed.
    ///
    /// After an error every further call fails. Dropping the call loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<DecodedEntry>, Error> {
        let result = match (self.stage, self.format) {
            (Stage::Entries, ExportFormat::Native) => self.next_line().await,
            (Stage::Entries, ExportFormat::Agola) => self.next_object().await,
            (Stage::BehindTrailer, _) => self.check_nothing_follows().await,
            (Stage::Ended, _) => Ok(None),
            (Stage::Failed, _) => Err(Error::invalid("reading the export has failed before")),
        };
        match &result {
            Ok(Some(_)) => {}
            Ok(None) => self.stage = Stage::Ended,
            Err(_) => self.stage = Stage::Failed,
        }
        result
    }

    async fn find_format(&mut self) -> Result<(), Error> {
        if !self.input.skip_white_space().await? {
            return Err(self.refuse(
                Part::Beginning,
                "the input is empty; an empty export of format agola cannot be told from one that was cut off",
            ));
        }
        let first_byte = self.input.waiting()[0];
        if first_byte != b'{' {
            return Err(self.refuse(Part::Beginning, not_an_object(first_byte)));
        }
        let piece = self.input.object(self.object_bytes_max()).await?;
        let len = self.whole(piece, Part::Beginning)?;
        let object = &self.input.waiting()[..len];
        self.format = format_of(object).map_err(|what| self.refuse(Part::Beginning, what))?;
        Ok(())
    }

    async fn read_header(&mut self) -> Result<(), Error> {
        if self.input.place().offset != 0 {
            return Err(self.refuse(Part::Beginning, "white space stands before the header"));
        }
        let piece = self.input.line(self.object_bytes_max()).await?;
        let len = self.whole(piece, Part::Beginning)?;
        let line = &self.input.waiting()[..=len];
        let header = ExportHeader::decode(line).map_err(|error| {
            let what = format!(
                "the header is not one line of format native: {}",
                explain(&error)
            );
            self.refuse(Part::Beginning, what)
        })?;
        self.checksum = crc32c::crc32c(line);
        self.header = Some(header);
        self.input.consume(len + 1);
        Ok(())
    }

    async fn next_line(&mut self) -> Result<Option<DecodedEntry>, Error> {
        let part = Part::Entry(self.entries + 1);
        let piece = self.input.line(self.object_bytes_max()).await?;
        if piece == Piece::CutOff && self.input.waiting().is_empty() {
            return Err(self.refuse(Part::End, "the export is cut off: it has no trailer"));
        }
        let len = self.whole(piece, part)?;
        let line = &self.input.waiting()[..=len];
        if line.starts_with(TRAILER_START) {
            self.check_trailer(line)?;
            self.input.consume(len + 1);
            self.stage = Stage::BehindTrailer;
            return self.check_nothing_follows().await;
        }
        self.checksum = crc32c::crc32c_append(self.checksum, line);
        self.take_entry(len + 1).map(Some)
    }

    fn check_trailer(&self, line: &[u8]) -> Result<(), Error> {
        let refuse = |what| Err(self.refuse(Part::End, what));
        let trailer = match Trailer::decode(line) {
            Ok(trailer) => trailer,
            Err(error) => return refuse(format!("the trailer is not valid: {}", explain(&error))),
        };
        let read = Trailer::new(self.entries, self.checksum);
        if trailer.entries != read.entries {
            return refuse(format!(
                "{} entries stand before a trailer that counts {}",
                read.entries, trailer.entries
            ));
        }
        if trailer.crc32c != read.crc32c {
            return refuse(format!(
                "the checksum is {} and the trailer says {:?}: the export was altered",
                read.crc32c, trailer.crc32c
            ));
        }
        Ok(())
    }

    async fn check_nothing_follows(&mut self) -> Result<Option<DecodedEntry>, Error> {
        if self.input.skip_white_space().await? {
            return Err(self.refuse(Part::End, "there is data behind the trailer"));
        }
        Ok(None)
    }

    async fn next_object(&mut self) -> Result<Option<DecodedEntry>, Error> {
        let part = Part::Entry(self.entries + 1);
        if !self.input.skip_white_space().await? {
            return Ok(None);
        }
        let first_byte = self.input.waiting()[0];
        if first_byte != b'{' {
            return Err(self.refuse(part, not_an_object(first_byte)));
        }
        let piece = self.input.object(self.object_bytes_max()).await?;
        let len = self.whole(piece, part)?;
        self.take_entry(len).map(Some)
    }

    /// Decodes and consumes the entry that the next `len` bytes are.
    fn take_entry(&mut self, len: usize) -> Result<DecodedEntry, Error> {
        let number = self.entries + 1;
        let place = self.input.place();
        let object = &self.input.waiting()[..len];
        let entry = EntryFields::parse(self.format, object)
            .map_err(|error| explain(&error))
            .and_then(|fields| {
                let bytes_max = self.limits.entry_bytes_max;
                fields.into_entry(self.format, bytes_max, &mut self.data_type, number)
            })
            .map_err(|what| place.refuse(Part::Entry(number), what))?;
        self.entries = number;
        self.input.consume(len);
        Ok(entry)
    }

    /// The length of a piece that has to be there as a whole.
    fn whole(&self, piece: Piece, part: Part) -> Result<usize, Error> {
        match piece {
            Piece::Whole(len) => Ok(len),
            Piece::TooLong => Err(self.refuse(
                part,
                format!(
                    "it is longer than {} bytes, which an entry with a value of {} bytes, the most allowed, can take",
                    self.object_bytes_max(),
                    self.limits.entry_bytes_max
                ),
            )),
            Piece::CutOff => Err(self.refuse(part, "the export is cut off within it")),
        }
    }

    fn object_bytes_max(&self) -> usize {
        let data_bytes_max = self.limits.entry_bytes_max.div_ceil(3).saturating_mul(4);
        data_bytes_max.saturating_add(ENTRY_FRAME_BYTES_MAX)
    }

    fn refuse(&self, part: Part, what: impl fmt::Display) -> Error {
        self.input.place().refuse(part, what)
    }

    /// Bytes of memory that the input is buffered in.
    #[cfg(test)]
    pub(super) fn buffer_bytes(&self) -> usize {
        self.input.buffer_bytes()
    }
}

fn not_an_object(first_byte: u8) -> String {
    match first_byte {
        b'[' => "a JSON array begins here; the objects of an export stand side by side".to_owned(),
        b'<' => "a JSON object is expected, and this looks like HTML or XML".to_owned(),
        _ => format!(
            "a JSON object is expected, and this begins with \"{}\"",
            first_byte.escape_ascii()
        ),
    }
}

/// The format of an export that begins with `object`, or what is wrong with it.
fn format_of(object: &[u8]) -> Result<ExportFormat, String> {
    let first: FirstObject<'_> = serde_json::from_slice(object).map_err(|error| explain(&error))?;
    let Some(Text(name)) = first.format else {
        return match first.data_type {
            Some(_) => Ok(ExportFormat::Agola),
            None => Err(
                "the first object is neither the header of format native nor an entry of format agola"
                    .to_owned(),
            ),
        };
    };
    if name != NATIVE_NAME {
        return Err(format!(
            "the header names format {name:?}: {NATIVE_NAME:?} is accepted"
        ));
    }
    match first.version {
        Some(NATIVE_VERSION) => Ok(ExportFormat::Native),
        Some(version) if version > NATIVE_VERSION => Err(format!(
            "the export has version {version}, which is newer than {NATIVE_VERSION}, the newest that this version reads"
        )),
        Some(version) => Err(format!("version {version} has never been written")),
        None => Err("the header names no version".to_owned()),
    }
}
