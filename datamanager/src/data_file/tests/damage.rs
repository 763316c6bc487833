//! Bytes that are not what was written: an error or the right answer, never a panic, never a wrong answer.

use std::ops::Range;

use proptest::prelude::*;

use super::super::footer::{FOOTER_BYTES, Footer, HEADER_BYTES};
use super::super::frame::FRAME_TRAILER_BYTES;
use super::fixtures::{FIXTURES, fixture, fixture_entries};
use super::*;

/// Everything that a reader can be asked. `Ok` holds all entries, got in four ways that must agree.
async fn read_every_way(bytes: Vec<u8>) -> Result<Vec<DataFileEntry>, DataFileError> {
    let file = open_bytes(bytes).await?;
    let forward = rest_of(&mut file.cursor(.., Direction::Forward)).await;
    let reverse = rest_of(
        &mut file
            .cursor(.., Direction::Reverse)
            .with_readahead_bytes_max(0),
    )
    .await;
    let mut found = Vec::new();
    for entry in fixture_entries() {
        found.push(file.get(&entry.key).await);
    }
    let report = file.verify().await?;
    let found = found
        .into_iter()
        .filter_map(Result::transpose)
        .collect::<Result<Vec<_>, _>>()?;
    let (forward, mut reverse) = (forward?, reverse?);
    reverse.reverse();
    if let Some(damage) = report.damage.first() {
        return Err(DataFileError::Invalid(damage.to_string()));
    }
    assert_eq!(forward, reverse);
    assert_eq!(forward.len() as u64, file.stats().entries);
    assert!(found.iter().all(|entry| forward.contains(entry)));
    Ok(forward)
}

#[tokio::test]
async fn every_flipped_byte_is_found() {
    for (name, ..) in FIXTURES {
        let bytes = fixture(name);
        for position in 0..bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[position] ^= mask;
                assert!(
                    verify::decode_all(&damaged).is_err(),
                    "{name}, byte {position}, mask {mask}"
                );
                if let Ok(file) = open_bytes(damaged).await {
                    let report = file.verify().await.unwrap();
                    assert!(
                        !report.damage.is_empty(),
                        "{name}, byte {position}, mask {mask}"
                    );
                    let is_near = |damage: &DataFileDamage| damage.offset <= position as u64;
                    assert!(
                        report.damage.iter().all(is_near),
                        "{name}, byte {position}: {report:?}"
                    );
                    for entry in fixture_entries() {
                        let found = file.get(&entry.key).await;
                        assert!(found.is_err() || found.unwrap() == Some(entry));
                    }
                }
            }
        }
    }
}

/// A torn upload must be refused when it is opened (thanos-io/thanos#621 took one for good).
#[tokio::test]
async fn every_cut_is_found() {
    for (name, ..) in FIXTURES {
        let bytes = fixture(name);
        for length in 0..bytes.len() {
            assert!(verify::decode_all(&bytes[..length]).is_err());
            assert!(open_bytes(bytes[..length].to_vec()).await.is_err());
        }
    }
}

#[tokio::test]
async fn another_file_of_the_same_name_is_refused() {
    let ost = Ost::memory();
    let bytes = encode(&[entry("a", 1, "1")], DataFileOptions::default());
    let other = encode(&[entry("a", 1, "2")], DataFileOptions::default());
    assert_eq!(bytes.len(), other.len());
    let expected = open_bytes(bytes).await.unwrap().identity();
    ost.put(&path(), other.into()).await.unwrap();
    let cache = Arc::new(BlockCache::new(0));
    let error = DataFile::open(&ost, path(), Some(expected), cache)
        .await
        .err()
        .unwrap();
    let message = error.to_string();
    assert!(
        message.starts_with("data file \"data/1-2-3.data\" is damaged at offset "),
        "{message}"
    );
    assert!(message.contains("instead of"), "{message}");
}

#[tokio::test]
async fn unknown_version_is_named() {
    let mut bytes = fixture(FIXTURES[0].0);
    let version = bytes.len() - 16;
    bytes[version] = 9;
    let error = open_bytes(bytes).await.err().unwrap();
    assert!(matches!(error, DataFileError::Invalid(_)));
    assert!(
        error.to_string().contains("is of version 9 of the format"),
        "{error}"
    );
}

#[tokio::test]
async fn walk_goes_on_behind_a_damaged_block() {
    let entries: Vec<_> = (0..100)
        .map(|number| entry(format!("{number:04}"), 1, vec![0; 30]))
        .collect();
    let options = DataFileOptions {
        block_bytes_target: 400,
        ..DataFileOptions::default()
    };
    let mut bytes = encode(&entries, options);
    bytes[HEADER_BYTES + 500] ^= 1;
    let file = open_bytes(bytes).await.unwrap();
    for direction in [Direction::Forward, Direction::Reverse] {
        let mut cursor = file.cursor(.., direction);
        let (mut found, mut errors) = (0, Vec::new());
        loop {
            match cursor.next().await {
                Ok(Some(_)) => found += 1,
                Ok(None) => break,
                Err(error) => errors.push(error.to_string()),
            }
        }
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains("block fails its checksum"), "{errors:?}");
        let report = file.verify().await.unwrap();
        assert_eq!(report.entries, found);
        assert!((80..100).contains(&found), "{found}");
    }
}

#[tokio::test]
async fn walk_loses_nothing_to_a_storage_that_fails() {
    let ost = Ost::memory();
    let entries: Vec<_> = (0..500)
        .map(|number| entry(format!("{number:04}"), 1, vec![0; 300]))
        .collect();
    let options = DataFileOptions {
        compression: Compression::None,
        ..DataFileOptions::default()
    };
    let bytes = Bytes::from(encode(&entries, options));
    ost.put(&path(), bytes.clone()).await.unwrap();
    let file = DataFile::open(&ost, path(), None, Arc::new(BlockCache::new(0)))
        .await
        .unwrap();
    for direction in [Direction::Forward, Direction::Reverse] {
        let mut cursor = file.cursor(.., direction);
        let mut found = Vec::new();
        let mut errors = 0;
        loop {
            ost.delete(&path()).await.unwrap();
            let next = cursor.next().await;
            ost.put(&path(), bytes.clone()).await.unwrap();
            match next {
                Ok(Some(entry)) => found.push(entry),
                Ok(None) => break,
                Err(error) => {
                    errors += 1;
                    assert!(matches!(&error, DataFileError::Object { .. }), "{error}");
                    assert!(std::error::Error::source(&error).is_some());
                    found.extend(cursor.next().await.unwrap());
                }
            }
        }
        if direction == Direction::Reverse {
            found.reverse();
        }
        assert!(found == entries);
        assert!((3..20).contains(&errors), "{errors}");
    }
}

/// The frames of a fixture: whole sections but for data and leaves, which are a row of them.
fn frames_of(bytes: &[u8]) -> Vec<Range<usize>> {
    let footer = Footer::parse(bytes, bytes.len() as u64).unwrap();
    let file = Bytes::copy_from_slice(bytes);
    let contents = contents::Contents::parse(footer, &file, 0).unwrap();
    let mut frames = Vec::new();
    let mut position = Some(contents.index.first());
    while let Some(at) = position {
        for handle in contents.index.blocks(at).unwrap() {
            frames.push(as_range(handle.range()));
        }
        position = contents.index.next(at);
    }
    // Fixtures are too small for a second leaf.
    frames.extend(
        footer.sections()[1..]
            .iter()
            .map(|(_, section)| as_range(section.range())),
    );
    frames.retain(|frame| !frame.is_empty());
    frames
}

fn as_range(range: Range<u64>) -> Range<usize> {
    usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()
}

/// Makes all checksums right again, so that the decoders behind them get to see the damage.
fn reseal(bytes: &mut [u8], frames: &[Range<usize>]) {
    for frame in frames {
        let trailer = frame.end - FRAME_TRAILER_BYTES;
        let mut covered = bytes[frame.start..trailer + 5].to_vec();
        covered.extend_from_slice(&(frame.start as u64).to_le_bytes());
        let checksum = crc32c::crc32c(&covered);
        bytes[trailer + 5..frame.end].copy_from_slice(&checksum.to_le_bytes());
    }
    let footer = bytes.len() - FOOTER_BYTES;
    for section in 0..5 {
        let at = footer + 20 * section;
        let number = |at: usize| {
            let number = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            usize::try_from(number).unwrap()
        };
        let range = number(at)..number(at).saturating_add(number(at + 8));
        if let Some(content) = bytes.get(range) {
            let checksum = crc32c::crc32c(content);
            bytes[at + 16..at + 20].copy_from_slice(&checksum.to_le_bytes());
        }
    }
    let checksum = crc32c::crc32c(&bytes[footer..bytes.len() - 12]);
    let at = bytes.len() - 12;
    bytes[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
}

#[tokio::test]
async fn no_byte_behind_right_checksums_makes_a_decoder_panic() {
    for (name, ..) in FIXTURES {
        let bytes = fixture(name);
        let frames = frames_of(&bytes);
        let mut resealed = bytes.clone();
        reseal(&mut resealed, &frames);
        assert!(resealed == bytes);
        for position in 0..bytes.len() {
            for mask in [0x01, 0x80] {
                let mut damaged = bytes.clone();
                damaged[position] ^= mask;
                reseal(&mut damaged, &frames);
                let decoded = verify::decode_all(&damaged)
                    .ok()
                    .map(|(_, entries)| entries);
                let read = read_every_way(damaged).await.ok();
                assert_eq!(decoded, read, "{name}, byte {position}, mask {mask}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_behind_right_checksums_make_a_decoder_panic(
        number in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            any::<u8>().boxed(), Just(0_u8).boxed(), Just(0xff_u8).boxed()
        ]), 1..12),
        copied in prop::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..40)),
        is_sealed in any::<bool>(),
    ) {
        let bytes = fixture(FIXTURES[number].0);
        let frames = frames_of(&bytes);
        let mut damaged = bytes.clone();
        for (position, byte) in changes {
            damaged[position.index(bytes.len())] = byte;
        }
        if let Some((from, to, length)) = copied {
            let from = from.index(bytes.len() - length);
            damaged.copy_within(from..from + length, to.index(bytes.len() - length));
        }
        if is_sealed {
            reseal(&mut damaged, &frames);
        }
        let decoded = verify::decode_all(&damaged).ok().map(|(_, entries)| entries);
        let read = futures::executor::block_on(read_every_way(damaged)).ok();
        assert_eq!(decoded, read);
    }

    #[test]
    fn no_bytes_at_all_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = verify::decode_all(&bytes);
        let bytes = Bytes::from(bytes);
        let _ = frame::decode_frame(&bytes, 0);
        let _ = filter::Filter::parse(&bytes, 0);
        let _ = stats::DataFileStats::parse(&bytes, 0);
        let _ = Footer::parse(&bytes, bytes.len() as u64);
        if let Ok(block) = block::DataBlock::parse(bytes) {
            let _ = block.get(b"user");
            for interval in 0..block.intervals() {
                let _ = block.decode(interval, &mut std::collections::VecDeque::new());
            }
        }
    }
}
