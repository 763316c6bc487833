//! The backend itself: what `object_store` asks for, sent to threads that may block.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as StorePath;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::directories::Directories;
use super::read;
use super::sync::{SyncCalls, Syncer, SystemSync};
use super::upload::PosixUpload;
use super::walk::{Walk, level};
use super::write::{Placement, Written};
use super::{PosixError, staging};
use crate::path::STAGING_DIRECTORY;

/// The objects that one blocking step of a list looks up.
const LIST_CHUNK_OBJECTS: usize = 1000;

/// A local directory as an [`ObjectStore`]; clones share one latch.
///
/// # Durability
/// A put, a create, a finished upload, a copy and a delete are on the disk when they return, with every directory
/// that they made. After a failed sync the store and its clones refuse everything, because what the kernel still
/// shows may never reach the disk; open a new store once the disk is in order. A full disk does not close the
/// store: the key keeps its old content, and writing works again when there is room.
///
/// # Blocking
/// File work runs on tokio's blocking threads where there is a tokio runtime, else on the calling thread. A
/// dropped future lets its file work run to its end.
///
/// Source: decision 0002 in `docs/decisions`.
#[derive(Clone, Debug)]
pub struct PosixStore {
    shared: Arc<Shared>,
}

/// What the clones of a store share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) root: PathBuf,
    pub(super) syncer: Syncer,
    pub(super) directories: Directories,
    /// The staging directories that were swept when first used.
    pub(super) swept: std::sync::Mutex<Vec<PathBuf>>,
}

impl PosixStore {
    /// A store of the files below `root`. Makes nothing before the first write.
    ///
    /// # Errors
    /// A relative `root` when the current directory cannot be told.
    pub fn new(root: impl AsRef<Path>) -> std::io::Result<PosixStore> {
        PosixStore::with_sync(root.as_ref(), Arc::new(SystemSync))
    }

    pub(super) fn with_sync(root: &Path, calls: Arc<dyn SyncCalls>) -> std::io::Result<PosixStore> {
        let shared = Shared {
            root: std::path::absolute(root)?,
            syncer: Syncer::new(calls),
            directories: Directories::default(),
            swept: std::sync::Mutex::new(Vec::new()),
        };
        Ok(PosixStore {
            shared: Arc::new(shared),
        })
    }

    /// The directory that holds the objects, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Removes what crashed writers left unfinished, and tells how many files that were. Files of running writers,
    /// in this or another process, stay.
    ///
    /// The first write through a store does this by itself.
    ///
    /// # Errors
    /// The staging directory cannot be read or written.
    pub async fn sweep(&self) -> Result<u64> {
        let directory = self.shared.root.join(STAGING_DIRECTORY);
        blocking(move || Ok(staging::sweep(&directory)?)).await
    }

    /// Opens an object for reads at any place.
    pub(crate) async fn open(&self, location: &StorePath) -> Result<(std::fs::File, u64)> {
        let shared = Arc::clone(&self.shared);
        let location = location.clone();
        blocking(move || {
            let opened = read::open(&shared, &location)?;
            Ok((opened.file, opened.size))
        })
        .await
    }
}

impl Shared {
    /// The file of a key.
    pub(super) fn target(&self, location: &StorePath) -> Result<PathBuf> {
        if location.is_root()
            || location
                .parts()
                .any(|part| part.as_ref() == STAGING_DIRECTORY)
        {
            return Err(object_store::Error::NotSupported {
                source: format!("\"{location}\" cannot be the key of an object").into(),
            });
        }
        Ok(self.root.join(location.as_ref()))
    }

    /// Refuses once a sync failed.
    pub(super) fn check(&self) -> Result<(), PosixError> {
        self.syncer.check()
    }
}

impl fmt::Display for PosixStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PosixStore({})", self.shared.root.display())
    }
}

#[async_trait]
impl ObjectStore for PosixStore {
    async fn put_opts(
        &self,
        location: &StorePath,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let placement = match options.mode {
            PutMode::Overwrite => Placement::Replace,
            PutMode::Create => Placement::Create,
            PutMode::Update(_) => return Err(unsupported("a put that depends on the old version")),
        };
        if !options.attributes.is_empty() {
            return Err(unsupported("attributes of objects"));
        }
        let shared = Arc::clone(&self.shared);
        let location = location.clone();
        blocking(move || {
            let target = shared.target(&location)?;
            match shared.write(&target, placement, &payload)? {
                Written::Placed => Ok(put_result()),
                Written::Exists => Err(already_exists(&location)),
            }
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &StorePath,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return Err(unsupported("attributes of objects"));
        }
        let shared = Arc::clone(&self.shared);
        let location = location.clone();
        blocking(move || {
            let target = shared.target(&location)?;
            let staged = shared.stage(&target)?;
            Ok(Box::new(PosixUpload::new(shared, target, staged)) as Box<dyn MultipartUpload>)
        })
        .await
    }

    async fn get_opts(&self, location: &StorePath, options: GetOptions) -> Result<GetResult> {
        let shared = Arc::clone(&self.shared);
        let location = location.clone();
        blocking(move || read::get(&shared, &location, &options)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<StorePath>>,
    ) -> BoxStream<'static, Result<StorePath>> {
        let shared = Arc::clone(&self.shared);
        locations
            .and_then(move |location| {
                let shared = Arc::clone(&shared);
                blocking(move || {
                    let target = shared.target(&location)?;
                    shared.remove(&target)?;
                    Ok(location)
                })
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&StorePath>) -> BoxStream<'static, Result<ObjectMeta>> {
        list_chunks(Walk::new(Arc::clone(&self.shared), prefix, None))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&StorePath>,
        offset: &StorePath,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        list_chunks(Walk::new(Arc::clone(&self.shared), prefix, Some(offset)))
    }

    async fn list_with_delimiter(&self, prefix: Option<&StorePath>) -> Result<ListResult> {
        let shared = Arc::clone(&self.shared);
        let prefix = prefix.cloned();
        blocking(move || level(&shared, prefix.as_ref())).await
    }

    async fn copy_opts(
        &self,
        from: &StorePath,
        to: &StorePath,
        options: CopyOptions,
    ) -> Result<()> {
        let placement = match options.mode {
            CopyMode::Overwrite => Placement::Replace,
            CopyMode::Create => Placement::Create,
        };
        let shared = Arc::clone(&self.shared);
        let (from, to) = (from.clone(), to.clone());
        blocking(move || {
            let source = read::open(&shared, &from)?;
            match shared.copy(&source.file, &shared.target(&to)?, placement)? {
                Written::Placed => Ok(()),
                Written::Exists => Err(already_exists(&to)),
            }
        })
        .await
    }
}

/// Runs `work`, which may block, on a thread made for that if there is a runtime that has one.
pub(crate) async fn blocking<T, W>(work: W) -> Result<T>
where
    W: FnOnce() -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return work();
    };
    match runtime.spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime is shutting down, or `work` panicked.
        Err(source) => Err(object_store::Error::Generic {
            store: "PosixStore",
            source: source.into(),
        }),
    }
}

fn list_chunks(walk: Walk) -> BoxStream<'static, Result<ObjectMeta>> {
    futures::stream::try_unfold(Some(walk), |walk| async move {
        let Some(mut walk) = walk else {
            return Ok(None);
        };
        blocking(move || {
            let mut chunk = Vec::new();
            while chunk.len() < LIST_CHUNK_OBJECTS {
                match walk.next_object()? {
                    Some(meta) => chunk.push(Ok(meta)),
                    None => return Ok(Some((futures::stream::iter(chunk), None))),
                }
            }
            Ok(Some((futures::stream::iter(chunk), Some(walk))))
        })
        .await
    })
    .try_flatten()
    .boxed()
}

pub(super) fn put_result() -> PutResult {
    PutResult {
        e_tag: None,
        version: None,
        extensions: Default::default(),
    }
}

fn already_exists(location: &StorePath) -> object_store::Error {
    object_store::Error::AlreadyExists {
        path: location.to_string(),
        source: "a file of that name is there".into(),
    }
}

fn unsupported(what: &str) -> object_store::Error {
    object_store::Error::NotSupported {
        source: format!("a local directory has no {what}").into(),
    }
}
