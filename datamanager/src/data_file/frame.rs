//! Frames: how a block stands in the file, compressed or not, with its checksum.
//!
//! Layout: `docs/formats.md`, section "Data file", "Frame".

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use lz4_flex::block::{self as lz4, CompressTable};

use super::entry::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::error::{Damage, DataFileError};

/// Bytes after the stored block: codec, length before compression, checksum.
pub(super) const FRAME_TRAILER_BYTES: usize = 1 + 4 + 4;

/// Longest data block before compression: one entry of the largest size, its lengths and one restart point.
pub(super) const BLOCK_BYTES_MAX: usize = VALUE_BYTES_MAX + KEY_BYTES_MAX + 64;

/// Longest frame of a data block.
pub(super) const FRAME_BYTES_MAX: usize = BLOCK_BYTES_MAX + FRAME_TRAILER_BYTES;

const CODEC_NONE: u8 = 0;
const CODEC_LZ4: u8 = 1;
const CODEC_ZSTD: u8 = 2;

/// How data blocks are compressed. A block that does not get an eighth smaller is stored as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4: cheap to write, cheapest to read.
    Lz4,
    /// Zstandard: smaller than LZ4 and slower.
    Zstd {
        /// 1 to 22. Higher is smaller and slower to write; the speed of reads hardly changes. 3 is a good start.
        level: i32,
    },
}

/// Turns blocks into frames, keeping the codec's tables from one to the next.
pub(super) struct FrameEncoder {
    codec: Encoder,
    compressed: Vec<u8>,
}

enum Encoder {
    None,
    Lz4(Box<CompressTable>),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl FrameEncoder {
    pub(super) fn new(compression: Compression) -> Result<FrameEncoder, DataFileError> {
        let codec = match compression {
            Compression::None => Encoder::None,
            Compression::Lz4 => Encoder::Lz4(Box::default()),
            Compression::Zstd { level } => {
                let compressor = zstd::bulk::Compressor::new(level).map_err(|error| {
                    DataFileError::Invalid(format!(
                        "cannot compress with zstd level {level}: {error}"
                    ))
                })?;
                Encoder::Zstd(compressor)
            }
        };
        Ok(FrameEncoder {
            codec,
            compressed: Vec::new(),
        })
    }

    /// Appends the frame of `block`, for [`place_frame`] to put in its place, and returns the frame's length.
    pub(super) fn encode(
        &mut self,
        block: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<usize, DataFileError> {
        let codec = self.compress(block).map_err(|error| {
            DataFileError::Invalid(format!(
                "cannot compress a block of {} bytes: {error}",
                block.len()
            ))
        })?;
        if codec != CODEC_NONE && self.compressed.len() <= block.len() - block.len() / 8 {
            put_unplaced_frame(&self.compressed, codec, block.len(), output)
        } else {
            put_unplaced_frame(block, CODEC_NONE, block.len(), output)
        }
    }

    /// Fills `self.compressed` unless the codec is none.
    fn compress(&mut self, block: &[u8]) -> io::Result<u8> {
        match &mut self.codec {
            Encoder::None => Ok(CODEC_NONE),
            Encoder::Lz4(table) => {
                self.compressed
                    .resize(lz4::get_maximum_output_size(block.len()), 0);
                let length = lz4::compress_into_with_table(block, &mut self.compressed, table)
                    .map_err(io::Error::other)?;
                self.compressed.truncate(length);
                Ok(CODEC_LZ4)
            }
            Encoder::Zstd(compressor) => {
                self.compressed.clear();
                self.compressed
                    .reserve(zstd::zstd_safe::compress_bound(block.len()));
                compressor.compress_to_buffer(block, &mut self.compressed)?;
                Ok(CODEC_ZSTD)
            }
        }
    }
}

/// Appends `block` uncompressed, as everything but data blocks is stored, and returns the frame's length.
pub(super) fn put_plain_frame(
    block: &[u8],
    offset: u64,
    output: &mut Vec<u8>,
) -> Result<usize, DataFileError> {
    let start = output.len();
    let length = put_unplaced_frame(block, CODEC_NONE, block.len(), output)?;
    place_frame(&mut output[start..], offset);
    Ok(length)
}

/// Appends a frame whose checksum covers everything but its place in the file.
fn put_unplaced_frame(
    stored: &[u8],
    codec: u8,
    length: usize,
    output: &mut Vec<u8>,
) -> Result<usize, DataFileError> {
    let length = u32::try_from(length)
        .map_err(|_| DataFileError::Invalid(format!("a block of {length} bytes is too long")))?;
    output.extend_from_slice(stored);
    output.push(codec);
    output.extend_from_slice(&length.to_le_bytes());
    output.extend_from_slice(&unplaced_checksum(stored, codec, length).to_le_bytes());
    Ok(stored.len() + FRAME_TRAILER_BYTES)
}

/// Completes the checksum of a frame that [`FrameEncoder::encode`] made and that is to stand at `offset` of the file.
pub(super) fn place_frame(frame: &mut [u8], offset: u64) {
    if let Some(checksum) = frame.last_chunk_mut::<4>() {
        let placed = place_checksum(u32::from_le_bytes(*checksum), offset);
        *checksum = placed.to_le_bytes();
    }
}

fn checksum(stored: &[u8], codec: u8, length: u32, offset: u64) -> u32 {
    place_checksum(unplaced_checksum(stored, codec, length), offset)
}

fn unplaced_checksum(stored: &[u8], codec: u8, length: u32) -> u32 {
    let mut trailer = [codec; 1 + 4];
    trailer[1..].copy_from_slice(&length.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(stored), &trailer)
}

/// The checksum also covers the offset, so that a frame found at another place is not taken for good.
fn place_checksum(unplaced: u32, offset: u64) -> u32 {
    crc32c::crc32c_append(unplaced, &offset.to_le_bytes())
}

/// Checks the frame at `offset` of the file and gives the block in it, as it was before compression.
///
/// An uncompressed block is a slice of `frame`.
pub(super) fn decode_frame(frame: &Bytes, offset: u64) -> Result<Bytes, Damage> {
    let (stored, codec, length) = check_frame(frame, offset)?;
    if codec == CODEC_NONE {
        return Ok(frame.slice(..stored.len()));
    }
    if length > BLOCK_BYTES_MAX {
        return Err(Damage::new(
            offset,
            "block is longer than the format allows",
        ));
    }
    let block = match codec {
        CODEC_LZ4 => decompress_lz4(stored, length),
        CODEC_ZSTD => decompress_zstd(stored, length).ok(),
        _ => return Err(Damage::new(offset, "block has an unknown codec")),
    };
    match block {
        Some(block) if block.len() == length => Ok(Bytes::from(block)),
        _ => Err(Damage::new(offset, "block does not decompress")),
    }
}

/// As [`decode_frame`], of a frame that is never compressed.
pub(super) fn decode_plain_frame(frame: &Bytes, offset: u64) -> Result<Bytes, Damage> {
    let (stored, codec, _) = check_frame(frame, offset)?;
    if codec != CODEC_NONE {
        return Err(Damage::new(offset, "block is compressed where none may be"));
    }
    Ok(frame.slice(..stored.len()))
}

/// Checks everything but the compressed data: gives the stored bytes, their codec and the block's length.
fn check_frame(frame: &[u8], offset: u64) -> Result<(&[u8], u8, usize), Damage> {
    let Some((stored, trailer)) = frame.split_last_chunk::<FRAME_TRAILER_BYTES>() else {
        return Err(Damage::new(offset, "block is too short"));
    };
    let [codec, l0, l1, l2, l3, c0, c1, c2, c3] = *trailer;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if u32::from_le_bytes([c0, c1, c2, c3]) != checksum(stored, codec, length, offset) {
        return Err(Damage::new(offset, "block fails its checksum"));
    }
    let length = length as usize;
    if codec == CODEC_NONE && length != stored.len() {
        return Err(Damage::new(offset, "block has a wrong length"));
    }
    Ok((stored, codec, length))
}

/// Puts the checksum of a frame at `offset` of a file right, and the length of a block that is not compressed; `None` if it
/// is too short for a frame.
#[cfg(any(test, feature = "testing"))]
pub(super) fn repair_frame(frame: &mut [u8], offset: u64) -> Option<()> {
    let (stored, trailer) = frame.split_last_chunk_mut::<FRAME_TRAILER_BYTES>()?;
    if trailer[0] == CODEC_NONE {
        let length = u32::try_from(stored.len()).ok()?;
        trailer[1..5].copy_from_slice(&length.to_le_bytes());
    }
    let [codec, l0, l1, l2, l3, ..] = *trailer;
    let checksum = checksum(stored, codec, u32::from_le_bytes([l0, l1, l2, l3]), offset);
    trailer[5..].copy_from_slice(&checksum.to_le_bytes());
    Some(())
}

fn decompress_lz4(stored: &[u8], length: usize) -> Option<Vec<u8>> {
    // LZ4 cannot gain more than this: refuse before memory is taken for it.
    if length / 256 > stored.len() {
        return None;
    }
    let mut block = vec![0; length];
    let written = lz4::decompress_into(stored, &mut block).ok()?;
    block.truncate(written);
    Some(block)
}

fn decompress_zstd(stored: &[u8], length: usize) -> io::Result<Vec<u8>> {
    thread_local! {
        /// Making a context costs more than decompressing a block with it.
        static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    }
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(zstd::bulk::Decompressor::new()?),
        };
        let mut block = Vec::with_capacity(length);
        decompressor.decompress_to_buffer(stored, &mut block)?;
        Ok(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_of(block: &[u8], compression: Compression, offset: u64) -> Bytes {
        let mut frame = Vec::new();
        let mut encoder = FrameEncoder::new(compression).unwrap();
        let length = encoder.encode(block, &mut frame).unwrap();
        assert_eq!(length, frame.len());
        place_frame(&mut frame, offset);
        Bytes::from(frame)
    }

    #[test]
    fn every_codec_reads_back() {
        for compression in [
            Compression::None,
            Compression::Lz4,
            Compression::Zstd { level: 3 },
        ] {
            for length in [0, 1, 100, 4096, 70_000, 1 << 20] {
                let block = b"abcabcabd".repeat(length / 9 + 1);
                let frame = frame_of(&block[..length], compression, 16);
                assert_eq!(decode_frame(&frame, 16).unwrap(), &block[..length]);
                assert!(length < 100 || compression == Compression::None || frame.len() < length);
            }
        }
    }

    #[test]
    fn block_that_does_not_shrink_is_stored_as_it_is() {
        let block: Vec<u8> = (0..=255).collect();
        let frame = frame_of(&block, Compression::Zstd { level: 1 }, 0);
        assert_eq!(&frame[..256], &block[..]);
        assert_eq!(frame[256], CODEC_NONE);
    }

    #[test]
    fn frame_at_another_offset_is_refused() {
        let frame = frame_of(b"block", Compression::None, 16);
        assert_eq!(
            decode_frame(&frame, 17).unwrap_err().what,
            "block fails its checksum"
        );
    }

    #[test]
    fn length_beyond_what_compressed_bytes_can_hold_takes_no_memory() {
        for codec in [CODEC_LZ4, CODEC_ZSTD] {
            for length in [BLOCK_BYTES_MAX + 1, u32::MAX as usize, 1 << 20] {
                let mut frame = Vec::new();
                put_unplaced_frame(b"not compressed", codec, length, &mut frame).unwrap();
                place_frame(&mut frame, 0);
                assert!(decode_frame(&Bytes::from(frame), 0).is_err());
            }
        }
    }
}
