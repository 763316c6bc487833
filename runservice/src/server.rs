//! Running the service.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use bytes::Bytes;
use datamanager::{DataManager, Expansion, ExportFormat};
use futures::stream::BoxStream;
use ost::Ost;
use service::Service;

use crate::Error;
use crate::actions::Actions;
use crate::config::{NAME, RunSettings, Settings};
use crate::handlers;
use crate::store::{declare_types, wait_for_indexes};
use crate::transfer::{agola_export, agola_import, native_import};
use crate::worker::WorkerHandle;

/// How long it is waited for an index when it is asked whether requests can be answered.
const READY_TIMEOUT: Duration = Duration::from_millis(100);
/// How long it is waited for the indexes before the service works: the worker asks them.
const INDEXES_TIMEOUT: Duration = Duration::from_secs(5);

/// The service on one store.
struct RunService {
    objects: Ost,
    settings: RunSettings,
}

/// The open service.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) actions: Actions,
    worker: Arc<WorkerHandle>,
}

impl Service for RunService {
    type State = State;

    fn name(&self) -> &'static str {
        NAME
    }

    async fn start(&self, store: DataManager) -> Result<State, Error> {
        let actions = Actions::new(store, self.objects.clone(), self.settings.clone())?;
        declare_types(actions.database())?;
        wait_for_indexes(actions.database(), INDEXES_TIMEOUT).await?;
        let worker = WorkerHandle::start(actions.clone());
        Ok(State {
            actions,
            worker: Arc::new(worker),
        })
    }

    fn routes(&self, routes: &mut ServiceConfig) {
        handlers::routes(routes);
    }

    fn openapi(&self) -> utoipa::openapi::OpenApi {
        handlers::openapi()
    }

    /// agola's executor takes 404 for the word that a task is gone.
    fn unknown_path(&self) -> Error {
        Error::bad_request("there is nothing at this path").with_code("unknown_path")
    }

    async fn ready(&self, state: &State) -> Result<(), Error> {
        if !state.worker.is_running() {
            return Err(Error::internal("the worker has ended"));
        }
        wait_for_indexes(state.actions.database(), READY_TIMEOUT).await
    }

    async fn export(
        &self,
        state: &State,
        format: ExportFormat,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, Error> {
        match format {
            ExportFormat::Agola => agola_export(&state.actions).await.map(Some),
            _ => Ok(None),
        }
    }

    fn import_expansion(&self, _state: &State, format: ExportFormat) -> Option<Expansion> {
        Some(match format {
            ExportFormat::Agola => agola_import(),
            _ => native_import(),
        })
    }

    async fn stop(&self, state: &State) {
        state.worker.stop().await;
    }
}

/// Runs the service on `listener` until `shutdown` is done, and stops it well: running requests get their answers, and the
/// store is closed.
///
/// # Errors
/// What in the settings cannot be used, named; a store that cannot be opened for a reason that does not pass.
pub async fn run(
    listener: TcpListener,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let options = settings.options()?;
    let service = RunService {
        objects: settings.objects()?,
        settings: settings.runs.clone(),
    };
    service::run(listener, service, options, shutdown).await
}
