//! The routes that all servers have.

use bytes::Bytes;
use futures::Stream;

use super::{Client, Path};
use crate::Error;
use crate::api::{InstanceStatus, MaintenanceStatus, StoreStatus};

impl Client {
    /// Whether the service is in maintenance.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn maintenance(&self) -> Result<MaintenanceStatus, Error> {
        self.get(&Path::of(["maintenance"])).await
    }

    /// Has all instances refuse changes.
    ///
    /// # Errors
    /// `BadRequest` if they do already; as [`Client::post`].
    pub async fn enable_maintenance(&self) -> Result<(), Error> {
        self.put_empty(&Path::of(["maintenance"])).await
    }

    /// Has all instances accept changes again.
    ///
    /// # Errors
    /// `BadRequest` if they do already, or while an import is under way; as [`Client::post`].
    pub async fn disable_maintenance(&self) -> Result<(), Error> {
        self.delete(&Path::of(["maintenance"])).await
    }

    /// The live instances.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn instances(&self) -> Result<Vec<InstanceStatus>, Error> {
        self.get(&Path::of(["instances"])).await
    }

    /// The store of the instance that answers: how far it is, and how large.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn store(&self) -> Result<StoreStatus, Error> {
        self.get(&Path::of(["store"])).await
    }

    /// The content of the store, in format `agola` or `native`. It is whole if the stream ends without an error.
    ///
    /// # Errors
    /// As [`Client::download`].
    pub async fn export(
        &self,
        format: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let path = Path::of(["export"]).query("format", format);
        self.download(&path).await
    }

    /// Replaces the content of the store.
    ///
    /// # Errors
    /// `BadRequest` outside of maintenance and for what is no whole export, `Conflict` as long as an instance is not in
    /// maintenance: nothing has changed then. As [`Client::post`] otherwise.
    pub async fn import<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        &self,
        export: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<(), Error> {
        self.upload(&Path::of(["import"]), export).await
    }
}
