//! The log of a store that one process has to itself: segment files in a local directory.

mod reader;
mod segment;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::environment::{Environment, File, FileSystem, OpenMode};
use crate::failpoint;
use crate::log::{Append, Log, LogReader, Senders};
use crate::mutation;
use crate::record::Record;
use crate::store_id::StoreId;
use crate::wal_file::{self, ChainStart, WAL_FILE_HEADER_BYTES};
use crate::{Error, ErrorKind, Position};

pub(crate) use reader::FileLogReader;
use segment::{Segment, list_segments, read_file};

/// What a [`FileLog`] needs to know of the store.
#[derive(Clone, Debug)]
pub(crate) struct FileLogOptions {
    /// The name that log lines carry.
    pub(crate) instance: String,
    /// The store's directory; segments are under `wal/<epoch>/`.
    pub(crate) directory: PathBuf,
    pub(crate) store: StoreId,
    pub(crate) epoch: u32,
    /// Where the epoch starts.
    pub(crate) base: Position,
    /// Where the epoch starts, or what a manifest covers: records at or before it may be missing.
    pub(crate) covered: Position,
    /// A segment is ended when it holds so many records.
    pub(crate) segment_records_max: u32,
    /// A segment is ended when it is so long.
    pub(crate) segment_bytes_max: u64,
}

/// Records appended to segment files, one `fdatasync` each.
///
/// # Invariants
/// 1. `state.head` is the last record that has been synced; it ends at `state.offset` of `state.file`.
/// 2. Nothing but zeros stands behind `state.offset`, up to `state.allocated` or the end of the file: room that is set aside,
///    since a sync that need not make the file longer costs a third less.
/// 3. After a failed sync nothing is appended any more (`state.latched`): what the page cache shows need not be on
///    the disk. Opening again writes the tail of the log anew and syncs it.
pub(crate) struct FileLog {
    reader: FileLogReader,
    state: Mutex<State>,
}

struct State {
    file: Arc<dyn File>,
    first_seq: u64,
    offset: u64,
    allocated: u64,
    head: Position,
    latched: Option<String>,
}

/// Room is set aside for as much as the segment holds, within these bounds.
const ALLOCATED_BYTES: std::ops::RangeInclusive<u64> = 64 * 1024..=4 * 1024 * 1024;

impl FileLog {
    /// Makes the first segment of an epoch that starts after `base`, or keeps the one that an attempt before this one has
    /// made. May block.
    pub(crate) fn create(
        files: &dyn FileSystem,
        store_directory: &Path,
        epoch: u32,
        base: Position,
    ) -> Result<(), Error> {
        let directory = reader::segment_directory(store_directory, epoch);
        files
            .create_dir_all(&directory)
            .map_err(|error| write_error(&directory, error))?;
        let segment = Segment {
            first_seq: base.seq + 1,
        };
        let path = directory.join(segment.file_name());
        match read_file(files, &path, 0) {
            Ok(bytes) if wal_file::check_header(&bytes, epoch, segment.first_seq).is_ok() => {
                return Ok(());
            }
            // Torn when it was made; nothing has been appended to it, as the store was not there yet.
            Ok(_) => files
                .remove(&path)
                .map_err(|error| write_error(&path, error))?,
            Err(error) if error.kind() == ErrorKind::Compacted => {}
            Err(error) => return Err(error),
        }
        Self::begin_segment(files, &directory, base).map(|_| ())
    }

    /// Opens the log for writing; the caller holds the store's lock. May block.
    ///
    /// The valid tail of the last segment is written and synced again, since after a failed sync of the process before
    /// this one it may stand in the page cache alone. A cut-off append behind it is kept aside and reported.
    pub(crate) fn open(
        environment: Arc<dyn Environment>,
        options: FileLogOptions,
    ) -> Result<FileLog, Error> {
        let files = environment.files();
        let reader = FileLogReader::new(environment, options.clone());
        let directory = reader.segment_directory().to_owned();
        let mut segments = list_segments(files.as_ref(), &directory)?;
        let mut active = None;
        let mut head = None;
        while head.is_none()
            && let Some(segment) = segments.pop()
        {
            let is_last = active.is_none();
            if let Some((last_record, bytes)) =
                Self::recover_segment(files.as_ref(), &options, &directory, segment, is_last)?
            {
                head = last_record;
                active.get_or_insert((segment, bytes));
            }
        }
        let Some((segment, bytes)) = active else {
            return Err(Error::corrupt(format!(
                "the log in {directory:?} is missing"
            )));
        };
        let head = match head {
            Some(head) => head,
            None if segment.first_seq == options.covered.seq + 1 => options.covered,
            None => {
                return Err(Error::corrupt(format!(
                    "the log in {directory:?} holds no record, though number {} comes next",
                    segment.first_seq
                )));
            }
        };
        if head.seq < options.covered.seq {
            return Err(Error::corrupt(format!(
                "the log in {directory:?} ends with record {}, though record {} was in it",
                head.seq, options.covered.seq
            )));
        }
        if segment.first_seq > head.seq + 1 {
            return Err(Error::corrupt(format!(
                "the log in {directory:?} lacks the records from {} to {}",
                head.seq + 1,
                segment.first_seq - 1
            )));
        }
        let state = Self::reopen_segment(files.as_ref(), &directory, segment, bytes, head)?;
        Ok(FileLog {
            reader,
            state: Mutex::new(state),
        })
    }

    /// The last record and the valid bytes of one of the last segments; `None` if only a torn header was there.
    ///
    /// What an append that was cut off has left is kept aside.
    fn recover_segment(
        files: &dyn FileSystem,
        options: &FileLogOptions,
        directory: &Path,
        segment: Segment,
        is_last: bool,
    ) -> Result<Option<(Option<Position>, Bytes)>, Error> {
        let path = directory.join(segment.file_name());
        let shown = path.display().to_string();
        let bytes = read_file(files, &path, 0)?;
        match wal_file::check_header(&bytes, options.epoch, segment.first_seq) {
            Err(wal_file::HeaderFault::Damaged)
                if is_last && bytes.len() <= WAL_FILE_HEADER_BYTES =>
            {
                set_aside(files, directory, segment, 0, &bytes)?;
                files
                    .remove(&path)
                    .map_err(|error| write_error(&path, error))?;
                files
                    .sync_dir(directory)
                    .map_err(|error| write_error(directory, error))?;
                return Ok(None);
            }
            checked => checked.map_err(|fault| fault.into_error(&shown))?,
        }
        let start = if segment.first_seq == options.covered.seq + 1 {
            ChainStart::After(options.covered)
        } else {
            ChainStart::At(segment.first_seq)
        };
        let records = bytes.slice(WAL_FILE_HEADER_BYTES..);
        let base_offset = WAL_FILE_HEADER_BYTES as u64;
        let scan = wal_file::scan(
            &records,
            base_offset,
            &shown,
            options.epoch,
            options.store,
            start,
        )?;
        let valid_bytes = WAL_FILE_HEADER_BYTES + scan.valid_bytes;
        if let Some(what) = scan.tear
            && is_last
        {
            log::warn!(
                instance = options.instance, path = shown, offset = valid_bytes, bytes = bytes.len() - valid_bytes;
                "cut an append that was not finished off the log and kept it aside: {what}"
            );
            let rest = &bytes[valid_bytes..];
            let torn = rest.iter().rposition(|byte| *byte != 0);
            let torn_bytes = torn.map_or(0, |last| last + 1);
            set_aside(files, directory, segment, valid_bytes, &rest[..torn_bytes])?;
        }
        let bytes = bytes.slice(..valid_bytes);
        Ok(Some((
            scan.records.last().map(|record| record.position),
            bytes,
        )))
    }

    /// Writes the valid part of the last segment again, syncs it, and goes on behind it.
    fn reopen_segment(
        files: &dyn FileSystem,
        directory: &Path,
        segment: Segment,
        bytes: Bytes,
        head: Position,
    ) -> Result<State, Error> {
        let path = directory.join(segment.file_name());
        let rewrite = || -> std::io::Result<Arc<dyn File>> {
            let file = files.open(&path, OpenMode::ReadWrite)?;
            if !mutation::is("trust-the-page-cache") {
                file.write_all_at(0, &bytes)?;
                file.set_size(bytes.len() as u64)?;
                file.sync_data()?;
            }
            files.sync_dir(directory)?;
            Ok(file)
        };
        let file = rewrite().map_err(|error| write_error(&path, error))?;
        Ok(State {
            file,
            first_seq: segment.first_seq,
            offset: bytes.len() as u64,
            allocated: 0,
            head,
            latched: None,
        })
    }

    /// Makes the segment whose first record will follow `head`.
    fn begin_segment(
        files: &dyn FileSystem,
        directory: &Path,
        head: Position,
    ) -> Result<State, Error> {
        let segment = Segment {
            first_seq: head.seq + 1,
        };
        let path = directory.join(segment.file_name());
        let epoch = segment::epoch_of(directory);
        let header = wal_file::encode_header(epoch, segment.first_seq);
        let create = || -> std::io::Result<Arc<dyn File>> {
            let file = files.open(&path, OpenMode::CreateNew)?;
            file.write_all_at(0, &header)?;
            file.sync_data()?;
            files.sync_dir(directory)?;
            Ok(file)
        };
        let file = create().map_err(|error| {
            let _ = files.remove(&path);
            write_error(&path, error)
        })?;
        Ok(State {
            file,
            first_seq: segment.first_seq,
            offset: header.len() as u64,
            allocated: 0,
            head,
            latched: None,
        })
    }

    /// Sets room aside for records to come. Without it they are written all the same.
    fn allocate(&self, state: &mut State) {
        let (least, most) = (*ALLOCATED_BYTES.start(), *ALLOCATED_BYTES.end());
        let step = state.offset.clamp(least, most);
        if state.latched.is_some() || state.allocated >= state.offset + step / 2 {
            return;
        }
        state.allocated = state.offset + step;
        if let Err(error) = state.file.allocate(state.allocated) {
            log::debug!(
                instance = self.reader.options().instance;
                "no room can be set aside in the log: {error}"
            );
        }
    }

    /// Gives back what was set aside in a segment that has ended. What stays after a crash does no harm.
    fn cut(&self, state: &State) {
        if state.latched.is_none()
            && state.allocated > state.offset
            && let Err(error) = state.file.set_size(state.offset)
        {
            log::debug!(
                instance = self.reader.options().instance;
                "room that was set aside in the log cannot be given back: {error}"
            );
        }
    }

    /// Removes the segments of epochs that have ended at or before `up_to`.
    fn remove_older_epochs(&self, files: &dyn FileSystem, up_to: Position) -> Result<u64, Error> {
        let options = self.reader.options();
        let mut removed = 0;
        if options.base.seq > up_to.seq {
            return Ok(removed);
        }
        for epoch in 1..options.epoch {
            let directory = reader::segment_directory(&options.directory, epoch);
            for segment in list_segments(files, &directory)? {
                let path = directory.join(segment.file_name());
                let remove = || {
                    files
                        .remove(&path)
                        .and_then(|()| files.sync_dir(&directory))
                };
                remove().map_err(|error| write_error(&path, error))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps bytes that are cut off the log in a file beside the segment.
fn set_aside(
    files: &dyn FileSystem,
    directory: &Path,
    segment: Segment,
    offset: usize,
    bytes: &[u8],
) -> Result<(), Error> {
    for attempt in 0..1_000 {
        let path = directory.join(format!("{}.torn-{offset}-{attempt}", segment.file_name()));
        let file = match files.open(&path, OpenMode::CreateNew) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(write_error(&path, error)),
        };
        let written = file.write_all_at(0, bytes).and_then(|()| file.sync_data());
        return written
            .and_then(|()| files.sync_dir(directory))
            .map_err(|error| write_error(&path, error));
    }
    Err(Error::unavailable(format!(
        "{directory:?} holds 1,000 torn tails of one segment: remove those looked at"
    )))
}

fn write_error(path: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::Invalid
        }
        _ => ErrorKind::Unavailable,
    };
    Error::new(
        kind,
        format!("cannot write {:?}", path.display().to_string()),
    )
    .with_source(error)
}

#[async_trait]
impl LogReader for FileLog {
    fn read(&self, after: Position) -> BoxStream<'_, Result<Record, Error>> {
        if after == self.state().head {
            return futures::stream::empty().boxed(); // nobody else writes
        }
        self.reader.read(after)
    }

    fn read_from(&self, seq: u64) -> BoxStream<'_, Result<Record, Error>> {
        self.reader.read_from(seq)
    }

    fn tail(&self, _after: Position) -> BoxStream<'_, Result<Record, Error>> {
        // Nobody else appends while this handle holds the store's lock, and what it appends itself may be left out. The
        // files must not be read here: a record whose sync has failed stands in them and is not decided.
        futures::stream::pending().boxed()
    }
}

#[async_trait]
impl Log for FileLog {
    async fn append(
        &self,
        expected: Position,
        position: Position,
        record: Bytes,
        senders: &dyn Senders,
    ) -> Append {
        let mut state = self.state();
        if let Some(why) = &state.latched {
            return Append::Refused(Error::unavailable(format!(
                "the log takes no more appends until it is opened again: {why}"
            )));
        }
        if expected != state.head {
            return Append::Lost {
                told: Vec::new(),
                is_certain: true,
            };
        }
        if !senders.may_send() {
            return Append::Withdrawn;
        }
        let path = self.reader.segment_directory().join(
            Segment {
                first_seq: state.first_seq,
            }
            .file_name(),
        );
        if let Err(error) = state.file.write_all_at(state.offset, &record) {
            // Nothing may stay behind the last record: the next append goes to the same place.
            state.allocated = 0;
            if mutation::is("leave-a-failed-write") {
                state.offset = state.file.size().unwrap_or(state.offset);
            } else if let Err(cut) = state.file.set_size(state.offset) {
                state.latched = Some(format!(
                    "{path:?} could not be cut back after a failed write: {cut}"
                ));
            }
            return Append::Refused(write_error(&path, error));
        }
        failpoint::pass("segment-written");
        if let Err(error) = state.file.sync_data() {
            state.latched = Some(format!("{path:?} could not be synced: {error}"));
            return Append::Unclear(
                Error::unavailable(format!("cannot sync {:?}", path.display().to_string()))
                    .with_source(error),
            );
        }
        state.offset += record.len() as u64;
        state.head = position;
        Append::Appended
    }

    async fn tidy(&self) {
        let options = self.reader.options();
        let mut state = self.state();
        let records = state.head.seq + 1 - state.first_seq;
        let full = records >= u64::from(options.segment_records_max)
            || state.offset >= options.segment_bytes_max;
        if !full || records == 0 || state.latched.is_some() {
            self.allocate(&mut state);
            return;
        }
        let files = self.reader.files();
        match Self::begin_segment(files.as_ref(), self.reader.segment_directory(), state.head) {
            Ok(next) => {
                self.cut(&state);
                *state = next;
                failpoint::pass("segment-begun");
            }
            // The segment that is there still takes records; the next append tries again.
            Err(error) => {
                log::warn!(instance = options.instance; "cannot begin a new log segment: {}", error.chain());
            }
        }
    }

    async fn close(&self) {
        self.cut(&self.state());
    }

    fn absence_is_final(&self) -> bool {
        self.state().latched.is_none()
    }

    fn removal_delay(&self) -> Duration {
        Duration::ZERO
    }

    async fn truncate(&self, up_to: Position) -> Result<u64, Error> {
        let files = self.reader.files();
        let mut removed = self.remove_older_epochs(files.as_ref(), up_to)?;
        let directory = self.reader.segment_directory();
        let segments = list_segments(files.as_ref(), directory)?;
        for pair in segments.windows(2) {
            let [segment, next] = pair else { break };
            if next.first_seq > up_to.seq + 1 {
                break;
            }
            let path = directory.join(segment.file_name());
            // Each removal is made durable before the next: after a power cut no hole may be left.
            let remove = || files.remove(&path).and_then(|()| files.sync_dir(directory));
            remove().map_err(|error| write_error(&path, error))?;
            removed += 1;
            failpoint::pass("log-file-removed");
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests;
