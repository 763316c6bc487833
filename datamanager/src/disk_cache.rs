//! Parts of data files on a local disk, for stores whose objects are far away.
//!
//! Data files never change and their names are used once, so that a part needs no other check than that its bytes are those
//! that were written. A cache is never a cause of failure: what cannot be read or written makes it be left alone.

mod part_file;
mod parts;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::data_file::{DataFileError, DataFileIdentity};
use crate::environment::{Environment, FileSystem, OpenMode, run_blocking};
use crate::{Error, Settings};

use part_file::{HEADER_BYTES, PART_BYTES, PartError, PartIdentity};
use parts::{PartName, Parts};

/// The file whose lock keeps two processes from using one directory.
const LOCK_NAME: &str = "disk-cache.lock";
/// What the name of every part ends with.
const PART_SUFFIX: &str = ".part";

/// A directory with parts of data files, up to a number of bytes.
///
/// # Invariant
/// A part that `State::parts` calls readable has been written as a whole, or was found when the directory was opened. Either
/// way its checksums decide whether it is believed.
pub(crate) struct DiskCache {
    environment: Arc<dyn Environment>,
    directory: PathBuf,
    bytes_max: u64,
    /// The open store that uses it, for messages.
    instance: String,
    state: Mutex<State>,
}

struct State {
    parts: Parts,
    /// `None` once the cache is off.
    lock: Option<Box<dyn Send + Sync>>,
}

/// A part, and what is wanted of it.
struct Piece {
    name: PartName,
    identity: PartIdentity,
    /// Within the data file.
    range: Range<u64>,
    /// Whether the part is said to be there.
    is_there: bool,
    bytes: Option<Bytes>,
}

impl DiskCache {
    /// The cache that the settings ask for. `None` if they ask for none, or if it cannot be used, which is logged.
    pub(crate) async fn open(
        environment: Arc<dyn Environment>,
        settings: &Settings,
        instance: &str,
    ) -> Option<Arc<DiskCache>> {
        let directory = settings.disk_cache_directory.clone()?;
        let bytes_max = settings.disk_cache_bytes;
        let files = environment.files();
        let place = directory.clone();
        let opened = run_blocking(environment.as_ref(), move || {
            open_directory(files.as_ref(), &place, bytes_max)
        });
        let shown = directory.display();
        let why = match opened.await {
            Ok(Ok(Some(state))) => {
                log::info!(instance, bytes = state.parts.bytes(); "disk cache in {shown}");
                return Some(Arc::new(DiskCache {
                    environment,
                    bytes_max,
                    instance: instance.to_owned(),
                    state: Mutex::new(state),
                    directory,
                }));
            }
            Ok(Ok(None)) => "another open store uses it".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.chain(),
        };
        log::warn!(instance; "no disk cache is used in {shown}: {why}");
        None
    }

    /// Bytes that its files take; `None` if it is off.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let state = self.state();
        state.lock.as_ref().map(|_| state.parts.bytes())
    }

    /// Lets go of the directory. Reads go to the objects from now on.
    pub(crate) fn close(&self) {
        self.state().lock = None;
    }

    /// The bytes of `range` of a data file: from the disk if they are there, and otherwise from `fetch`, which gets the range
    /// to be read of the object. With `fills` whole parts are fetched and kept.
    ///
    /// # Errors
    /// Those of `fetch` alone.
    pub(crate) async fn read<F>(
        self: &Arc<Self>,
        key: &str,
        file: DataFileIdentity,
        range: Range<u64>,
        fills: bool,
        fetch: impl FnOnce(Range<u64>) -> F,
    ) -> Result<Bytes, DataFileError>
    where
        F: Future<Output = Result<Bytes, DataFileError>>,
    {
        let Some(mut pieces) = self.look_up(key, file, &range) else {
            return fetch(range).await;
        };
        if pieces.iter().any(|piece| piece.is_there) {
            match self.read_pieces(pieces).await {
                Some(read) => pieces = read,
                None => return fetch(range).await,
            }
        }
        let is_missing = |piece: &Piece| piece.bytes.is_none();
        if let Some(first) = pieces.iter().position(is_missing)
            && let Some(last) = pieces.iter().rposition(is_missing)
        {
            let missing = &mut pieces[first..=last];
            let place = |piece: &Piece| match fills {
                true => piece.identity.range(),
                false => piece.range.clone(),
            };
            let start = place(&missing[0]).start;
            let end = place(&missing[missing.len() - 1]).end;
            let fetched = fetch(start..end).await?;
            let slice = |range: Range<u64>| slice_at(&fetched, start, range);
            let mut new = Vec::new();
            for piece in missing {
                if fills && piece.bytes.is_none() {
                    let content = slice(piece.identity.range());
                    new.push((piece.name.clone(), piece.identity, content));
                }
                piece.bytes = Some(slice(piece.range.clone()));
            }
            self.keep(new).await;
        }
        Ok(join(pieces))
    }

    /// Takes what is kept of `range` of a data file for not there, since it has turned out to be damaged.
    pub(crate) fn forget(&self, key: &str, file: DataFileIdentity, range: &Range<u64>) {
        let mut state = self.state();
        for number in numbers_of(file, range) {
            state.parts.remove(&part_name(key, number));
        }
    }

    /// The parts that `range` is in; `None` if the cache is off.
    fn look_up(&self, key: &str, file: DataFileIdentity, range: &Range<u64>) -> Option<Vec<Piece>> {
        let mut state = self.state();
        if state.lock.is_none() || range.is_empty() || range.end > file.bytes {
            return None;
        }
        let pieces = numbers_of(file, range).map(|number| {
            let name = part_name(key, number);
            let identity = PartIdentity::new(key, file, number);
            let part = identity.range();
            Piece {
                is_there: state.parts.touch(&name),
                range: range.start.max(part.start)..range.end.min(part.end),
                name,
                identity,
                bytes: None,
            }
        });
        Some(pieces.collect())
    }

    /// Reads what is there; what turns out not to be is left without bytes. `None` when the program is shutting down.
    async fn read_pieces(self: &Arc<Self>, mut pieces: Vec<Piece>) -> Option<Vec<Piece>> {
        let cache = self.clone();
        let read = run_blocking(self.environment.as_ref(), move || {
            for piece in &mut pieces {
                if piece.is_there {
                    piece.bytes = cache.read_piece(piece);
                }
            }
            pieces
        });
        read.await.ok()
    }

    fn read_piece(&self, piece: &Piece) -> Option<Bytes> {
        let files = self.environment.files();
        let path = self.directory.join(&*piece.name);
        let read = || -> Result<Bytes, PartError> {
            let file = files.open(&path, OpenMode::Read)?;
            part_file::read(file.as_ref(), &piece.identity, piece.range.clone())
        };
        match read() {
            Ok(bytes) => return Some(bytes),
            Err(PartError::Damaged) => {
                log::warn!(
                    instance = self.instance;
                    "{} is damaged and is read anew", path.display()
                );
                if self.state().parts.remove(&piece.name) {
                    self.remove(files.as_ref(), &piece.name);
                }
            }
            // Taken away since it was looked up, by this process or by somebody who cleans up.
            Err(PartError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.state().parts.remove(&piece.name);
            }
            Err(PartError::Io(error)) => self.turn_off("read", &error),
        }
        None
    }

    /// Writes parts to the disk.
    async fn keep(self: &Arc<Self>, parts: Vec<(PartName, PartIdentity, Bytes)>) {
        if parts.is_empty() {
            return;
        }
        let cache = self.clone();
        let write = run_blocking(self.environment.as_ref(), move || {
            for (name, identity, content) in parts {
                cache.keep_part(&name, &identity, &content);
            }
        });
        // Where the program is shutting down nothing is kept any more.
        let _: Result<(), Error> = write.await;
    }

    fn keep_part(&self, name: &PartName, identity: &PartIdentity, content: &[u8]) {
        let bytes = (HEADER_BYTES + content.len()) as u64;
        let evicted = {
            let mut state = self.state();
            let is_of_use = content.len() == identity.bytes() && bytes <= self.bytes_max;
            if state.lock.is_none() || !is_of_use || state.parts.contains(name) {
                return;
            }
            state.parts.begin(name.clone(), bytes);
            let evicted = state.parts.shrink_to(self.bytes_max);
            if state.parts.bytes() > self.bytes_max {
                // Others are being written that take all the room.
                state.parts.remove(name);
            }
            evicted
        };
        let files = self.environment.files();
        for name in evicted {
            self.remove(files.as_ref(), &name);
        }
        if !self.state().parts.contains(name) {
            return;
        }
        match self.write(files.as_ref(), name, identity, content) {
            Ok(()) => self.state().parts.make_readable(name),
            Err(error) => {
                self.remove(files.as_ref(), name);
                self.state().parts.remove(name);
                self.turn_off("write", &error);
            }
        }
    }

    fn write(
        &self,
        files: &dyn FileSystem,
        name: &PartName,
        identity: &PartIdentity,
        content: &[u8],
    ) -> io::Result<()> {
        let path = self.directory.join(&**name);
        let file = match files.open(&path, OpenMode::CreateNew) {
            // What is there has been taken for damaged.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = files.open(&path, OpenMode::ReadWrite)?;
                file.set_size(0)?;
                file
            }
            opened => opened?,
        };
        part_file::write(file.as_ref(), identity, content)
    }

    /// Removes a part's file.
    fn remove(&self, files: &dyn FileSystem, name: &PartName) {
        match files.remove(&self.directory.join(&**name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.turn_off("remove from", &error);
            }
            _ => {}
        }
    }

    fn turn_off(&self, what: &str, error: &io::Error) {
        if self.state().lock.take().is_some() {
            log::warn!(
                instance = self.instance;
                "the disk cache is off, as it cannot {what} {}: {error}", self.directory.display()
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DiskCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DiskCache")
            .field("directory", &self.directory)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

/// Takes the lock and looks what is there; `None` if somebody else has the lock.
fn open_directory(
    files: &dyn FileSystem,
    directory: &Path,
    bytes_max: u64,
) -> io::Result<Option<State>> {
    files.create_dir_all(directory)?;
    let Some(lock) = files.try_lock(&directory.join(LOCK_NAME))? else {
        return Ok(None);
    };
    let mut parts = Parts::default();
    for name in files.list(directory)? {
        if !is_part_name(&name) {
            continue;
        }
        let file = files.open(&directory.join(&name), OpenMode::Read)?;
        let name = PartName::from(name);
        parts.begin(name.clone(), file.size()?);
        parts.make_readable(&name);
    }
    for name in parts.shrink_to(bytes_max) {
        files.remove(&directory.join(&*name))?;
    }
    Ok(Some(State {
        parts,
        lock: Some(lock),
    }))
}

/// The numbers of the parts that `range` is in.
fn numbers_of(file: DataFileIdentity, range: &Range<u64>) -> Range<u32> {
    let number = |offset: u64| u32::try_from(offset / PART_BYTES).unwrap_or(u32::MAX);
    let end = range.end.min(file.bytes);
    match range.start < end {
        true => number(range.start)..number(end - 1).saturating_add(1),
        false => 0..0,
    }
}

/// Names of data files are used once in all stores, so that their folder need not be told.
fn part_name(key: &str, number: u32) -> PartName {
    let name = key.rsplit('/').next().unwrap_or(key);
    PartName::from(format!("{name}.{number:06}{PART_SUFFIX}"))
}

/// Whether a file is one of a disk cache; others are left alone.
fn is_part_name(name: &str) -> bool {
    let number = name
        .strip_suffix(PART_SUFFIX)
        .and_then(|name| name.rsplit_once(".data."));
    number.is_some_and(|(_, number)| {
        number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The bytes of the data file at `range`, out of `bytes` that begin at `offset` of it.
fn slice_at(bytes: &Bytes, offset: u64, range: Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
    let (start, end) = (place(range.start), place(range.end).min(bytes.len()));
    bytes.slice(start.min(end)..end)
}

fn join(mut pieces: Vec<Piece>) -> Bytes {
    if let [piece] = &mut pieces[..] {
        return piece.bytes.take().unwrap_or_default();
    }
    let pieces = || pieces.iter().filter_map(|piece| piece.bytes.as_ref());
    let mut joined = BytesMut::with_capacity(pieces().map(Bytes::len).sum());
    pieces().for_each(|piece| joined.extend_from_slice(piece));
    joined.freeze()
}
