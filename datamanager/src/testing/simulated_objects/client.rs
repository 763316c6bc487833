//! The storage as one process reaches it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result, UploadPart,
};
use ost::Operation;

use super::content::{Content, UploadId};
use super::faults::RequestError;
use super::service::Service;
use crate::Timestamp;
use crate::testing::SimulatedEnvironment;

/// Sends the requests of one process.
#[derive(Clone)]
pub(super) struct Client {
    service: Arc<Service>,
    process: Arc<SimulatedEnvironment>,
}

impl Client {
    pub(super) fn new(service: Arc<Service>, process: Arc<SimulatedEnvironment>) -> Client {
        Client { service, process }
    }

    /// Sends a request and waits for its reply.
    async fn request<T: Send + 'static>(
        &self,
        operation: Operation,
        key: &str,
        effect: impl FnOnce(&mut Content, Timestamp) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let reply = self
            .service
            .send(&self.process, operation, key, Box::new(effect));
        // Without a reply, the storage's process was killed.
        reply
            .await
            .unwrap_or_else(|_| Err(RequestError::Lost.into()))
    }

    async fn list_after(
        self,
        prefix: Option<Path>,
        offset: Option<Path>,
    ) -> Result<Vec<ObjectMeta>> {
        let directory = directory(prefix.as_ref());
        let below = directory.clone();
        self.request(Operation::List, &directory, move |content, _| {
            content.list(&below, offset.as_ref().map(Path::as_ref))
        })
        .await
    }
}

impl fmt::Display for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedObjects")
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "SimulatedObjects(seen from {})",
            self.process.name()
        )
    }
}

#[async_trait]
impl ObjectStore for Client {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let (key, bytes) = (location.to_string(), Bytes::from(payload));
        match options.mode {
            PutMode::Overwrite => {
                let effect = move |content: &mut Content, now| {
                    content.put(&key, bytes, now);
                    Ok(())
                };
                self.request(Operation::Put, location.as_ref(), effect)
                    .await?;
            }
            PutMode::Create => {
                let effect = move |content: &mut Content, now| content.create(&key, bytes, now);
                self.request(Operation::Create, location.as_ref(), effect)
                    .await?;
            }
            PutMode::Update(_) => return Err(not_supported("an update of a certain version")),
        }
        Ok(stored())
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let key = location.to_string();
        let effect = move |content: &mut Content, _| Ok(content.begin_upload(&key));
        let id = self
            .request(Operation::Upload, location.as_ref(), effect)
            .await?;
        Ok(Box::new(ClientUpload {
            client: self.clone(),
            key: location.to_string(),
            id,
            parts: 0,
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_conditional = options.if_match.is_some()
            || options.if_none_match.is_some()
            || options.if_modified_since.is_some()
            || options.if_unmodified_since.is_some();
        if is_conditional || options.version.is_some() {
            return Err(not_supported("a conditional read"));
        }
        let (key, range) = (location.to_string(), options.range);
        let operation = if options.head {
            Operation::Head
        } else {
            Operation::Get
        };
        let effect = move |content: &mut Content, _| content.get(&key, range.as_ref());
        let found = self.request(operation, location.as_ref(), effect).await?;
        let bytes = if options.head {
            Bytes::new()
        } else {
            found.bytes
        };
        let stream = futures::stream::once(futures::future::ready(Ok(bytes)));
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream.boxed()),
            meta: found.meta,
            range: found.range,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let client = self.clone();
        let delete = move |location: Result<Path>| {
            let client = client.clone();
            async move {
                let location = location?;
                let key = location.to_string();
                let effect = move |content: &mut Content, _| {
                    content.delete(&key);
                    Ok(())
                };
                client
                    .request(Operation::Delete, location.as_ref(), effect)
                    .await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        streamed(self.clone().list_after(prefix.cloned(), None))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        streamed(
            self.clone()
                .list_after(prefix.cloned(), Some(offset.clone())),
        )
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let directory = directory(prefix);
        let below = directory.clone();
        let effect = move |content: &mut Content, _| content.list_level(&below);
        self.request(Operation::ListLevel, &directory, effect).await
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(not_supported("a copy"))
    }
}

/// Sends the parts of one object. Parts of a dropped upload stay, and nobody sees them.
#[derive(Debug)]
struct ClientUpload {
    client: Client,
    key: String,
    id: UploadId,
    parts: usize,
}

#[async_trait]
impl MultipartUpload for ClientUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let (client, key) = (self.client.clone(), self.key.clone());
        let (id, index, bytes) = (self.id, self.parts, Bytes::from(payload));
        self.parts += 1;
        Box::pin(async move {
            let effect = move |content: &mut Content, _| content.put_part(id, index, bytes);
            client.request(Operation::Part, &key, effect).await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (id, parts) = (self.id, self.parts);
        let effect = move |content: &mut Content, now| content.complete(id, parts, now);
        self.client
            .request(Operation::Complete, &self.key, effect)
            .await?;
        Ok(stored())
    }

    async fn abort(&mut self) -> Result<()> {
        let id = self.id;
        let effect = move |content: &mut Content, _| {
            content.abort(id);
            Ok(())
        };
        self.client
            .request(Operation::Abort, &self.key, effect)
            .await
    }
}

/// The beginning of the keys below `prefix`, which `object_store` gives without the last slash.
fn directory(prefix: Option<&Path>) -> String {
    match prefix.map(Path::as_ref) {
        None | Some("") => String::new(),
        Some(prefix) => format!("{prefix}/"),
    }
}

fn streamed(
    list: impl Future<Output = Result<Vec<ObjectMeta>>> + Send + 'static,
) -> BoxStream<'static, Result<ObjectMeta>> {
    list.map_ok(|objects| futures::stream::iter(objects).map(Ok))
        .try_flatten_stream()
        .boxed()
}

fn stored() -> PutResult {
    PutResult {
        e_tag: None,
        version: None,
        extensions: Default::default(),
    }
}

fn not_supported(what: &str) -> Error {
    Error::NotSupported {
        source: format!("a simulated object storage does not know {what}").into(),
    }
}
