//! Blocks that are compressed together, on other threads where there are some.

use std::collections::VecDeque;
use std::mem;
use std::panic;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::error::DataFileError;
use super::frame::{Compression, FrameEncoder};

/// A batch is compressed when it has so many bytes of blocks: far more than it costs to hand it to another thread.
pub(super) const BATCH_BYTES_MIN: usize = 128 * 1024;

/// The first batch of a file is shorter, so that it is soon known how well its blocks compress.
pub(super) const FIRST_BATCH_BYTES_MIN: usize = 16 * 1024;

/// Batches that are being compressed at once. Two of them keep two cores busy while their producer waits; a third one bridges
/// the time that it takes a thread to wake up.
const UNDER_WAY_MAX: usize = 3;

/// Of so many threads of a runtime one does work in the background; the others are for whoever waits for an answer.
const THREADS_PER_BACKGROUND_BATCH: usize = 3;

/// Data blocks as they are before compression, in the file's order.
#[derive(Debug, Default)]
pub(super) struct BlockBatch {
    bytes: Vec<u8>,
    /// Where each block ends.
    ends: Vec<usize>,
}

impl BlockBatch {
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The length of all blocks.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn push(&mut self, block: &[u8]) {
        self.bytes.extend_from_slice(block);
        self.ends.push(self.bytes.len());
    }

    /// Gives all blocks away and begins anew.
    pub(super) fn take(&mut self) -> BlockBatch {
        let next = BlockBatch {
            bytes: Vec::with_capacity(self.bytes.capacity()),
            ends: Vec::with_capacity(self.ends.capacity()),
        };
        mem::replace(self, next)
    }

    fn compress(&self, encoder: &mut FrameEncoder) -> Result<Frames, DataFileError> {
        let mut frames = Frames {
            bytes: Vec::with_capacity(self.bytes.len() * 3 / 4),
            lengths: Vec::with_capacity(self.ends.len()),
            block_bytes: self.bytes.len(),
        };
        let mut start = 0;
        for end in &self.ends {
            let length = encoder.encode(&self.bytes[start..*end], &mut frames.bytes)?;
            frames.lengths.push(length);
            start = *end;
        }
        Ok(frames)
    }
}

/// What the blocks of a batch have become: frames that have no place in the file yet.
pub(super) struct Frames {
    pub(super) bytes: Vec<u8>,
    /// The length of each frame.
    pub(super) lengths: Vec<usize>,
    /// The length of the blocks in them.
    pub(super) block_bytes: usize,
}

/// Compresses batches and gives their frames in the same order.
///
/// Which batch is given when does not depend on how fast the threads are, nor on whether there are any: a file comes out the
/// same. Where there is no tokio runtime, as in a simulation, a batch is compressed by the caller.
pub(super) struct BatchCompressor {
    compression: Compression,
    /// Batches that may be under way at once; with 0 the caller compresses.
    under_way_max: usize,
    /// Encoders that no batch uses.
    idle: Vec<FrameEncoder>,
    /// The oldest batch first.
    under_way: VecDeque<UnderWay>,
}

enum UnderWay {
    Done(Result<Frames, DataFileError>),
    Running(
        Arc<BlockBatch>,
        JoinHandle<(FrameEncoder, Result<Frames, DataFileError>)>,
    ),
}

impl BatchCompressor {
    pub(super) fn new(compression: Compression) -> Result<BatchCompressor, DataFileError> {
        Ok(BatchCompressor {
            compression,
            under_way_max: UNDER_WAY_MAX,
            idle: vec![FrameEncoder::new(compression)?],
            under_way: VecDeque::new(),
        })
    }

    /// Leaves most threads to others, and all of them where there are few.
    pub(super) fn stay_in_background(&mut self) {
        let threads = Handle::try_current().map_or(0, |runtime| runtime.metrics().num_workers());
        self.under_way_max = (threads / THREADS_PER_BACKGROUND_BATCH).min(UNDER_WAY_MAX);
    }

    /// Whether the oldest batch is to be waited for before the next one is begun.
    pub(super) fn is_full(&self) -> bool {
        self.under_way.len() >= self.under_way_max.max(1)
    }

    /// Begins to compress a batch, on another thread if there is one.
    pub(super) fn begin(&mut self, batch: BlockBatch) -> Result<(), DataFileError> {
        let runtime = match self.compression {
            Compression::None => None,
            _ if self.under_way_max == 0 => None,
            _ => Handle::try_current().ok(),
        };
        let Some(runtime) = runtime else {
            return self.compress(&batch);
        };
        let mut encoder = self.encoder()?;
        let batch = Arc::new(batch);
        let work = {
            let batch = Arc::clone(&batch);
            move || {
                let frames = batch.compress(&mut encoder);
                (encoder, frames)
            }
        };
        let task = runtime.spawn_blocking(work);
        self.under_way.push_back(UnderWay::Running(batch, task));
        Ok(())
    }

    /// Compresses a batch on this thread: the last one, and whatever there is no other thread for.
    pub(super) fn compress(&mut self, batch: &BlockBatch) -> Result<(), DataFileError> {
        let mut encoder = self.encoder()?;
        let frames = batch.compress(&mut encoder);
        self.idle.push(encoder);
        self.under_way.push_back(UnderWay::Done(frames));
        Ok(())
    }

    /// Waits for the frames of the oldest batch; `None` if there is no batch. A call that is dropped loses nothing.
    pub(super) async fn next(&mut self) -> Option<Result<Frames, DataFileError>> {
        let result = match self.under_way.front_mut()? {
            UnderWay::Done(_) => None,
            UnderWay::Running(_, task) => Some(task.await),
        };
        let frames = match (self.under_way.pop_front()?, result) {
            (UnderWay::Done(frames), _) => frames,
            (UnderWay::Running(..), Some(Ok((encoder, frames)))) => {
                self.idle.push(encoder);
                frames
            }
            (UnderWay::Running(batch, _), error) => {
                if let Some(Err(error)) = error
                    && let Ok(payload) = error.try_into_panic()
                {
                    panic::resume_unwind(payload);
                }
                // The runtime is shutting down.
                let encoder = self.encoder();
                encoder.and_then(|mut encoder| batch.compress(&mut encoder))
            }
        };
        Some(frames)
    }

    fn encoder(&mut self) -> Result<FrameEncoder, DataFileError> {
        match self.idle.pop() {
            Some(encoder) => Ok(encoder),
            None => FrameEncoder::new(self.compression),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_file::frame::{decode_frame, place_frame};
    use bytes::Bytes;

    fn batches() -> Vec<BlockBatch> {
        (0..20_u8)
            .map(|number| {
                let mut batch = BlockBatch::default();
                for length in 1..50 {
                    batch.push(&[number; 2].repeat(length));
                }
                batch
            })
            .collect()
    }

    /// All frames, made with as many batches under way as there may be.
    async fn compress(batches: Vec<BlockBatch>, is_background: bool) -> Vec<u8> {
        let mut compressor = BatchCompressor::new(Compression::Zstd { level: 1 }).unwrap();
        if is_background {
            compressor.stay_in_background();
        }
        let mut bytes = Vec::new();
        for batch in batches {
            if compressor.is_full() {
                bytes.extend(compressor.next().await.unwrap().unwrap().bytes);
            }
            compressor.begin(batch).unwrap();
        }
        while let Some(frames) = compressor.next().await {
            bytes.extend(frames.unwrap().bytes);
        }
        assert!(compressor.idle.len() <= UNDER_WAY_MAX);
        bytes
    }

    #[tokio::test]
    async fn threads_give_the_same_frames_in_the_same_order_as_the_caller_alone() {
        let with_threads = compress(batches(), false).await;
        assert!(with_threads == compress(batches(), true).await);
        let without =
            std::thread::spawn(|| futures::executor::block_on(compress(batches(), false)));
        assert!(with_threads == without.join().unwrap());
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_loses_no_batch() {
        let mut compressor = BatchCompressor::new(Compression::Zstd { level: 1 }).unwrap();
        for batch in batches().into_iter().take(UNDER_WAY_MAX) {
            compressor.begin(batch).unwrap();
        }
        let mut seen = 0_u8;
        loop {
            // Dropped at once, ready or not, until it is ready.
            let polled = futures::poll!(std::pin::pin!(compressor.next()));
            match polled {
                std::task::Poll::Pending => tokio::task::yield_now().await,
                std::task::Poll::Ready(None) => break,
                std::task::Poll::Ready(Some(frames)) => {
                    let mut frames = frames.unwrap();
                    let frame = &mut frames.bytes[..frames.lengths[0]];
                    place_frame(frame, 16);
                    let block = decode_frame(&Bytes::copy_from_slice(frame), 16).unwrap();
                    assert_eq!(block, vec![seen; 2]);
                    seen += 1;
                }
            }
        }
        assert_eq!(usize::from(seen), UNDER_WAY_MAX);
    }

    #[test]
    fn a_batch_is_not_lost_with_the_runtime_that_was_to_compress_it() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let mut compressor = BatchCompressor::new(Compression::Zstd { level: 1 }).unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        {
            let _context = runtime.enter();
            // The only thread is busy, so that the batch has to wait.
            drop(runtime.spawn_blocking(move || released.recv().is_ok()));
            compressor.begin(batches().remove(0)).unwrap();
        }
        runtime.shutdown_background();
        drop(release);
        let frames = futures::executor::block_on(compressor.next())
            .unwrap()
            .unwrap();
        assert_eq!(frames.lengths.len(), 49);
    }
}
