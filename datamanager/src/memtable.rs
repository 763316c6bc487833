//! The newest writes, in memory: ordered by key and, within a key, newest version first.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering as AtomicOrdering};

use bytes::Bytes;
use crossbeam_skiplist::SkipMap;

use crate::entry_key::EntryKey;
use crate::record::{Record, Write};
use crate::{Error, ErrorKind, Timestamp};

/// When a version of an entry was written: record, and transaction within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) seq: u64,
    pub(crate) index: u32,
}

impl Version {
    /// The last version that a record can hold: what a snapshot at `seq` sees up to.
    pub(crate) fn end_of(seq: u64) -> Version {
        Version {
            seq,
            index: u32::MAX,
        }
    }
}

/// One version of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionedEntry {
    pub(crate) key: EntryKey,
    pub(crate) version: Version,
    /// `None` is a delete.
    pub(crate) value: Option<Bytes>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl VersionedEntry {
    /// The value, if the entry is there and has not expired at `time`.
    pub(crate) fn value_at(&self, time: Timestamp) -> Option<&Bytes> {
        match self.expires_at {
            Some(expires_at) if expires_at <= time => None,
            _ => self.value.as_ref(),
        }
    }
}

#[derive(Debug)]
struct MemtableKey {
    key: EntryKey,
    version: Version,
}

#[derive(Debug)]
struct MemtableValue {
    value: Option<Bytes>,
    expires_at: Option<Timestamp>,
}

/// A key and version whose bytes live anywhere, so that a lookup copies nothing.
trait KeyParts {
    fn parts(&self) -> (&[u8], Version);
}

impl KeyParts for MemtableKey {
    fn parts(&self) -> (&[u8], Version) {
        (&self.key, self.version)
    }
}

impl KeyParts for (&[u8], Version) {
    fn parts(&self) -> (&[u8], Version) {
        (self.0, self.1)
    }
}

fn compare(left: (&[u8], Version), right: (&[u8], Version)) -> Ordering {
    left.0.cmp(right.0).then_with(|| right.1.cmp(&left.1))
}

impl<'a> Borrow<dyn KeyParts + 'a> for MemtableKey {
    fn borrow(&self) -> &(dyn KeyParts + 'a) {
        self
    }
}

impl PartialEq for dyn KeyParts + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for dyn KeyParts + '_ {}

impl PartialOrd for dyn KeyParts + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn KeyParts + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.parts(), other.parts())
    }
}

impl PartialEq for MemtableKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for MemtableKey {}

impl PartialOrd for MemtableKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MemtableKey {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.parts(), other.parts())
    }
}

/// Writes of consecutive records.
///
/// One task applies records; any number of readers look things up meanwhile. A reader passes the newest version that
/// it may see, so that a record which is being applied stays invisible to it.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    entries: SkipMap<MemtableKey, MemtableValue>,
    log_bytes: AtomicU64,
    newest_seq: AtomicU64,
    /// Set before the entries are given up, so that whoever misses one sees it.
    given_up: AtomicBool,
}

impl Memtable {
    /// Adds what `record` writes.
    pub(crate) fn apply(&self, record: &Record) {
        let seq = record.position.seq;
        for (index, write) in record.writes() {
            let Write {
                key,
                value,
                expires_at,
            } = write.clone();
            let key = MemtableKey {
                key,
                version: Version { seq, index },
            };
            self.entries
                .insert(key, MemtableValue { value, expires_at });
        }
        self.log_bytes
            .fetch_add(record.bytes, AtomicOrdering::Relaxed);
        self.newest_seq.store(seq, AtomicOrdering::Relaxed);
    }

    /// Gives the entries up: snapshots that still need them have `Expired` from now on.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, AtomicOrdering::SeqCst);
        self.entries.clear();
    }

    /// To be asked after each read: whether what was found, or missed, counts.
    pub(crate) fn check_kept(&self) -> Result<(), Error> {
        if self.given_up.load(AtomicOrdering::SeqCst) {
            return Err(Error::new(
                ErrorKind::Expired,
                "the snapshot was given up, because too much was kept in memory for it",
            ));
        }
        Ok(())
    }

    /// Counts the bytes of a record that writes no entry.
    pub(crate) fn apply_control(&self, record: &Record) {
        self.log_bytes
            .fetch_add(record.bytes, AtomicOrdering::Relaxed);
        self.newest_seq
            .store(record.position.seq, AtomicOrdering::Relaxed);
    }

    /// Counts the bytes that `emptied`, which holds no entries, has counted.
    pub(crate) fn take_over(&self, emptied: &Memtable) {
        let bytes = emptied.log_bytes.swap(0, AtomicOrdering::Relaxed);
        self.log_bytes.fetch_add(bytes, AtomicOrdering::Relaxed);
        self.newest_seq
            .fetch_max(emptied.newest_seq(), AtomicOrdering::Relaxed);
    }

    /// All keys with the number of their newest version, in order.
    pub(crate) fn newest_versions(&self) -> impl Iterator<Item = (EntryKey, u64)> {
        let mut last: Option<EntryKey> = None;
        self.entries.iter().filter_map(move |entry| {
            let key = &entry.key().key;
            if last.as_ref() == Some(key) {
                return None;
            }
            last = Some(key.clone());
            Some((key.clone(), entry.key().version.seq))
        })
    }

    /// Bytes of the records applied.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_bytes.load(AtomicOrdering::Relaxed)
    }

    /// Versions held.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of the newest record applied, 0 if there is none.
    pub(crate) fn newest_seq(&self) -> u64 {
        self.newest_seq.load(AtomicOrdering::Relaxed)
    }

    /// The newest version of `key` up to `newest`.
    pub(crate) fn get(&self, key: &[u8], newest: Version) -> Option<VersionedEntry> {
        let from = (key, newest);
        let found = self
            .entries
            .lower_bound(Bound::Included(&from as &dyn KeyParts))?;
        (found.key().key == key).then(|| entry_of(&found))
    }

    /// When the newest version of `key` was written.
    pub(crate) fn newest_version(&self, key: &[u8]) -> Option<Version> {
        let from = (key, Version::end_of(u64::MAX));
        let found = self
            .entries
            .lower_bound(Bound::Included(&from as &dyn KeyParts))?;
        (found.key().key == key).then(|| found.key().version)
    }

    /// The first entry at or after `key`, in the version that a reader of `newest` sees.
    pub(crate) fn first_from(&self, key: &[u8], newest: Version) -> Option<VersionedEntry> {
        let from = (key, newest);
        let mut found = self
            .entries
            .lower_bound(Bound::Included(&from as &dyn KeyParts))?;
        while found.key().version > newest {
            // The whole key may be newer: the visible version of it or of the next key is further on.
            found = found.next()?;
        }
        Some(entry_of(&found))
    }

    /// The last entry before `key`, in the version that a reader of `newest` sees.
    pub(crate) fn last_before(&self, key: &[u8], newest: Version) -> Option<VersionedEntry> {
        // Versions of one key go from newest to oldest, so the oldest of the key before `key` comes first here.
        let from = (key, Version::end_of(u64::MAX));
        let mut found = self
            .entries
            .upper_bound(Bound::Excluded(&from as &dyn KeyParts))?;
        while found.key().version > newest {
            found = found.prev()?;
        }
        self.get(&found.key().key, newest)
    }

    /// A key in `[start, end)` that was written after `after`, if there is one.
    pub(crate) fn written_within(&self, start: &[u8], end: &[u8], after: u64) -> Option<EntryKey> {
        let from = (start, Version::end_of(u64::MAX));
        let mut next = self
            .entries
            .lower_bound(Bound::Included(&from as &dyn KeyParts));
        while let Some(found) = next {
            if &found.key().key[..] >= end {
                return None;
            }
            if found.key().version.seq > after {
                return Some(found.key().key.clone());
            }
            next = found.next();
        }
        None
    }
}

fn entry_of(
    found: &crossbeam_skiplist::map::Entry<'_, MemtableKey, MemtableValue>,
) -> VersionedEntry {
    VersionedEntry {
        key: found.key().key.clone(),
        version: found.key().version,
        value: found.value().value.clone(),
        expires_at: found.value().expires_at,
    }
}

/// Entries of one memtable in key order, each in the version that a snapshot sees; deletes included.
///
/// It looks its place up again for every entry, so that it holds no borrow of the memtable.
#[derive(Debug)]
pub(crate) struct MemtableCursor {
    memtable: std::sync::Arc<Memtable>,
    newest: Version,
    /// Where the next entry may be: at or after this key going forward, before it going back.
    place: Option<EntryKey>,
    /// The end of the range, exclusive going forward and inclusive going back.
    limit: EntryKey,
    reverse: bool,
}

impl MemtableCursor {
    /// The entries of `[start, end)`.
    pub(crate) fn new(
        memtable: std::sync::Arc<Memtable>,
        newest: Version,
        start: EntryKey,
        end: EntryKey,
        reverse: bool,
    ) -> MemtableCursor {
        let (place, limit) = if reverse { (end, start) } else { (start, end) };
        MemtableCursor {
            memtable,
            newest,
            place: Some(place),
            limit,
            reverse,
        }
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Option<VersionedEntry>, Error> {
        let Some(place) = self.place.take() else {
            return Ok(None);
        };
        let found = if self.reverse {
            self.memtable.last_before(&place, self.newest)
        } else {
            self.memtable.first_from(&place, self.newest)
        };
        self.memtable.check_kept()?;
        let Some(entry) = found.filter(|entry| self.is_inside(&entry.key)) else {
            return Ok(None);
        };
        self.place = Some(if self.reverse {
            entry.key.clone()
        } else {
            crate::entry_key::successor(&entry.key)
        });
        Ok(Some(entry))
    }

    fn is_inside(&self, key: &[u8]) -> bool {
        if self.reverse {
            key >= &self.limit[..]
        } else {
            key < &self.limit[..]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{RecordBody, TransactionBody, WriteRef};

    fn record(seq: u64, writes: &[(&str, Option<&str>)]) -> Record {
        let mut record = crate::record::tests::sample_record(seq);
        let keys: Vec<EntryKey> = writes
            .iter()
            .map(|(id, _)| crate::entry_key::raw_key("t", id.as_bytes()))
            .collect();
        let refs = keys.iter().zip(writes).map(|(key, (_, value))| WriteRef {
            key,
            value: value.map(str::as_bytes),
            expires_at: None,
        });
        record.body = RecordBody::Transactions(vec![TransactionBody::encode(refs)]);
        record
    }

    fn ids(
        memtable: &std::sync::Arc<Memtable>,
        seq: u64,
        reverse: bool,
    ) -> Vec<(String, Option<Bytes>)> {
        let start = crate::entry_key::raw_key("t", b"");
        let end = crate::entry_key::type_end("t");
        let mut cursor =
            MemtableCursor::new(memtable.clone(), Version::end_of(seq), start, end, reverse);
        let mut found = Vec::new();
        while let Some(entry) = cursor.next().unwrap() {
            found.push((crate::entry_key::describe_key(&entry.key).1, entry.value));
        }
        found
    }

    #[test]
    fn every_snapshot_sees_its_own_versions_in_both_directions() {
        let memtable = std::sync::Arc::new(Memtable::default());
        memtable.apply(&record(1, &[("a", Some("1")), ("b", Some("1"))]));
        memtable.apply(&record(2, &[("a", None), ("c", Some("2"))]));
        memtable.apply(&record(3, &[("a", Some("3")), ("d", Some("3"))]));
        let expected: [&[(&str, Option<&str>)]; 4] = [
            &[],
            &[("a", Some("1")), ("b", Some("1"))],
            &[("a", None), ("b", Some("1")), ("c", Some("2"))],
            &[
                ("a", Some("3")),
                ("b", Some("1")),
                ("c", Some("2")),
                ("d", Some("3")),
            ],
        ];
        for (seq, expected) in (0u64..).zip(expected) {
            let mut expected: Vec<_> = expected
                .iter()
                .map(|(id, value)| {
                    (
                        (*id).to_owned(),
                        value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
                    )
                })
                .collect();
            assert_eq!(ids(&memtable, seq, false), expected, "forward at {seq}");
            expected.reverse();
            assert_eq!(ids(&memtable, seq, true), expected, "reverse at {seq}");
        }
        assert_eq!(
            memtable.written_within(b"t\0a", b"t\0c", 1).unwrap(),
            &b"t\0a"[..]
        );
        assert_eq!(memtable.written_within(b"t\0b", b"t\0c", 1), None);
    }
}
