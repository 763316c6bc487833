//! Blocks of prefix-compressed entries that can be searched without decoding them.
//!
//! Data blocks and index leaves share this shape: entries, each leaving out what its key has in common with the
//! key before; every few entries one with its whole key, a *restart*; then the positions of the restarts.
//!
//! Layout: `docs/formats.md`, section "Data file", "Restarts".

use std::ops::Range;

use bytes::Bytes;

use super::bytes_reader::{BytesReader, common_prefix_bytes, put_varint};
use super::entry::KEY_BYTES_MAX;

/// Most entries from one restart to the next, so that decoding them takes little memory whatever the bytes say.
pub(super) const RESTART_INTERVAL_MAX: usize = 255;

/// Why a block does not read; the caller knows where it is.
pub(super) type What = &'static str;

/// One entry, read in place.
pub(super) trait RestartEntry: Clone {
    /// Reads the entry at the reader's position; `previous` is the one before it unless this is a restart.
    fn read(reader: &mut BytesReader<'_>, previous: Option<&Self>) -> Option<Self>;

    /// The key as it is stored.
    fn key(&self) -> &StoredKey;

    /// Where the next entry starts.
    fn end(&self) -> usize;
}

/// A key without its beginning.
#[derive(Clone)]
pub(super) struct StoredKey {
    /// How many bytes it starts with of the key before.
    pub(super) shared: usize,
    /// Where in the block the rest is.
    pub(super) rest: Range<usize>,
}

impl StoredKey {
    /// The length of the whole key.
    pub(super) fn bytes(&self) -> usize {
        self.shared + self.rest.len()
    }
}

/// What [`RestartBlock::lower_bound`] found: the first entry that is not less than the key sought.
pub(super) struct Found<E> {
    pub(super) interval: usize,
    pub(super) entry: E,
    /// Whether the entry has the very key sought.
    pub(super) is_exact: bool,
}

/// A block whose restart positions have been checked; its entries are checked as they are read.
#[derive(Clone, Debug)]
pub(super) struct RestartBlock {
    bytes: Bytes,
    entries_end: usize,
    intervals: usize,
}

impl RestartBlock {
    pub(super) fn parse(bytes: Bytes) -> Result<RestartBlock, What> {
        let Some((_, count)) = bytes.split_last_chunk::<4>() else {
            return Err("block is too short for its restarts");
        };
        let intervals = u32::from_le_bytes(*count) as usize;
        let Some(entries_end) = intervals
            .checked_mul(4)
            .and_then(|length| (bytes.len() - 4).checked_sub(length))
        else {
            return Err("block is too short for its restarts");
        };
        let block = RestartBlock {
            bytes,
            entries_end,
            intervals,
        };
        if intervals == 0 || block.restart(0) != 0 {
            return Err("block does not begin with a restart");
        }
        if (0..intervals).any(|interval| block.interval(interval).is_empty()) {
            return Err("restarts do not ascend");
        }
        Ok(block)
    }

    /// The whole block.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many runs of entries there are that each begin with a restart.
    pub(super) fn intervals(&self) -> usize {
        self.intervals
    }

    /// The bytes of the interval's entries; never reaches into the restarts.
    fn interval(&self, interval: usize) -> Range<usize> {
        let end = if interval + 1 < self.intervals {
            self.restart(interval + 1).min(self.entries_end)
        } else {
            self.entries_end
        };
        self.restart(interval)..end
    }

    fn restart(&self, interval: usize) -> usize {
        let position = self
            .bytes
            .get(self.entries_end + 4 * interval..)
            .and_then(<[u8]>::first_chunk::<4>);
        position.map_or(usize::MAX, |position| {
            u32::from_le_bytes(*position) as usize
        })
    }

    /// Reads the entries of one interval in order.
    pub(super) fn entries<E: RestartEntry>(&self, interval: usize) -> Entries<'_, E> {
        let range = self.interval(interval);
        Entries {
            bytes: &self.bytes[..range.end],
            position: range.start,
            count: 0,
            previous: None,
        }
    }

    /// Finds the first entry whose key is not less than `key`; `None` if all are less.
    pub(super) fn lower_bound<E: RestartEntry>(
        &self,
        key: &[u8],
    ) -> Result<Option<Found<E>>, What> {
        let after = self.intervals_up_to::<E>(key)?;
        if let Some(interval) = after.checked_sub(1)
            && let Some((entry, is_exact)) = self.lower_bound_in::<E>(interval, key)?
        {
            return Ok(Some(Found {
                interval,
                entry,
                is_exact,
            }));
        }
        if after == self.intervals {
            return Ok(None);
        }
        let entry = self
            .entries::<E>(after)
            .peek_entry()?
            .ok_or("interval is empty")?;
        Ok(Some(Found {
            interval: after,
            entry,
            is_exact: false,
        }))
    }

    /// How many intervals begin with a key up to `key`.
    fn intervals_up_to<E: RestartEntry>(&self, key: &[u8]) -> Result<usize, What> {
        let (mut low, mut high) = (0, self.intervals);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self
                .entries::<E>(middle)
                .peek_entry()?
                .ok_or("interval is empty")?;
            if &self.bytes[entry.key().rest.clone()] <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Compares without putting keys together: `matched` is how much of `key` the entry before began with.
    fn lower_bound_in<E: RestartEntry>(
        &self,
        interval: usize,
        key: &[u8],
    ) -> Result<Option<(E, bool)>, What> {
        let mut matched = 0;
        let mut entries = self.entries::<E>(interval);
        while let Some(entry) = entries.peek_entry()? {
            let StoredKey { shared, rest } = entry.key();
            // One that shares more than that with the entry before is less than `key` for the same reason.
            if *shared <= matched {
                let stored = &self.bytes[rest.clone()];
                let sought = &key[*shared..];
                let common = common_prefix_bytes(stored, sought);
                if stored[common..] >= sought[common..] {
                    let is_exact = stored.len() == common && sought.len() == common;
                    return Ok(Some((entry, is_exact)));
                }
                matched = shared + common;
            }
            entries.advance(entry);
        }
        Ok(None)
    }
}

/// Reads entries one after the other; see [`RestartBlock::entries`].
pub(super) struct Entries<'a, E> {
    bytes: &'a [u8],
    position: usize,
    count: usize,
    previous: Option<E>,
}

impl<E: RestartEntry> Entries<'_, E> {
    /// Reads the next entry and leaves it where it is.
    fn peek_entry(&self) -> Result<Option<E>, What> {
        if self.position >= self.bytes.len() {
            return Ok(None);
        }
        if self.count == RESTART_INTERVAL_MAX {
            return Err("too many entries from one restart to the next");
        }
        let mut reader = BytesReader::new(self.bytes, self.position);
        let entry = E::read(&mut reader, self.previous.as_ref()).ok_or("entry does not read")?;
        let key = entry.key();
        if key.shared
            > self
                .previous
                .as_ref()
                .map_or(0, |previous| previous.key().bytes())
        {
            return Err("entry shares more of a key than there is");
        }
        if key.bytes() > KEY_BYTES_MAX {
            return Err("key is longer than the format allows");
        }
        Ok(Some(entry))
    }

    fn advance(&mut self, entry: E) {
        self.position = entry.end();
        self.count += 1;
        self.previous = Some(entry);
    }

    /// Reads the next entry; it stays readable until the one after.
    pub(super) fn next_entry(&mut self) -> Result<Option<E>, What> {
        let entry = self.peek_entry()?;
        if let Some(entry) = &entry {
            self.advance(entry.clone());
        }
        Ok(entry)
    }
}

/// Builds the keys and restarts of a block; the caller appends the rest of each entry.
pub(super) struct RestartBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    restart_interval: usize,
    since_restart: usize,
    last_key: Vec<u8>,
}

impl RestartBuilder {
    pub(super) fn new(restart_interval: usize) -> RestartBuilder {
        RestartBuilder {
            bytes: Vec::new(),
            restarts: Vec::new(),
            restart_interval,
            since_restart: 0,
            last_key: Vec::new(),
        }
    }

    /// Length of the block if it ended here.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + 4 * self.restarts.len() + 4
    }

    pub(super) fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }

    /// Appends an entry: lengths of the key, what `put_fields` appends, the rest of the key.
    ///
    /// `put_fields` is told whether this is a restart.
    pub(super) fn add(&mut self, key: &[u8], put_fields: impl FnOnce(bool, &mut Vec<u8>)) {
        let is_restart = self.restarts.is_empty() || self.since_restart == self.restart_interval;
        let shared = if is_restart {
            // Blocks are far shorter than 4 GiB: the callers close them at their target.
            self.restarts
                .push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
            self.since_restart = 0;
            0
        } else {
            common_prefix_bytes(&self.last_key, key)
        };
        put_varint(&mut self.bytes, shared as u64);
        put_varint(&mut self.bytes, (key.len() - shared) as u64);
        put_fields(is_restart, &mut self.bytes);
        self.bytes.extend_from_slice(&key[shared..]);
        self.since_restart += 1;
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
    }

    /// Appends bytes that belong to the entry just added.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the block and gives it.
    pub(super) fn finish(&mut self) -> &[u8] {
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        let intervals = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&intervals.to_le_bytes());
        &self.bytes
    }

    /// Begins the next block.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.restarts.clear();
        self.since_restart = 0;
        self.last_key.clear();
    }
}
