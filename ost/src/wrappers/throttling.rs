//! Slow backends.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, UploadPart,
};

/// Lets time pass: `tokio::time::sleep`, or a simulation's clock.
pub type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// How slow a [`ThrottlingStore`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// Waited before each request, each part of an upload and each deleted object. Default: nothing.
    pub per_request: Duration,
    /// Content that goes through in a second, each way and for each request by itself. Default: without a limit.
    pub bytes_per_second: Option<u64>,
}

impl Throttle {
    fn of_bytes(&self, count: usize) -> Duration {
        match self.bytes_per_second {
            None => Duration::ZERO,
            Some(rate) => Duration::from_secs_f64(count as f64 / rate.max(1) as f64),
        }
    }
}

/// Delays the requests to the backend behind it.
#[derive(Clone)]
pub struct ThrottlingStore {
    store: Arc<dyn ObjectStore>,
    pace: Pace,
}

/// Waits as long as a throttle asks.
#[derive(Clone)]
struct Pace {
    throttle: Throttle,
    sleep: Sleep,
}

impl Pace {
    async fn request(&self, bytes: usize) {
        let duration = self.throttle.per_request + self.throttle.of_bytes(bytes);
        if !duration.is_zero() {
            (self.sleep)(duration).await;
        }
    }

    async fn piece(&self, bytes: usize) {
        let duration = self.throttle.of_bytes(bytes);
        if !duration.is_zero() {
            (self.sleep)(duration).await;
        }
    }
}

impl ThrottlingStore {
    /// Delays what goes to `store`; `sleep` lets the time pass.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use object_store::memory::InMemory;
    /// # use ost::{Throttle, ThrottlingStore};
    /// let throttle = Throttle { per_request: Duration::from_millis(30), ..Throttle::default() };
    /// let sleep = Arc::new(|duration| Box::pin(tokio::time::sleep(duration)) as _);
    /// let slow = ThrottlingStore::new(Arc::new(InMemory::new()), throttle, sleep);
    /// ```
    pub fn new(store: Arc<dyn ObjectStore>, throttle: Throttle, sleep: Sleep) -> ThrottlingStore {
        ThrottlingStore {
            store,
            pace: Pace { throttle, sleep },
        }
    }
}

impl fmt::Display for ThrottlingStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ThrottlingStore({})", self.store)
    }
}

impl fmt::Debug for ThrottlingStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ThrottlingStore({:?}, {:?})",
            self.store, self.pace.throttle
        )
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for ThrottlingStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.pace.request(payload.content_length()).await;
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.pace.request(0).await;
        let upload = self.store.put_multipart_opts(location, options).await?;
        Ok(Box::new(ThrottlingUpload {
            upload,
            pace: self.pace.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.pace.request(0).await;
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
        let pace = self.pace.clone();
        let stream = result.into_stream().and_then(move |piece| {
            let pace = pace.clone();
            async move {
                pace.piece(piece.len()).await;
                Ok(piece)
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
        let mut pieces = Vec::with_capacity(ranges.len());
        for range in ranges {
            pieces.push(self.get_range(location, range.clone()).await?);
        }
        Ok(pieces)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let pace = self.pace.clone();
        let locations = locations.then(move |location| {
            let pace = pace.clone();
            async move {
                pace.request(0).await;
                location
            }
        });
        self.store.delete_stream(locations.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        delayed(self.pace.clone(), self.store.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        delayed(
            self.pace.clone(),
            self.store.list_with_offset(prefix, offset),
        )
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.pace.request(0).await;
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.pace.request(0).await;
        self.store.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.pace.request(0).await;
        self.store.rename_opts(from, to, options).await
    }
}

fn delayed(
    pace: Pace,
    stream: BoxStream<'static, Result<ObjectMeta>>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let wait = async move { pace.request(0).await };
    wait.map(move |()| stream).flatten_stream().boxed()
}

struct ThrottlingUpload {
    upload: Box<dyn MultipartUpload>,
    pace: Pace,
}

impl fmt::Debug for ThrottlingUpload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ThrottlingUpload({:?})", self.upload)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for ThrottlingUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let (pace, bytes) = (self.pace.clone(), payload.content_length());
        let part = self.upload.put_part(payload);
        Box::pin(async move {
            pace.request(bytes).await;
            part.await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.pace.request(0).await;
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.pace.request(0).await;
        self.upload.abort().await
    }
}
