//! Failing requests on purpose.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, future, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, UploadPart,
};

use super::Operation;
use super::fault::{Fault, Strike};

/// Makes requests to the backend behind it fail, by [`Fault`] rules. Without rules it does nothing.
#[derive(Clone, Debug)]
pub struct FaultInjectingStore {
    store: Arc<dyn ObjectStore>,
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: Vec<Fault>,
    injected: u64,
    random: u64,
}

impl Plan {
    /// Decides about one request: the first rule that strikes wins, and every rule counts the request.
    fn strike(&self, operation: Operation, location: &Path) -> Option<Strike> {
        let mut state = self.lock();
        let State {
            faults,
            injected,
            random,
        } = &mut *state;
        let mut strike = None;
        for fault in faults {
            let struck = fault.strike(operation, location, || draw(random));
            strike = strike.or(struck);
        }
        if strike.is_some() {
            *injected += 1;
        }
        strike
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half changed by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `request`, unless a rule has it fail before or after.
    async fn run<T>(
        &self,
        operation: Operation,
        location: &Path,
        request: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.strike(operation, location) {
            None => request.await,
            Some(strike) => {
                if strike.after_effect {
                    request.await?;
                }
                Err(strike.fault.error(location))
            }
        }
    }
}

/// The next number of a splitmix64 sequence, as a fraction of at least 0 and less than 1.
fn draw(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

impl FaultInjectingStore {
    /// Passes everything on to `store` until a fault is injected; the same seed and requests fail alike.
    pub fn new(store: Arc<dyn ObjectStore>, seed: u64) -> FaultInjectingStore {
        let state = State {
            faults: Vec::new(),
            injected: 0,
            random: seed,
        };
        FaultInjectingStore {
            store,
            plan: Arc::new(Plan {
                state: Mutex::new(state),
            }),
        }
    }

    /// Adds a rule, for this store and its clones.
    pub fn inject(&self, fault: Fault) {
        self.plan.lock().faults.push(fault);
    }

    /// Drops all rules.
    pub fn clear(&self) {
        self.plan.lock().faults.clear();
    }

    /// How many requests were made to fail.
    pub fn injected(&self) -> u64 {
        self.plan.lock().injected
    }
}

impl fmt::Display for FaultInjectingStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FaultInjectingStore({})", self.store)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FaultInjectingStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let operation = Operation::of_put(&options);
        let request = self.store.put_opts(location, payload, options);
        self.plan.run(operation, location, request).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let request = self.store.put_multipart_opts(location, options);
        let upload = self.plan.run(Operation::Upload, location, request).await?;
        Ok(Box::new(FaultyUpload {
            upload,
            location: location.clone(),
            plan: Arc::clone(&self.plan),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let operation = Operation::of_get(&options);
        let Some(strike) = self.plan.strike(operation, location) else {
            return self.store.get_opts(location, options).await;
        };
        let error = strike.fault.error(location);
        if !strike.after_effect {
            return Err(error);
        }
        let mut result = self.store.get_opts(location, options).await?;
        let (meta, range) = (result.meta.clone(), result.range.clone());
        let (attributes, extensions) = (
            std::mem::take(&mut result.attributes),
            std::mem::take(&mut result.extensions),
        );
        let content = result.bytes().await?;
        let half = content.slice(..content.len() / 2);
        let payload = GetResultPayload::Stream(stream::iter([Ok(half), Err(error)]).boxed());
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
        let (store, plan) = (Arc::clone(&self.store), Arc::clone(&self.plan));
        locations
            .then(move |location| {
                let (store, plan) = (Arc::clone(&store), Arc::clone(&plan));
                async move {
                    let location = location?;
                    plan.run(Operation::Delete, &location, store.delete(&location))
                        .await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.failing_list(prefix, self.store.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.failing_list(prefix, self.store.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let location = prefix.cloned().unwrap_or_default();
        let request = self.store.list_with_delimiter(prefix);
        self.plan
            .run(Operation::ListLevel, &location, request)
            .await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let request = self.store.copy_opts(from, to, options);
        self.plan.run(Operation::Copy, to, request).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let request = self.store.rename_opts(from, to, options);
        self.plan.run(Operation::Rename, to, request).await
    }
}

impl FaultInjectingStore {
    fn failing_list(
        &self,
        prefix: Option<&Path>,
        entries: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let location = prefix.cloned().unwrap_or_default();
        match self.plan.strike(Operation::List, &location) {
            None => entries,
            Some(strike) => {
                let error = strike.fault.error(&location);
                let end = stream::once(future::ready(Err(error)));
                if strike.after_effect {
                    entries.chain(end).boxed()
                } else {
                    end.boxed()
                }
            }
        }
    }
}

#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn MultipartUpload>,
    location: Path,
    plan: Arc<Plan>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let part = self.upload.put_part(payload);
        let (plan, location) = (Arc::clone(&self.plan), self.location.clone());
        Box::pin(async move { plan.run(Operation::Part, &location, part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let request = self.upload.complete();
        self.plan
            .run(Operation::Complete, &self.location, request)
            .await
    }

    async fn abort(&mut self) -> Result<()> {
        let request = self.upload.abort();
        self.plan
            .run(Operation::Abort, &self.location, request)
            .await
    }
}
