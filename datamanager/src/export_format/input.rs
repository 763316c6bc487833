//! The bytes of an export as they come in: decompressed, counted, and in one bounded buffer.

use memchr::{memchr, memchr_iter, memchr2, memchr3};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::compression::{Decompressor, ZSTD_MAGIC};
use super::place::Place;
use crate::Error;

/// Bytes that the buffer has room for before it is filled.
const READ_BYTES: usize = 256 * 1024;
/// Bytes that the buffer grows by at once, at most, so that it stays close to what is in it.
const GROWTH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A reader with a buffer that holds the piece looked at, and little more.
///
/// Invariant: the bytes before `start` have been consumed; `place` is that of the byte at `start`.
pub(super) struct Input<R> {
    reader: R,
    /// There if the input is compressed.
    decompressor: Option<Decompressor>,
    buffer: Vec<u8>,
    start: usize,
    place: Place,
}

/// What the input has next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A piece of this many bytes waits as a whole.
    Whole(usize),
    /// The piece is longer than allowed.
    TooLong,
    /// The input ends before the piece does.
    CutOff,
}

impl<R: AsyncRead + Unpin + Send> Input<R> {
    /// Reads the first bytes, and finds out whether they are compressed.
    pub(super) async fn open(reader: R) -> Result<Input<R>, Error> {
        let mut input = Input {
            reader,
            decompressor: None,
            buffer: Vec::new(),
            start: 0,
            place: Place { offset: 0, line: 1 },
        };
        while input.buffer.len() < ZSTD_MAGIC.len() && input.fill().await? {}
        if input.buffer.starts_with(&ZSTD_MAGIC) {
            let compressed = std::mem::take(&mut input.buffer);
            let decompressor =
                Decompressor::new(compressed).map_err(|error| input.cannot_decompress(error))?;
            input.decompressor = Some(decompressor);
        }
        Ok(input)
    }

    /// What was read and has not been consumed.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Where the waiting bytes begin.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Is done with the first `len` of the waiting bytes.
    pub(super) fn consume(&mut self, len: usize) {
        let consumed = &self.waiting()[..len];
        self.place.line += memchr_iter(b'\n', consumed).count() as u64;
        self.place.offset += len as u64;
        self.start += len;
    }

    /// Consumes the white space of JSON; false if the input ends with it.
    pub(super) async fn skip_white_space(&mut self) -> Result<bool, Error> {
        loop {
            let waiting = self.waiting();
            let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let end = waiting.iter().position(|byte| !is_space(byte));
            self.consume(end.unwrap_or(waiting.len()));
            if end.is_some() {
                return Ok(true);
            }
            if !self.fill().await? {
                return Ok(false);
            }
        }
    }

    /// Waits for a whole line of at most `bytes_max` bytes, without its line feed.
    pub(super) async fn line(&mut self, bytes_max: usize) -> Result<Piece, Error> {
        let mut searched = 0;
        self.piece(bytes_max, |waiting| {
            let found = memchr(b'\n', &waiting[searched..]).map(|at| searched + at);
            searched = waiting.len();
            found
        })
        .await
    }

    /// Waits for a whole JSON object of at most `bytes_max` bytes; `{` is the first byte that waits.
    pub(super) async fn object(&mut self, bytes_max: usize) -> Result<Piece, Error> {
        let mut search = ObjectSearch::default();
        self.piece(bytes_max, |waiting| search.end(waiting)).await
    }

    /// Waits until `end_of` finds the end of a piece in what waits.
    async fn piece(
        &mut self,
        bytes_max: usize,
        mut end_of: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Result<Piece, Error> {
        loop {
            let waiting = self.waiting();
            let end = end_of(waiting);
            if end.unwrap_or(waiting.len()) > bytes_max {
                return Ok(Piece::TooLong);
            }
            if let Some(len) = end {
                return Ok(Piece::Whole(len));
            }
            if !self.fill().await? {
                return Ok(Piece::CutOff);
            }
        }
    }

    /// Lets more bytes wait; false if there are none, and the input may end here.
    async fn fill(&mut self) -> Result<bool, Error> {
        self.make_room();
        let Some(decompressor) = &mut self.decompressor else {
            return read(&mut self.reader, &mut self.buffer).await;
        };
        loop {
            match decompressor.decompress(&mut self.buffer) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => return Err(self.cannot_decompress(error)),
            }
            let compressed = decompressor.compressed_mut();
            compressed.reserve(READ_BYTES);
            if !read(&mut self.reader, compressed).await? {
                break;
            }
        }
        if decompressor.is_between_frames() {
            return Ok(false);
        }
        Err(Error::invalid(format!(
            "the export is cut off: its zstd frame has no end behind byte {} of the decompressed data",
            self.offset_of_end()
        )))
    }

    fn make_room(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES {
            let growth = self.buffer.len().clamp(READ_BYTES, GROWTH_BYTES_MAX);
            self.buffer.reserve_exact(growth);
        }
    }

    fn offset_of_end(&self) -> u64 {
        self.place.offset + self.waiting().len() as u64
    }

    fn cannot_decompress(&self, error: std::io::Error) -> Error {
        Error::invalid(format!(
            "cannot decompress the export behind byte {} of the decompressed data",
            self.offset_of_end()
        ))
        .with_source(error)
    }

    /// Bytes of memory that the buffer has taken.
    #[cfg(test)]
    pub(super) fn buffer_bytes(&self) -> usize {
        self.buffer.capacity()
    }
}

/// Appends what the reader has next, within the capacity of `buffer`; false at the end.
async fn read<R: AsyncRead + Unpin>(reader: &mut R, buffer: &mut Vec<u8>) -> Result<bool, Error> {
    let bytes = reader
        .read_buf(buffer)
        .await
        .map_err(|error| Error::unavailable("cannot read the export").with_source(error))?;
    Ok(bytes > 0)
}

/// Looks for the end of a JSON object in bytes that grow, and looks at each byte once.
///
/// It only counts braces outside of strings. Whether the rest is JSON is the parser's to say.
#[derive(Default)]
struct ObjectSearch {
    /// Bytes looked at. One more than there are, while the byte behind a backslash is not there.
    searched: usize,
    depth: usize,
    in_string: bool,
}

impl ObjectSearch {
    /// The length of the object that `waiting` begins with, once its end is there.
    fn end(&mut self, waiting: &[u8]) -> Option<usize> {
        while let Some(rest) = waiting.get(self.searched..) {
            let found = if self.in_string {
                memchr2(b'"', b'\\', rest)
            } else {
                memchr3(b'"', b'{', b'}', rest)
            };
            let Some(at) = found else {
                self.searched = waiting.len();
                return None;
            };
            self.searched += at + 1;
            match rest[at] {
                b'\\' => self.searched += 1,
                b'"' => self.in_string = !self.in_string,
                b'{' => self.depth += 1,
                _ => self.depth = self.depth.saturating_sub(1),
            }
            if self.depth == 0 {
                return Some(self.searched);
            }
        }
        None
    }
}
