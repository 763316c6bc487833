//! Walks over the entries of a data file in key order.

use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};

use bytes::Bytes;
use futures::poll;

use super::ahead::{Ahead, BlockRun};
use super::block::DataBlock;
use super::entry::DataFileEntry;
use super::error::{Damage, DataFileError};
use super::index::{BlockHandle, IndexPosition};
use super::reader::DataFile;

/// The read after the first asks for this much.
const READAHEAD_BYTES_MIN: u64 = 32 * 1024;

/// How far a cursor reads ahead unless it is told otherwise.
const READAHEAD_BYTES_MAX: u64 = 1024 * 1024;

/// A walk that reads so much at once has come so far that it will hardly end soon: from then on it reads and decodes the
/// next blocks on another thread while it gives the entries before them.
const AHEAD_BYTES_MIN: u64 = 256 * 1024;

/// How many such reads are under way at once. With two of them two cores decode while whoever walks is waiting.
const AHEAD_READS_MAX: usize = 2;

/// Which way a cursor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards greater keys.
    Forward,
    /// Towards lesser keys.
    Reverse,
}

/// A walk over a range of keys of one file, made by [`DataFile::cursor`].
///
/// The first block is read alone, as many walks end there; the reads after that take several blocks at once, twice
/// as much each time. A long walk reads while it goes on.
///
/// A call that is cancelled or fails at the object storage may be repeated and loses nothing. After
/// [`DataFileError::Corrupt`] the next call goes on behind the damaged block.
pub struct DataFileCursor {
    file: DataFile,
    /// As asked for: `near` is where the walk begins, `far` where it ends, whichever way it goes.
    near: Bound<Bytes>,
    far: Bound<Bytes>,
    direction: Direction,
    readahead_bytes_max: u64,
    fills_cache: bool,

    state: State,
    /// Where the walk has begun: `near`, or the key last sought.
    from: Bound<Bytes>,
    /// Blocks beyond the one at this offset have only keys beyond `far`.
    far_block: Option<u64>,
    /// Where the index is to be read next.
    position: Option<IndexPosition>,
    /// Blocks whose place is known, to be read next; in the file's order.
    handles: VecDeque<BlockHandle>,
    /// Neighbouring blocks that are being read; in the walk's order.
    run: Vec<BlockHandle>,
    /// Those behind them, which are being read meanwhile; in the walk's order.
    ahead: VecDeque<Ahead>,
    /// How much the next read may ask for, beyond a single block.
    readahead_bytes: u64,
    /// Blocks that were read; in the walk's order.
    read: VecDeque<ReadBlock>,
    /// The block being decoded.
    block: Option<OpenBlock>,
    /// Decoded entries that are in the range; in the file's order.
    entries: VecDeque<DataFileEntry>,
}

/// A block that was read.
enum ReadBlock {
    /// It is yet to be decoded.
    Frame(BlockHandle, Bytes),
    Decoded(BlockHandle, Result<DataBlock, DataFileError>),
}

struct OpenBlock {
    block: DataBlock,
    offset: u64,
    /// The piece of it to be decoded next.
    interval: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// `from` is yet to be looked for in the index.
    Unplaced,
    /// `from` is yet to be looked for in the first block.
    BeforeFirstBlock,
    Walking,
    Ended,
}

impl DataFileCursor {
    pub(super) fn new(
        file: DataFile,
        range: impl RangeBounds<Bytes>,
        direction: Direction,
    ) -> DataFileCursor {
        let (start, end) = (range.start_bound().cloned(), range.end_bound().cloned());
        let (near, far) = match direction {
            Direction::Forward => (start, end),
            Direction::Reverse => (end, start),
        };
        DataFileCursor {
            file,
            from: near.clone(),
            near,
            far,
            direction,
            readahead_bytes_max: READAHEAD_BYTES_MAX,
            fills_cache: true,
            state: State::Unplaced,
            far_block: None,
            position: None,
            handles: VecDeque::new(),
            run: Vec::new(),
            ahead: VecDeque::new(),
            readahead_bytes: 0,
            read: VecDeque::new(),
            block: None,
            entries: VecDeque::new(),
        }
    }

    /// Reads up to `bytes` at once instead of 1 MiB; with 0, block by block.
    #[must_use]
    pub fn with_readahead_bytes_max(mut self, bytes: u64) -> DataFileCursor {
        self.readahead_bytes_max = bytes;
        self
    }

    /// Adds nothing to the cache, for a walk that nobody will soon repeat. Blocks that are in it are still used.
    #[must_use]
    pub fn without_filling_cache(mut self) -> DataFileCursor {
        self.fills_cache = false;
        self
    }

    /// The next entry, or `None` at the end of the range.
    ///
    /// # Errors
    /// - [`DataFileError::Object`]: the object storage failed.
    /// - [`DataFileError::Corrupt`]: a block is damaged.
    pub async fn next(&mut self) -> Result<Option<DataFileEntry>, DataFileError> {
        loop {
            let entry = self.next_decoded();
            if entry.is_some() || self.state == State::Ended {
                return Ok(entry);
            }
            self.advance().await?;
        }
    }

    /// The next entry if it is decoded already.
    pub(crate) fn next_decoded(&mut self) -> Option<DataFileEntry> {
        match self.direction {
            Direction::Forward => self.entries.pop_front(),
            Direction::Reverse => self.entries.pop_back(),
        }
    }

    /// Goes to `key`, onwards or back: the next entry is the first one of the range that the walk does not meet
    /// before `key`. Reads nothing yet.
    pub fn seek(&mut self, key: Bytes) {
        let is_outside = match &self.near {
            Bound::Unbounded => false,
            Bound::Included(near) | Bound::Excluded(near) => match self.direction {
                Direction::Forward => key <= near,
                Direction::Reverse => key >= near,
            },
        };
        self.from = if is_outside {
            self.near.clone()
        } else {
            Bound::Included(key)
        };
        self.state = State::Unplaced;
        self.entries.clear();
    }

    /// Takes one step towards the next entries.
    async fn advance(&mut self) -> Result<(), DataFileError> {
        if self.state == State::Unplaced {
            self.state = State::Ended;
            if self.place().map_err(|damage| self.file.corrupt(damage))? {
                self.state = State::BeforeFirstBlock;
            }
        } else if let Some(block) = self.block.take() {
            self.decode(block)?;
        } else if let Some((handle, block)) = self.next_block().await? {
            let first = self.first_interval(&block);
            let first =
                first.map_err(|what| self.file.corrupt(Damage::new(handle.offset, what)))?;
            self.state = State::Walking;
            self.block = first.map(|interval| OpenBlock {
                block,
                offset: handle.offset,
                interval,
            });
        } else {
            self.state = State::Ended;
        }
        Ok(())
    }

    /// Looks `from` and `far` up in the index. `false`: there is nothing in between.
    fn place(&mut self) -> Result<bool, Damage> {
        self.handles.clear();
        self.run.clear();
        self.ahead.clear();
        self.read.clear();
        self.block = None;
        self.readahead_bytes = 0;
        let index = &self.file.contents().index;
        let find = |bound: &Bound<Bytes>| match bound {
            Bound::Unbounded => Ok(None),
            Bound::Included(key) | Bound::Excluded(key) => index.find(key).map(Some),
        };
        // Of two `Option`s, the outer says whether there is a bound, the inner whether there is a block at it.
        let (from, far) = (find(&self.from)?, find(&self.far)?);
        let start = match (self.direction, from) {
            (Direction::Forward, Some(None)) => return Ok(false),
            (Direction::Forward, None) => index.first(),
            (Direction::Reverse, None | Some(None)) => index.last(),
            (_, Some(Some((position, _)))) => position,
        };
        if self.direction == Direction::Reverse && matches!(far, Some(None)) {
            return Ok(false);
        }
        self.far_block = far.flatten().map(|(_, handle)| handle.offset);
        self.position = self.position_after(start);
        self.handles = index.blocks(start)?.into();
        if let Some(Some((_, first))) = from {
            self.handles.retain(|handle| match self.direction {
                Direction::Forward => handle.offset >= first.offset,
                Direction::Reverse => handle.offset <= first.offset,
            });
        }
        Ok(true)
    }

    fn position_after(&self, position: IndexPosition) -> Option<IndexPosition> {
        let index = &self.file.contents().index;
        match self.direction {
            Direction::Forward => index.next(position),
            Direction::Reverse => index.previous(position),
        }
    }

    /// Where to begin in a block; `None` if it has nothing for the walk.
    fn first_interval(&self, block: &DataBlock) -> Result<Option<usize>, &'static str> {
        let found = match &self.from {
            Bound::Included(key) | Bound::Excluded(key)
                if self.state == State::BeforeFirstBlock =>
            {
                block.interval_of(key)?
            }
            _ if self.direction == Direction::Forward => Some(0),
            _ => None,
        };
        Ok(match self.direction {
            Direction::Forward => found,
            Direction::Reverse => found.or(block.intervals().checked_sub(1)),
        })
    }

    /// Decodes a piece of `open`, keeps those of its entries that are in the range, and puts the block back unless
    /// that was its last piece.
    fn decode(&mut self, mut open: OpenBlock) -> Result<(), DataFileError> {
        if let Err(what) = open.block.decode(open.interval, &mut self.entries) {
            self.entries.clear();
            return Err(self.file.corrupt(Damage::new(open.offset, what)));
        }
        match self.direction {
            Direction::Forward => {
                while self
                    .entries
                    .front()
                    .is_some_and(|entry| is_below(&entry.key, &self.from))
                {
                    self.entries.pop_front();
                }
                while self
                    .entries
                    .back()
                    .is_some_and(|entry| is_above(&entry.key, &self.far))
                {
                    self.entries.pop_back();
                    self.state = State::Ended;
                }
                open.interval += 1;
                self.block = (open.interval < open.block.intervals()).then_some(open);
            }
            Direction::Reverse => {
                while self
                    .entries
                    .back()
                    .is_some_and(|entry| is_above(&entry.key, &self.from))
                {
                    self.entries.pop_back();
                }
                while self
                    .entries
                    .front()
                    .is_some_and(|entry| is_below(&entry.key, &self.far))
                {
                    self.entries.pop_front();
                    self.state = State::Ended;
                }
                self.block = open
                    .interval
                    .checked_sub(1)
                    .map(|interval| OpenBlock { interval, ..open });
            }
        }
        Ok(())
    }

    /// The next block, from the cache, from what was read ahead, or read now.
    ///
    /// What is not given yet stays in `run`, `ahead` or `read`, so that a call may be cancelled.
    async fn next_block(&mut self) -> Result<Option<(BlockHandle, DataBlock)>, DataFileError> {
        loop {
            if !self.read.is_empty() {
                self.go_on_ahead().await?;
            }
            if let Some(read) = self.read.pop_front() {
                let (handle, block) = match read {
                    ReadBlock::Decoded(handle, block) => (handle, block?),
                    ReadBlock::Frame(handle, frame) => {
                        let block = self.file.decode_block(&frame, handle, self.fills_cache)?;
                        (handle, block)
                    }
                };
                return Ok(Some((handle, block)));
            }
            if !self.ahead.is_empty() {
                self.take_ahead().await?;
                continue;
            }
            if self.run.is_empty() {
                let Some(handle) = self.next_handle()? else {
                    return Ok(None);
                };
                if let Some(block) = self.file.cached_block(handle) {
                    return Ok(Some((handle, block)));
                }
                self.begin_run(handle)?;
            }
            self.read_run().await?;
        }
    }

    /// Begins to read what comes behind the blocks that are there, if the walk is a long one, and lets that get on.
    async fn go_on_ahead(&mut self) -> Result<(), DataFileError> {
        while self.ahead.len() < AHEAD_READS_MAX
            && self.run.is_empty()
            && self.readahead_bytes >= AHEAD_BYTES_MIN
        {
            let Some(handle) = self.next_handle()? else {
                break;
            };
            if self.file.is_cached(handle) {
                self.put_back(handle);
                break;
            }
            self.begin_run(handle)?;
            let run = BlockRun::new(std::mem::take(&mut self.run));
            self.ahead.push_back(self.read_ahead(run));
        }
        for ahead in &mut self.ahead {
            // What it has come to is asked for when it is needed.
            let _ = poll!(ahead.done());
        }
        Ok(())
    }

    fn read_ahead(&self, run: BlockRun) -> Ahead {
        Ahead::new(self.file.clone(), run, self.fills_cache)
    }

    /// Waits for the next of the blocks that are being read meanwhile.
    async fn take_ahead(&mut self) -> Result<(), DataFileError> {
        let Some(ahead) = self.ahead.front_mut() else {
            return Ok(());
        };
        ahead.done().await;
        let Some(ahead) = self.ahead.pop_front() else {
            return Ok(());
        };
        match ahead.into_blocks() {
            Ok(blocks) => {
                let blocks = blocks.into_iter();
                self.read
                    .extend(blocks.map(|(handle, block)| ReadBlock::Decoded(handle, block)));
                self.read_more_next_time();
                Ok(())
            }
            Err((run, error)) => {
                // The next call reads them again.
                let again = self.read_ahead(run);
                self.ahead.push_front(again);
                Err(error)
            }
        }
    }

    /// Puts `first` into `run`, and as many blocks after it as the next read may take.
    fn begin_run(&mut self, first: BlockHandle) -> Result<(), DataFileError> {
        self.run.push(first);
        let (mut last, mut bytes) = (first, first.length);
        while let Some(handle) = self.next_handle()? {
            let is_neighbour = match self.direction {
                Direction::Forward => handle.offset == last.end(),
                Direction::Reverse => handle.end() == last.offset,
            };
            bytes = bytes.saturating_add(handle.length);
            if !is_neighbour || bytes > self.readahead_bytes {
                self.put_back(handle);
                break;
            }
            self.run.push(handle);
            last = handle;
        }
        Ok(())
    }

    /// Makes `handle` the next one again.
    fn put_back(&mut self, handle: BlockHandle) {
        match self.direction {
            Direction::Forward => self.handles.push_front(handle),
            Direction::Reverse => self.handles.push_back(handle),
        }
    }

    /// Reads the blocks of `run` at once.
    async fn read_run(&mut self) -> Result<(), DataFileError> {
        let run = BlockRun::new(self.run.clone());
        let frames = run.read(&self.file, self.fills_cache).await?;
        self.run.clear();
        let frames = frames.into_iter();
        self.read
            .extend(frames.map(|(handle, frame)| ReadBlock::Frame(handle, frame)));
        self.read_more_next_time();
        Ok(())
    }

    fn read_more_next_time(&mut self) {
        let doubled = self
            .readahead_bytes
            .saturating_mul(2)
            .max(READAHEAD_BYTES_MIN);
        self.readahead_bytes = doubled.min(self.readahead_bytes_max);
    }

    /// The place of the next block, unless that is beyond the range.
    fn next_handle(&mut self) -> Result<Option<BlockHandle>, DataFileError> {
        loop {
            let handle = match self.direction {
                Direction::Forward => self.handles.pop_front(),
                Direction::Reverse => self.handles.pop_back(),
            };
            if let Some(handle) = handle {
                let is_beyond = self.far_block.is_some_and(|far| match self.direction {
                    Direction::Forward => handle.offset > far,
                    Direction::Reverse => handle.offset < far,
                });
                if !is_beyond {
                    return Ok(Some(handle));
                }
                self.handles.clear();
                self.position = None;
            }
            let Some(position) = self.position else {
                return Ok(None);
            };
            self.position = self.position_after(position);
            let blocks = self.file.contents().index.blocks(position);
            self.handles = blocks.map_err(|damage| self.file.corrupt(damage))?.into();
        }
    }
}

/// Whether `key` is too small for a range that begins with `start`.
fn is_below(key: &Bytes, start: &Bound<Bytes>) -> bool {
    match start {
        Bound::Included(start) => key < start,
        Bound::Excluded(start) => key <= start,
        Bound::Unbounded => false,
    }
}

/// Whether `key` is too great for a range that ends with `end`.
fn is_above(key: &Bytes, end: &Bound<Bytes>) -> bool {
    match end {
        Bound::Included(end) => key > end,
        Bound::Excluded(end) => key >= end,
        Bound::Unbounded => false,
    }
}
