//! Remote sources. `source` is an id or a name.

use super::Paging;
use crate::api::{CreateRemoteSourceRequest, RemoteSourceResponse, UpdateRemoteSourceRequest};
use crate::path::Path;
use crate::{Client, Error};

impl Client {
    /// A remote source. `source` is an id or a name.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn remote_source(&self, source: &str) -> Result<RemoteSourceResponse, Error> {
        self.get(&Path::of(["remotesources", source])).await
    }

    /// Remote sources.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn remote_sources(
        &self,
        paging: &Paging,
    ) -> Result<Vec<RemoteSourceResponse>, Error> {
        self.get(&paging.of(Path::of(["remotesources"]))).await
    }

    /// Makes a remote source.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn create_remote_source(
        &self,
        request: &CreateRemoteSourceRequest,
    ) -> Result<RemoteSourceResponse, Error> {
        self.post(&Path::of(["remotesources"]), request).await
    }

    /// Changes a remote source.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn update_remote_source(
        &self,
        source: &str,
        request: &UpdateRemoteSourceRequest,
    ) -> Result<RemoteSourceResponse, Error> {
        self.put(&Path::of(["remotesources", source]), request)
            .await
    }

    /// Deletes a remote source.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_remote_source(&self, source: &str) -> Result<(), Error> {
        self.delete(&Path::of(["remotesources", source])).await
    }
}
