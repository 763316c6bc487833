//! What a transaction has read, and whether it has changed since.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::documents::Catalog;
use crate::entry_key::{EntryKey, describe_key, split_key, successor};
use crate::error::Conflict;
use crate::memtable::{Memtable, Version, VersionedEntry};
use crate::mutation;
use crate::record::Write;

/// Ranges that the points of a transaction are widened to, at most.
const WIDENED_RANGES_MAX: usize = 1_000;

/// The entries and ranges that a transaction has read, those found empty too.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadSet {
    points: BTreeSet<EntryKey>,
    /// `[start, end)` of each scan.
    ranges: Vec<(EntryKey, EntryKey)>,
    /// The earliest expiry among entries read as present.
    alive_until: Option<Timestamp>,
    /// The latest expiry among entries read as expired.
    expired_since: Option<Timestamp>,
}

impl ReadSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty() && self.ranges.is_empty()
    }

    fn ranges_to_check(&self) -> &[(EntryKey, EntryKey)] {
        match mutation::is("ignore-range-reads") {
            true => &[],
            false => &self.ranges,
        }
    }

    /// Adds one key; above `points_max` keys, neighbours are joined to ranges and nothing is dropped (R20).
    pub(crate) fn add_point(&mut self, key: EntryKey, points_max: usize) {
        self.points.insert(key);
        if self.points.len() > points_max {
            self.widen();
        }
    }

    fn widen(&mut self) {
        let points: Vec<EntryKey> = std::mem::take(&mut self.points).into_iter().collect();
        for group in points.chunks(points.len().div_ceil(WIDENED_RANGES_MAX)) {
            // A group may span two types; each type gets a range of its own.
            for same_type in group.chunk_by(|left, right| type_of(left) == type_of(right)) {
                if let (Some(first), Some(last)) = (same_type.first(), same_type.last()) {
                    self.ranges.push((first.clone(), successor(last)));
                }
            }
        }
    }

    /// Adds a range and returns its place, for [`ReadSet::extend_range`].
    pub(crate) fn add_range(&mut self, start: EntryKey, end: EntryKey) -> usize {
        self.ranges.push((start, end));
        self.ranges.len() - 1
    }

    /// Sets the bounds of a range that is being scanned.
    pub(crate) fn set_range(&mut self, place: usize, start: EntryKey, end: EntryKey) {
        if let Some(range) = self.ranges.get_mut(place) {
            *range = (start, end);
        }
    }

    /// Notes whether an entry that was read counted as present or as expired at `time`.
    pub(crate) fn note_expiry(&mut self, expires_at: Option<Timestamp>, time: Timestamp) {
        let Some(expires_at) = expires_at else {
            return;
        };
        if expires_at > time {
            self.alive_until = Some(
                self.alive_until
                    .map_or(expires_at, |until| until.min(expires_at)),
            );
        } else {
            self.expired_since = Some(
                self.expired_since
                    .map_or(expires_at, |since| since.max(expires_at)),
            );
        }
    }

    /// Whether what was read would still count the same at `time` (R22).
    pub(crate) fn check_expiry(&self, time: Timestamp) -> Result<(), Conflict> {
        let still_alive = self.alive_until.is_none_or(|until| time < until);
        let expired = self.expired_since.is_none_or(|since| time >= since);
        if still_alive && expired {
            Ok(())
        } else {
            Err(Conflict::Expiry)
        }
    }
}

fn type_of(key: &[u8]) -> Option<&str> {
    split_key(key).map(|(data_type, _)| data_type)
}

/// When each key of a memtable was last written, kept after the memtable itself has gone to data files.
#[derive(Debug)]
pub(crate) struct RetiredKeys {
    /// All keys, one behind the other, in order.
    keys: Vec<u8>,
    /// Where each key ends, and the number of its newest version.
    places: Vec<(u32, u64)>,
    newest_seq: u64,
}

impl RetiredKeys {
    /// The keys of `memtable`; `None` if they take more than 4 GiB.
    pub(crate) fn of(memtable: &Memtable) -> Option<RetiredKeys> {
        let mut retired = RetiredKeys {
            keys: Vec::new(),
            places: Vec::new(),
            newest_seq: memtable.newest_seq(),
        };
        for (key, seq) in memtable.newest_versions() {
            retired.keys.extend_from_slice(&key);
            retired
                .places
                .push((u32::try_from(retired.keys.len()).ok()?, seq));
        }
        retired.keys.shrink_to_fit();
        retired.places.shrink_to_fit();
        Some(retired)
    }

    fn bytes(&self) -> usize {
        self.keys.len() + self.places.len() * size_of::<(u32, u64)>()
    }

    fn key(&self, place: usize) -> &[u8] {
        let start = place
            .checked_sub(1)
            .map_or(0, |before| self.places[before].0);
        &self.keys[start as usize..self.places[place].0 as usize]
    }

    /// The first place whose key is not less than `key`.
    fn lower_bound(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.places.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle) < key {
                low = middle + 1
            } else {
                high = middle
            }
        }
        low
    }

    fn last_written(&self, key: &[u8]) -> Option<u64> {
        let place = self.lower_bound(key);
        (place < self.places.len() && self.key(place) == key).then(|| self.places[place].1)
    }

    fn written_within(&self, start: &[u8], end: &[u8], after: u64) -> Option<EntryKey> {
        let first = self.lower_bound(start);
        let inside = (first..self.places.len()).take_while(|place| self.key(*place) < end);
        let mut newer = inside.filter(|place| self.places[*place].1 > after);
        newer
            .next()
            .map(|place| EntryKey::copy_from_slice(self.key(place)))
    }
}

/// Writes in one stretch of the log.
#[derive(Debug)]
enum WindowPart {
    Memtable(Arc<Memtable>),
    Retired { keys: RetiredKeys, since: Duration },
}

impl WindowPart {
    fn newest_seq(&self) -> u64 {
        match self {
            WindowPart::Memtable(memtable) => memtable.newest_seq(),
            WindowPart::Retired { keys, .. } => keys.newest_seq,
        }
    }

    fn last_written(&self, key: &[u8]) -> Option<u64> {
        match self {
            WindowPart::Memtable(memtable) => {
                memtable.newest_version(key).map(|version| version.seq)
            }
            WindowPart::Retired { keys, .. } => keys.last_written(key),
        }
    }

    fn written_within(&self, start: &[u8], end: &[u8], after: u64) -> Option<EntryKey> {
        match self {
            WindowPart::Memtable(memtable) => memtable.written_within(start, end, after),
            WindowPart::Retired { keys, .. } => keys.written_within(start, end, after),
        }
    }
}

/// How far the window reaches back, if its memory allows.
const WINDOW_AGE_MIN: Duration = Duration::from_secs(60);

/// The writes that transactions are checked against: all of them since `start_seq`.
///
/// While memtables hold what they hold, they are the window; of those that have gone to data files the keys stay for a
/// minute, and at least until the manifest after the next, within a bound of memory.
#[derive(Debug)]
pub(crate) struct ConflictWindow {
    /// Writes at or before this number are not remembered in full.
    start_seq: u64,
    /// Newest first, without a gap.
    parts: VecDeque<WindowPart>,
    retired_bytes_max: usize,
}

impl ConflictWindow {
    pub(crate) fn new(
        start_seq: u64,
        memtable: Arc<Memtable>,
        retired_bytes_max: usize,
    ) -> ConflictWindow {
        ConflictWindow {
            start_seq,
            parts: VecDeque::from([WindowPart::Memtable(memtable)]),
            retired_bytes_max,
        }
    }

    /// Adds the memtable that takes the writes from now on.
    pub(crate) fn add(&mut self, memtable: Arc<Memtable>) {
        self.parts.push_front(WindowPart::Memtable(memtable));
    }

    /// Keeps `keys` instead of `memtable`; without keys the window starts behind it.
    pub(crate) fn retire(
        &mut self,
        memtable: &Arc<Memtable>,
        keys: Option<RetiredKeys>,
        now: Duration,
    ) {
        let is_it = |part: &WindowPart| matches!(part, WindowPart::Memtable(other) if Arc::ptr_eq(other, memtable));
        let Some(place) = self.parts.iter().position(is_it) else {
            return;
        };
        match keys {
            Some(keys) => self.parts[place] = WindowPart::Retired { keys, since: now },
            None => self.forget_from(place),
        }
    }

    /// Drops what need not be remembered any more: what is older than a minute and than `covered_before`, the position
    /// that the last manifest but one covers; and what there is no room for.
    pub(crate) fn trim(&mut self, now: Duration, covered_before: u64) {
        let mut bytes = 0;
        for place in 0..self.parts.len() {
            let WindowPart::Retired { keys, since } = &self.parts[place] else {
                continue;
            };
            bytes += keys.bytes();
            let old =
                now.saturating_sub(*since) > WINDOW_AGE_MIN && keys.newest_seq <= covered_before;
            if old || bytes > self.retired_bytes_max {
                self.forget_from(place);
                return;
            }
        }
    }

    /// Forgets the part at `place` and all that are older.
    fn forget_from(&mut self, place: usize) {
        self.start_seq = self
            .parts
            .range(place..)
            .map(WindowPart::newest_seq)
            .fold(self.start_seq, u64::max);
        self.parts.truncate(place);
    }

    /// Whether everything written after `seq` is remembered.
    pub(crate) fn reaches(&self, seq: u64) -> bool {
        seq >= self.start_seq
    }

    /// Whether anything of `reads` was written after `since`.
    pub(crate) fn check(&self, reads: &ReadSet, since: u64) -> Result<(), Conflict> {
        if reads.is_empty() {
            return Ok(());
        }
        if !self.reaches(since) {
            return Err(Conflict::TooOld);
        }
        for part in self.parts.iter().filter(|part| part.newest_seq() > since) {
            for key in &reads.points {
                if part.last_written(key).is_some_and(|seq| seq > since) {
                    return Err(entry_conflict(key));
                }
            }
            for (start, end) in reads.ranges_to_check() {
                if let Some(key) = part.written_within(start, end, since) {
                    return Err(range_conflict(&key));
                }
            }
        }
        Ok(())
    }

    /// When `key` was last written, as far as that is remembered.
    pub(crate) fn last_written(&self, key: &[u8]) -> Option<u64> {
        self.parts.iter().find_map(|part| part.last_written(key))
    }
}

/// What the transactions of one batch have written so far.
#[derive(Debug, Default)]
pub(crate) struct BatchWrites {
    writes: BTreeMap<EntryKey, Write>,
    changes_catalog: bool,
}

impl BatchWrites {
    pub(crate) fn add(&mut self, write: &Write) {
        self.changes_catalog |= Catalog::is_changed_by(write);
        self.writes.insert(write.key.clone(), write.clone());
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.writes.contains_key(key)
    }

    /// The last write of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Write> {
        self.writes.get(key)
    }

    /// Whether one of the transactions has changed what is known of a type's indexes.
    pub(crate) fn changes_catalog(&self) -> bool {
        self.changes_catalog
    }

    /// What was written last in `[low, high)`, deletes included, in order.
    pub(crate) fn entries(&self, low: EntryKey, high: EntryKey) -> Vec<VersionedEntry> {
        let writes = self.writes.range(low..high);
        writes
            .map(|(key, write)| VersionedEntry {
                key: key.clone(),
                version: Version::end_of(u64::MAX),
                value: write.value.clone(),
                expires_at: write.expires_at,
            })
            .collect()
    }

    /// Whether anything of `reads` was written.
    pub(crate) fn check(&self, reads: &ReadSet) -> Result<(), Conflict> {
        if let Some(key) = reads
            .points
            .iter()
            .find(|key| self.writes.contains_key(*key))
        {
            return Err(entry_conflict(key));
        }
        for (start, end) in reads.ranges_to_check() {
            if start < end
                && let Some((key, _)) = self.writes.range(start.clone()..end.clone()).next()
            {
                return Err(range_conflict(key));
            }
        }
        Ok(())
    }
}

fn entry_conflict(key: &[u8]) -> Conflict {
    let (data_type, id) = describe_key(key);
    Conflict::Entry { data_type, id }
}

fn range_conflict(key: &[u8]) -> Conflict {
    let (data_type, id) = describe_key(key);
    Conflict::Range { data_type, id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{RecordBody, TransactionBody, WriteRef};

    fn apply(memtable: &Memtable, seq: u64, keys: &[&str]) {
        let mut record = crate::record::tests::sample_record(seq);
        let writes = keys.iter().map(|key| WriteRef {
            key: key.as_bytes(),
            value: Some(b"x"),
            expires_at: None,
        });
        record.body = RecordBody::Transactions(vec![TransactionBody::encode(writes)]);
        memtable.apply(&record);
    }

    fn point(key: &str) -> ReadSet {
        let mut reads = ReadSet::default();
        reads.add_point(EntryKey::copy_from_slice(key.as_bytes()), 100);
        reads
    }

    fn range(start: &str, end: &str) -> ReadSet {
        let mut reads = ReadSet::default();
        reads.add_range(
            EntryKey::copy_from_slice(start.as_bytes()),
            EntryKey::copy_from_slice(end.as_bytes()),
        );
        reads
    }

    #[test]
    fn a_retired_memtable_still_conflicts_until_it_is_forgotten() {
        let first = Arc::new(Memtable::default());
        let mut window = ConflictWindow::new(0, first.clone(), 1_000_000);
        apply(&first, 1, &["t\0a", "t\0c"]);
        apply(&first, 2, &["t\0c", "t\0e"]);
        let check_all = |window: &ConflictWindow| {
            assert!(window.check(&point("t\0a"), 0).is_err());
            assert!(window.check(&point("t\0a"), 1).is_ok());
            assert!(window.check(&point("t\0c"), 1).is_err());
            assert!(window.check(&point("t\0b"), 0).is_ok());
            assert!(window.check(&range("t\0b", "t\0c"), 0).is_ok());
            assert!(window.check(&range("t\0b", "t\0d"), 1).is_err());
            assert!(window.check(&range("t\0a", "t\0b"), 1).is_ok());
            assert!(window.check(&range("t\0d", "t\0z"), 1).is_err());
            assert_eq!(window.last_written(b"t\0c"), Some(2));
        };
        check_all(&window);
        let second = Arc::new(Memtable::default());
        window.add(second.clone());
        window.retire(&first, RetiredKeys::of(&first), Duration::ZERO);
        window.trim(Duration::from_secs(59), 2);
        check_all(&window);
        window.trim(Duration::from_secs(61), 1);
        check_all(&window);
        window.trim(Duration::from_secs(61), 2);
        assert_eq!(window.check(&point("t\0b"), 1), Err(Conflict::TooOld));
        assert_eq!(window.check(&point("t\0b"), 2), Ok(()));
    }

    #[test]
    fn the_window_forgets_the_oldest_when_there_is_no_room() {
        let first = Arc::new(Memtable::default());
        let mut window = ConflictWindow::new(0, first.clone(), 10);
        apply(&first, 1, &["t\0abcdefghijk"]);
        window.add(Arc::default());
        window.retire(&first, RetiredKeys::of(&first), Duration::ZERO);
        window.trim(Duration::ZERO, 0);
        assert!(!window.reaches(0) && window.reaches(1));
    }
}
