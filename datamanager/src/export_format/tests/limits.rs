//! Memory is bounded, whatever comes in.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const MIB: usize = 1024 * 1024;

/// Counts the bytes that were asked of it: `start`, then `filler` for ever.
struct Endless<'a> {
    start: &'a [u8],
    filler: u8,
    given: &'a AtomicUsize,
}

impl AsyncRead for Endless<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let len = self.start.len().min(buffer.remaining());
        let (now, later) = self.start.split_at(len);
        buffer.put_slice(now);
        self.start = later;
        buffer.initialize_unfilled().fill(self.filler);
        buffer.advance(buffer.remaining());
        let given = buffer.filled().len() - before;
        self.given.fetch_add(given, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

fn empty_export() -> Vec<u8> {
    let bytes = encode(ExportFormat::Native, false, &[]);
    let header = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    bytes[..=header].to_vec()
}

#[test]
fn an_entry_that_never_ends_is_refused_without_reading_on() {
    let limits = DecoderLimits {
        entry_bytes_max: 16 * MIB,
    };
    let native = [
        &empty_export(),
        &b"{\"type\":\"city\",\"id\":\"a\",\"data\":\""[..],
    ]
    .concat();
    let agola = b"{\"id\":\"a\",\"data_type\":\"city\",\"data\":\"".to_vec();
    for start in [native, agola] {
        let given = AtomicUsize::new(0);
        let reader = Endless {
            start: &start,
            filler: b'A',
            given: &given,
        };
        let error = futures::executor::block_on(async {
            let mut decoder = ExportDecoder::open(reader, limits).await?;
            let error = decoder.next().await.unwrap_err();
            assert!(decoder.buffer_bytes() < 16 * MIB * 4 / 3 + 5 * MIB);
            Err::<(), Error>(error)
        })
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error.to_string().contains("a value of 16777216 bytes"),
            "{error}"
        );
        assert!(given.into_inner() < 16 * MIB * 4 / 3 + 5 * MIB);
    }
}

#[test]
fn a_value_of_17_mib_is_refused_where_16_are_allowed() {
    let limits = DecoderLimits {
        entry_bytes_max: 16 * MIB,
    };
    let decode = |bytes: &[u8]| {
        futures::executor::block_on(async {
            let mut decoder = ExportDecoder::open(bytes, limits).await?;
            rest_of(&mut decoder).await
        })
    };
    for (format, zstd) in KINDS {
        let allowed = [Sample::new("city", "a", vec![7; 16 * MIB])];
        let entries = decode(&encode(format, zstd, &allowed)).unwrap();
        assert!(entries == decoded(&allowed));
        for bytes in [16 * MIB + 1, 17 * MIB] {
            let refused = [Sample::new("city", "a", vec![7; bytes])];
            let error = decode(&encode(format, zstd, &refused)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
    }
}

/// A frame of a few KiB that becomes 256 MiB.
#[test]
fn a_decompression_bomb_takes_no_more_memory_than_an_entry() {
    let zeros = vec![b'A'; MIB];
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for part in [&empty_export()[..], b"{\"type\":\""]
        .into_iter()
        .chain([&zeros[..]; 256])
    {
        std::io::Write::write_all(&mut encoder, part).unwrap();
    }
    let bytes = encoder.finish().unwrap();
    assert!(bytes.len() < MIB);
    futures::executor::block_on(async {
        let mut decoder = ExportDecoder::open(bytes.as_slice(), LIMITS).await.unwrap();
        let error = decoder.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(decoder.buffer_bytes() < MIB, "{}", decoder.buffer_bytes());
    });
}

/// A frame whose header asks for a window of this power of two, with one empty block.
fn frame_with_window(log: u8) -> Vec<u8> {
    vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1, 0, 0]
}

#[test]
fn a_frame_that_asks_for_a_larger_window_is_refused() {
    let error = decode(&frame_with_window(27)).unwrap_err();
    assert!(error.to_string().contains("the input is empty"), "{error}");
    let error = decode(&frame_with_window(28)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.chain().contains("too much memory"), "{error:?}");
}

#[test]
fn an_id_of_escapes_fits_beside_a_value_of_the_largest_size() {
    let longest = Sample::new("!index", [1; 4089], vec![7; LIMITS.entry_bytes_max]);
    let bytes = encode(ExportFormat::Native, false, std::slice::from_ref(&longest));
    assert_eq!(decode(&bytes).unwrap(), decoded(&[longest]));
}

#[test]
fn a_message_does_not_quote_a_long_input() {
    let name = "x".repeat(2000);
    let object = format!("{{\"id\":\"a\",\"data_type\":\"city\",\"{name}\":\"\"}}");
    let error = decode(object.as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains("field \"xxx") && error.len() < 500,
        "{error}"
    );
}
