//! What operators ask of the services behind the gateway. `service` is `configstore` or `runservice`.

use bytes::Bytes;
use futures::{Stream, StreamExt};

use crate::api::{MaintenanceResponse, StoreResponse};
use crate::path::Path;
use crate::stream::pieces;
use crate::{Client, Error};

impl Client {
    /// The stores of all services: instances, modes, positions, checkpoints and sizes.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn stores(&self) -> Result<Vec<StoreResponse>, Error> {
        self.get(&Path::of(["admin", "stores"])).await
    }

    /// Whether a service (`configstore` or `runservice`) is in maintenance.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn maintenance(&self, service: &str) -> Result<MaintenanceResponse, Error> {
        self.get(&Path::of(["maintenance", service])).await
    }

    /// Has all instances of a service refuse changes.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn enable_maintenance(&self, service: &str) -> Result<(), Error> {
        self.put_empty(&Path::of(["maintenance", service])).await
    }

    /// Has all instances of a service accept changes again.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn disable_maintenance(&self, service: &str) -> Result<(), Error> {
        self.delete(&Path::of(["maintenance", service])).await
    }

    /// The content of a service's store, in format `agola` or `native`. It is whole if the stream ends without an error.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn export(
        &self,
        service: &str,
        format: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let path = Path::of(["export", service]).query("format", format);
        Ok(pieces(self.stream(&path, false).await?))
    }

    /// Replaces the content of a service's store by that of an export. Takes an hour at most.
    ///
    /// # Errors
    /// As [`Client`] says. An error in the stream cuts the request off, and nothing has changed then.
    pub async fn import<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        &self,
        service: &str,
        export: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<(), Error> {
        let export = export.map(|piece| piece.map_err(Into::into));
        let body = reqwest::Body::wrap_stream(export);
        self.upload(&Path::of(["import", service]), body).await
    }
}
