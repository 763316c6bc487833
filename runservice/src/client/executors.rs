//! What executors ask of the service, and what is asked about them.

use bytes::Bytes;
use futures::Stream;
use service::Error;
use service::client::Path;

use super::Client;
use super::queries::flag;
use crate::api::{Executor, ExecutorTask};

impl Client {
    /// Tells about an executor: that it lives, and what it is.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn report_executor(&self, executor: &Executor) -> Result<(), Error> {
        self.base
            .post(&Path::of(["executor", &executor.id]), executor)
            .await
    }

    /// Forgets an executor. Its tasks that have not ended fail.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_executor(&self, id: &str) -> Result<(), Error> {
        self.base.delete(&Path::of(["executor", id])).await
    }

    /// The tasks that an executor has been given, with what is to be executed.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn executor_tasks(&self, executor: &str) -> Result<Vec<ExecutorTask>, Error> {
        self.base
            .get(&Path::of(["executor", executor, "tasks"]))
            .await
    }

    /// A task that an executor has been given.
    ///
    /// # Errors
    /// `NotFound` if the service does not know it any more: then what the executor has of it is not needed. See [`Client`].
    pub async fn executor_task(&self, executor: &str, task: &str) -> Result<ExecutorTask, Error> {
        self.base
            .get(&Path::of(["executor", executor, "tasks", task]))
            .await
    }

    /// Tells the status of a task.
    ///
    /// # Errors
    /// `BadRequest` if the service does not know the task; see [`Client`].
    pub async fn report_task(&self, executor: &str, task: &ExecutorTask) -> Result<(), Error> {
        self.base
            .post(&Path::of(["executor", executor, "tasks", &task.id]), task)
            .await
    }

    /// The workspace archive that a step has saved.
    ///
    /// # Errors
    /// `NotFound` if there is none; see [`Client`]; in the stream, that it was cut off.
    pub async fn archive(
        &self,
        task: &str,
        step: u32,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let path = Path::of(["executor", "archives"])
            .query("taskid", task)
            .query("step", step.to_string());
        self.base.download(&path).await
    }

    /// Whether there is a cache with exactly this key.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn has_cache(&self, key: &str) -> Result<bool, Error> {
        self.base.exists(&cache(key)).await
    }

    /// Whether there is a cache whose key begins so.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn has_cache_with_prefix(&self, prefix: &str) -> Result<bool, Error> {
        self.base.exists(&flag(cache(prefix), "prefix", true)).await
    }

    /// The cache with exactly this key.
    ///
    /// # Errors
    /// `NotFound` if there is none; see [`Client`]; in the stream, that it was cut off.
    pub async fn cache(
        &self,
        key: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        self.base.download(&cache(key)).await
    }

    /// The newest cache whose key begins so.
    ///
    /// # Errors
    /// As [`Client::cache`].
    pub async fn cache_with_prefix(
        &self,
        prefix: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let path = flag(cache(prefix), "prefix", true);
        self.base.download(&path).await
    }

    /// Stores a cache, unless there is one with this key, which is kept then. Returns whether there was none. An error in the
    /// stream cuts the request off, and nothing is stored.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn put_cache<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        &self,
        key: &str,
        content: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<bool, Error> {
        self.base.upload_new(&cache(key), content).await
    }
}

fn cache(key: &str) -> Path {
    Path::of(["executor", "caches", key])
}
