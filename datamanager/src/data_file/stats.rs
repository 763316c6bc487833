//! What is in a data file, in numbers.
//!
//! Layout: `docs/formats.md`, section "Data file", "Stats".

use bytes::Bytes;

use super::bytes_reader::{BytesReader, put_varint};
use super::entry::{DataFileEntry, KEY_BYTES_MAX};
use super::error::Damage;
use crate::Timestamp;

/// Counts and bounds over all entries of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFileStats {
    /// Entries, tombstones included; at least one.
    pub entries: u64,
    /// Entries that are tombstones.
    pub tombstones: u64,
    /// Entries with an expiry, tombstones included.
    pub expiring: u64,
    /// The earliest expiry, if any entry has one.
    pub earliest_expiry: Option<Timestamp>,
    /// The lowest log position of an entry.
    pub min_seq: u64,
    /// The highest log position of an entry.
    pub max_seq: u64,
    /// Bytes of all keys together, as they were before compression.
    pub key_bytes: u64,
    /// Bytes of all values together, as they were before compression.
    pub value_bytes: u64,
    /// Data blocks.
    pub blocks: u64,
    /// The least key.
    pub first_key: Bytes,
    /// The greatest key.
    pub last_key: Bytes,
}

impl DataFileStats {
    /// Of no entries yet.
    pub(super) fn new() -> DataFileStats {
        DataFileStats {
            entries: 0,
            tombstones: 0,
            expiring: 0,
            earliest_expiry: None,
            min_seq: u64::MAX,
            max_seq: 0,
            key_bytes: 0,
            value_bytes: 0,
            blocks: 0,
            first_key: Bytes::new(),
            last_key: Bytes::new(),
        }
    }

    /// Counts one more entry, but leaves the two keys to the caller.
    pub(super) fn count(&mut self, entry: &DataFileEntry) {
        self.entries += 1;
        self.tombstones += u64::from(entry.value.is_none());
        if let Some(expires_at) = entry.expires_at {
            self.expiring += 1;
            self.earliest_expiry = Some(
                self.earliest_expiry
                    .map_or(expires_at, |at| at.min(expires_at)),
            );
        }
        self.min_seq = self.min_seq.min(entry.seq);
        self.max_seq = self.max_seq.max(entry.seq);
        self.key_bytes += entry.key.len() as u64;
        self.value_bytes += entry.value.as_ref().map_or(0, Bytes::len) as u64;
    }

    /// The stats section's content.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [
            self.entries,
            self.tombstones,
            self.expiring,
            self.earliest_expiry.unwrap_or_default().as_millis(),
            self.min_seq,
            self.max_seq,
            self.key_bytes,
            self.value_bytes,
            self.blocks,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for key in [&self.first_key, &self.last_key] {
            put_varint(&mut bytes, key.len() as u64);
            bytes.extend_from_slice(key);
        }
        bytes
    }

    /// Reads the content of the stats section, which is at `offset` of the file.
    pub(super) fn parse(content: &Bytes, offset: u64) -> Result<DataFileStats, Damage> {
        let stats =
            DataFileStats::read(content).ok_or_else(|| Damage::new(offset, "stats do not read"))?;
        let contradicts = stats.entries == 0
            || stats.tombstones > stats.entries
            || stats.expiring > stats.entries
            || stats.min_seq > stats.max_seq
            || stats.blocks == 0
            || stats.blocks > stats.entries
            || stats.first_key > stats.last_key
            || stats.last_key.len() > KEY_BYTES_MAX;
        if contradicts {
            return Err(Damage::new(offset, "stats contradict themselves"));
        }
        Ok(stats)
    }

    fn read(content: &Bytes) -> Option<DataFileStats> {
        let mut reader = BytesReader::new(content, 0);
        let [entries, tombstones, expiring] = [reader.u64()?, reader.u64()?, reader.u64()?];
        let earliest_expiry = Timestamp::from_millis(reader.u64()?);
        let [min_seq, max_seq] = [reader.u64()?, reader.u64()?];
        let [key_bytes, value_bytes, blocks] = [reader.u64()?, reader.u64()?, reader.u64()?];
        let mut key = || {
            let length = reader.varint_usize()?;
            // A copy, as callers keep these keys for longer than the file's other parts.
            Some(Bytes::copy_from_slice(&content[reader.range(length)?]))
        };
        let [first_key, last_key] = [key()?, key()?];
        reader.is_at_end().then_some(DataFileStats {
            entries,
            tombstones,
            expiring,
            earliest_expiry: (expiring > 0).then_some(earliest_expiry),
            min_seq,
            max_seq,
            key_bytes,
            value_bytes,
            blocks,
            first_key,
            last_key,
        })
    }
}
