//! The handle: opening, and the operations on one object.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path as StorePath;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use crate::backend::{Backend, BackendKind};
use crate::path::{BasePath, KEY_BYTES_MAX};
use crate::{
    Create, Error, ErrorKind, Level, ObjectMeta, ObjectPath, ObjectReader, ObjectWriter,
    OstOptions, OstUrl, PosixStore,
};

/// A handle on the objects below a base path of one backend. Cheap to clone; clones share everything.
///
/// # Durability
/// What a method has written is durable when it returns `Ok`: on S3, GCS and Azure by their word, in a local
/// directory because file and directories are synced. Memory lasts as long as its last handle.
///
/// # Cancelling
/// A dropped future may or may not have had its effect, never half of it.
///
/// # Runtime
/// Memory and the user's own backend need no tokio. A local directory uses tokio's blocking threads where there are
/// any. S3, GCS and Azure need a tokio runtime with time and I/O.
#[derive(Clone)]
pub struct Ost {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Backend,
    base_path: BasePath,
    location: String,
    local_dir: Option<PathBuf>,
    upload: UploadLimits,
}

/// How streams are cut into parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UploadLimits {
    pub(crate) part_bytes_min: usize,
    pub(crate) parts_max: usize,
}

impl Ost {
    /// Opens what a URL names, with the settings in its query; [`OstUrl`] says which there are.
    ///
    /// Nothing is read or written yet.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: a URL that cannot be read, an unknown setting, a bucket without a base path.
    pub fn from_url(url: &str) -> Result<Ost, Error> {
        Ost::from_url_with(url, &OstOptions::default())
    }

    /// Opens what a URL names. Settings in its query win over `options`.
    ///
    /// # Errors
    /// Those of [`Ost::from_url`].
    pub fn from_url_with(url: &str, options: &OstOptions) -> Result<Ost, Error> {
        OstUrl::parse(url)?.open(options)
    }

    /// Opens a backend of the user's own, below `base_path`; `p`, `/p` and `p/` are the same base path.
    ///
    /// An empty base path is the root of the backend. That is fine for a backend made for the purpose and wrong for
    /// a bucket, which others may use as well.
    ///
    /// The backend must not retry conditional puts by itself: a retry that meets its own object would be told as
    /// [`Create::Exists`]. Lists are sorted here, so they are gathered before the first entry comes.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use object_store::memory::InMemory;
    /// use ost::{ObjectPath, Ost};
    ///
    /// let ost = Ost::from_object_store(Arc::new(InMemory::new()), "apps/db")?;
    /// # futures::executor::block_on(async {
    /// ost.put(&ObjectPath::parse("store.json")?, "{}".into()).await?; // stored as apps/db/store.json
    /// # Ok::<(), ost::Error>(())
    /// # })?;
    /// # Ok::<(), ost::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: the base path.
    pub fn from_object_store(store: Arc<dyn ObjectStore>, base_path: &str) -> Result<Ost, Error> {
        let base_path = BasePath::parse(base_path)?;
        let location = join_location(&store.to_string(), &base_path);
        let backend = Backend {
            store,
            kind: BackendKind::Own,
        };
        Ok(Ost::from_parts(
            backend,
            base_path,
            location,
            None,
            UploadLimits::default(),
        ))
    }

    /// Objects in memory, apart from those of every other handle but this one's clones.
    pub fn memory() -> Ost {
        let backend = Backend {
            store: Arc::new(InMemory::new()),
            kind: BackendKind::Memory,
        };
        Ost::from_parts(
            backend,
            BasePath::default(),
            "memory://".to_owned(),
            None,
            UploadLimits::default(),
        )
    }

    /// Objects as files below a directory, which is made by the first write.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`]: the directory is relative and the current directory cannot be told.
    pub fn local(directory: impl AsRef<Path>) -> Result<Ost, Error> {
        let directory = directory.as_ref();
        let store = PosixStore::new(directory).map_err(|source| {
            let message = format!("cannot open directory \"{}\"", directory.display());
            Error::new(ErrorKind::Unavailable, message).with_source(source)
        })?;
        let root = store.root().to_owned();
        let location = format!("file://{}", root.display());
        let backend = Backend {
            store: Arc::new(store.clone()),
            kind: BackendKind::Local(store),
        };
        let limits = UploadLimits::default();
        Ok(Ost::from_parts(
            backend,
            BasePath::default(),
            location,
            Some(root),
            limits,
        ))
    }

    pub(crate) fn from_parts(
        backend: Backend,
        base_path: BasePath,
        location: String,
        local_dir: Option<PathBuf>,
        upload: UploadLimits,
    ) -> Ost {
        Ost {
            inner: Arc::new(Inner {
                backend,
                base_path,
                location,
                local_dir,
                upload,
            }),
        }
    }

    /// A handle on the objects below `base_path`, which is itself below this handle's base path.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: the base path.
    pub fn with_base_path(&self, base_path: &str) -> Result<Ost, Error> {
        let below = BasePath::parse(base_path)?;
        Ok(Ost::from_parts(
            self.inner.backend.clone(),
            self.inner.base_path.join(&below)?,
            join_location(&self.inner.location, &below),
            self.inner
                .local_dir
                .as_ref()
                .map(|directory| directory.join(below.as_str())),
            self.inner.upload,
        ))
    }

    /// The base path in the bucket, directory or backend, without slashes around it; empty for its root.
    pub fn base_path(&self) -> &str {
        self.inner.base_path.as_str()
    }

    /// The directory of the objects, if they are local files.
    pub fn local_dir(&self) -> Option<&Path> {
        self.inner.local_dir.as_deref()
    }

    /// Where the objects are, for messages: a URL without secrets and settings.
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// The whole object.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: there is none.
    pub async fn get(&self, path: &ObjectPath) -> Result<Bytes, Error> {
        let result = async {
            self.store()
                .get(&self.store_path(path)?)
                .await?
                .bytes()
                .await
        };
        result
            .await
            .map_err(|error| self.failed("read", path, error))
    }

    /// The bytes of `range`, or what there is of them: fewer where the object ends, none beyond.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: there is no object.
    pub async fn get_range(&self, path: &ObjectPath, range: Range<u64>) -> Result<Bytes, Error> {
        if range.is_empty() {
            self.head(path).await?;
            return Ok(Bytes::new());
        }
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(range.clone())));
        let result = async {
            self.store()
                .get_opts(&self.store_path(path)?, options)
                .await?
                .bytes()
                .await
        };
        match result.await {
            Ok(bytes) => Ok(bytes),
            Err(error @ object_store::Error::NotFound { .. }) => {
                Err(self.failed("read", path, error))
            }
            // A start at or beyond the end is an error of its own kind in each backend.
            Err(error) => match self.head(path).await {
                Ok(meta) if meta.size <= range.start => Ok(Bytes::new()),
                _ => Err(self.failed("read", path, error)),
            },
        }
    }

    /// The whole object, piece by piece. The pieces have any size.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: there is no object. The stream ends with its first error.
    pub async fn get_stream(
        &self,
        path: &ObjectPath,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let result = async { self.store().get(&self.store_path(path)?).await };
        let result = result
            .await
            .map_err(|error| self.failed("read", path, error))?;
        let (ost, path) = (self.clone(), path.clone());
        Ok(result
            .into_stream()
            .map_err(move |error| ost.failed("read", &path, error))
            .boxed())
    }

    /// The object's size and age.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: there is no object.
    pub async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta, Error> {
        let result = async { self.store().head(&self.store_path(path)?).await };
        let meta = result
            .await
            .map_err(|error| self.failed("look up", path, error))?;
        Ok(self.meta_of(path.clone(), &meta))
    }

    /// Stores an object, replacing one that has the key.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`]: the old or the new object is there; putting again is safe.
    /// [`ErrorKind::Invalid`]: in a local directory, a key that another key runs through (`a` beside `a/b`).
    pub async fn put(&self, path: &ObjectPath, content: Bytes) -> Result<(), Error> {
        let result = async {
            self.store()
                .put(&self.store_path(path)?, content.into())
                .await
        };
        result
            .await
            .map(drop)
            .map_err(|error| self.failed_write("write", path, error))
    }

    /// Stores an object unless one has the key. Of parallel calls, in all processes, exactly one creates it.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`]: it may have been created; read it to find out.
    /// [`ErrorKind::Unavailable`]: nothing was created.
    pub async fn create(&self, path: &ObjectPath, content: Bytes) -> Result<Create, Error> {
        crate::create::create(self, path, content).await
    }

    /// A writer of an object whose size is not known yet. Nothing is there before [`ObjectWriter::finish`].
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: the key does not fit behind the base path.
    pub async fn writer(&self, path: &ObjectPath) -> Result<ObjectWriter, Error> {
        self.store_path(path)
            .map_err(|error| self.failed_write("write", path, error))?;
        Ok(ObjectWriter::new(
            self.clone(),
            path.clone(),
            self.inner.upload,
        ))
    }

    /// A reader for many ranges of one object, which keeps a local file open.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: there is no object.
    pub async fn reader(&self, path: &ObjectPath) -> Result<ObjectReader, Error> {
        if let BackendKind::Local(store) = &self.inner.backend.kind {
            let result = async { store.open(&self.store_path(path)?).await };
            let (file, size) = result
                .await
                .map_err(|error| self.failed("open", path, error))?;
            return Ok(ObjectReader::local(self.clone(), path.clone(), file, size));
        }
        let meta = self.head(path).await?;
        Ok(ObjectReader::remote(self.clone(), path.clone(), meta.size))
    }

    /// The same for an object whose size is known, which saves the request for it. An object that is not there, or of another
    /// size, is noticed when it is read.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: there is no object, in a local directory.
    pub async fn reader_of_size(
        &self,
        path: &ObjectPath,
        size: u64,
    ) -> Result<ObjectReader, Error> {
        match &self.inner.backend.kind {
            BackendKind::Local(_) => self.reader(path).await,
            _ => Ok(ObjectReader::remote(self.clone(), path.clone(), size)),
        }
    }

    /// The objects whose keys begin with `prefix` and are greater than `start_after`, in byte order of the keys.
    ///
    /// A prefix of whole segments (`wal/0000000001/`) costs least; one that ends within a segment is looked for
    /// among the keys of its directory. Objects whose names can be no [`ObjectPath`] are left out.
    ///
    /// # Errors
    /// The stream ends with its first error; [`ErrorKind::Invalid`] for a prefix no key can have.
    pub fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectMeta, Error>> {
        crate::list::list(self, prefix, start_after)
    }

    /// The objects whose keys begin with `prefix` and have no slash behind it, and what the others go on with up to
    /// their next slash. Both are gathered before it returns.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: a prefix no key can have.
    pub async fn list_level(&self, prefix: &str) -> Result<Level, Error> {
        crate::list::list_level(self, prefix).await
    }

    /// Removes an object. It is no error when there is none.
    ///
    /// # Errors
    /// Those of the backend; the object is there or not.
    pub async fn delete(&self, path: &ObjectPath) -> Result<(), Error> {
        let result = async { self.store().delete(&self.store_path(path)?).await };
        match result.await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", path, error)),
        }
    }

    /// Removes what crashed writers left unfinished in a local directory, and tells how many files that were. The
    /// first write does it too. Elsewhere nothing is done.
    ///
    /// # Errors
    /// The staging directory cannot be read or written.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let BackendKind::Local(store) = &self.inner.backend.kind else {
            return Ok(0);
        };
        store.sweep().await.map_err(|error| {
            Error::from_backend(
                format!("cannot sweep unfinished files in {}", self.location()),
                error,
            )
        })
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.inner.backend.store
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.inner.backend
    }

    pub(crate) fn base(&self) -> &BasePath {
        &self.inner.base_path
    }

    /// The backend's name of a key.
    pub(crate) fn store_path(&self, path: &ObjectPath) -> object_store::Result<StorePath> {
        let full = self.inner.base_path.full(path.as_str());
        if full.len() > KEY_BYTES_MAX {
            return Err(object_store::Error::NotSupported {
                source: format!(
                    "key and base path have {} bytes, at most 1024 are allowed",
                    full.len()
                )
                .into(),
            });
        }
        Ok(StorePath::parse(&full)?)
    }

    pub(crate) fn meta_of(&self, path: ObjectPath, meta: &object_store::ObjectMeta) -> ObjectMeta {
        let last_modified_ms = u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or(0);
        ObjectMeta {
            path,
            size: meta.size,
            last_modified_ms,
        }
    }

    pub(crate) fn failed(
        &self,
        operation: &str,
        path: &ObjectPath,
        error: object_store::Error,
    ) -> Error {
        Error::from_backend(self.message(operation, path), error)
    }

    /// The error of an operation that needs no object: what is not found then is the bucket, and nothing to take as
    /// absent.
    pub(crate) fn failed_write(
        &self,
        operation: &str,
        path: &ObjectPath,
        error: object_store::Error,
    ) -> Error {
        self.failed(operation, path, error).needing_no_object()
    }

    pub(crate) fn message(&self, operation: &str, path: &ObjectPath) -> String {
        format!(
            "cannot {operation} object \"{path}\" in {}",
            self.location()
        )
    }
}

impl fmt::Debug for Ost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ost({})", self.location())
    }
}

fn join_location(location: &str, below: &BasePath) -> String {
    match (below.is_empty(), location.ends_with('/')) {
        (true, _) => location.to_owned(),
        (false, true) => format!("{location}{}", below.as_str()),
        (false, false) => format!("{location}/{}", below.as_str()),
    }
}
