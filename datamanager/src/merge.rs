//! Several ordered sources read as one.

use std::sync::Arc;

use crate::Error;
use crate::entry_key::EntryKey;
use crate::file_set::{FileSet, LiveRun, RunCursor};
use crate::memtable::{Memtable, MemtableCursor, Version, VersionedEntry};

enum Source {
    Memtable(MemtableCursor),
    Run(Box<RunCursor>),
    Entries(std::vec::IntoIter<VersionedEntry>),
}

impl Source {
    /// The next entry, if it takes no waiting to know it.
    fn next_decoded(&mut self) -> Option<VersionedEntry> {
        match self {
            Source::Memtable(_) => None,
            Source::Run(cursor) => cursor.next_decoded(),
            Source::Entries(entries) => entries.next(),
        }
    }

    async fn next(&mut self) -> Result<Option<VersionedEntry>, Error> {
        Ok(match self {
            Source::Memtable(cursor) => cursor.next()?,
            Source::Run(cursor) => cursor.next().await?,
            Source::Entries(entries) => entries.next(),
        })
    }
}

/// What a source gives next.
enum Head {
    /// It has not been asked.
    Unknown,
    Entry(VersionedEntry),
    End,
}

/// Entries in key order, of each key the one from the newest source.
pub(crate) struct Merge {
    /// Newest first, each with its next entry once that is known.
    sources: Vec<(Source, Head)>,
    reverse: bool,
}

impl Merge {
    pub(crate) fn new(reverse: bool) -> Merge {
        Merge {
            sources: Vec::new(),
            reverse,
        }
    }

    /// Adds a source that is older than those added before.
    pub(crate) fn add_memtable(
        &mut self,
        memtable: Arc<Memtable>,
        newest: Version,
        start: EntryKey,
        end: EntryKey,
    ) {
        let cursor = MemtableCursor::new(memtable, newest, start, end, self.reverse);
        self.sources.push((Source::Memtable(cursor), Head::Unknown));
    }

    /// Adds a run of data files that is older than the sources added before.
    pub(crate) fn add_run(
        &mut self,
        files: &Arc<FileSet>,
        run: &LiveRun,
        start: EntryKey,
        end: EntryKey,
    ) {
        self.add_cursor(RunCursor::new(files.clone(), run, start, end, self.reverse));
    }

    /// Adds a cursor that is older than the sources added before.
    pub(crate) fn add_cursor(&mut self, cursor: RunCursor) {
        self.sources
            .push((Source::Run(Box::new(cursor)), Head::Unknown));
    }

    /// Adds entries, in the order of the merge, that are newer than all other sources.
    pub(crate) fn add_newest(&mut self, entries: Vec<VersionedEntry>) {
        self.sources
            .insert(0, (Source::Entries(entries.into_iter()), Head::Unknown));
    }

    /// The same, for a walk that nobody will soon repeat.
    pub(crate) fn without_caching(mut self) -> Merge {
        for (source, _) in &mut self.sources {
            if let Source::Run(cursor) = source {
                cursor.stop_caching();
            }
        }
        self
    }

    /// The next entry, a delete included.
    pub(crate) async fn next(&mut self) -> Result<Option<VersionedEntry>, Error> {
        if let [(source, Head::Unknown)] = &mut self.sources[..]
            && let Some(entry) = source.next_decoded()
        {
            // With one source left, as in most long scans, there is nothing to compare.
            return Ok(Some(entry));
        }
        // A call that is dropped while it waits here has taken nothing: heads are filled one by one.
        for (source, head) in &mut self.sources {
            if matches!(head, Head::Unknown) {
                *head = source.next().await?.map_or(Head::End, Head::Entry);
            }
        }
        self.sources.retain(|(_, head)| !matches!(head, Head::End));
        let mut first: Option<usize> = None;
        for (place, (_, head)) in self.sources.iter().enumerate() {
            let Head::Entry(entry) = head else { continue };
            let comes_first = match first.map(|first| &self.sources[first].1) {
                Some(Head::Entry(best)) if self.reverse => entry.key > best.key,
                Some(Head::Entry(best)) => entry.key < best.key,
                _ => true,
            };
            if comes_first {
                first = Some(place);
            }
        }
        let Some(first) = first else { return Ok(None) };
        let Head::Entry(entry) = std::mem::replace(&mut self.sources[first].1, Head::Unknown)
        else {
            return Ok(None);
        };
        for (_, head) in &mut self.sources {
            if matches!(head, Head::Entry(older) if older.key == entry.key) {
                *head = Head::Unknown;
            }
        }
        Ok(Some(entry))
    }
}
