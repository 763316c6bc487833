//! A file of consecutive log records: `wal/<epoch>/<seq of the first>.wal`, the same for every log.

use bytes::Bytes;

use crate::mutation;
use crate::record::{RECORD_HEADER_BYTES, RECORD_MAGIC, Record, RecordFault, RecordHeader};
use crate::store_id::StoreId;
use crate::{Error, Position};

/// The WAL file format that this version writes, and the newest that it reads.
pub(crate) const WAL_FILE_FORMAT: u32 = 1;
/// Bytes before the first record.
pub(crate) const WAL_FILE_HEADER_BYTES: usize = 32;
const WAL_FILE_MAGIC: [u8; 8] = *b"DMWAL\r\n\0";

/// The first bytes of a WAL file.
pub(crate) fn encode_header(epoch: u32, first_seq: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(WAL_FILE_HEADER_BYTES);
    header.extend_from_slice(&WAL_FILE_MAGIC);
    header.extend_from_slice(&WAL_FILE_FORMAT.to_le_bytes());
    header.extend_from_slice(&epoch.to_le_bytes());
    header.extend_from_slice(&first_seq.to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    let checksum = crc32c::crc32c(&header);
    header.extend_from_slice(&checksum.to_le_bytes());
    header
}

/// Why a WAL file's header was not accepted.
#[derive(Debug)]
pub(crate) enum HeaderFault {
    /// Missing, cut or altered.
    Damaged,
    /// Whole, and of a format that this version does not know.
    Newer(u32),
}

impl HeaderFault {
    pub(crate) fn into_error(self, path: &str) -> Error {
        match self {
            HeaderFault::Damaged => Error::corrupt(format!(
                "{path:?} at offset 0: the header is not that of this WAL file"
            )),
            HeaderFault::Newer(format) => Error::invalid(format!(
                "cannot read {path:?}: WAL file format {format} is newer than {WAL_FILE_FORMAT}, the newest that this \
                 version reads"
            )),
        }
    }
}

/// Checks the header of the file that is named by `epoch` and `first_seq`.
pub(crate) fn check_header(bytes: &[u8], epoch: u32, first_seq: u64) -> Result<(), HeaderFault> {
    let header = bytes
        .get(..WAL_FILE_HEADER_BYTES)
        .ok_or(HeaderFault::Damaged)?;
    let mut checksum = [0; 4];
    checksum.copy_from_slice(&header[28..32]);
    if header[..8] != WAL_FILE_MAGIC || crc32c::crc32c(&header[..28]).to_le_bytes() != checksum {
        return Err(HeaderFault::Damaged);
    }
    let mut format = [0; 4];
    format.copy_from_slice(&header[8..12]);
    let format = u32::from_le_bytes(format);
    if format != WAL_FILE_FORMAT {
        return Err(HeaderFault::Newer(format));
    }
    if header[..] != encode_header(epoch, first_seq) {
        return Err(HeaderFault::Damaged);
    }
    Ok(())
}

/// The records of one WAL file, read with the chain checked.
pub(crate) struct WalScan {
    pub(crate) records: Vec<Record>,
    /// Bytes up to the end of the last whole record, of those given.
    pub(crate) valid_bytes: usize,
    /// What stands behind it, if anything does: an append that was cut off.
    pub(crate) tear: Option<&'static str>,
}

/// What the chain was like before a WAL file: its first record must follow.
#[derive(Clone, Copy)]
pub(crate) enum ChainStart {
    /// The first record follows this one.
    After(Position),
    /// The file begins with this number, after a record that is not at hand.
    At(u64),
}

/// Reads the records in `bytes`, which begin at `base_offset` of a WAL file and go on to its end, and tells a cut-off
/// append at the end from damage. Zeros up to the end are neither.
///
/// # Errors
/// - `Corrupt`: a record that does not follow its predecessor or belongs to another store, or bytes that are not a
///   record with a whole record behind them; names `path` and the offset.
/// - `Invalid`: a record of a newer format.
pub(crate) fn scan(
    bytes: &Bytes,
    base_offset: u64,
    path: &str,
    epoch: u32,
    store: StoreId,
    start: ChainStart,
) -> Result<WalScan, Error> {
    let mut records: Vec<Record> = Vec::new();
    let mut offset = 0;
    let shown = |offset: usize| base_offset + offset as u64;
    while offset < bytes.len() {
        // Room that was set aside for records to come.
        if bytes[offset] == 0 && bytes[offset..].iter().all(|byte| *byte == 0) {
            break;
        }
        let what = match Record::decode(&bytes.slice(offset..)) {
            Ok(record) => {
                check_chain(&record, records.last(), start, epoch, store).map_err(|what| {
                    Error::corrupt(format!("{path:?} at offset {}: {what}", shown(offset)))
                })?;
                offset += record.encoded_len();
                records.push(record);
                continue;
            }
            Err(RecordFault::Newer(message)) => {
                return Err(Error::invalid(format!(
                    "cannot read {path:?} at offset {}: {message}",
                    shown(offset)
                )));
            }
            // The checksum fits, so this is no append that was cut off: it must not be taken for one.
            Err(RecordFault::Content(malformed)) => {
                return Err(Error::corrupt(format!(
                    "{path:?} at offset {}: {}",
                    shown(offset + RECORD_HEADER_BYTES + malformed.offset),
                    malformed.what
                )));
            }
            Err(RecordFault::Incomplete) => "the record is cut off",
            Err(RecordFault::Header(what)) => what,
            Err(RecordFault::Body(malformed)) => malformed.what,
        };
        let last_seq = match (records.last(), start) {
            (Some(record), _) => record.position.seq,
            (None, ChainStart::After(position)) => position.seq,
            (None, ChainStart::At(seq)) => seq.saturating_sub(1),
        };
        if let Some(later) = find_later_record(bytes, offset + 1, epoch, store, last_seq) {
            return Err(Error::corrupt(format!(
                "{path:?} at offset {}: {what}, and a whole record stands behind it at offset {}",
                shown(offset),
                shown(later)
            )));
        }
        return Ok(WalScan {
            records,
            valid_bytes: offset,
            tear: Some(what),
        });
    }
    Ok(WalScan {
        records,
        valid_bytes: offset,
        tear: None,
    })
}

fn check_chain(
    record: &Record,
    last: Option<&Record>,
    start: ChainStart,
    epoch: u32,
    store: StoreId,
) -> Result<(), String> {
    if record.store != store {
        return Err(format!(
            "the record belongs to store {}, not to {store}",
            record.store
        ));
    }
    if record.position.epoch != epoch {
        return Err(format!(
            "the record belongs to epoch {}, not to {epoch}",
            record.position.epoch
        ));
    }
    let (expected_seq, predecessor) = match (last, start) {
        (Some(last), _) => (last.position.seq + 1, Some(last.position.record)),
        (None, ChainStart::After(position)) => (position.seq + 1, Some(position.record)),
        (None, ChainStart::At(seq)) => (seq, None),
    };
    if record.position.seq != expected_seq {
        return Err(format!(
            "the record has number {}, not {expected_seq}",
            record.position.seq
        ));
    }
    match predecessor {
        Some(predecessor)
            if predecessor != record.predecessor && !mutation::is("skip-the-record-id-check") =>
        {
            Err(format!(
                "record {} follows record {}, not {predecessor}, which stands before it",
                record.position.seq, record.predecessor
            ))
        }
        _ => Ok(()),
    }
}

/// The offset of a whole record of this store that stands at or behind `from` and is newer than `last_seq`.
fn find_later_record(
    bytes: &Bytes,
    from: usize,
    epoch: u32,
    store: StoreId,
    last_seq: u64,
) -> Option<usize> {
    let mut offset = from;
    while let Some(found) = find_magic(bytes, offset) {
        let belongs = |header: &RecordHeader| {
            header.store == store
                && header.position.epoch == epoch
                && header.position.seq > last_seq
        };
        let header = RecordHeader::decode(&bytes[found..]);
        if header.is_ok_and(|header| belongs(&header))
            && Record::decode(&bytes.slice(found..)).is_ok()
        {
            return Some(found);
        }
        offset = found + 1;
    }
    None
}

fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let behind = bytes.get(from..)?;
    behind
        .windows(RECORD_MAGIC.len())
        .position(|window| window == RECORD_MAGIC)
        .map(|place| from + place)
}
