//! From entries in any order to one run of data files, in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::Error;
use crate::entry_key::{EntryKey, describe_key, raw_key};
use crate::export_format::DecodedEntry;
use crate::file_set::{FileSet, RunCursor};
use crate::jobs::Jobs;
use crate::jobs::output::JobOutput;
use crate::manifest::{FileEntry, Manifest, Run};
use crate::memtable::{Version, VersionedEntry};

/// What an entry takes in memory beside its bytes, about.
const ENTRY_OVERHEAD_BYTES: usize = 160;

/// Takes entries and writes them in the order of their keys.
///
/// Input that is sorted, as exports are, is written once. From the first entry on that is out of order, pieces are sorted in
/// memory and written to runs of their own; at the end all runs are merged.
pub(super) struct Sorter<'a> {
    jobs: &'a Jobs,
    job_seq: u64,
    /// The sorted beginning of the input, which is all of it in most cases.
    beginning: Option<JobOutput<'a>>,
    last: Option<(EntryKey, u64)>,
    piece: Vec<Numbered>,
    piece_bytes: usize,
    /// Files of runs that are to be merged: the beginning, then the pieces. The number of an entry of a piece is kept as its
    /// version.
    runs: Vec<Vec<FileEntry>>,
}

/// An entry that waits to be sorted.
struct Numbered {
    key: EntryKey,
    number: u64,
    entry: DecodedEntry,
}

impl<'a> Sorter<'a> {
    pub(super) fn new(jobs: &'a Jobs, job_seq: u64) -> Sorter<'a> {
        Sorter {
            jobs,
            job_seq,
            beginning: Some(Sorter::output(jobs, job_seq)),
            last: None,
            piece: Vec::new(),
            piece_bytes: 0,
            runs: Vec::new(),
        }
    }

    fn output(jobs: &'a Jobs, job_seq: u64) -> JobOutput<'a> {
        JobOutput::new(jobs, jobs.shared.view().epoch, job_seq)
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// `Invalid` for a key that was added before, as soon as that is noticed.
    pub(super) async fn add(&mut self, entry: DecodedEntry) -> Result<(), Error> {
        let key = raw_key(&entry.data_type, &entry.id);
        let number = entry.number;
        if let Some(output) = &mut self.beginning {
            match &self.last {
                Some((last, before)) if *last == key => {
                    return Err(duplicate(&key, *before, number));
                }
                Some((last, _)) if *last > key => {
                    let files = self.beginning.take();
                    if let Some(output) = files {
                        self.runs.push(output.finish().await?);
                    }
                }
                _ => {
                    self.last = Some((key.clone(), number));
                    return output.add(versioned(key, self.job_seq, &entry)).await;
                }
            }
        }
        self.piece_bytes += key.len() + entry.value.len() + ENTRY_OVERHEAD_BYTES;
        self.piece.push(Numbered { key, number, entry });
        if self.piece_bytes >= self.jobs.settings.import_sort_bytes {
            self.end_piece().await?;
        }
        Ok(())
    }

    /// Sorts the piece in memory and writes it to a run.
    async fn end_piece(&mut self) -> Result<(), Error> {
        let mut piece = std::mem::take(&mut self.piece);
        self.piece_bytes = 0;
        piece.sort_by(|left, right| (&left.key, left.number).cmp(&(&right.key, right.number)));
        if let Some(pair) = piece.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return Err(duplicate(&pair[0].key, pair[0].number, pair[1].number));
        }
        let mut output = Sorter::output(self.jobs, self.job_seq);
        for Numbered { key, number, entry } in piece {
            output.add(versioned(key, number, &entry)).await?;
        }
        self.runs.push(output.finish().await?);
        Ok(())
    }

    /// The files that hold all entries, in the order of their keys.
    pub(super) async fn finish(&mut self) -> Result<Vec<FileEntry>, Error> {
        if let Some(output) = self.beginning.take() {
            return output.finish().await;
        }
        if !self.piece.is_empty() {
            self.end_piece().await?;
        }
        let mut output = Sorter::output(self.jobs, self.job_seq);
        let mut runs = self.open_runs();
        let mut heads = BinaryHeap::new();
        let mut waiting: Vec<Option<VersionedEntry>> = Vec::new();
        for (place, run) in runs.iter_mut().enumerate() {
            let next = run.next().await?;
            heads.extend(
                next.as_ref()
                    .map(|entry| Reverse((entry.key.clone(), place))),
            );
            waiting.push(next);
        }
        // Of the beginning the first entry is number 1, and so on.
        let mut taken_of_beginning = 0;
        let mut last: Option<(EntryKey, u64)> = None;
        while let Some(Reverse((key, place))) = heads.pop() {
            let Some(mut entry) = waiting[place].take() else {
                continue;
            };
            let number = match place {
                0 => {
                    taken_of_beginning += 1;
                    taken_of_beginning
                }
                _ => entry.version.seq,
            };
            if let Some((last, before)) = &last
                && *last == key
            {
                return Err(duplicate(&key, number.min(*before), number.max(*before)));
            }
            last = Some((key, number));
            entry.version.seq = self.job_seq;
            output.add(entry).await?;
            let next = runs[place].next().await?;
            heads.extend(
                next.as_ref()
                    .map(|entry| Reverse((entry.key.clone(), place))),
            );
            waiting[place] = next;
        }
        output.finish().await
    }

    fn open_runs(&self) -> Vec<RunCursor> {
        let view = self.jobs.shared.view();
        let manifest = Manifest {
            runs: self
                .runs
                .iter()
                .map(|files| Run {
                    level: 0,
                    files: files.clone(),
                })
                .collect(),
            ..view.files.manifest.clone()
        };
        let set = Arc::new(FileSet::new(self.jobs.context.clone(), manifest, 0, None));
        let (start, end) = (EntryKey::new(), EntryKey::from_static(b"\xff"));
        set.runs
            .iter()
            .map(|run| {
                RunCursor::new(set.clone(), run, start.clone(), end.clone(), false)
                    .without_caching()
            })
            .collect()
    }

    /// The files of runs that have been merged.
    pub(super) fn take_leftover(&mut self) -> Vec<FileEntry> {
        std::mem::take(&mut self.runs)
            .into_iter()
            .flatten()
            .collect()
    }

    /// The files that were written, when the import has failed. What a failed merge wrote is left to the collector.
    pub(super) async fn take_all(&mut self) -> Vec<FileEntry> {
        let mut files = self.take_leftover();
        if let Some(output) = self.beginning.take()
            && let Ok(written) = output.finish().await
        {
            files.extend(written);
        }
        files
    }
}

fn versioned(key: EntryKey, seq: u64, entry: &DecodedEntry) -> VersionedEntry {
    VersionedEntry {
        key,
        version: Version { seq, index: 0 },
        value: Some(entry.value.clone()),
        expires_at: entry.expires_at,
    }
}

fn duplicate(key: &[u8], first: u64, second: u64) -> Error {
    let (data_type, id) = describe_key(key);
    Error::invalid(format!(
        "entry {id:?} of type {data_type:?} stands twice in the input: as entry {first} and as entry {second}"
    ))
}
