//! The keys of a store in etcd and their values, byte by byte as in `docs/formats.md`.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::record::{RECORD_HEADER_BYTES, RECORD_MAGIC, RecordHeader};
use crate::{Error, Position, RecordId};

/// The format of `head` and `flushed`.
const KEY_FORMAT: u32 = 1;
/// What the value of a record begins with whose transactions are in a blob.
const POINTER_MAGIC: [u8; 4] = *b"DMBP";
const POINTER_FORMAT: u32 = 1;
const POINTER_BYTES: usize = 4 + 4 + 8 + 16 + RECORD_HEADER_BYTES + 4;

/// The names of a store's keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    /// `prefix` ends with a slash.
    pub(super) fn new(prefix: &str) -> Keys {
        Keys {
            prefix: prefix.to_owned(),
        }
    }

    pub(super) fn all(&self) -> &str {
        &self.prefix
    }

    pub(super) fn store(&self) -> String {
        format!("{}store", self.prefix)
    }

    pub(super) fn head(&self) -> String {
        format!("{}head", self.prefix)
    }

    pub(super) fn flushed(&self) -> String {
        format!("{}flushed", self.prefix)
    }

    pub(super) fn maintenance(&self) -> String {
        format!("{}maintenance", self.prefix)
    }

    pub(super) fn instances(&self) -> String {
        format!("{}instances/", self.prefix)
    }

    pub(super) fn instance(&self, name: &str) -> String {
        format!("{}{name}", self.instances())
    }

    pub(super) fn wal(&self) -> String {
        format!("{}wal/", self.prefix)
    }

    fn wal_of(&self, epoch: u32) -> String {
        format!("{}{epoch:010}/", self.wal())
    }

    pub(super) fn record(&self, epoch: u32, seq: u64) -> String {
        format!("{}{seq:020}", self.wal_of(epoch))
    }

    /// The first key behind all records of `epoch`.
    pub(super) fn records_end(&self, epoch: u32) -> String {
        format!("{}wal/{epoch:010}0", self.prefix)
    }

    /// The number in the key of a record of `epoch`.
    pub(super) fn seq_of(&self, epoch: u32, key: &[u8]) -> Option<u64> {
        let key = std::str::from_utf8(key).ok()?;
        key.strip_prefix(&self.wal_of(epoch))?.parse().ok()
    }
}

/// The value of `head`: the newest record of the log of `epoch`, or of the one before if the epoch has none yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    format: u32,
    pub(super) epoch: u32,
    pub(super) seq: u64,
    pub(super) record: RecordId,
    /// The log has ended with that record; this epoch is to begin behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed_for: Option<u32>,
}

impl Head {
    /// The log of `epoch` is open, with its newest record at `position`.
    pub(super) fn open(epoch: u32, position: Position) -> Head {
        Head {
            format: KEY_FORMAT,
            epoch,
            seq: position.seq,
            record: position.record,
            sealed_for: None,
        }
    }

    /// The log before `next_epoch` has ended with the record at `base`.
    pub(super) fn sealed(base: Position, next_epoch: u32) -> Head {
        Head {
            sealed_for: Some(next_epoch),
            ..Head::open(base.epoch, base)
        }
    }

    pub(super) fn is_at(&self, position: Position) -> bool {
        self.seq == position.seq && self.record == position.record
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and texts can be written as JSON")
    }

    /// # Errors
    /// `Corrupt`, or `Invalid` for a newer format.
    pub(super) fn decode(key: &str, bytes: &[u8]) -> Result<Head, Error> {
        decode_json(key, bytes)
    }
}

/// The value of `flushed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flushed {
    format: u32,
    pub(super) position: Position,
}

impl Flushed {
    pub(super) fn new(position: Position) -> Flushed {
        Flushed {
            format: KEY_FORMAT,
            position,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and texts can be written as JSON")
    }

    pub(super) fn decode(key: &str, bytes: &[u8]) -> Result<Flushed, Error> {
        decode_json(key, bytes)
    }
}

fn decode_json<T: serde::de::DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Envelope {
        format: u32,
    }
    let corrupt = |error: serde_json::Error| {
        Error::corrupt(format!(
            "key {key:?} of etcd has a value that cannot be read"
        ))
        .with_source(error)
    };
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(corrupt)?;
    if envelope.format > KEY_FORMAT {
        return Err(Error::invalid(format!(
            "key {key:?} of etcd has format {}, which is newer than {KEY_FORMAT}, the newest that this version reads",
            envelope.format
        )));
    }
    serde_json::from_slice(bytes).map_err(corrupt)
}

/// The value of a record's key.
#[derive(Debug)]
pub(super) enum StoredRecord {
    /// The record itself.
    Inline(Bytes),
    /// Its header; what follows is in a blob.
    Pointer(BlobPointer),
}

/// Says where the transactions of a record are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlobPointer {
    /// The first seq that the record was tried at, and its id then: both name the blob.
    pub(super) first_seq: u64,
    pub(super) first_record: RecordId,
    /// The header of the record as it stands.
    pub(super) header: Bytes,
}

impl BlobPointer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = BytesMut::with_capacity(POINTER_BYTES);
        value.put_slice(&POINTER_MAGIC);
        value.put_u32_le(POINTER_FORMAT);
        value.put_u64_le(self.first_seq);
        value.put_slice(self.first_record.as_bytes());
        value.put_slice(&self.header);
        let checksum = crc32c::crc32c(&value);
        value.put_u32_le(checksum);
        value.to_vec()
    }

    /// Whether the value of a record's key is a pointer.
    pub(super) fn is_in(value: &[u8]) -> bool {
        value.starts_with(&POINTER_MAGIC)
    }
}

impl StoredRecord {
    /// # Errors
    /// `Corrupt`, or `Invalid` for a newer format; both name the key.
    pub(super) fn decode(key: &str, value: Bytes) -> Result<StoredRecord, Error> {
        if value.starts_with(&RECORD_MAGIC) {
            return Ok(StoredRecord::Inline(value));
        }
        let corrupt = |what: &str| Error::corrupt(format!("key {key:?} of etcd: {what}"));
        if !value.starts_with(&POINTER_MAGIC) || value.len() < 8 {
            return Err(corrupt("it holds neither a record nor the place of one"));
        }
        let mut format = [0; 4];
        format.copy_from_slice(&value[4..8]);
        let format = u32::from_le_bytes(format);
        if format != POINTER_FORMAT {
            return Err(Error::invalid(format!(
                "key {key:?} of etcd has format {format}, which is newer than {POINTER_FORMAT}, the newest that this \
                 version reads"
            )));
        }
        if value.len() != POINTER_BYTES {
            return Err(corrupt("it is cut off"));
        }
        let (content, checksum) = value.split_at(POINTER_BYTES - 4);
        if crc32c::crc32c(content).to_le_bytes() != checksum {
            return Err(corrupt("its checksum does not fit"));
        }
        let mut seq = [0; 8];
        seq.copy_from_slice(&content[8..16]);
        let mut record = [0; 16];
        record.copy_from_slice(&content[16..32]);
        Ok(StoredRecord::Pointer(BlobPointer {
            first_seq: u64::from_le_bytes(seq),
            first_record: RecordId::from_bytes(record),
            header: value.slice(32..POINTER_BYTES - 4),
        }))
    }

    /// The header of the record, wherever the rest of it is.
    pub(super) fn header(&self, key: &str) -> Result<RecordHeader, Error> {
        let bytes = match self {
            StoredRecord::Inline(bytes) => bytes,
            StoredRecord::Pointer(pointer) => &pointer.header,
        };
        RecordHeader::decode(bytes).map_err(|fault| {
            Error::corrupt(format!(
                "key {key:?} of etcd: the header of the record cannot be read: {fault:?}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::sample_record;

    #[test]
    fn heads_come_back_and_are_the_same_bytes_in_every_process() {
        let position = Position {
            epoch: 1,
            seq: 17,
            record: RecordId::from_bytes([0xab; 16]),
        };
        let open = Head::open(2, position).encode();
        let id = "ab".repeat(16);
        let expected = format!(r#"{{"format":1,"epoch":2,"seq":17,"record":"{id}"}}"#);
        assert_eq!(open, expected.as_bytes());
        let sealed = Head::sealed(position, 2).encode();
        let expected =
            format!(r#"{{"format":1,"epoch":1,"seq":17,"record":"{id}","sealed_for":2}}"#);
        assert_eq!(sealed, expected.as_bytes());
        assert_eq!(
            Head::decode("head", &open).unwrap(),
            Head::open(2, position)
        );
        let newer = Head::decode("head", br#"{"format":2}"#).unwrap_err();
        assert_eq!(newer.kind(), crate::ErrorKind::Invalid);
        let damaged = Head::decode("head", b"x").unwrap_err();
        assert_eq!(damaged.kind(), crate::ErrorKind::Corrupt);
    }

    #[test]
    fn the_place_of_a_blob_comes_back_and_no_flipped_byte_goes_unnoticed() {
        let record = sample_record(7).encode().unwrap();
        let pointer = BlobPointer {
            first_seq: 5,
            first_record: RecordId::from_bytes([3; 16]),
            header: record.slice(..RECORD_HEADER_BYTES),
        };
        let value = pointer.encode();
        match StoredRecord::decode("k", value.clone().into()).unwrap() {
            StoredRecord::Pointer(found) => assert_eq!(found, pointer),
            found => panic!("{found:?}"),
        }
        for place in 0..value.len() {
            let mut flipped = value.clone();
            flipped[place] ^= 1;
            StoredRecord::decode("k", flipped.into()).unwrap_err();
        }
        for end in 0..value.len() {
            StoredRecord::decode("k", value[..end].to_vec().into()).unwrap_err();
        }
    }

    #[test]
    fn keys_of_records_sort_like_their_numbers() {
        let keys = Keys::new("/p/");
        assert_eq!(keys.record(1, 17), "/p/wal/0000000001/00000000000000000017");
        assert_eq!(keys.seq_of(1, keys.record(1, 17).as_bytes()), Some(17));
        assert_eq!(keys.seq_of(2, keys.record(1, 17).as_bytes()), None);
        assert!(keys.record(1, u64::MAX) < keys.records_end(1));
        assert!(keys.records_end(1) < keys.record(2, 0));
    }
}
