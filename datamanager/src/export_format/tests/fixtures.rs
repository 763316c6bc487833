//! Exports of released versions of the formats, which are read for ever.
//!
//! `tests/fixtures/export/v1-*` were written by the first version of this crate and are never written again. With the
//! environment variable `EXPORT_FIXTURES` set to a directory, the test below writes what the present code makes of the
//! same entries there, for a new version of a format.

use std::path::Path;

use super::*;

/// The fixtures' names, with what they were written as.
const FIXTURES: [(&str, &[u8], ExportFormat, bool); 4] = [
    (
        "v1-native.ndjson",
        include_bytes!("../../../tests/fixtures/export/v1-native.ndjson"),
        ExportFormat::Native,
        false,
    ),
    (
        "v1-native.ndjson.zst",
        include_bytes!("../../../tests/fixtures/export/v1-native.ndjson.zst"),
        ExportFormat::Native,
        true,
    ),
    (
        "v1-agola.json",
        include_bytes!("../../../tests/fixtures/export/v1-agola.json"),
        ExportFormat::Agola,
        false,
    ),
    (
        "v1-agola.json.zst",
        include_bytes!("../../../tests/fixtures/export/v1-agola.json.zst"),
        ExportFormat::Agola,
        true,
    ),
];

fn fixture_samples(format: ExportFormat) -> Vec<Sample> {
    let mut samples = vec![
        Sample::new("!group", "team/\"a\"", ""),
        Sample::new("!index", [0xff, 0x00, 0x80], "\u{1}"),
        Sample::new("city", "oslo", "{\"name\":\"Oslo\"}"),
        Sample {
            expires_at: Some(1_800_000_000_000),
            ..Sample::new("city", "tab\t\\ 東京 😀", (0..=255).collect::<Vec<u8>>())
        },
        Sample::new("empty-1", "e", ""),
    ];
    if format == ExportFormat::Agola {
        samples.retain(|sample| !sample.data_type.starts_with('!'));
    }
    samples
}

#[test]
fn fixtures_of_version_1_read_as_they_were_written() {
    if let Some(directory) = std::env::var_os("EXPORT_FIXTURES") {
        for (name, _, format, zstd) in FIXTURES {
            let bytes = encode(format, zstd, &fixture_samples(format));
            std::fs::write(Path::new(&directory).join(name), bytes).unwrap();
        }
    }
    for (name, bytes, format, _) in FIXTURES {
        let entries = decode(bytes).unwrap();
        assert_eq!(entries, decoded(&fixture_samples(format)), "{name}");
    }
}

/// Same entries, same bytes. Compressed ones may change with the library that compresses them.
#[test]
fn an_export_is_the_same_each_time_it_is_written() {
    for (name, bytes, format, zstd) in FIXTURES {
        let again = encode(format, zstd, &fixture_samples(format));
        assert!(zstd || again == bytes, "{name}");
    }
}

/// The examples of `docs/formats.md`, byte by byte.
#[test]
fn examples_of_the_documentation_are_what_is_written() {
    let samples = [
        Sample::new("!index", [0xff], ""),
        Sample {
            expires_at: Some(1_800_000_000_000),
            ..Sample::new("city", "oslo", "Oslo")
        },
    ];
    let document = include_str!("../../../../docs/formats.md");
    for (format, samples) in [
        (ExportFormat::Native, &samples[..]),
        (ExportFormat::Agola, &samples[1..]),
    ] {
        let text = String::from_utf8(encode(format, false, samples)).unwrap();
        assert!(document.contains(&text), "not in the document:\n{text}");
    }
}
