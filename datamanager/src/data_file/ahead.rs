//! Blocks that are read together, by who needs them now or for later.

use std::panic;
use std::pin::Pin;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, MaybeDone, maybe_done};
use tokio::runtime::Handle;

use super::block::DataBlock;
use super::contents::slice_at;
use super::error::DataFileError;
use super::index::BlockHandle;
use super::reader::DataFile;

/// Neighbouring blocks of a file, in either order.
#[derive(Clone)]
pub(super) struct BlockRun {
    pub(super) handles: Vec<BlockHandle>,
}

impl BlockRun {
    pub(super) fn new(handles: Vec<BlockHandle>) -> BlockRun {
        BlockRun { handles }
    }

    /// Reads all of them at once.
    pub(super) async fn read(
        &self,
        file: &DataFile,
        fills_cache: bool,
    ) -> Result<Vec<(BlockHandle, Bytes)>, DataFileError> {
        let start = self.handles.iter().map(|handle| handle.offset).min();
        let end = self.handles.iter().map(|handle| handle.end()).max();
        let (Some(start), Some(end)) = (start, end) else {
            return Ok(Vec::new());
        };
        let bytes = file.read_cached(start..end, fills_cache).await?;
        let frames = self.handles.iter().filter_map(|handle| {
            let frame = slice_at(&bytes, start, handle.range());
            frame.map(|frame| (*handle, frame))
        });
        Ok(frames.collect())
    }
}

/// Blocks with what decoding them has come to.
type Decoded = Vec<(BlockHandle, Result<DataBlock, DataFileError>)>;

/// Blocks that are read and decoded while somebody does something else. It gets on when it is polled, and on a thread for
/// blocking work where there is a tokio runtime.
pub(super) struct Ahead {
    run: BlockRun,
    blocks: MaybeDone<BoxFuture<'static, Result<Decoded, DataFileError>>>,
}

impl Ahead {
    pub(super) fn new(file: DataFile, run: BlockRun, fill_cache: bool) -> Ahead {
        let blocks = read_and_decode(file, run.clone(), fill_cache);
        Ahead {
            run,
            blocks: maybe_done(blocks.boxed()),
        }
    }

    /// Waits until they are there, or could not be read.
    pub(super) fn done(&mut self) -> impl Future<Output = ()> {
        Pin::new(&mut self.blocks)
    }

    /// What [`Ahead::done`] has waited for; or which blocks could not be read, and why.
    pub(super) fn into_blocks(mut self) -> Result<Decoded, (BlockRun, DataFileError)> {
        match Pin::new(&mut self.blocks).take_output() {
            Some(Ok(blocks)) => Ok(blocks),
            Some(Err(error)) => Err((self.run, error)),
            None => Ok(Vec::new()),
        }
    }
}

async fn read_and_decode(
    file: DataFile,
    run: BlockRun,
    fill_cache: bool,
) -> Result<Decoded, DataFileError> {
    let frames = run.read(&file, fill_cache).await?;
    let decode = move || -> Decoded {
        let frames = frames.iter();
        frames
            .map(|(handle, frame)| (*handle, file.decode_block(frame, *handle, fill_cache)))
            .collect()
    };
    let Ok(runtime) = Handle::try_current() else {
        return Ok(decode());
    };
    match runtime.spawn_blocking(decode.clone()).await {
        Ok(blocks) => Ok(blocks),
        Err(error) => match error.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            // The runtime is shutting down.
            Err(_) => Ok(decode()),
        },
    }
}
