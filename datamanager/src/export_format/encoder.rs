//! Writing an export.

use base64::Engine;
use bytes::Bytes;

use super::base64_engine::base64_engine;
use super::compression::Compressor;
use super::entry::{check_export_id, check_export_type};
use super::native::Trailer;
use super::{EntryRef, ExportFormat, ExportHeader};
use crate::{Error, ErrorKind};

/// Bytes of a chunk, at least.
const CHUNK_BYTES_MIN: usize = 256 * 1024;
/// What a text buffer begins with: room for a chunk and an entry of usual size that goes beyond it.
const BUFFER_BYTES: usize = CHUNK_BYTES_MIN + 16 * 1024;

/// Turns entries into the bytes of an export, which are taken from it chunk by chunk.
///
/// It holds a chunk and an entry, as long as [`take`](Self::take) is called after each [`add`](Self::add). After an
/// error of `Internal` it is of no more use; an entry that was refused has left nothing behind.
pub(crate) struct ExportEncoder {
    format: ExportFormat,
    /// Encoded, and neither compressed nor taken.
    text: Vec<u8>,
    /// Of all that was encoded, without what is in `text`.
    checksum: u32,
    entries: u64,
    compressor: Option<Compressor>,
}

impl ExportEncoder {
    /// Begins an export; the header is written if the format has one.
    ///
    /// # Errors
    /// `Internal` alone.
    pub(crate) fn new(
        format: ExportFormat,
        zstd: bool,
        header: &ExportHeader,
    ) -> Result<ExportEncoder, Error> {
        let mut text = Vec::with_capacity(BUFFER_BYTES);
        if format == ExportFormat::Native {
            header.encode(&mut text)?;
        }
        Ok(ExportEncoder {
            format,
            text,
            checksum: 0,
            entries: 0,
            compressor: zstd.then(Compressor::new).transpose()?,
        })
    }

    /// Encodes one entry. Entries are given in the order of (type, id), each once.
    ///
    /// # Errors
    /// `Invalid` if the entry has a name that the format cannot hold, as are all internal ones in format agola.
    pub(crate) fn add(&mut self, entry: EntryRef<'_>) -> Result<(), Error> {
        check_export_type(self.format, entry.data_type)?;
        check_export_id(entry.data_type, entry.id)?;
        match self.format {
            ExportFormat::Native => put_native(&mut self.text, entry)?,
            ExportFormat::Agola => put_agola(&mut self.text, entry)?,
        }
        self.entries += 1;
        if self.text.len() >= CHUNK_BYTES_MIN && self.compressor.is_some() {
            self.compress()?;
        }
        Ok(())
    }

    /// The next chunk, if there is enough for one.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let output = match &mut self.compressor {
            Some(compressor) => compressor.output(),
            None => &mut self.text,
        };
        if output.len() < CHUNK_BYTES_MIN {
            return None;
        }
        let chunk = std::mem::replace(output, Vec::with_capacity(BUFFER_BYTES));
        if self.compressor.is_none() {
            self.checksum = crc32c::crc32c_append(self.checksum, &chunk);
        }
        Some(Bytes::from(chunk))
    }

    /// Ends the export and gives the last of it, which may be longer than a chunk.
    ///
    /// # Errors
    /// `Internal` alone.
    pub(crate) fn finish(mut self) -> Result<Bytes, Error> {
        if self.format == ExportFormat::Native {
            let checksum = crc32c::crc32c_append(self.checksum, &self.text);
            Trailer::new(self.entries, checksum).encode(&mut self.text)?;
        }
        if self.compressor.is_some() {
            self.compress()?;
        }
        match self.compressor {
            Some(compressor) => compressor.finish().map(Bytes::from),
            None => Ok(Bytes::from(self.text)),
        }
    }

    fn compress(&mut self) -> Result<(), Error> {
        if let Some(compressor) = &mut self.compressor {
            self.checksum = crc32c::crc32c_append(self.checksum, &self.text);
            compressor.add(&self.text)?;
            self.text.clear();
        }
        Ok(())
    }
}

fn put_native(buffer: &mut Vec<u8>, entry: EntryRef<'_>) -> Result<(), Error> {
    // A type that was checked has nothing that JSON would escape.
    buffer.extend_from_slice(b"{\"type\":\"");
    buffer.extend_from_slice(entry.data_type.as_bytes());
    match std::str::from_utf8(entry.id) {
        Ok(id) => {
            buffer.extend_from_slice(b"\",\"id\":");
            put_text(buffer, id)?;
            buffer.extend_from_slice(b",\"data\":\"");
        }
        Err(_) => {
            buffer.extend_from_slice(b"\",\"id_base64\":\"");
            put_base64(buffer, entry.id)?;
            buffer.extend_from_slice(b"\",\"data\":\"");
        }
    }
    put_base64(buffer, entry.value)?;
    put_end(buffer, entry)
}

fn put_agola(buffer: &mut Vec<u8>, entry: EntryRef<'_>) -> Result<(), Error> {
    let id = std::str::from_utf8(entry.id).map_err(|error| {
        Error::new(ErrorKind::Internal, "a checked id is not UTF-8").with_source(error)
    })?;
    buffer.extend_from_slice(b"{\"id\":");
    put_text(buffer, id)?;
    buffer.extend_from_slice(b",\"data_type\":\"");
    buffer.extend_from_slice(entry.data_type.as_bytes());
    buffer.extend_from_slice(b"\",\"data\":\"");
    put_base64(buffer, entry.value)?;
    put_end(buffer, entry)
}

/// What follows the data: its quote, the expiry if there is one, the end of the object.
fn put_end(buffer: &mut Vec<u8>, entry: EntryRef<'_>) -> Result<(), Error> {
    buffer.push(b'"');
    if let Some(time) = entry.expires_at {
        buffer.extend_from_slice(b",\"expires_at\":");
        serde_json::to_writer(&mut *buffer, &time).map_err(cannot_encode)?;
    }
    buffer.extend_from_slice(b"}\n");
    Ok(())
}

fn put_text(buffer: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    serde_json::to_writer(buffer, text).map_err(cannot_encode)
}

fn put_base64(buffer: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    let start = buffer.len();
    buffer.resize(start + bytes.len().div_ceil(3) * 4, 0);
    base64_engine()
        .encode_slice(bytes, &mut buffer[start..])
        .map_err(cannot_encode)?;
    Ok(())
}

fn cannot_encode(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "cannot encode an entry of an export").with_source(error)
}
