//! The bytes of one file, as they are and as they were synced.

use std::collections::BTreeMap;
use std::io;

use crate::environment::SeededRandom;

/// What a disk writes as a whole, or not at all.
const SECTOR_BYTES: usize = 512;
/// What the operating system hands to the disk at a time.
const PAGE_BYTES: usize = 4096;

/// Invariant: unless a sync failed, `bytes` is `synced` after all of `unsynced`, in their order.
#[derive(Debug, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Size(usize),
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.bytes.get(offset..))
            .unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        read
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset
            .checked_add(bytes.len() as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.reserve(end)?;
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.change(Change::Write {
            offset,
            bytes: bytes.to_owned(),
        });
        Ok(())
    }

    pub(super) fn set_size(&mut self, size: u64) -> io::Result<()> {
        let size = self.reserve(size)?;
        self.change(Change::Size(size));
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    /// A failed sync: the changes stay readable and are never written.
    pub(super) fn forget_unsynced(&mut self) {
        self.unsynced.clear();
    }

    /// Leaves what was synced and a part of the rest.
    pub(super) fn crash(&mut self, random: &mut SeededRandom) {
        let changes = std::mem::take(&mut self.unsynced);
        let mut survival = Survival::choose(changes.len(), random);
        let mut sizes = vec![self.synced.len()];
        for (number, change) in changes.iter().enumerate() {
            sizes.push(change.size_after(sizes[number]));
        }
        let size = sizes[survival.version(random)];
        self.synced
            .resize(sizes.iter().copied().max().unwrap_or(0), 0);
        for (number, change) in changes.iter().enumerate() {
            let (start, end) = match change {
                Change::Write { offset, bytes } => (*offset, offset + bytes.len()),
                // A cut makes zeros of what a later write may cover again.
                Change::Size(size) => (*size, self.synced.len()),
            };
            for (start, end) in parts(start, end, survival.part_bytes) {
                if survival.version_of_part(start, random) <= number {
                    continue;
                }
                match change {
                    Change::Write { offset, bytes } => {
                        self.synced[start..end]
                            .copy_from_slice(&bytes[start - offset..end - offset]);
                    }
                    Change::Size(_) => self.synced[start..end].fill(0),
                }
            }
        }
        self.synced.truncate(size);
        self.bytes = self.synced.clone();
    }

    fn reserve(&mut self, size: u64) -> io::Result<usize> {
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let more = size.saturating_sub(self.bytes.len());
        self.bytes
            .try_reserve(more)
            .map_err(|_| io::ErrorKind::StorageFull)?;
        Ok(size)
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.bytes);
        self.unsynced.push(change);
    }
}

impl Change {
    fn size_after(&self, before: usize) -> usize {
        match self {
            Change::Write { offset, bytes } => before.max(offset + bytes.len()),
            Change::Size(size) => *size,
        }
    }

    fn apply(&self, target: &mut Vec<u8>) {
        target.resize(self.size_after(target.len()), 0);
        if let Change::Write { offset, bytes } = self {
            target[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
    }
}

/// Which changes a power cut leaves, for each part of a file. A part, and the size, is at a version: that number of
/// changes has reached it.
struct Survival {
    part_bytes: usize,
    earliest: usize,
    latest: usize,
    versions: BTreeMap<usize, usize>,
}

impl Survival {
    fn choose(changes: usize, random: &mut SeededRandom) -> Survival {
        let part_bytes = if random.coin() {
            SECTOR_BYTES
        } else {
            PAGE_BYTES
        };
        let (earliest, latest) = match random.below(4) {
            0 => (0, 0),
            1 => (changes, changes),
            2 => {
                let kept = random.below(changes + 1);
                (kept, changes.min(kept + 1))
            }
            _ => (0, changes),
        };
        Survival {
            part_bytes,
            earliest,
            latest,
            versions: BTreeMap::new(),
        }
    }

    fn version(&self, random: &mut SeededRandom) -> usize {
        self.earliest + random.below(self.latest - self.earliest + 1)
    }

    fn version_of_part(&mut self, start: usize, random: &mut SeededRandom) -> usize {
        let drawn = self.version(random);
        *self
            .versions
            .entry(start / self.part_bytes)
            .or_insert(drawn)
    }
}

/// The range from `start` to `end`, split where a part ends.
fn parts(start: usize, end: usize, part_bytes: usize) -> impl Iterator<Item = (usize, usize)> {
    let first = (start < end).then_some(start);
    std::iter::successors(first, move |start| {
        let next = (start / part_bytes + 1) * part_bytes;
        (next < end).then_some(next)
    })
    .map(move |start| (start, end.min((start / part_bytes + 1) * part_bytes)))
}
