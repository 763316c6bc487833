//! Reading segment files, also beside the process that writes them.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::FileLogOptions;
use super::segment::{Segment, list_segments, read_file};
use crate::environment::{Environment, FileSystem, run_blocking};
use crate::log::{Append, Log, LogReader, Senders};
use crate::record::Record;
use crate::wal_file::{self, ChainStart, WAL_FILE_HEADER_BYTES};
use crate::{Error, ErrorKind, Position};

/// How often a reader beside a writer looks for new records.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Reads the segments of one epoch; never changes them, and stops before a record that is not whole yet.
#[derive(Clone)]
pub(crate) struct FileLogReader {
    environment: Arc<dyn Environment>,
    options: Arc<FileLogOptions>,
    segment_directory: PathBuf,
}

/// Where the segments of an epoch are.
pub(super) fn segment_directory(store_directory: &Path, epoch: u32) -> PathBuf {
    store_directory.join("wal").join(format!("{epoch:010}"))
}

/// How far a reader has come.
#[derive(Clone, Copy)]
struct ReadPlace {
    next_seq: u64,
    /// The record before, if it is known: the next one must follow it.
    last: Option<Position>,
    /// The segment that is being read, and where in it the next record begins.
    file: Option<(Segment, u64)>,
    /// Begin with the oldest record that is kept if the one asked for is not.
    oldest_will_do: bool,
}

impl FileLogReader {
    pub(crate) fn new(environment: Arc<dyn Environment>, options: FileLogOptions) -> FileLogReader {
        let segment_directory = segment_directory(&options.directory, options.epoch);
        FileLogReader {
            environment,
            options: Arc::new(options),
            segment_directory,
        }
    }

    pub(super) fn segment_directory(&self) -> &Path {
        &self.segment_directory
    }

    pub(super) fn options(&self) -> &FileLogOptions {
        &self.options
    }

    pub(super) fn files(&self) -> Arc<dyn FileSystem> {
        self.environment.files()
    }

    /// The next records, about a segment's worth; none at the end of the log. May block.
    fn read_step(&self, place: &mut ReadPlace) -> Result<Vec<Record>, Error> {
        let files = self.files();
        loop {
            let Some((segment, offset)) = place.file else {
                if !self.find_segment(files.as_ref(), place)? {
                    return Ok(Vec::new());
                }
                continue;
            };
            let path = self.segment_directory.join(segment.file_name());
            let shown = path.display().to_string();
            let bytes = read_file(files.as_ref(), &path, offset)?;
            let start = match place.last {
                Some(last)
                    if offset > WAL_FILE_HEADER_BYTES as u64
                        || segment.first_seq == last.seq + 1 =>
                {
                    ChainStart::After(last)
                }
                _ => ChainStart::At(segment.first_seq),
            };
            let scan = wal_file::scan(
                &bytes,
                offset,
                &shown,
                self.options.epoch,
                self.options.store,
                start,
            )?;
            if let Some(record) = scan.records.last() {
                self.check_known(&scan.records, place.last, &shown)?;
                let next_seq = place.next_seq;
                place.last = Some(record.position);
                place.next_seq = next_seq.max(record.position.seq + 1);
                place.file = Some((segment, offset + scan.valid_bytes as u64));
                let kept: Vec<Record> = scan
                    .records
                    .into_iter()
                    .filter(|record| record.position.seq >= next_seq)
                    .collect();
                if !kept.is_empty() {
                    return Ok(kept);
                }
                continue;
            }
            if !self.enter_next_segment(files.as_ref(), place, segment)? {
                return self.check_end(place).map(|()| Vec::new());
            }
        }
    }

    /// A reader that knows a record must have found it: the log may not end before.
    fn check_end(&self, place: &ReadPlace) -> Result<(), Error> {
        match place.last {
            Some(last) if last.seq + 1 < place.next_seq && !place.oldest_will_do => {
                Err(Error::corrupt(format!(
                    "the log in {:?} ends with record {}, though record {} was in it",
                    self.segment_directory,
                    last.seq,
                    place.next_seq - 1
                )))
            }
            _ => Ok(()),
        }
    }

    /// The record that a reader has applied last must be the one that stands here.
    fn check_known(
        &self,
        records: &[Record],
        last: Option<Position>,
        shown: &str,
    ) -> Result<(), Error> {
        let Some(last) = last else { return Ok(()) };
        match records
            .iter()
            .find(|record| record.position.seq == last.seq)
        {
            Some(found) if found.position.record != last.record => Err(Error::corrupt(format!(
                "{shown:?} holds record {} as number {}, where record {} is expected",
                found.position.record, last.seq, last.record
            ))),
            _ => Ok(()),
        }
    }

    /// Finds the segment that holds or will hold the next record; `false` if nothing has been written yet.
    fn find_segment(&self, files: &dyn FileSystem, place: &mut ReadPlace) -> Result<bool, Error> {
        let segments = list_segments(files, &self.segment_directory)?;
        let behind = segments.partition_point(|segment| segment.first_seq <= place.next_seq);
        let found = match behind.checked_sub(1) {
            Some(before) => segments[before],
            None if segments.is_empty() => {
                return Err(Error::corrupt(format!(
                    "the log in {:?} is missing",
                    self.segment_directory
                )));
            }
            None if place.oldest_will_do => segments[0],
            None => {
                return Err(Error::new(
                    ErrorKind::Compacted,
                    format!(
                        "record {} is no longer kept in the log {:?}",
                        place.next_seq, self.segment_directory
                    ),
                ));
            }
        };
        self.enter(files, place, found, segments.last() == Some(&found))
    }

    /// Goes on to the segment behind `segment`; `false` if there is none yet.
    fn enter_next_segment(
        &self,
        files: &dyn FileSystem,
        place: &mut ReadPlace,
        segment: Segment,
    ) -> Result<bool, Error> {
        let segments = list_segments(files, &self.segment_directory)?;
        let behind = segments.partition_point(|other| *other <= segment);
        let Some(next) = segments.get(behind) else {
            return Ok(false);
        };
        if next.first_seq > place.next_seq.max(segment.first_seq) {
            return Err(Error::corrupt(format!(
                "the log in {:?} lacks the records from {} to {}",
                self.segment_directory,
                place.next_seq,
                next.first_seq - 1
            )));
        }
        self.enter(files, place, *next, segments.last() == Some(next))
    }

    fn enter(
        &self,
        files: &dyn FileSystem,
        place: &mut ReadPlace,
        segment: Segment,
        is_last: bool,
    ) -> Result<bool, Error> {
        let path = self.segment_directory.join(segment.file_name());
        let bytes = read_file(files, &path, 0)?;
        match wal_file::check_header(&bytes, self.options.epoch, segment.first_seq) {
            // Just being made.
            Err(wal_file::HeaderFault::Damaged)
                if is_last && bytes.len() <= WAL_FILE_HEADER_BYTES =>
            {
                return Ok(false);
            }
            checked => checked.map_err(|fault| fault.into_error(&path.display().to_string()))?,
        }
        place.file = Some((segment, WAL_FILE_HEADER_BYTES as u64));
        Ok(true)
    }

    /// The records from `place` on; at the end of the log it ends, or waits if it is to `follow`.
    fn stream(&self, place: ReadPlace, follow: bool) -> BoxStream<'static, Result<Record, Error>> {
        let start = (self.clone(), place, VecDeque::<Record>::new());
        stream::try_unfold(start, move |(reader, mut place, mut ready)| async move {
            while ready.is_empty() {
                let blocking = reader.clone();
                let step = run_blocking(reader.environment.as_ref(), move || {
                    let mut next = place;
                    blocking.read_step(&mut next).map(|records| (records, next))
                });
                let (records, next) = step.await??;
                place = next;
                ready.extend(records);
                if ready.is_empty() {
                    if !follow {
                        return Ok(None);
                    }
                    reader.environment.sleep(POLL_INTERVAL).await;
                }
            }
            Ok(ready
                .pop_front()
                .map(|record| (record, (reader, place, ready))))
        })
        .boxed()
    }
}

fn after(position: Position) -> ReadPlace {
    ReadPlace {
        next_seq: position.seq + 1,
        last: Some(position),
        file: None,
        oldest_will_do: false,
    }
}

#[async_trait]
impl LogReader for FileLogReader {
    fn read(&self, position: Position) -> BoxStream<'_, Result<Record, Error>> {
        self.stream(after(position), false)
    }

    fn read_from(&self, seq: u64) -> BoxStream<'_, Result<Record, Error>> {
        let place = ReadPlace {
            next_seq: seq.max(1),
            last: None,
            file: None,
            oldest_will_do: true,
        };
        self.stream(place, false)
    }

    fn tail(&self, position: Position) -> BoxStream<'_, Result<Record, Error>> {
        self.stream(after(position), true)
    }
}

/// A reader is the log of a store that is open read-only: it follows, and refuses to append.
#[async_trait]
impl Log for FileLogReader {
    async fn append(
        &self,
        _expected: Position,
        _position: Position,
        _record: Bytes,
        _senders: &dyn Senders,
    ) -> Append {
        Append::Refused(Error::invalid("the store is open read-only"))
    }

    async fn tidy(&self) {}

    fn absence_is_final(&self) -> bool {
        false
    }

    fn removal_delay(&self) -> Duration {
        Duration::ZERO
    }

    async fn truncate(&self, _up_to: Position) -> Result<u64, Error> {
        Err(Error::invalid("the store is open read-only"))
    }
}
