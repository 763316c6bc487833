//! Zstandard around an export.

use std::io::Write;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};
use zstd::stream::write::Encoder;

use crate::{Error, ErrorKind};

/// What a Zstandard frame begins with.
pub(super) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Exports are kept and sent, so they are worth more work than blocks of data files.
const LEVEL: i32 = 3;
/// The largest window that a frame may ask for, as a power of two: this much memory decompression takes, at most.
const WINDOW_LOG_MAX: u32 = 27;

/// Compresses into a buffer, as one frame with a checksum.
pub(super) struct Compressor {
    encoder: Encoder<'static, Vec<u8>>,
}

impl Compressor {
    pub(super) fn new() -> Result<Compressor, Error> {
        let mut encoder = Encoder::new(Vec::new(), LEVEL).map_err(cannot_compress)?;
        encoder.include_checksum(true).map_err(cannot_compress)?;
        Ok(Compressor { encoder })
    }

    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.encoder.write_all(bytes).map_err(cannot_compress)
    }

    /// The compressed bytes so far, to be taken.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        self.encoder.get_mut()
    }

    /// Ends the frame and gives the rest of it.
    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        self.encoder.finish().map_err(cannot_compress)
    }
}

fn cannot_compress(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, "cannot compress an export").with_source(error)
}

/// Decompresses frames that follow each other without a gap.
pub(super) struct Decompressor {
    decoder: Decoder<'static>,
    /// What has been read; its first `taken` bytes are decompressed.
    compressed: Vec<u8>,
    taken: usize,
    /// Whether a frame has begun that has not ended.
    in_frame: bool,
}

impl Decompressor {
    /// Begins with `compressed`, which was read already.
    pub(super) fn new(compressed: Vec<u8>) -> std::io::Result<Decompressor> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Decompressor {
            decoder,
            compressed,
            taken: 0,
            in_frame: false,
        })
    }

    /// Whether the input may end here.
    pub(super) fn is_between_frames(&self) -> bool {
        !self.in_frame
    }

    /// Where more of the input goes, once [`decompress`](Self::decompress) has said that it needs it.
    pub(super) fn compressed_mut(&mut self) -> &mut Vec<u8> {
        debug_assert_eq!(
            self.taken,
            self.compressed.len(),
            "nothing is read before everything is taken"
        );
        self.compressed.clear();
        self.taken = 0;
        &mut self.compressed
    }

    /// Appends to `output` within its capacity; false if more of the input is needed for that.
    pub(super) fn decompress(&mut self, output: &mut Vec<u8>) -> std::io::Result<bool> {
        while self.in_frame || self.taken < self.compressed.len() {
            let len_before = output.len();
            let mut source = InBuffer::around(&self.compressed[self.taken..]);
            let mut target = OutBuffer::around_pos(output, len_before);
            let missing = self.decoder.run(&mut source, &mut target)?;
            self.taken += source.pos();
            self.in_frame = missing != 0;
            if output.len() > len_before {
                return Ok(true);
            }
            if self.taken == self.compressed.len() {
                return Ok(false);
            }
        }
        Ok(false)
    }
}
