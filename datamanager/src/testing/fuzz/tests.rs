//! The corpus: small files of every format, from which mutations start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::*;
use crate::control::{ControlRecord, ControlState, JobKind, OpenJob, Seal};
use crate::data_file::{Compression, DataFileEntry, DataFileOptions, DataFileWriter};
use crate::documents::{EncodedKey, IndexEntry};
use crate::entry_key::raw_key;
use crate::epoch::{EpochCause, EtcdPlace, LogPlace};
use crate::export_format::{EntryRef, ExportEncoder, ExportHeader};
use crate::manifest::{FileEntry, Run};
use crate::record::{RecordBody, TransactionBody, WriteRef};
use crate::store_id::StoreId;
use crate::{ExportFormat, LogKind, Position, RecordId, Timestamp};

type Corpus = BTreeMap<&'static str, Vec<(String, Bytes)>>;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

fn position(epoch: u32, seq: u64) -> Position {
    let mut bytes = [7; 16];
    bytes[0] = u8::try_from(seq).unwrap();
    Position {
        epoch,
        seq,
        record: RecordId::from_bytes(bytes),
    }
}

fn transaction(writes: &[(&str, &str, Option<&str>, Option<u64>)]) -> TransactionBody {
    let mut keyed: Vec<_> = writes
        .iter()
        .map(|(data_type, id, value, expires)| {
            let key = raw_key(data_type, id.as_bytes());
            (
                key,
                value.map(str::as_bytes),
                expires.map(Timestamp::from_millis),
            )
        })
        .collect();
    keyed.sort_by(|left, right| left.0.cmp(&right.0));
    TransactionBody::encode(keyed.iter().map(|(key, value, expires_at)| WriteRef {
        key,
        value: *value,
        expires_at: *expires_at,
    }))
}

fn record(seq: u64, body: RecordBody) -> Record {
    Record {
        position: position(1, seq),
        predecessor: position(1, seq - 1).record,
        store: StoreId::from_bytes([3; 16]),
        writer: 5,
        time: Timestamp::from_millis(1_767_225_600_000),
        body,
        bytes: 0,
    }
}

fn controls() -> Vec<(&'static str, ControlRecord)> {
    let seal = Seal {
        next_epoch: 2,
        cause: EpochCause::Import,
        log: LogKind::Object,
        job_seq: Some(9),
    };
    let instance = || "dm-1".to_owned();
    vec![
        ("seal", ControlRecord::Seal(seal)),
        (
            "job-begun",
            ControlRecord::JobBegun {
                job: JobKind::Checkpoint,
                instance: instance(),
            },
        ),
        ("job-abandoned", ControlRecord::JobAbandoned { job_seq: 3 }),
        (
            "manifest",
            ControlRecord::ManifestInstalled {
                number: 4,
                checksum: 0xdead_beef,
                covered: position(1, 3),
                job_seq: Some(3),
            },
        ),
        (
            "maintenance",
            ControlRecord::Maintenance {
                on: true,
                instance: instance(),
            },
        ),
        ("upgrade", ControlRecord::Upgrade { record_format: 1 }),
    ]
}

fn records() -> Vec<(String, Record)> {
    let transactions = [
        transaction(&[
            ("user", "bob", Some("{}"), None),
            ("user", "ann", None, None),
        ]),
        transaction(&[("session", "s", Some("x"), Some(1_767_225_700_000))]),
    ];
    let body = RecordBody::Transactions(transactions.to_vec());
    let mut records = vec![("transactions".to_owned(), record(1, body))];
    let empty = RecordBody::Transactions(vec![transaction(&[])]);
    records.push(("no-writes".to_owned(), record(2, empty)));
    for (seq, (name, control)) in (3..).zip(controls()) {
        records.push((name.to_owned(), record(seq, RecordBody::Control(control))));
    }
    records
}

fn data_files() -> Vec<(String, Bytes)> {
    let file = |options: DataFileOptions, count: u64| {
        futures::executor::block_on(async {
            let ost = ost::Ost::memory();
            let path = ost::ObjectPath::parse("data/1.data").unwrap();
            let mut writer = DataFileWriter::create(&ost, path.clone(), options)
                .await
                .unwrap();
            for number in 0..count {
                let entry = DataFileEntry {
                    key: raw_key("user", format!("{number:03}").as_bytes()),
                    seq: number + 1,
                    expires_at: (number % 4 == 1).then_some(Timestamp::from_millis(9)),
                    value: (number % 5 > 0).then(|| Bytes::from("text ".repeat(4))),
                };
                writer.add(&entry).await.unwrap();
            }
            writer.finish().await.unwrap();
            ost.get(&path).await.unwrap()
        })
    };
    let options = |compression, block_bytes| DataFileOptions {
        compression,
        block_bytes_target: block_bytes,
        ..DataFileOptions::default()
    };
    vec![
        ("plain".to_owned(), file(options(Compression::None, 64), 12)),
        ("lz4".to_owned(), file(options(Compression::Lz4, 256), 20)),
        (
            "zstd".to_owned(),
            file(options(Compression::Zstd { level: 1 }, 256), 20),
        ),
    ]
}

fn manifests() -> Vec<(String, Bytes)> {
    let first = Manifest::first(1_000_000);
    let mut later = first.clone();
    later.number = 7;
    later.parent_checksum = Some(77);
    later.covered = position(1, 40);
    later.position = position(1, 44);
    later.job_seq = Some(40);
    later.control = ControlState {
        manifest_number: 6,
        ..ControlState::new(1_000_000)
    };
    let job = OpenJob {
        job: JobKind::Compaction,
        instance: "dm-1".to_owned(),
        began_at: position(1, 42),
    };
    later.open_jobs.insert(42, job);
    later.runs = vec![Run {
        level: 1,
        files: vec![FileEntry {
            key: "data/0000000001-00000000000000000040-01KDVDNA76X9TG90S7WMXRYQVZ.data".to_owned(),
            bytes: 700,
            checksum: 9,
            entries: 12,
            tombstones: 1,
            expiring: 2,
            first_key: raw_key("user", b"a"),
            last_key: raw_key("user", b"z"),
            min_seq: 1,
            max_seq: 39,
        }],
    }];
    later.dropped_files = vec!["data/x.data".to_owned()];
    let mut base = first.clone();
    (base.epoch, base.number) = (2, 0);
    base.base_id = Some(position(1, 9).record);
    [("first", first), ("later", later), ("base", base)]
        .map(|(name, manifest)| (name.to_owned(), sealed_json::encode(&manifest).unwrap()))
        .to_vec()
}

fn exports() -> Vec<(String, Bytes)> {
    let mut exports = Vec::new();
    let formats = [
        ("native", ExportFormat::Native),
        ("agola", ExportFormat::Agola),
    ];
    for (name, format) in formats {
        for zstd in [false, true] {
            let header = ExportHeader {
                store: StoreId::from_bytes([3; 16]).to_string(),
                position: position(1, 3),
                time: Timestamp::from_millis(5),
            };
            let mut encoder = ExportEncoder::new(format, zstd, &header).unwrap();
            for id in ["ann", "bob"] {
                let entry = EntryRef {
                    data_type: "user",
                    id: id.as_bytes(),
                    value: b"{\"admin\":true}",
                    expires_at: (format == ExportFormat::Native)
                        .then_some(Timestamp::from_millis(9)),
                };
                encoder.add(entry).unwrap();
            }
            let mut bytes = encoder.take().unwrap_or_default().to_vec();
            bytes.extend_from_slice(&encoder.finish().unwrap());
            let suffix = if zstd { "-zstd" } else { "" };
            exports.push((format!("{name}{suffix}"), bytes.into()));
        }
    }
    exports
}

fn corpus() -> Corpus {
    let named = |texts: &[&str]| -> Vec<(String, Bytes)> {
        let texts = texts.iter().enumerate();
        texts
            .map(|(number, text)| (format!("{number}"), Bytes::from((*text).to_owned())))
            .collect()
    };
    let encoded: Vec<(String, Bytes)> = records()
        .into_iter()
        .map(|(name, record)| (name, record.encode().unwrap()))
        .collect();
    let mut file = wal_file::encode_header(1, 1);
    encoded
        .iter()
        .for_each(|(_, bytes)| file.extend_from_slice(bytes));
    let manifest = (Manifest::first(1).key(), 5);
    let etcd = EtcdPlace {
        cluster: "cdf818194e3a8c32".to_owned(),
        prefix: "/dm".to_owned(),
    };
    let epochs = [
        (1, Position::START, EpochCause::Init, LogKind::Object, None),
        (
            2,
            position(1, 9),
            EpochCause::Switch,
            LogKind::Etcd,
            Some(etcd),
        ),
    ];
    let epochs = epochs.map(|(number, base, cause, kind, etcd)| {
        let place = LogPlace { kind, etcd };
        let epoch = EpochFile::new(number, base, manifest.clone(), place, cause);
        (format!("{number}"), sealed_json::encode(&epoch).unwrap())
    });
    let controls = controls().into_iter();
    let record = position(1, 9).record;
    let key = EncodedKey::of(&("bob".to_owned(), 7_i64, true));
    let index_key = IndexEntry::new("user", "name", false, 1, &key, "1").key;
    let mut corpus = Corpus::new();
    corpus.insert("wal_record", encoded.clone());
    corpus.insert("wal_file", vec![("all".to_owned(), file.into())]);
    corpus.insert(
        "control_record",
        controls
            .map(|(name, control)| (name.to_owned(), control.encode().into()))
            .collect(),
    );
    corpus.insert("data_file", data_files());
    corpus.insert("manifest", manifests());
    corpus.insert("epoch", epochs.to_vec());
    corpus.insert("export", exports());
    corpus.insert(
        "cursor",
        named(&[&format!("1/9/{record}/end"), &format!("2/9/{record}/3")]),
    );
    let token = Token::new(1, position(1, 9), vec!["a/x".to_owned(), "b".to_owned()]);
    corpus.insert("token", named(&[&token.unwrap().to_string()]));
    corpus.insert("commit_id", named(&[&format!("1/9/{record}/2")]));
    corpus.insert("index_key", vec![("entry".to_owned(), index_key)]);
    corpus
}

/// Makes the corpus anew, with `DM_FUZZ_CORPUS_OUT` set to a directory that does not exist.
#[test]
fn the_corpus_can_be_made() {
    let made = corpus();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert!(names.iter().all(|name| made.contains_key(name)));
    assert_eq!(made.len(), names.len());
    let Some(out) = std::env::var_os("DM_FUZZ_CORPUS_OUT") else {
        return;
    };
    for (name, files) in made {
        let directory = Path::new(&out).join(name);
        std::fs::create_dir_all(&directory).unwrap();
        for (name, bytes) in files {
            std::fs::write(directory.join(name), bytes).unwrap();
        }
    }
}

/// What is checked in can be decoded as it is, so that mutations start from within the formats.
#[test]
fn the_corpus_holds_what_this_version_decodes() {
    let read = |target: &str| -> Vec<(String, Bytes)> {
        let files = std::fs::read_dir(directory().join(target)).unwrap();
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
            .into_iter()
            .map(|path| {
                let bytes = std::fs::read(&path).unwrap();
                assert!(bytes.len() < 4_096, "{path:?} is small");
                (path.display().to_string(), bytes.into())
            })
            .collect()
    };
    for (path, bytes) in read("wal_record") {
        assert!(Record::decode(&bytes).is_ok(), "{path}");
    }
    for (path, bytes) in read("wal_file") {
        assert!(wal_file::check_header(&bytes, 1, 1).is_ok(), "{path}");
    }
    for (path, bytes) in read("control_record") {
        assert!(ControlRecord::decode(&bytes).is_ok(), "{path}");
    }
    for (path, bytes) in read("data_file") {
        let cache = std::sync::Arc::new(data_file::BlockCache::new(1 << 20));
        futures::executor::block_on(async {
            let ost = ost::Ost::memory();
            let key = ost::ObjectPath::parse("data/1.data").unwrap();
            ost.put(&key, bytes).await.unwrap();
            let file = data_file::DataFile::open(&ost, key, None, cache)
                .await
                .unwrap();
            assert!(file.verify().await.unwrap().damage.is_empty(), "{path}");
        });
    }
    for (path, bytes) in read("manifest") {
        assert_eq!(sealed::<Manifest>(&bytes).len(), 2, "{path}");
    }
    for (path, bytes) in read("epoch") {
        assert_eq!(sealed::<EpochFile>(&bytes).len(), 2, "{path}");
    }
    for (path, bytes) in read("export") {
        let limits = DecoderLimits {
            entry_bytes_max: EXPORT_ENTRY_BYTES_MAX,
        };
        futures::executor::block_on(async {
            let mut decoder = ExportDecoder::open(&bytes[..], limits).await.unwrap();
            let mut count = 0;
            while decoder.next().await.unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, 2, "{path}");
        });
    }
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    for (path, bytes) in read("cursor") {
        assert!(text(&bytes).parse::<Cursor>().is_ok(), "{path}");
    }
    for (path, bytes) in read("token") {
        assert!(text(&bytes).parse::<Token>().is_ok(), "{path}");
    }
    for (path, bytes) in read("commit_id") {
        assert!(text(&bytes).parse::<CommitId>().is_ok(), "{path}");
    }
    for (path, bytes) in read("index_key") {
        assert!(IndexEntryKey::parse(&bytes).is_some(), "{path}");
    }
}
