//! What was written reads back, whichever way it is asked for.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::*;

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(0_u8..3, 0..8),
        4 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (0_usize..1300, any::<u8>()).prop_map(|(length, last)| {
            let mut key = vec![b'k'; length];
            key.push(last);
            key
        }),
    ]
}

fn any_value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        1 => Just(None),
        4 => prop::collection::vec(any::<u8>(), 0..50).prop_map(Some),
        2 => (any::<u8>(), 0_usize..300).prop_map(|(byte, length)| Some(vec![byte; length])),
        1 => (any::<u8>(), 0_usize..100_000).prop_map(|(byte, length)| Some(vec![byte; length])),
    ]
}

fn any_entries() -> impl Strategy<Value = BTreeMap<Bytes, DataFileEntry>> {
    let rest = (any_value(), any::<u64>(), prop::option::of(any::<u64>()));
    prop::collection::btree_map(any_key(), rest, 1..120).prop_map(|entries| {
        let mut map = BTreeMap::new();
        for (key, (value, seq, expires_at)) in entries {
            let key = Bytes::from(key);
            let expires_at = expires_at.map(Timestamp::from_millis);
            let value = value.map(Bytes::from);
            map.insert(
                key.clone(),
                DataFileEntry {
                    key,
                    seq,
                    expires_at,
                    value,
                },
            );
        }
        map
    })
}

fn any_options() -> impl Strategy<Value = DataFileOptions> {
    let compression = prop_oneof![
        Just(Compression::None),
        Just(Compression::Lz4),
        (1..4).prop_map(|level| Compression::Zstd { level }),
    ];
    let block_bytes_target = prop_oneof![Just(64_usize), 64_usize..5000];
    (block_bytes_target, 1_usize..20, compression, 0_u8..16).prop_map(
        |(block_bytes_target, restart_interval, compression, filter_bits_per_key)| {
            DataFileOptions {
                block_bytes_target,
                restart_interval,
                compression,
                filter_bits_per_key,
            }
        },
    )
}

fn any_bound() -> impl Strategy<Value = Bound<Bytes>> {
    prop_oneof![
        Just(Bound::Unbounded),
        any_key().prop_map(|key| Bound::Included(Bytes::from(key))),
        any_key().prop_map(|key| Bound::Excluded(Bytes::from(key))),
    ]
}

/// What a walk over `range` is to give. Ranges may be empty the wrong way round, at which `BTreeMap` panics.
fn expected_walk(
    entries: &BTreeMap<Bytes, DataFileEntry>,
    range: &(Bound<Bytes>, Bound<Bytes>),
    direction: Direction,
    sought: Option<&Bytes>,
) -> Vec<DataFileEntry> {
    use std::ops::RangeBounds;
    let is_wanted = |key: &Bytes| {
        range.contains(key)
            && sought.is_none_or(|sought| match direction {
                Direction::Forward => key >= sought,
                Direction::Reverse => key <= sought,
            })
    };
    let mut wanted: Vec<_> = entries
        .values()
        .filter(|entry| is_wanted(&entry.key))
        .cloned()
        .collect();
    if direction == Direction::Reverse {
        wanted.reverse();
    }
    wanted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn file_reads_back_like_a_map(
        entries in any_entries(),
        options in any_options(),
        cache_bytes in prop_oneof![Just(0_u64), Just(4096), Just(1 << 20)],
        readahead in prop_oneof![Just(0_u64), Just(500), Just(1 << 20)],
        others in prop::collection::vec(any_key(), 0..30),
        walks in prop::collection::vec(((any_bound(), any_bound()), any::<bool>(), any_key(), 0_usize..10), 0..12),
    ) {
        futures::executor::block_on(async {
            let ost = Ost::memory();
            let mut writer = DataFileWriter::create(&ost, path(), options).await.unwrap();
            for entry in entries.values() {
                writer.add(entry).await.unwrap();
            }
            let summary = writer.finish().await.unwrap();
            let cache = Arc::new(BlockCache::new(cache_bytes));
            let file = DataFile::open(&ost, path(), Some((&summary).into()), cache).await.unwrap();
            assert_eq!(file.stats(), &summary.stats);
            assert_eq!(summary.stats.entries, entries.len() as u64);
            assert_eq!(Some(&summary.stats.first_key), entries.keys().next());
            assert_eq!(Some(&summary.stats.last_key), entries.keys().next_back());
            assert_eq!(summary.stats.earliest_expiry, entries.values().filter_map(|entry| entry.expires_at).min());
            assert_eq!(Some(summary.stats.min_seq), entries.values().map(|entry| entry.seq).min());
            assert_eq!(Some(summary.stats.max_seq), entries.values().map(|entry| entry.seq).max());

            for key in entries.keys().cloned().chain(others.into_iter().map(Bytes::from)) {
                assert_eq!(file.get(&key).await.unwrap().as_ref(), entries.get(&key));
                assert!(file.may_contain(&key) || !entries.contains_key(&key));
            }
            let everything = ((Bound::Unbounded, Bound::Unbounded), false, Vec::new(), 0);
            for (range, fills_cache, sought, count) in walks.into_iter().chain([everything]) {
                let sought = Bytes::from(sought);
                for direction in [Direction::Forward, Direction::Reverse] {
                    let mut cursor = file.cursor(range.clone(), direction).with_readahead_bytes_max(readahead);
                    if !fills_cache {
                        cursor = cursor.without_filling_cache();
                    }
                    let all = expected_walk(&entries, &range, direction, None);
                    for expected in all.iter().take(count) {
                        assert_eq!(cursor.next().await.unwrap().as_ref(), Some(expected));
                    }
                    cursor.seek(sought.clone());
                    let found = rest_of(&mut cursor).await.unwrap();
                    assert_eq!(found, expected_walk(&entries, &range, direction, Some(&sought)));
                    let mut cursor = file.cursor(range.clone(), direction).with_readahead_bytes_max(readahead);
                    assert_eq!(rest_of(&mut cursor).await.unwrap(), all);
                }
            }
            let report = file.verify().await.unwrap();
            assert_eq!(report.damage, []);
            assert_eq!((report.entries, report.bytes), (entries.len() as u64, summary.bytes));
            let bytes = ost.get(&path()).await.unwrap();
            let (stats, decoded) = verify::decode_all(&bytes).unwrap();
            assert_eq!(stats, summary.stats);
            assert!(decoded.iter().eq(entries.values()));
        });
    }
}

/// In agola before 52cb6832 positions in the index ran on across files, and the last id of a file was looked for in
/// the next one, so that a checkpoint of several files lost objects or gave the wrong ones.
#[tokio::test]
async fn every_id_reads_back_from_a_run_of_small_files() {
    let ost = Ost::memory();
    let cache = Arc::new(BlockCache::new(1 << 20));
    let id = |number: usize| Bytes::from(format!("object\0{:04}", number * 10));
    let value = |number: usize| Bytes::from(format!("{number:>300}"));
    let mut files = Vec::new();
    let mut numbers = (0..200).peekable();
    while numbers.peek().is_some() {
        let path = ObjectPath::parse(&format!("data/{}.data", files.len())).unwrap();
        let mut writer = DataFileWriter::create(&ost, path.clone(), DataFileOptions::default())
            .await
            .unwrap();
        while writer.estimated_bytes() < 2048
            && let Some(number) = numbers.next()
        {
            writer
                .add(&entry(id(number), 1, value(number)))
                .await
                .unwrap();
        }
        let summary = writer.finish().await.unwrap();
        files.push((path, summary));
    }
    assert!(files.len() > 20);
    let mut opened = Vec::new();
    for (path, summary) in files {
        opened.push(
            DataFile::open(&ost, path, Some((&summary).into()), cache.clone())
                .await
                .unwrap(),
        );
    }
    for number in 0..200 {
        let key = id(number);
        let mut answers = Vec::new();
        for file in &opened {
            answers.extend(file.get(&key).await.unwrap());
        }
        assert_eq!(answers, [entry(key, 1, value(number))]);
        for outside in [number * 10 + 1, (number * 10).wrapping_sub(1)] {
            let key = Bytes::from(format!("object\0{outside:04}"));
            for file in &opened {
                assert_eq!(file.get(&key).await.unwrap(), None);
            }
        }
    }
}

#[tokio::test]
async fn file_of_many_blocks_is_read_from_memory_and_directory_alike() {
    let directory = tempfile::tempdir().unwrap();
    let options = DataFileOptions {
        block_bytes_target: 256,
        ..DataFileOptions::default()
    };
    let entries: Vec<_> = (0..20_000_u64)
        .map(|number| {
            entry(
                format!("row\0{number:08}"),
                number,
                format!("value {}", number * 7919),
            )
        })
        .collect();
    for ost in [Ost::memory(), Ost::local(directory.path()).unwrap()] {
        let mut writer = DataFileWriter::create(&ost, path(), options).await.unwrap();
        for entry in &entries {
            writer.add(entry).await.unwrap();
        }
        let estimated = writer.estimated_bytes();
        let summary = writer.finish().await.unwrap();
        assert!(
            summary.bytes.abs_diff(estimated) < summary.bytes / 50,
            "{estimated} for {}",
            summary.bytes
        );
        let cache = Arc::new(BlockCache::new(1 << 20));
        let file = DataFile::open(&ost, path(), Some((&summary).into()), cache.clone())
            .await
            .unwrap();
        for direction in [Direction::Forward, Direction::Reverse] {
            let mut found = rest_of(&mut file.cursor(.., direction)).await.unwrap();
            if direction == Direction::Reverse {
                found.reverse();
            }
            assert!(found == entries);
        }
        let (misses, hits) = (cache.misses(), cache.hits());
        for _ in 0..2 {
            assert_eq!(
                file.get(&entries[777].key).await.unwrap().as_ref(),
                Some(&entries[777])
            );
        }
        assert!(cache.hits() > hits && cache.misses() <= misses + 1);
        assert!(cache.bytes() <= 1 << 20);
        assert_eq!(file.verify().await.unwrap().damage, []);
    }
}

#[tokio::test]
async fn largest_entry_has_a_block_of_its_own() {
    let large = entry("b", 1, vec![7; VALUE_BYTES_MAX]);
    let entries = [
        entry("a", 1, "1"),
        large,
        entry(vec![b'c'; KEY_BYTES_MAX], 1, "3"),
    ];
    for compression in [
        Compression::None,
        Compression::Lz4,
        Compression::Zstd { level: 1 },
    ] {
        let options = DataFileOptions {
            compression,
            ..DataFileOptions::default()
        };
        let file = open_bytes(encode(&entries, options)).await.unwrap();
        assert_eq!(file.stats().blocks, 3);
        for entry in &entries {
            assert!(file.get(&entry.key).await.unwrap().as_ref() == Some(entry));
        }
        assert!(
            rest_of(&mut file.cursor(.., Direction::Forward))
                .await
                .unwrap()
                == entries
        );
        assert_eq!(file.verify().await.unwrap().damage, []);
    }
}

#[tokio::test]
async fn refused_entry_changes_nothing() {
    let ost = Ost::memory();
    let mut writer = DataFileWriter::create(&ost, path(), DataFileOptions::default())
        .await
        .unwrap();
    writer.add(&entry("b", 1, "1")).await.unwrap();
    for (refused, message) in [
        (
            entry("b", 1, "2"),
            "entry with key \"b\" does not follow the key before it",
        ),
        (
            entry("a\0\n", 1, "2"),
            "entry with key \"a\\x00\\n\" does not follow the key before it",
        ),
        (
            entry(vec![b'c'; KEY_BYTES_MAX + 1], 1, "2"),
            "has a key of 8193 bytes, at most 8192 are taken",
        ),
        (
            entry("c", 1, vec![0; VALUE_BYTES_MAX + 1]),
            "has a value of 16777217 bytes, at most 16777216 are taken",
        ),
    ] {
        let error = writer.add(&refused).await.unwrap_err();
        assert!(matches!(error, DataFileError::Invalid(_)));
        assert!(error.to_string().ends_with(message), "{error}");
    }
    writer.add(&entry("c", 2, "3")).await.unwrap();
    let summary = writer.finish().await.unwrap();
    assert_eq!(summary.stats.entries, 2);
}

#[tokio::test]
async fn empty_or_aborted_file_leaves_no_object() {
    let ost = Ost::memory();
    let writer = DataFileWriter::create(&ost, path(), DataFileOptions::default())
        .await
        .unwrap();
    let error = writer.finish().await.unwrap_err();
    assert_eq!(error.to_string(), "a data file needs at least one entry");
    let mut writer = DataFileWriter::create(&ost, path(), DataFileOptions::default())
        .await
        .unwrap();
    writer.add(&entry("a", 1, "1")).await.unwrap();
    writer.abort().await;
    assert_eq!(
        ost.get(&path()).await.unwrap_err().kind(),
        ost::ErrorKind::NotFound
    );
}

#[test]
fn option_out_of_range_is_named() {
    let default = DataFileOptions::default();
    for (options, message) in [
        (
            DataFileOptions {
                block_bytes_target: 1,
                ..default
            },
            "block_bytes_target is 1, it must be 64 to 1048576",
        ),
        (
            DataFileOptions {
                restart_interval: 0,
                ..default
            },
            "restart_interval is 0, it must be 1 to 255",
        ),
        (
            DataFileOptions {
                filter_bits_per_key: 65,
                ..default
            },
            "filter_bits_per_key is 65, it must be 0 to 64",
        ),
        (
            DataFileOptions {
                compression: Compression::Zstd { level: 23 },
                ..default
            },
            "compression level of zstd is 23, it must be 1 to 22",
        ),
    ] {
        assert_eq!(options.validate().unwrap_err().to_string(), message);
    }
}

/// The bound that an open file's memory is planned with: 0.6 MB for a file of 64 MiB in blocks of 4 KiB.
#[tokio::test]
async fn index_takes_less_than_a_hundredth_of_the_file() {
    let entries: Vec<_> = (0..20_000_u64)
        .map(|number| {
            let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            entry(
                format!("document\0{number:010}-{scattered:016x}"),
                number,
                vec![1; 400],
            )
        })
        .collect();
    let options = DataFileOptions {
        compression: Compression::None,
        filter_bits_per_key: 0,
        ..DataFileOptions::default()
    };
    let file = open_bytes(encode(&entries, options)).await.unwrap();
    let file_bytes = file.identity().bytes;
    assert!(
        file.memory_bytes() as u64 * 100 < file_bytes,
        "{} of {file_bytes}",
        file.memory_bytes()
    );
}
