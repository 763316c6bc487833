//! S3's operations: `s3s-fs`, with the guarantees that it lacks.

use std::collections::BTreeMap;
use std::future::ready;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use s3s::dto::*;
use s3s::{S3, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use super::s3_index::{Entry, Index, PageRequest};

/// The longest body of a put; longer objects come in parts.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The entries of a page of a list, at most and unless fewer are asked for.
pub(super) const PAGE_ENTRIES_MAX: usize = 1_000;

/// The requests let in, by operation.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<BTreeMap<&'static str, u64>>);

impl Requests {
    pub(super) fn count(&self, operation: &str) -> u64 {
        locked(&self.0).get(operation).copied().unwrap_or_default()
    }

    fn add(&self, operation: &'static str) {
        *locked(&self.0).entry(operation).or_default() += 1;
    }
}

/// One bucket, whose writes take effect one after the other.
///
/// `s3s-fs` looks whether an object is there, and writes it some time later. So whoever changes an object holds
/// `writing` from the look to the end of the write. The body is read before that, so that a client that stops
/// amid its request holds nobody up. What has begun then goes on in a task of its own: a client that hangs up would end it
/// otherwise, with an object that is there and stands in no list.
#[derive(Clone, Debug)]
pub(super) struct OneWriteAtATime {
    files: Arc<FileSystem>,
    bucket: PathBuf,
    writing: Arc<tokio::sync::Mutex<()>>,
    index: Arc<Mutex<Index>>,
    requests: Arc<Requests>,
    page_entries_max: Arc<AtomicUsize>,
}

impl OneWriteAtATime {
    pub(super) fn new(
        root: &Path,
        bucket: &str,
        requests: Arc<Requests>,
        page_entries_max: Arc<AtomicUsize>,
    ) -> io::Result<Self> {
        let bucket = root.join(bucket);
        std::fs::create_dir_all(&bucket)?;
        let files = FileSystem::new(root)
            .map_err(|error| io::Error::other(format!("cannot open {root:?}: {error:?}")))?;
        Ok(OneWriteAtATime {
            files: Arc::new(files),
            bucket,
            writing: Arc::default(),
            index: Arc::default(),
            requests,
            page_entries_max,
        })
    }

    /// Puts the file's name in the place of the key, which it returns.
    fn rename(&self, key: &mut String) -> String {
        let name = locked(&self.index).name(key);
        std::mem::replace(key, name)
    }

    /// Shows a written object in lists.
    fn show(&self, key: String, name: &str) -> S3Result<()> {
        let file = std::fs::metadata(self.bucket.join(name));
        let (size, modified) = file
            .and_then(|file| Ok((file.len(), file.modified()?)))
            .map_err(s3s::S3Error::internal_error)?;
        locked(&self.index).insert(key, Entry { size, modified });
        Ok(())
    }
}

#[async_trait]
impl S3 for OneWriteAtATime {
    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.requests.add("PutObject");
        let body = gather(request.input.body.take()).await?;
        request.input.body = Some(StreamingBlob::wrap(futures::stream::once(ready(
            io::Result::Ok(body),
        ))));
        let service = self.clone();
        to_its_end(async move {
            let _writing = service.writing.lock().await;
            let key = service.rename(&mut request.input.key);
            let name = request.input.key.clone();
            let response = service.files.put_object(request).await?;
            service.show(key, &name)?;
            Ok(response)
        })
        .await
    }

    async fn complete_multipart_upload(
        &self,
        mut request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.requests.add("CompleteMultipartUpload");
        let service = self.clone();
        to_its_end(async move {
            let _writing = service.writing.lock().await;
            let key = service.rename(&mut request.input.key);
            let name = request.input.key.clone();
            let response = service.files.complete_multipart_upload(request).await;
            let response = response.map_err(unknown_upload)?;
            service.show(key, &name)?;
            Ok(response)
        })
        .await
    }

    async fn delete_object(
        &self,
        mut request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.requests.add("DeleteObject");
        let service = self.clone();
        to_its_end(async move {
            let _writing = service.writing.lock().await;
            let key = service.rename(&mut request.input.key);
            let response = service.files.delete_object(request).await?;
            locked(&service.index).remove(&key);
            Ok(response)
        })
        .await
    }

    async fn get_object(
        &self,
        mut request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        self.requests.add("GetObject");
        self.rename(&mut request.input.key);
        self.files.get_object(request).await
    }

    async fn head_object(
        &self,
        mut request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.requests.add("HeadObject");
        self.rename(&mut request.input.key);
        self.files.head_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.requests.add("ListObjectsV2");
        let input = request.input;
        let token = input.continuation_token.as_deref();
        let entries_max = self.page_entries_max.load(Ordering::Relaxed);
        let asked_for = input.max_keys.and_then(|keys| usize::try_from(keys).ok());
        let page = locked(&self.index).page(&PageRequest {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: token.or(input.start_after.as_deref()),
            entries_max: asked_for.map_or(entries_max, |keys| keys.min(entries_max)),
        });
        let contents = page.objects.into_iter().map(|(key, entry)| Object {
            key: Some(key),
            size: i64::try_from(entry.size).ok(),
            last_modified: Some(entry.modified.into()),
            ..Object::default()
        });
        let prefixes = page.prefixes.into_iter().map(|prefix| CommonPrefix {
            prefix: Some(prefix),
        });
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(contents.collect()),
            common_prefixes: Some(prefixes.collect()),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next,
            name: Some(input.bucket),
            prefix: input.prefix,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        mut request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.requests.add("CreateMultipartUpload");
        self.rename(&mut request.input.key);
        self.files.create_multipart_upload(request).await
    }

    async fn upload_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        self.requests.add("UploadPart");
        self.rename(&mut request.input.key);
        self.files
            .upload_part(request)
            .await
            .map_err(unknown_upload)
    }

    async fn abort_multipart_upload(
        &self,
        mut request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.requests.add("AbortMultipartUpload");
        self.rename(&mut request.input.key);
        let response = self.files.abort_multipart_upload(request).await;
        response.map_err(unknown_upload)
    }
}

/// Runs `change` to its end, even if nobody waits for it any more.
async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = S3Result<T>> + Send + 'static,
) -> S3Result<T> {
    let ended = tokio::spawn(change).await;
    ended.map_err(s3s::S3Error::internal_error)?
}

/// The whole body.
async fn gather(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    let mut gathered = BytesMut::new();
    while let Some(bytes) = body
        .try_next()
        .await
        .map_err(|error| s3s::S3Error::with_source(S3ErrorCode::IncompleteBody, error))?
    {
        if gathered.len() + bytes.len() > BODY_BYTES_MAX {
            return Err(s3_error!(EntityTooLarge));
        }
        gathered.extend_from_slice(&bytes);
    }
    Ok(gathered.freeze())
}

/// What S3 says of an upload that is complete or gone; `s3s-fs` denies it.
fn unknown_upload(error: s3s::S3Error) -> s3s::S3Error {
    if *error.code() == S3ErrorCode::AccessDenied {
        s3_error!(NoSuchUpload)
    } else {
        error
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
