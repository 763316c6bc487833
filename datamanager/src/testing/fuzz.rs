//! Decoding of bytes that may be anything: for fuzzing, and for tests that change bytes from a seed.
//!
//! Each function takes any bytes, and neither panics nor takes memory that is out of proportion to them; what it decodes it
//! also encodes, and decodes again. Where checksums would keep a change from what lies behind them, the bytes are also
//! decoded with their checksums put right. `fuzz/` in the repository runs the same functions under `cargo fuzz`.
//!
//! ```
//! use datamanager::testing::fuzz;
//!
//! fuzz::cursor(b"1/2/3/end");
//! for target in fuzz::TARGETS {
//!     (target.run)(b"any bytes");
//! }
//! ```

use std::fmt::{Debug, Display};
use std::str::FromStr;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::ControlRecord;
use crate::documents::{IndexCursor, IndexEntryKey};
use crate::epoch::EpochFile;
use crate::export_format::{DecoderLimits, ExportDecoder};
use crate::manifest::Manifest;
use crate::record::{Record, RecordHeader, repair_record};
use crate::wal_file::{self, ChainStart, WAL_FILE_HEADER_BYTES};
use crate::{CommitId, Cursor, Token, data_file, sealed_json};

/// Bytes of one entry of an export, at most.
const EXPORT_ENTRY_BYTES_MAX: usize = 64 * 1024;

/// One of the functions of this module.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The function's name; that of its corpus too.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
}

/// All functions of this module.
pub const TARGETS: &[Target] = &[
    target("wal_record", wal_record),
    target("wal_file", wal_file),
    target("control_record", control_record),
    target("data_file", data_file),
    target("manifest", manifest),
    target("epoch", epoch),
    target("export", export),
    target("cursor", cursor),
    target("token", token),
    target("commit_id", commit_id),
    target("index_key", index_key),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// One record of the log.
pub fn wal_record(bytes: &[u8]) {
    let mut repaired = bytes.to_vec();
    repair_record(&mut repaired);
    for bytes in [Bytes::copy_from_slice(bytes), Bytes::from(repaired)] {
        let Ok(record) = Record::decode(&bytes) else {
            continue;
        };
        let encoded = record.encode().expect("it was not too long before");
        let again = Record::decode(&encoded).expect("what was encoded can be decoded");
        assert_eq!(again.encode().expect("it has the same length"), encoded);
        assert_eq!(again.position, record.position);
        assert_eq!(again.writes().count(), record.writes().count());
    }
}

/// A file of records, as an object or a segment of the log in files.
pub fn wal_file(bytes: &[u8]) {
    let mut repaired = bytes.to_vec();
    let mut at = WAL_FILE_HEADER_BYTES;
    while let Some(length) = repaired.get_mut(at..).and_then(repair_record) {
        at += length;
    }
    for bytes in [Bytes::copy_from_slice(bytes), Bytes::from(repaired)] {
        // What is wrong does not matter, as long as it is said.
        let _ = wal_file::check_header(&bytes, 1, 1);
        let records = bytes.slice(bytes.len().min(WAL_FILE_HEADER_BYTES)..);
        let Ok(first) = RecordHeader::decode(&records) else {
            continue;
        };
        let (epoch, start) = (first.position.epoch, ChainStart::At(first.position.seq));
        if let Ok(scan) = wal_file::scan(&records, 0, "fuzz", epoch, first.store, start) {
            assert!(scan.valid_bytes <= records.len());
            let rest = &records[scan.valid_bytes..];
            assert_eq!(scan.tear.is_none(), rest.iter().all(|byte| *byte == 0));
        }
    }
}

/// A control record.
pub fn control_record(bytes: &[u8]) {
    if let Ok(record) = ControlRecord::decode(bytes) {
        let again = ControlRecord::decode(&record.encode());
        assert_eq!(again.expect("what was encoded can be decoded"), record);
    }
}

/// A data file, and each piece of one: blocks, filter, stats and frames.
pub fn data_file(bytes: &[u8]) {
    data_file::read_any_bytes(bytes);
}

/// A manifest.
pub fn manifest(bytes: &[u8]) {
    for manifest in sealed::<Manifest>(bytes) {
        for run in &manifest.runs {
            assert!(run.files.iter().all(|file| file.bytes <= run.bytes()));
        }
        assert!(manifest.file_keys().len() <= manifest.files().count());
        let key = manifest.key();
        if manifest.base_id.is_none() {
            assert_eq!(Manifest::number_of(&key), Some(manifest.number));
        }
        assert_eq!(Manifest::epoch_of(&key), Some(manifest.epoch));
    }
}

/// The object of an epoch.
pub fn epoch(bytes: &[u8]) {
    for epoch in sealed::<EpochFile>(bytes) {
        assert!(EpochFile::key(epoch.epoch).ends_with(".json"));
    }
}

/// An export of either format, compressed or not.
pub fn export(bytes: &[u8]) {
    let limits = DecoderLimits {
        entry_bytes_max: EXPORT_ENTRY_BYTES_MAX,
    };
    futures::executor::block_on(async {
        let Ok(mut decoder) = ExportDecoder::open(bytes, limits).await else {
            return;
        };
        while let Ok(Some(entry)) = decoder.next().await {
            assert!(entry.value.len() <= EXPORT_ENTRY_BYTES_MAX);
        }
    });
}

/// The text of a cursor.
pub fn cursor(bytes: &[u8]) {
    text::<Cursor>(bytes);
}

/// The text of a token of change groups.
pub fn token(bytes: &[u8]) {
    text::<Token>(bytes);
}

/// The text of a commit id.
pub fn commit_id(bytes: &[u8]) {
    text::<CommitId>(bytes);
}

/// The key of an index entry, and the text of an index cursor.
pub fn index_key(bytes: &[u8]) {
    text::<IndexCursor>(bytes);
    if let Some(key) = IndexEntryKey::parse(bytes) {
        assert!(!key.to_string().is_empty());
        let _ = key.document_id(bytes);
    }
}

/// Decodes `bytes` as a description with a checksum: as it is, and with the checksum put right.
fn sealed<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Vec<T> {
    const FORMAT_MAX: u32 = 1;
    let repaired = sealed_json::repair(bytes);
    let decoded =
        [bytes, &repaired].map(|bytes| sealed_json::decode::<T>("fuzz", bytes, FORMAT_MAX));
    let decoded: Vec<T> = decoded.into_iter().flatten().collect();
    for value in &decoded {
        let encoded = sealed_json::encode(value).expect("what was decoded can be encoded");
        let again = sealed_json::decode::<T>("fuzz", &encoded, FORMAT_MAX);
        assert_eq!(again.expect("what was encoded can be decoded"), *value);
    }
    decoded
}

fn text<T: FromStr + Display + PartialEq + Debug>(bytes: &[u8])
where
    T::Err: Debug,
{
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(value) = text.parse::<T>()
    {
        let again = value.to_string().parse::<T>();
        assert_eq!(again.expect("what was printed can be parsed"), value);
    }
}

#[cfg(test)]
mod tests;
