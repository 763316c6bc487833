//! Reading entries in order.

use bytes::Bytes;
use futures::Stream;

use crate::entry_key::{
    EntryKey, check_data_type, prefix_end, raw_key, split_key, successor, type_end,
};
use crate::memtable::VersionedEntry;
use crate::merge::Merge;
use crate::{Error, Timestamp};

/// Which entries of a type a scan gives, and in which order.
///
/// `start`, `after` and `end` are meant in the direction of the scan: a reverse scan starts at the larger id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanOptions {
    prefix: String,
    start: Option<String>,
    after: Option<String>,
    end: Option<String>,
    reverse: bool,
    limit: Option<usize>,
}

impl ScanOptions {
    /// All entries of a type, by rising id (in byte order).
    pub fn new() -> ScanOptions {
        ScanOptions::default()
    }

    /// Only ids that begin with `prefix`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> ScanOptions {
        self.prefix = prefix.into();
        self
    }

    /// Begins at `id`, whether it exists or not.
    pub fn start(mut self, id: impl Into<String>) -> ScanOptions {
        self.start = Some(id.into());
        self
    }

    /// Begins behind `id`: how a scan that gave `id` last is resumed.
    pub fn after(mut self, id: impl Into<String>) -> ScanOptions {
        self.after = Some(id.into());
        self
    }

    /// Ends before `id`.
    pub fn end(mut self, id: impl Into<String>) -> ScanOptions {
        self.end = Some(id.into());
        self
    }

    /// Goes from the largest id to the smallest.
    pub fn reverse(mut self) -> ScanOptions {
        self.reverse = true;
        self
    }

    /// Gives at most `limit` entries.
    pub fn limit(mut self, limit: usize) -> ScanOptions {
        self.limit = Some(limit);
        self
    }

    /// The keys `[low, high)` that the options name.
    pub(crate) fn range(&self, data_type: &str) -> Result<ScanRange, Error> {
        check_data_type(data_type)?;
        let key = |id: &String| raw_key(data_type, id.as_bytes());
        let prefix = key(&self.prefix);
        let mut low = prefix.clone();
        let mut high = type_end(data_type);
        if !self.prefix.is_empty()
            && let Some(end) = prefix_end(&prefix)
        {
            high = high.min(end);
        }
        if self.reverse {
            low = low.max(
                self.end
                    .as_ref()
                    .map_or_else(EntryKey::new, |id| successor(&key(id))),
            );
            high = self
                .start
                .iter()
                .fold(high, |high, id| high.min(successor(&key(id))));
            high = self.after.iter().fold(high, |high, id| high.min(key(id)));
        } else {
            low = self.start.iter().fold(low, |low, id| low.max(key(id)));
            low = self
                .after
                .iter()
                .fold(low, |low, id| low.max(successor(&key(id))));
            high = self.end.iter().fold(high, |high, id| high.min(key(id)));
        }
        Ok(ScanRange {
            low,
            high,
            reverse: self.reverse,
            limit: self.limit.unwrap_or(usize::MAX),
        })
    }
}

/// [`ScanOptions`] for one type, as keys.
#[derive(Clone, Debug)]
pub(crate) struct ScanRange {
    pub(crate) low: EntryKey,
    pub(crate) high: EntryKey,
    pub(crate) reverse: bool,
    pub(crate) limit: usize,
}

/// One stored entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The entry's id within its type.
    pub id: String,
    /// The stored bytes.
    pub value: Bytes,
    /// The number of the log record that wrote it.
    pub seq: u64,
    /// From when on it is gone, if it expires.
    pub expires_at: Option<Timestamp>,
}

impl Entry {
    pub(crate) fn from_versioned(entry: VersionedEntry) -> Option<Entry> {
        let (_, id) = split_key(&entry.key)?;
        let id = String::from_utf8(id.to_vec())
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Some(Entry {
            id,
            value: entry.value?,
            seq: entry.version.seq,
            expires_at: entry.expires_at,
        })
    }
}

/// A scan under way: the entries of one snapshot, one by one.
///
/// Dropping it ends it; a call of [`Scan::next`] that is dropped has skipped nothing.
pub struct Scan {
    merge: Merge,
    time: Timestamp,
    left: usize,
}

impl Scan {
    pub(crate) fn new(merge: Merge, time: Timestamp, limit: usize) -> Scan {
        Scan {
            merge,
            time,
            left: limit,
        }
    }

    /// The next entry, `None` behind the last.
    ///
    /// # Cancel safety
    /// A call that is dropped has skipped nothing.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        while let Some(found) = self.merge.next().await? {
            if found.value_at(self.time).is_some() {
                self.left -= 1;
                return Ok(Entry::from_versioned(found));
            }
        }
        self.left = 0;
        Ok(None)
    }

    /// All entries that are left, in memory.
    ///
    /// # Cancel safety
    /// Entries read before the call is dropped are lost with the scan.
    pub async fn collect(mut self) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        while let Some(entry) = self.next().await? {
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The entries that are left, as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Entry, Error>> + Send + Unpin {
        Box::pin(futures::stream::try_unfold(self, |mut scan| async move {
            Ok(scan.next().await?.map(|entry| (entry, scan)))
        }))
    }
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Scan")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
