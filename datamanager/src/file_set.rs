//! The data files of a manifest, open for reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ost::{ObjectPath, Ost};
use tokio::sync::OnceCell;

use crate::data_file::{
    BlockCache, DataFile, DataFileCursor, DataFileEntry, DataFileError, Direction,
};
use crate::epoch::EpochFile;
use crate::manifest::{FileEntry, Manifest};
use crate::memtable::{Version, VersionedEntry};
use crate::{Error, ErrorKind};

/// A data file that is opened when it is first read.
pub(crate) struct LiveFile {
    pub(crate) entry: FileEntry,
    file: OnceCell<DataFile>,
}

impl std::fmt::Debug for LiveFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LiveFile")
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

/// The files of one run, in the order of their keys.
#[derive(Clone, Debug)]
pub(crate) struct LiveRun {
    pub(crate) files: Vec<Arc<LiveFile>>,
}

/// What all file sets of one open store share.
#[derive(Clone)]
pub(crate) struct FileContext {
    pub(crate) ost: Ost,
    pub(crate) cache: Arc<BlockCache>,
}

impl std::fmt::Debug for FileContext {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FileContext")
            .field("ost", &self.ost.location())
            .finish_non_exhaustive()
    }
}

impl FileContext {
    pub(crate) fn new(ost: Ost, cache: Arc<BlockCache>) -> FileContext {
        FileContext { ost, cache }
    }
}

/// The live files of one manifest.
///
/// # Invariant
/// Of two entries with one key, the one in the earlier run is newer; a run holds a key once.
#[derive(Debug)]
pub(crate) struct FileSet {
    context: FileContext,
    pub(crate) manifest: Manifest,
    pub(crate) manifest_checksum: u32,
    /// Newest first.
    pub(crate) runs: Vec<LiveRun>,
}

impl FileSet {
    /// The files of `manifest`; those that `before` has open stay open.
    pub(crate) fn new(
        context: FileContext,
        manifest: Manifest,
        manifest_checksum: u32,
        before: Option<&FileSet>,
    ) -> FileSet {
        let mut open: BTreeMap<&str, &Arc<LiveFile>> = BTreeMap::new();
        let before_files = before
            .into_iter()
            .flat_map(|set| &set.runs)
            .flat_map(|run| &run.files);
        open.extend(before_files.map(|file| (file.entry.key.as_str(), file)));
        let live = |entry: &FileEntry| match open.get(entry.key.as_str()) {
            Some(file) if file.entry == *entry => Arc::clone(file),
            _ => Arc::new(LiveFile {
                entry: entry.clone(),
                file: OnceCell::new(),
            }),
        };
        let runs = manifest.runs.iter();
        let runs = runs
            .map(|run| LiveRun {
                files: run.files.iter().map(live).collect(),
            })
            .collect();
        FileSet {
            context,
            manifest,
            manifest_checksum,
            runs,
        }
    }

    /// The newest entry of `key`, a delete included.
    pub(crate) async fn get(&self, key: &[u8]) -> Result<Option<VersionedEntry>, Error> {
        for run in &self.runs {
            let behind = run
                .files
                .partition_point(|file| file.entry.first_key[..] <= *key);
            let Some(file) = behind.checked_sub(1).and_then(|place| run.files.get(place)) else {
                continue;
            };
            if file.entry.last_key[..] < *key {
                continue;
            }
            match self.open(file).await?.get(key).await {
                Ok(Some(entry)) => return Ok(Some(versioned(entry))),
                Ok(None) => {}
                Err(error) => return Err(self.explain(error).await),
            }
        }
        Ok(None)
    }

    /// Whether any file has `key` within its range of keys.
    pub(crate) fn may_hold(&self, key: &[u8]) -> bool {
        self.manifest.files().any(|file| file.overlaps(key, key))
    }

    pub(crate) async fn open(&self, file: &LiveFile) -> Result<DataFile, Error> {
        let open = file.file.get_or_try_init(|| async {
            let path = ObjectPath::parse(&file.entry.key)?;
            let identity = Some(file.entry.identity());
            let opened = DataFile::open(
                &self.context.ost,
                path,
                identity,
                self.context.cache.clone(),
            )
            .await;
            match opened {
                Ok(file) => Ok(file),
                Err(error) => Err(self.explain(error).await),
            }
        });
        open.await.cloned()
    }

    /// What a failed read of a file means: one that only an older manifest names may have been collected, by any process.
    pub(crate) async fn explain(&self, error: DataFileError) -> Error {
        let missing = matches!(&error, DataFileError::Object { source, .. } if source.kind() == ost::ErrorKind::NotFound);
        if !missing {
            return Error::from(error);
        }
        match self.is_newest().await {
            Ok(true) => {
                Error::corrupt("a data file of the newest manifest is missing").with_source(error)
            }
            Ok(false) => Error::new(
                ErrorKind::Expired,
                "a data file that the snapshot needs has been removed",
            )
            .with_source(error),
            Err(listing) => listing,
        }
    }

    /// Whether no other manifest and no other epoch has followed.
    async fn is_newest(&self) -> Result<bool, Error> {
        let (ost, epoch) = (&self.context.ost, self.manifest.epoch);
        let keys = Manifest::list(ost, epoch).await?;
        Ok(keys.last() == Some(&self.manifest.key())
            && EpochFile::newest_number(ost, epoch).await? == epoch)
    }
}

impl From<DataFileError> for Error {
    fn from(error: DataFileError) -> Error {
        match error {
            DataFileError::Object { what, source } => {
                let from_storage = Error::from(source);
                Error::new(from_storage.kind(), what).with_source(from_storage)
            }
            DataFileError::Corrupt { .. } => Error::corrupt(error.to_string()),
            DataFileError::Invalid(what) => Error::invalid(what),
        }
    }
}

fn versioned(entry: DataFileEntry) -> VersionedEntry {
    VersionedEntry {
        key: entry.key,
        version: Version {
            seq: entry.seq,
            index: 0,
        },
        value: entry.value,
        expires_at: entry.expires_at,
    }
}

/// The entries of one run in a range of keys, file after file.
pub(crate) struct RunCursor {
    set: Arc<FileSet>,
    /// Files that are yet to be read; the next one last.
    left: Vec<Arc<LiveFile>>,
    start: Bytes,
    end: Bytes,
    reverse: bool,
    current: Option<DataFileCursor>,
    /// Whether what is read is kept in the block cache.
    caching: bool,
}

impl RunCursor {
    /// The entries of `[start, end)` in `run` of `set`.
    pub(crate) fn new(
        set: Arc<FileSet>,
        run: &LiveRun,
        start: Bytes,
        end: Bytes,
        reverse: bool,
    ) -> RunCursor {
        let inside =
            |file: &&Arc<LiveFile>| file.entry.last_key >= start && file.entry.first_key < end;
        let mut left: Vec<Arc<LiveFile>> = run.files.iter().filter(inside).cloned().collect();
        if !reverse {
            left.reverse();
        }
        RunCursor {
            set,
            left,
            start,
            end,
            reverse,
            current: None,
            caching: true,
        }
    }

    /// The same, for a walk that nobody will soon repeat.
    pub(crate) fn without_caching(mut self) -> RunCursor {
        self.stop_caching();
        self
    }

    pub(crate) fn stop_caching(&mut self) {
        self.caching = false;
    }

    /// The next entry if it is decoded already.
    pub(crate) fn next_decoded(&mut self) -> Option<VersionedEntry> {
        self.current.as_mut()?.next_decoded().map(versioned)
    }

    /// The next entry.
    pub(crate) async fn next(&mut self) -> Result<Option<VersionedEntry>, Error> {
        if let Some(entry) = self.next_decoded() {
            return Ok(Some(entry));
        }
        loop {
            if let Some(cursor) = &mut self.current {
                match cursor.next().await {
                    Ok(Some(entry)) => return Ok(Some(versioned(entry))),
                    Ok(None) => self.current = None,
                    Err(error) => return Err(self.set.explain(error).await),
                }
            }
            let Some(file) = self.left.last() else {
                return Ok(None);
            };
            let file = match self.set.open(file).await {
                Ok(file) => file,
                Err(error) => {
                    // Whoever asks again wants what lies behind the damage.
                    if error.kind() == ErrorKind::Corrupt {
                        self.left.pop();
                    }
                    return Err(error);
                }
            };
            self.left.pop();
            let direction = if self.reverse {
                Direction::Reverse
            } else {
                Direction::Forward
            };
            let cursor = file.cursor(self.start.clone()..self.end.clone(), direction);
            self.current = Some(if self.caching {
                cursor
            } else {
                cursor.without_filling_cache()
            });
        }
    }
}
