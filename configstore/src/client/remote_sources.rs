//! Remote sources.

use service::Error;
use service::client::Path;

use super::{Client, ListOptions};
use crate::api::{CreateUpdateRemoteSourceRequest, RemoteSource};

impl Client {
    /// A remote source by id or name.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn remote_source(&self, source: &str) -> Result<RemoteSource, Error> {
        self.base.get(&Path::of(["remotesources", source])).await
    }

    /// A page of remote sources.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn remote_sources(&self, options: &ListOptions) -> Result<Vec<RemoteSource>, Error> {
        self.base
            .get(&options.apply(Path::of(["remotesources"])))
            .await
    }

    /// Makes a remote source.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_remote_source(
        &self,
        request: &CreateUpdateRemoteSourceRequest,
    ) -> Result<RemoteSource, Error> {
        self.base.post(&Path::of(["remotesources"]), request).await
    }

    /// Replaces what a remote source is.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn update_remote_source(
        &self,
        source: &str,
        request: &CreateUpdateRemoteSourceRequest,
    ) -> Result<RemoteSource, Error> {
        self.base
            .put(&Path::of(["remotesources", source]), request)
            .await
    }

    /// Deletes a remote source.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_remote_source(&self, source: &str) -> Result<(), Error> {
        self.base.delete(&Path::of(["remotesources", source])).await
    }
}
