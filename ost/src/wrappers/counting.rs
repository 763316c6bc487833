//! Counting requests and bytes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};

use super::Operation;

const OPERATIONS: usize = Operation::ALL.len();

/// Counts the requests to the backend behind it, and the bytes that go there and come back.
#[derive(Clone, Debug)]
pub struct CountingStore {
    store: Arc<dyn ObjectStore>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    operations: [AtomicU64; OPERATIONS],
    bytes_written: AtomicU64,
    bytes_read: AtomicU64,
}

impl Counters {
    fn add(&self, operation: Operation, count: u64) {
        self.operations[operation.index()].fetch_add(count, Ordering::Relaxed);
    }

    fn add_written(&self, payload: &PutPayload) {
        self.bytes_written
            .fetch_add(payload.content_length() as u64, Ordering::Relaxed);
    }
}

/// What a [`CountingStore`] has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    operations: [u64; OPERATIONS],
    bytes_written: u64,
    bytes_read: u64,
}

impl Counts {
    /// Requests of one kind, failed ones included. A list counts once, however many pages it has.
    pub fn of(&self, operation: Operation) -> u64 {
        self.operations[operation.index()]
    }

    /// Requests of all kinds.
    pub fn total(&self) -> u64 {
        self.operations.iter().sum()
    }

    /// Bytes of content sent, failed requests included.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// Bytes of content received.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// What was counted after `earlier`.
    pub fn since(&self, earlier: &Counts) -> Counts {
        let mut operations = self.operations;
        for (count, earlier) in operations.iter_mut().zip(earlier.operations) {
            *count = count.saturating_sub(earlier);
        }
        Counts {
            operations,
            bytes_written: self.bytes_written.saturating_sub(earlier.bytes_written),
            bytes_read: self.bytes_read.saturating_sub(earlier.bytes_read),
        }
    }
}

impl CountingStore {
    /// Counts what goes to `store`.
    pub fn new(store: Arc<dyn ObjectStore>) -> CountingStore {
        CountingStore {
            store,
            counters: Arc::default(),
        }
    }

    /// What was counted until now, by this store and its clones.
    pub fn counts(&self) -> Counts {
        Counts {
            operations: std::array::from_fn(|index| {
                self.counters.operations[index].load(Ordering::Relaxed)
            }),
            bytes_written: self.counters.bytes_written.load(Ordering::Relaxed),
            bytes_read: self.counters.bytes_read.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Display for CountingStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CountingStore({})", self.store)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for CountingStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.counters.add(Operation::of_put(&options), 1);
        self.counters.add_written(&payload);
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.counters.add(Operation::Upload, 1);
        let upload = self.store.put_multipart_opts(location, options).await?;
        Ok(Box::new(CountingUpload {
            upload,
            counters: Arc::clone(&self.counters),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.counters.add(Operation::of_get(&options), 1);
        let is_head = options.head;
        let mut result = self.store.get_opts(location, options).await?;
        if is_head {
            return Ok(result);
        }
        let (meta, range) = (result.meta.clone(), result.range.clone());
        let (attributes, extensions) = (
            std::mem::take(&mut result.attributes),
            std::mem::take(&mut result.extensions),
        );
        let counters = Arc::clone(&self.counters);
        let stream = result.into_stream().inspect(move |piece| {
            if let Ok(piece) = piece {
                counters
                    .bytes_read
                    .fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
        });
        let payload = GetResultPayload::Stream(stream.boxed());
        Ok(GetResult {
            payload,
            meta,
            range,
            attributes,
            extensions,
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.counters.add(Operation::Get, ranges.len() as u64);
        let pieces = self.store.get_ranges(location, ranges).await?;
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        self.counters
            .bytes_read
            .fetch_add(length, Ordering::Relaxed);
        Ok(pieces)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let counters = Arc::clone(&self.counters);
        let locations = locations.inspect(move |location| {
            if location.is_ok() {
                counters.add(Operation::Delete, 1);
            }
        });
        self.store.delete_stream(locations.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.counters.add(Operation::List, 1);
        self.store.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.counters.add(Operation::List, 1);
        self.store.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.counters.add(Operation::ListLevel, 1);
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.counters.add(Operation::Copy, 1);
        self.store.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.counters.add(Operation::Rename, 1);
        self.store.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct CountingUpload {
    upload: Box<dyn MultipartUpload>,
    counters: Arc<Counters>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for CountingUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        self.counters.add(Operation::Part, 1);
        self.counters.add_written(&payload);
        self.upload.put_part(payload)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.counters.add(Operation::Complete, 1);
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.counters.add(Operation::Abort, 1);
        self.upload.abort().await
    }
}
