//! What operators ask of the services behind the gateway.

use std::str::FromStr;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{BoxStream, Stream};
use service::api::{MaintenanceStatus, Mode};
use service::client::Client;

use super::Gateway;
use super::permissions::check_admin;
use crate::Error;
use crate::api::{MaintenanceResponse, StoreCheckpoint, StoreInstance, StoreResponse, StoreSize};
use crate::auth::Caller;
use crate::error::behind;

/// A service behind the gateway that has a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    Configstore,
    Runservice,
}

impl Component {
    const ALL: [Component; 2] = [Component::Configstore, Component::Runservice];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Component::Configstore => "configstore",
            Component::Runservice => "runservice",
        }
    }
}

impl FromStr for Component {
    type Err = Error;

    fn from_str(text: &str) -> Result<Component, Error> {
        let mut all = Component::ALL.into_iter();
        all.find(|component| component.as_str() == text)
            .ok_or_else(|| Error::not_found("the services are configstore and runservice"))
    }
}

fn mode(mode: Mode) -> String {
    let mode = match mode {
        Mode::Normal => "normal",
        Mode::Maintenance => "maintenance",
    };
    mode.to_owned()
}

impl Gateway {
    fn operations(&self, caller: &Caller, component: Component) -> Client {
        let operations = match component {
            Component::Configstore => self.configstore().operations(),
            Component::Runservice => self.runservice().operations(),
        };
        operations.on_behalf_of(&caller.shown())
    }

    /// Whether both services can answer.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        for (name, ready) in [
            ("configstore", self.configstore().operations().ready().await),
            ("runservice", self.runservice().operations().ready().await),
        ] {
            ready.map_err(|error| {
                let code = error.code().to_owned();
                Error::unavailable(format!("the {name} is not ready: {error}")).with_code(code)
            })?;
        }
        Ok(())
    }

    /// What is known about the stores of both services. One that does not answer is told as such.
    pub(crate) async fn stores(&self, caller: &Caller) -> Result<Vec<StoreResponse>, Error> {
        check_admin(caller)?;
        let stores = Component::ALL.map(|component| async move {
            let operations = self.operations(caller, component);
            let mut store = store(&operations)
                .await
                .unwrap_or_else(|error| StoreResponse {
                    error: Some(error.to_string()),
                    ..StoreResponse::default()
                });
            store.service = component.as_str().to_owned();
            store
        });
        Ok(futures::future::join_all(stores).await)
    }

    pub(crate) async fn maintenance(
        &self,
        caller: &Caller,
        component: Component,
    ) -> Result<MaintenanceResponse, Error> {
        check_admin(caller)?;
        let status = self.operations(caller, component).maintenance().await;
        let MaintenanceStatus {
            requested_mode,
            current_mode,
            waiting_for,
            ..
        } = status.map_err(behind)?;
        Ok(MaintenanceResponse {
            requested_mode: mode(requested_mode),
            current_mode: mode(current_mode),
            waiting_for,
        })
    }

    pub(crate) async fn enable_maintenance(
        &self,
        caller: &Caller,
        component: Component,
    ) -> Result<(), Error> {
        check_admin(caller)?;
        let operations = self.operations(caller, component);
        operations.enable_maintenance().await.map_err(behind)
    }

    pub(crate) async fn disable_maintenance(
        &self,
        caller: &Caller,
        component: Component,
    ) -> Result<(), Error> {
        check_admin(caller)?;
        let operations = self.operations(caller, component);
        operations.disable_maintenance().await.map_err(behind)
    }

    /// The content of a store. It is whole if the stream ends without an error.
    pub(crate) async fn export(
        &self,
        caller: &Caller,
        component: Component,
        format: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        check_admin(caller)?;
        let format = match format {
            "" => "agola",
            format => format,
        };
        let export = self.operations(caller, component).export(format).await;
        Ok(export.map_err(behind)?.boxed())
    }

    /// Replaces the content of a store.
    pub(crate) async fn import(
        &self,
        caller: &Caller,
        component: Component,
        content: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Error> {
        check_admin(caller)?;
        let operations = self.operations(caller, component);
        operations.import(content).await.map_err(behind)
    }
}

async fn store(operations: &Client) -> Result<StoreResponse, Error> {
    let (status, instances, maintenance) = futures::try_join!(
        operations.store(),
        operations.instances(),
        operations.maintenance()
    )?;
    let instances = instances.into_iter().map(|instance| StoreInstance {
        name: instance.name,
        version: instance.version,
        current_mode: mode(instance.current_mode),
        position: instance.position,
        age_ms: instance.age_ms,
    });
    Ok(StoreResponse {
        service: String::new(),
        requested_mode: mode(maintenance.requested_mode),
        current_mode: mode(maintenance.current_mode),
        waiting_for: maintenance.waiting_for,
        instances: instances.collect(),
        position: status.position,
        checkpoint: StoreCheckpoint {
            manifest: status.manifest,
            position: status.covered,
            runs: status.runs,
        },
        size: StoreSize {
            entries: status.entries,
            data_file_bytes: status.data_file_bytes,
            memory_log_bytes: status.memory_log_bytes,
        },
        error: None,
    })
}
