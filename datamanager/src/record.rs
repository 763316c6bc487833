//! One entry of the log: a batch of transactions or one control record, and its bytes.

use bytes::Bytes;

use crate::codec::{Decoder, Malformed, put_varint, varint_len};
use crate::control::ControlRecord;
use crate::entry_key::{EntryKey, KEY_BYTES_MAX, split_key};
use crate::store_id::StoreId;
use crate::{Error, Position, RecordId, Timestamp};

/// The record format that this version writes, and the newest that it reads.
pub(crate) const RECORD_FORMAT: u8 = 1;
/// Bytes of a record before its body.
pub(crate) const RECORD_HEADER_BYTES: usize = 104;
/// Bytes of a body, at most: what a reader will hold in memory for one record.
pub(crate) const RECORD_BODY_BYTES_MAX: u32 = 256 * 1024 * 1024;
/// The number of a record, at most: whatever is added to one stays a number.
const RECORD_SEQ_MAX: u64 = u64::MAX / 2;
/// What a record begins with.
pub(crate) const RECORD_MAGIC: [u8; 4] = *b"DMRC";

const KIND_TRANSACTIONS: u8 = 1;
const KIND_CONTROL: u8 = 2;

const WRITE_PUT: u8 = 1;
const WRITE_PUT_EXPIRING: u8 = 2;
const WRITE_DELETE: u8 = 3;

/// What one transaction does to one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) key: EntryKey,
    /// `None` deletes.
    pub(crate) value: Option<Bytes>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// The writes of one transaction, in key order, as they were encoded: keys and values are slices of `encoded`.
#[derive(Clone, Debug)]
pub(crate) struct TransactionBody {
    pub(crate) encoded: Bytes,
    pub(crate) writes: Vec<Write>,
}

impl TransactionBody {
    /// Encodes `writes`; they come back as slices of the encoding, so that the record and the memtable share bytes.
    pub(crate) fn encode<'a>(
        writes: impl ExactSizeIterator<Item = WriteRef<'a>> + Clone,
    ) -> TransactionBody {
        let count = writes.len();
        let bytes_len = writes
            .clone()
            .map(|write| write.encoded_len())
            .sum::<usize>()
            + 1
            + varint_len(count as u64);
        let mut buffer = Vec::with_capacity(bytes_len);
        put_varint(&mut buffer, 0); // flags: none so far
        put_varint(&mut buffer, count as u64);
        let mut places = Vec::with_capacity(count);
        for write in writes {
            places.push(write.encode(&mut buffer));
        }
        debug_assert_eq!(buffer.len(), bytes_len, "encoded_len is what encode writes");
        let encoded = Bytes::from(buffer);
        let writes = places
            .into_iter()
            .map(|place| Write {
                key: encoded.slice(place.key),
                value: place.value.map(|range| encoded.slice(range)),
                expires_at: place.expires_at,
            })
            .collect();
        TransactionBody { encoded, writes }
    }

    fn decode(encoded: Bytes) -> Result<TransactionBody, Malformed> {
        let mut decoder = Decoder::new(&encoded);
        if decoder.varint("transaction flags")? != 0 {
            return Err(Malformed {
                offset: 0,
                what: "transaction flags of a newer format",
            });
        }
        let count = decoder.varint("number of writes")?;
        // A write takes at least 5 bytes, so a false count cannot ask for much memory.
        let mut writes = Vec::with_capacity(
            usize::try_from(count)
                .unwrap_or(usize::MAX)
                .min(decoder.remaining() / 5),
        );
        for _ in 0..count {
            writes.push(decode_write(&mut decoder)?);
        }
        if decoder.remaining() != 0 {
            return Err(decoder.malformed("bytes after the last write"));
        }
        Ok(TransactionBody { encoded, writes })
    }
}

fn decode_write(decoder: &mut Decoder<'_>) -> Result<Write, Malformed> {
    let kind = decoder.u8("kind of write")?;
    let key_len = decoder.varint("length of a key")?;
    if key_len > KEY_BYTES_MAX as u64 {
        return Err(decoder.malformed("key longer than allowed"));
    }
    let key = decoder.bytes(key_len, "key")?;
    if split_key(&key).is_none() {
        return Err(decoder.malformed("key without a type"));
    }
    let expires_at = match kind {
        WRITE_PUT_EXPIRING => Some(Timestamp::from_millis(decoder.varint("expiry time")?)),
        _ => None,
    };
    let value = match kind {
        WRITE_PUT | WRITE_PUT_EXPIRING => {
            let len = decoder.varint("length of a value")?;
            Some(decoder.bytes(len, "value")?)
        }
        WRITE_DELETE => None,
        _ => return Err(decoder.malformed("kind of write that this version does not know")),
    };
    Ok(Write {
        key,
        value,
        expires_at,
    })
}

/// A write whose parts still live elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct WriteRef<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) expires_at: Option<Timestamp>,
}

struct WritePlace {
    key: std::ops::Range<usize>,
    value: Option<std::ops::Range<usize>>,
    expires_at: Option<Timestamp>,
}

impl WriteRef<'_> {
    /// The bytes that this write takes in a record.
    pub(crate) fn encoded_len(&self) -> usize {
        let key = 1 + varint_len(self.key.len() as u64) + self.key.len();
        let Some(value) = self.value else { return key };
        let expiry = self
            .expires_at
            .map_or(0, |time| varint_len(time.as_millis()));
        key + expiry + varint_len(value.len() as u64) + value.len()
    }

    fn encode(&self, buffer: &mut Vec<u8>) -> WritePlace {
        buffer.push(match (self.value, self.expires_at) {
            (None, _) => WRITE_DELETE,
            (Some(_), None) => WRITE_PUT,
            (Some(_), Some(_)) => WRITE_PUT_EXPIRING,
        });
        put_varint(buffer, self.key.len() as u64);
        let key = append(buffer, self.key);
        let Some(value) = self.value else {
            return WritePlace {
                key,
                value: None,
                expires_at: None,
            };
        };
        if let Some(time) = self.expires_at {
            put_varint(buffer, time.as_millis());
        }
        put_varint(buffer, value.len() as u64);
        let value = append(buffer, value);
        WritePlace {
            key,
            value: Some(value),
            expires_at: self.expires_at,
        }
    }
}

fn append(buffer: &mut Vec<u8>, bytes: &[u8]) -> std::ops::Range<usize> {
    let start = buffer.len();
    buffer.extend_from_slice(bytes);
    start..buffer.len()
}

/// What a record carries.
#[derive(Clone, Debug)]
pub(crate) enum RecordBody {
    /// Transactions in the order in which they take effect; their index is the second part of a version.
    Transactions(Vec<TransactionBody>),
    /// A control record is alone in its record.
    Control(ControlRecord),
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) position: Position,
    /// The id of the record before this one (R1).
    pub(crate) predecessor: RecordId,
    pub(crate) store: StoreId,
    /// Names the process that appended it.
    pub(crate) writer: u64,
    /// The writer's time, never less than the one before (R5).
    pub(crate) time: Timestamp,
    pub(crate) body: RecordBody,
    /// Bytes that the record takes in the log; 0 before it is encoded.
    pub(crate) bytes: u64,
}

/// What stands before a record's body.
#[derive(Clone, Debug)]
pub(crate) struct RecordHeader {
    kind: u8,
    pub(crate) position: Position,
    pub(crate) predecessor: RecordId,
    pub(crate) store: StoreId,
    writer: u64,
    time: Timestamp,
    transaction_count: u32,
    pub(crate) body_bytes: u32,
    body_checksum: u32,
}

/// Why a record could not be decoded.
#[derive(Debug)]
pub(crate) enum RecordFault {
    /// The bytes end before the record does.
    Incomplete,
    /// The header is not that of a record.
    Header(&'static str),
    /// The header is whole and the body is not what was written.
    Body(Malformed),
    /// Every byte is as it was written, and the content is not what this version can read.
    Content(Malformed),
    /// Whole, and of a format that this version does not know.
    Newer(String),
}

impl RecordHeader {
    /// Decodes and checks the header at the start of `bytes`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<RecordHeader, RecordFault> {
        let header = bytes
            .get(..RECORD_HEADER_BYTES)
            .ok_or(RecordFault::Incomplete)?;
        if header[0..4] != RECORD_MAGIC {
            return Err(RecordFault::Header("no record begins here"));
        }
        let checksum = read_u32(header, 100);
        if crc32c::crc32c(&header[..100]) != checksum {
            return Err(RecordFault::Header(
                "the record header's checksum does not fit",
            ));
        }
        if header[4] != RECORD_FORMAT {
            return Err(RecordFault::Newer(format!(
                "record format {} is newer than {RECORD_FORMAT}, the newest that this version reads",
                header[4]
            )));
        }
        let body_bytes = read_u32(header, 12);
        if body_bytes > RECORD_BODY_BYTES_MAX {
            return Err(RecordFault::Header("the record is longer than allowed"));
        }
        let seq = read_u64(header, 16);
        if !(1..=RECORD_SEQ_MAX).contains(&seq) {
            return Err(RecordFault::Content(Malformed {
                offset: 0,
                what: "the record has a number that none can have",
            }));
        }
        let id = |offset: usize| {
            let mut id = [0; 16];
            id.copy_from_slice(&header[offset..offset + 16]);
            id
        };
        Ok(RecordHeader {
            kind: header[5],
            position: Position {
                epoch: read_u32(header, 8),
                seq,
                record: RecordId::from_bytes(id(24)),
            },
            predecessor: RecordId::from_bytes(id(40)),
            store: StoreId::from_bytes(id(56)),
            writer: read_u64(header, 72),
            time: Timestamp::from_millis(read_u64(header, 80)),
            transaction_count: read_u32(header, 88),
            body_bytes,
            body_checksum: read_u32(header, 92),
        })
    }

    /// Bytes of the whole record.
    pub(crate) fn record_bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.body_bytes as usize
    }
}

fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(number)
}

fn read_u64(bytes: &[u8], offset: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(number)
}

/// Puts the checksums of the record at the start of `bytes` right, and returns its length; `None` if there is no header. A body
/// that is longer than the bytes ends with them.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn repair_record(bytes: &mut [u8]) -> Option<usize> {
    let (header, body) = bytes.split_at_mut_checked(RECORD_HEADER_BYTES)?;
    let body_bytes = body.len().min(read_u32(header, 12) as usize);
    let body_len = u32::try_from(body_bytes).ok()?;
    header[12..16].copy_from_slice(&body_len.to_le_bytes());
    header[92..96].copy_from_slice(&crc32c::crc32c(&body[..body_bytes]).to_le_bytes());
    let header_checksum = crc32c::crc32c(&header[..100]);
    header[100..104].copy_from_slice(&header_checksum.to_le_bytes());
    Some(RECORD_HEADER_BYTES + body_bytes)
}

impl Record {
    /// Decodes the record at the start of `bytes`, which may go on behind it.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Record, RecordFault> {
        let header = RecordHeader::decode(bytes)?;
        if bytes.len() < header.record_bytes() {
            return Err(RecordFault::Incomplete);
        }
        let body = bytes.slice(RECORD_HEADER_BYTES..header.record_bytes());
        if crc32c::crc32c(&body) != header.body_checksum {
            return Err(RecordFault::Body(Malformed {
                offset: 0,
                what: "the body's checksum does not fit",
            }));
        }
        let bytes = header.record_bytes() as u64;
        let body = match header.kind {
            KIND_TRANSACTIONS => decode_transactions(&body, header.transaction_count)
                .map_err(RecordFault::Content)?,
            KIND_CONTROL => {
                RecordBody::Control(ControlRecord::decode(&body).map_err(RecordFault::Newer)?)
            }
            kind => {
                return Err(RecordFault::Newer(format!(
                    "record kind {kind} is not known to this version, which reads record format {RECORD_FORMAT}"
                )));
            }
        };
        Ok(Record {
            position: header.position,
            predecessor: header.predecessor,
            store: header.store,
            writer: header.writer,
            time: header.time,
            body,
            bytes,
        })
    }

    /// Encodes the record.
    ///
    /// # Errors
    /// `Invalid` when the body is longer than [`RECORD_BODY_BYTES_MAX`].
    pub(crate) fn encode(&self) -> Result<Bytes, Error> {
        let control;
        let (kind, count, body_bytes) = match &self.body {
            RecordBody::Transactions(transactions) => {
                control = Vec::new();
                let bytes: usize = transactions
                    .iter()
                    .map(|transaction| 4 + transaction.encoded.len())
                    .sum();
                (KIND_TRANSACTIONS, transactions.len(), bytes)
            }
            RecordBody::Control(record) => {
                control = record.encode();
                (KIND_CONTROL, 0, control.len())
            }
        };
        let too_long = || {
            Error::invalid(format!(
                "a record of {body_bytes} bytes is longer than {RECORD_BODY_BYTES_MAX}"
            ))
        };
        let body_len = u32::try_from(body_bytes)
            .ok()
            .filter(|len| *len <= RECORD_BODY_BYTES_MAX)
            .ok_or_else(too_long)?;
        let count = u32::try_from(count).map_err(|_| too_long())?;

        let mut buffer = Vec::with_capacity(RECORD_HEADER_BYTES + body_bytes);
        buffer.extend_from_slice(&RECORD_MAGIC);
        buffer.extend_from_slice(&[RECORD_FORMAT, kind, 0, 0]);
        buffer.extend_from_slice(&self.position.epoch.to_le_bytes());
        buffer.extend_from_slice(&body_len.to_le_bytes());
        buffer.extend_from_slice(&self.position.seq.to_le_bytes());
        buffer.extend_from_slice(self.position.record.as_bytes());
        buffer.extend_from_slice(self.predecessor.as_bytes());
        buffer.extend_from_slice(self.store.as_bytes());
        buffer.extend_from_slice(&self.writer.to_le_bytes());
        buffer.extend_from_slice(&self.time.as_millis().to_le_bytes());
        buffer.extend_from_slice(&count.to_le_bytes());
        buffer.extend_from_slice(&[0; 12]); // body checksum, reserved, header checksum
        match &self.body {
            RecordBody::Transactions(transactions) => {
                for transaction in transactions {
                    let len = u32::try_from(transaction.encoded.len()).map_err(|_| too_long())?;
                    buffer.extend_from_slice(&len.to_le_bytes());
                    buffer.extend_from_slice(&transaction.encoded);
                }
            }
            RecordBody::Control(_) => buffer.extend_from_slice(&control),
        }
        let body_checksum = crc32c::crc32c(&buffer[RECORD_HEADER_BYTES..]);
        buffer[92..96].copy_from_slice(&body_checksum.to_le_bytes());
        let header_checksum = crc32c::crc32c(&buffer[..100]);
        buffer[100..104].copy_from_slice(&header_checksum.to_le_bytes());
        Ok(Bytes::from(buffer))
    }

    /// Bytes that the record took where it was read.
    pub(crate) fn encoded_len(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// The entries that the record writes, each with the index of its transaction.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (u32, &Write)> {
        let transactions = match &self.body {
            RecordBody::Transactions(transactions) => transactions.as_slice(),
            RecordBody::Control(_) => &[],
        };
        (0u32..).zip(transactions).flat_map(|(index, transaction)| {
            transaction.writes.iter().map(move |write| (index, write))
        })
    }
}

fn decode_transactions(body: &Bytes, count: u32) -> Result<RecordBody, Malformed> {
    let mut decoder = Decoder::new(body);
    let mut transactions = Vec::with_capacity((count as usize).min(decoder.remaining() / 6));
    for _ in 0..count {
        let len = decoder.u32("length of a transaction")?;
        let start = decoder.offset();
        let encoded = decoder.bytes(u64::from(len), "transaction")?;
        let transaction = TransactionBody::decode(encoded).map_err(|fault| Malformed {
            offset: start + fault.offset,
            what: fault.what,
        })?;
        transactions.push(transaction);
    }
    if decoder.remaining() != 0 {
        return Err(decoder.malformed("bytes after the last transaction"));
    }
    Ok(RecordBody::Transactions(transactions))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample_record(seq: u64) -> Record {
        let writes = [
            WriteRef {
                key: b"city\0a",
                value: Some(b"alpha"),
                expires_at: None,
            },
            WriteRef {
                key: b"city\0b",
                value: None,
                expires_at: None,
            },
            WriteRef {
                key: b"city\0c",
                value: Some(b""),
                expires_at: Some(Timestamp::from_millis(77)),
            },
        ];
        let transactions = vec![
            TransactionBody::encode(writes.into_iter()),
            TransactionBody::encode([].into_iter()),
        ];
        Record {
            position: Position {
                epoch: 1,
                seq,
                record: RecordId::from_bytes([7; 16]),
            },
            predecessor: RecordId::from_bytes([6; 16]),
            store: StoreId::from_bytes([5; 16]),
            writer: 4,
            time: Timestamp::from_millis(1_000),
            body: RecordBody::Transactions(transactions),
            bytes: 0,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let record = sample_record(9);
        let encoded = record.encode().unwrap();
        let decoded = Record::decode(&encoded).unwrap();
        assert_eq!(decoded.position, record.position);
        assert_eq!(decoded.predecessor, record.predecessor);
        assert_eq!(decoded.store, record.store);
        assert_eq!((decoded.writer, decoded.time), (record.writer, record.time));
        assert_eq!(decoded.bytes, encoded.len() as u64);
        let writes = |record: &Record| {
            record
                .writes()
                .map(|(index, write)| (index, write.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(writes(&decoded), writes(&record));
        assert_eq!(writes(&decoded).len(), 3);
    }

    #[test]
    fn no_flipped_or_missing_byte_goes_unnoticed() {
        let encoded = sample_record(9).encode().unwrap();
        for offset in 0..encoded.len() {
            for bit in [0x01, 0x80] {
                let mut damaged = encoded.to_vec();
                damaged[offset] ^= bit;
                assert!(
                    Record::decode(&Bytes::from(damaged)).is_err(),
                    "byte {offset}"
                );
            }
            assert!(
                Record::decode(&encoded.slice(..offset)).is_err(),
                "cut at {offset}"
            );
        }
    }

    /// Whole, and with something in it that this version does not know: that is no append that was cut off.
    #[test]
    fn content_that_is_not_known_is_told_apart_from_damage() {
        let mut strange = sample_record(9).encode().unwrap().to_vec();
        strange[RECORD_HEADER_BYTES + 4] = 1; // the flags of the first transaction
        let checksum = crc32c::crc32c(&strange[RECORD_HEADER_BYTES..]);
        strange[92..96].copy_from_slice(&checksum.to_le_bytes());
        let checksum = crc32c::crc32c(&strange[..100]);
        strange[100..104].copy_from_slice(&checksum.to_le_bytes());
        let decoded = Record::decode(&Bytes::from(strange));
        assert!(
            matches!(decoded, Err(RecordFault::Content(_))),
            "{decoded:?}"
        );
    }

    /// The number after the largest one made the reading of a log overflow.
    #[test]
    fn a_number_that_no_record_can_have_is_refused() {
        for (seq, is_possible) in [
            (0, false),
            (1, true),
            (RECORD_SEQ_MAX, true),
            (RECORD_SEQ_MAX + 1, false),
            (u64::MAX, false),
        ] {
            let decoded = Record::decode(&sample_record(seq).encode().unwrap());
            match decoded {
                Ok(record) => assert!(is_possible && record.position.seq == seq),
                Err(RecordFault::Content(_)) => assert!(!is_possible, "{seq}"),
                Err(fault) => panic!("{fault:?}"),
            }
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let mut newer = sample_record(9).encode().unwrap().to_vec();
        newer[4] = 2;
        let checksum = crc32c::crc32c(&newer[..100]);
        newer[100..104].copy_from_slice(&checksum.to_le_bytes());
        match Record::decode(&Bytes::from(newer)) {
            Err(RecordFault::Newer(message)) => {
                assert!(message.contains("format 2 is newer than 1"), "{message}")
            }
            other => panic!("{other:?}"),
        }
    }
}
