//! No damage goes unnoticed that can be noticed.

use super::*;

fn samples() -> Vec<Sample> {
    vec![
        Sample::new("!index", [0xff, 0, 1], ""),
        Sample::new("city", "oslo", "Oslo"),
        Sample {
            expires_at: Some(1_800_000_000_000),
            ..Sample::new("city", "\"\n", [0, 1, 2, 255])
        },
    ]
}

fn user_samples() -> Vec<Sample> {
    samples().split_off(1)
}

/// What is read of damaged bytes is refused, or, where white space was changed for other white space, the same.
fn assert_refused_or_same(bytes: &[u8], samples: &[Sample], what: &str) {
    match decode(bytes) {
        Ok(entries) => assert_eq!(entries, decoded(samples), "{what}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}"),
    }
}

#[test]
fn no_altered_byte_of_a_native_export_goes_unnoticed() {
    for zstd in [false, true] {
        let bytes = encode(ExportFormat::Native, zstd, &samples());
        for offset in 0..bytes.len() {
            for mask in 1..=255 {
                let mut damaged = bytes.clone();
                damaged[offset] ^= mask;
                let what = format!("byte {offset} with {mask:#x}, zstd {zstd}");
                assert_refused_or_same(&damaged, &samples(), &what);
            }
        }
    }
}

/// The checksum of zstd guards what format agola itself does not.
#[test]
fn no_altered_byte_of_a_compressed_agola_export_goes_unnoticed() {
    let bytes = encode(ExportFormat::Agola, true, &user_samples());
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 1 << bit;
            let what = format!("byte {offset}, bit {bit}");
            assert_refused_or_same(&damaged, &user_samples(), &what);
        }
    }
}

#[test]
fn an_export_that_is_cut_off_anywhere_is_refused() {
    let cases = [
        (encode(ExportFormat::Native, false, &samples()), "native"),
        (
            encode(ExportFormat::Native, true, &samples()),
            "native zstd",
        ),
        (
            encode(ExportFormat::Agola, true, &user_samples()),
            "agola zstd",
        ),
    ];
    for (bytes, what) in cases {
        for len in 0..bytes.len() {
            let error = decode(&bytes[..len]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{what} cut at {len}");
            assert!(decode_from(Trickle(&bytes[..len])).is_err());
        }
    }
}

/// Between two objects nothing shows a cut; everywhere else it is refused.
#[test]
fn an_agola_export_that_is_cut_off_within_an_object_is_refused() {
    let bytes = encode(ExportFormat::Agola, false, &user_samples());
    let lines = String::from_utf8(bytes.clone()).unwrap();
    let first = lines.find('\n').unwrap();
    let whole = [first, first + 1, bytes.len() - 1];
    for len in 0..bytes.len() {
        let result = decode(&bytes[..len]);
        assert_eq!(result.is_ok(), whole.contains(&len), "cut at {len}");
    }
}

#[test]
fn a_line_that_is_missing_doubled_or_moved_is_noticed() {
    let bytes = encode(ExportFormat::Native, false, &samples());
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 5);
    for order in [
        &[0, 1, 2, 4][..],
        &[0, 1, 2, 3, 3, 4],
        &[0, 2, 1, 3, 4],
        &[1, 2, 3, 4],
        &[0, 1, 4, 2, 3],
        &[0, 0, 1, 2, 3, 4],
        &[0, 1, 2, 3, 4, 4],
    ] {
        let altered: Vec<&[u8]> = order.iter().map(|line| lines[*line]).collect();
        let error = decode(&altered.concat()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{order:?}");
    }
}
