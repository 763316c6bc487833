//! Files of released versions of the format, which must open for ever.
//!
//! `tests/fixtures/data_file/v1-*.data` were written by the first version of this crate and are never written
//! again. With the environment variable `DATA_FILE_FIXTURES` set to a directory, the test below writes the files
//! that the present code makes of the same entries there, for a new version of the format.

use std::path::Path;

use super::*;

/// The fixtures' names, with the options that they were written with.
pub(super) const FIXTURES: [(&str, Compression, u8); 3] = [
    ("v1-none.data", Compression::None, 10),
    ("v1-lz4.data", Compression::Lz4, 0),
    ("v1-zstd.data", Compression::Zstd { level: 3 }, 10),
];

/// What is in each of the fixtures.
pub(super) fn fixture_entries() -> Vec<DataFileEntry> {
    let mut entries = vec![
        entry("", 1, ""),
        DataFileEntry {
            key: Bytes::from("run\0expired tombstone"),
            seq: 5,
            expires_at: Some(Timestamp::from_millis(1_700_000_000_000)),
            value: None,
        },
    ];
    entries.extend((0..20).map(|number| DataFileEntry {
        key: Bytes::from(format!("user\0{number:04}")),
        seq: 1 << (3 * number),
        expires_at: (number % 7 == 3).then(|| Timestamp::from_millis(1_800_000_000_000 + number)),
        value: (number % 5 != 4).then(|| {
            Bytes::from(format!(
                "{{\"id\":\"{number:04}\",\"name\":\"{}\"}}",
                "ab".repeat(20)
            ))
        }),
    }));
    entries.push(entry(
        &b"user\0\xff\0\xff"[..],
        u64::MAX,
        (0..=255).collect::<Vec<u8>>(),
    ));
    entries.push(entry(vec![b'z'; 300], 3, vec![b'-'; 700]));
    entries
}

fn fixture_options(compression: Compression, filter_bits_per_key: u8) -> DataFileOptions {
    DataFileOptions {
        block_bytes_target: 400,
        restart_interval: 4,
        compression,
        filter_bits_per_key,
    }
}

pub(super) fn fixture(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data_file");
    std::fs::read(directory.join(name)).unwrap()
}

#[tokio::test]
async fn fixtures_of_version_1_read_as_they_were_written() {
    if let Some(directory) = std::env::var_os("DATA_FILE_FIXTURES") {
        for (name, compression, filter_bits_per_key) in FIXTURES {
            let bytes = encode(
                &fixture_entries(),
                fixture_options(compression, filter_bits_per_key),
            );
            std::fs::write(Path::new(&directory).join(name), bytes).unwrap();
        }
    }
    for (name, ..) in FIXTURES {
        let bytes = fixture(name);
        let file = open_bytes(bytes.clone()).await.unwrap();
        assert_eq!(
            rest_of(&mut file.cursor(.., Direction::Forward))
                .await
                .unwrap(),
            fixture_entries()
        );
        for entry in fixture_entries() {
            assert_eq!(file.get(&entry.key).await.unwrap(), Some(entry));
        }
        assert_eq!(file.get(b"user\x000020").await.unwrap(), None);
        assert_eq!(file.verify().await.unwrap().damage, []);
        assert_eq!(verify::decode_all(&bytes).unwrap().1, fixture_entries());
    }
}

/// Same entries, same bytes: no clock, address or order of a hash map gets in. Compressed blocks may change with
/// the library that compresses them.
#[test]
fn uncompressed_file_is_the_same_each_time_it_is_written() {
    let (name, compression, filter_bits_per_key) = FIXTURES[0];
    let bytes = encode(
        &fixture_entries(),
        fixture_options(compression, filter_bits_per_key),
    );
    assert!(bytes == fixture(name));
}

/// The example of `docs/formats.md`, byte by byte.
#[test]
fn example_of_the_documentation_is_what_is_written() {
    let options = DataFileOptions {
        compression: Compression::None,
        filter_bits_per_key: 0,
        ..DataFileOptions::default()
    };
    let expires_at = Some(Timestamp::from_millis(1000));
    let entries = [
        entry("user\0ann", 300, "A"),
        DataFileEntry {
            key: "user\0anna".into(),
            seq: 5,
            expires_at,
            value: None,
        },
    ];
    let bytes = encode(&entries, options);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "89444d460d0a1a0a01000000961f49ae000800ac02017573657200616e6e4108010305e807610000",
        "000001000000001e000000ab197bd1000910277573657200616e6e61000000000100000000150000",
        "0082dad8c701091e7573657200616e6e61000c0000009853aae80200000000000000010000000000",
        "00000100000000000000e80300000000000005000000000000002c01000000000000110000000000",
        "000001000000000000000100000000000000087573657200616e6e097573657200616e6e61005b00",
        "0000069801410000000000000000370000000000000076796cd537000000000000001e0000000000",
        "000053b2741055000000000000001500000000000000cbdc25086a00000000000000000000000000",
        "0000000000006a0000000000000064000000000000006535f23b4e01000000000000000000000100",
        "00000200f93789444d46656e640a",
    );
    assert_eq!(hex, expected);
}
