//! What is written is what is read.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn user_entry() -> impl Strategy<Value = Sample> {
    let id = prop_oneof![
        "[^\\x00]{1,40}",
        "[\"\\\\/{}\\[\\]:,\\x01-\\x1f\\x7f\u{2028}\u{10ffff}]{1,20}",
        "\\PC{1,40}",
    ];
    (
        "[a-z0-9_-]{1,64}",
        id,
        vec(any::<u8>(), 0..80),
        any::<Option<u64>>(),
    )
        .prop_map(|(data_type, id, value, expires_at)| Sample {
            data_type,
            id: id.into_bytes(),
            value,
            expires_at,
        })
}

fn internal_entry() -> impl Strategy<Value = Sample> {
    (
        "![a-z0-9_-]{1,64}",
        vec(any::<u8>(), 0..40),
        vec(any::<u8>(), 0..40),
    )
        .prop_map(|(data_type, id, value)| Sample {
            data_type,
            id,
            value,
            expires_at: None,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn native_exports_come_back(
        samples in vec(prop_oneof![user_entry(), internal_entry()], 0..20),
        zstd in any::<bool>(),
    ) {
        let bytes = encode(ExportFormat::Native, zstd, &samples);
        prop_assert_eq!(decode(&bytes).unwrap(), decoded(&samples));
        prop_assert_eq!(decode_from(Trickle(&bytes)).unwrap(), decoded(&samples));
    }

    #[test]
    fn agola_exports_come_back(samples in vec(user_entry(), 1..20), zstd in any::<bool>()) {
        let bytes = encode(ExportFormat::Agola, zstd, &samples);
        prop_assert_eq!(decode(&bytes).unwrap(), decoded(&samples));
        prop_assert_eq!(decode_from(Trickle(&bytes)).unwrap(), decoded(&samples));
    }
}

#[test]
fn the_format_and_the_header_are_told() {
    let samples = [Sample::new("city", "oslo", "Oslo")];
    for (format, zstd) in KINDS {
        let bytes = encode(format, zstd, &samples);
        let open = ExportDecoder::open(bytes.as_slice(), LIMITS);
        let decoder = futures::executor::block_on(open).unwrap();
        assert_eq!(decoder.format(), format);
        let expected = (format == ExportFormat::Native).then(header);
        assert_eq!(decoder.header(), expected.as_ref());
    }
}

/// Several chunks, entries across their borders, and one entry that is much longer than a chunk.
#[test]
fn chunks_are_taken_while_entries_come() {
    let mut samples: Vec<Sample> = (0..4000)
        .map(|number| Sample::new("city", format!("{number:05}"), noise(number, 400)))
        .collect();
    samples.push(Sample::new("city", "long", noise(1, 3_000_000)));
    let limits = DecoderLimits {
        entry_bytes_max: 3_000_000,
    };
    for (format, zstd) in KINDS {
        let mut encoder = ExportEncoder::new(format, zstd, &header()).unwrap();
        let mut chunks = Vec::new();
        for sample in &samples {
            encoder.add(sample.entry()).unwrap();
            chunks.extend(encoder.take());
        }
        assert!(chunks.len() > 3, "{} chunks", chunks.len());
        assert!(chunks.iter().all(|chunk| chunk.len() >= 256 * 1024));
        chunks.push(encoder.finish().unwrap());
        let bytes = chunks.concat();
        let entries = futures::executor::block_on(async {
            let mut decoder = ExportDecoder::open(bytes.as_slice(), limits).await?;
            rest_of(&mut decoder).await
        });
        assert!(entries.unwrap() == decoded(&samples));
    }
}

/// Bytes that do not compress.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) + 1;
    let next = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    });
    next.take(len).collect()
}

#[test]
fn agola_objects_may_stand_in_any_shape() {
    let objects = [
        "{\"id\":\"a\",\"data_type\":\"city\",\"data\":\"QQ==\"}",
        "{ \"data\" : \"\",\r\n\t\"data_type\":\"ci\\u0074y\",\n\"id\":\"\\\"}{\\\\\" }",
        "{\"expires_at\":7,\"id\":\"\\u003c\\ud83d\\ude00\",\"data_type\":\"town\",\"data\":\"QUI=\"}",
    ];
    let samples = [
        Sample::new("city", "a", "A"),
        Sample::new("city", "\"}{\\", ""),
        Sample {
            expires_at: Some(7),
            ..Sample::new("town", "<😀", "AB")
        },
    ];
    for separator in ["", " ", "\n", "\r\n\t \n"] {
        let text = format!("{separator}{}{separator}", objects.join(separator));
        assert_eq!(decode(text.as_bytes()).unwrap(), decoded(&samples));
        assert_eq!(decode(&zstd(text.as_bytes())).unwrap(), decoded(&samples));
        let trickle = Trickle(text.as_bytes());
        assert_eq!(decode_from(trickle).unwrap(), decoded(&samples));
    }
}

#[test]
fn zstd_frames_may_follow_each_other() {
    let samples = [
        Sample::new("city", "oslo", "Oslo"),
        Sample::new("city", "rome", "Roma"),
    ];
    for format in [ExportFormat::Native, ExportFormat::Agola] {
        let text = encode(format, false, &samples);
        let frames: Vec<u8> = text.chunks(50).flat_map(zstd).collect();
        assert_eq!(decode(&frames).unwrap(), decoded(&samples));
        assert_eq!(decode_from(Trickle(&frames)).unwrap(), decoded(&samples));
    }
}

#[test]
fn white_space_may_follow_the_trailer() {
    let samples = [Sample::new("city", "oslo", "Oslo")];
    let mut bytes = encode(ExportFormat::Native, false, &samples);
    bytes.extend_from_slice(b"\r\n \t\n");
    assert_eq!(decode(&bytes).unwrap(), decoded(&samples));
}

#[test]
fn the_type_is_shared_by_entries_that_follow_each_other() {
    let samples = [
        Sample::new("city", "oslo", ""),
        Sample::new("city", "rome", ""),
    ];
    let entries = decode(&encode(ExportFormat::Native, false, &samples)).unwrap();
    assert!(std::sync::Arc::ptr_eq(
        &entries[0].data_type,
        &entries[1].data_type
    ));
}

/// Gives one byte at a time, and nothing at each second call.
struct Hesitant<'a> {
    rest: Trickle<'a>,
    ready: bool,
}

impl AsyncRead for Hesitant<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.ready = !self.ready;
        match self.ready {
            true => Pin::new(&mut self.rest).poll_read(context, buffer),
            false => Poll::Pending,
        }
    }
}

#[test]
fn a_call_that_is_dropped_loses_nothing() {
    use futures::FutureExt;
    let samples = [
        Sample::new("city", "oslo", "Oslo"),
        Sample::new("city", "rome", "Roma"),
    ];
    for (format, zstd) in KINDS {
        let mut bytes = encode(format, zstd, &samples);
        if !zstd {
            bytes.extend_from_slice(b"\n\n");
        }
        let reader = Hesitant {
            rest: Trickle(&bytes),
            ready: false,
        };
        let mut open = Box::pin(ExportDecoder::open(reader, LIMITS));
        let mut decoder = std::iter::repeat_with(|| (&mut open).now_or_never())
            .find_map(|opened| opened)
            .unwrap()
            .unwrap();
        let mut entries = Vec::new();
        loop {
            match decoder.next().now_or_never() {
                None => {}
                Some(next) => match next.unwrap() {
                    Some(entry) => entries.push(entry),
                    None => break,
                },
            }
        }
        assert_eq!(entries, decoded(&samples));
    }
}
