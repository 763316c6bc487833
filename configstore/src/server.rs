//! Running the service.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use bytes::Bytes;
use datamanager::{DataManager, Expansion, ExportFormat};
use futures::stream::BoxStream;
use service::Service;

use crate::Error;
use crate::actions::{Actions, RotationReport};
use crate::config::{NAME, Settings};
use crate::handlers;
use crate::secrets::Keyring;
use crate::store::{Database, declare_types, wait_for_indexes};
use crate::transfer::{agola_export, agola_import, native_import};

/// How long it is waited for an index when it is asked whether requests can be answered.
const READY_TIMEOUT: Duration = Duration::from_millis(100);

/// The service on one store.
struct ConfigStore {
    keyring: Arc<Keyring>,
}

impl Service for ConfigStore {
    type State = Actions;

    fn name(&self) -> &'static str {
        NAME
    }

    async fn start(&self, store: DataManager) -> Result<Actions, Error> {
        let actions = Actions::new(Database::new(store), self.keyring.clone());
        declare_types(actions.database())?;
        actions.check_keys().await?;
        tokio::spawn(actions.clone().sweep());
        Ok(actions)
    }

    fn routes(&self, routes: &mut ServiceConfig) {
        handlers::routes(routes);
    }

    fn openapi(&self) -> utoipa::openapi::OpenApi {
        handlers::openapi()
    }

    async fn ready(&self, actions: &Actions) -> Result<(), Error> {
        wait_for_indexes(actions.database(), READY_TIMEOUT).await
    }

    async fn export(
        &self,
        actions: &Actions,
        format: ExportFormat,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, Error> {
        match format {
            ExportFormat::Agola => agola_export(actions).await.map(Some),
            _ => Ok(None),
        }
    }

    fn import_expansion(&self, actions: &Actions, format: ExportFormat) -> Option<Expansion> {
        let keyring = actions.keyring().clone();
        Some(match format {
            ExportFormat::Agola => agola_import(keyring),
            _ => native_import(keyring),
        })
    }

    async fn stop(&self, actions: &Actions) {
        actions.stop();
    }
}

/// Runs the service on `listener` until `shutdown` is done, and stops it well: running requests get their answers, and the
/// store is closed.
///
/// # Errors
/// What in the settings cannot be used, named; a store that cannot be opened for a reason that does not pass; a key that is
/// not the one that the store's secrets are encrypted with.
pub async fn run(
    listener: TcpListener,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let options = settings.options()?;
    // Sees to it that the data directory is there, or tells that it cannot be.
    settings.store_options()?.builder()?;
    let keyring = Arc::new(Keyring::load(
        &settings.secret_keys,
        &settings.server.data_dir,
    )?);
    service::run(listener, ConfigStore { keyring }, options, shutdown).await
}

/// Encrypts everything with the first of `settings.secret_keys` that is encrypted with another key, in many small
/// transactions beside whoever else writes. Afterwards the other keys can be taken out of the configuration, once no process
/// has another one first.
///
/// A store with its log in files is open in one process alone: the service has to be stopped meanwhile.
///
/// # Errors
/// A key that is missing or is another one; a store that does not open or answer. What was done until then stays done.
pub async fn rotate_keys(settings: &Settings) -> Result<RotationReport, Error> {
    let builder = settings.store_options()?.builder()?;
    let keyring = Arc::new(Keyring::load(
        &settings.secret_keys,
        &settings.server.data_dir,
    )?);
    let store = builder.open().await?;
    let actions = Actions::new(Database::new(store.clone()), keyring);
    let rotated = actions.rotate_keys().await;
    let closed = store.close().await;
    let report = rotated?;
    closed?;
    Ok(report)
}
