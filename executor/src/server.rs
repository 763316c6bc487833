//! Running the executor.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};

use actix_web::web::ServiceConfig;
use service::{Context, Service};

use crate::config::{DriverKind, NAME, Settings};
use crate::engine::Engine;
use crate::{Error, handlers};

struct Executor {
    settings: Settings,
    address: SocketAddr,
}

impl Service for Executor {
    type State = Engine;

    fn name(&self) -> &'static str {
        NAME
    }

    async fn start_without_store(&self, context: &Context) -> Result<Engine, Error> {
        Engine::start(&self.settings, self.address, context).await
    }

    fn routes(&self, routes: &mut ServiceConfig) {
        handlers::routes(routes);
    }

    fn openapi(&self) -> utoipa::openapi::OpenApi {
        handlers::openapi()
    }

    /// Not "not found", which to a run service would mean that a log or an archive is not there.
    fn unknown_path(&self) -> Error {
        Error::bad_request("there is nothing at this path").with_code("unknown_path")
    }

    async fn ready(&self, engine: &Engine) -> Result<(), Error> {
        engine.ready()
    }

    async fn stop(&self, engine: &Engine) {
        engine.stop().await;
    }
}

/// Runs the executor on `listener` until `shutdown` is done, and stops it: tasks that are being executed are stopped and
/// fail, and the run service is told if it answers. Needs a tokio runtime.
///
/// The program has to call [`become_supervisor_if_asked`](crate::become_supervisor_if_asked) first of all, or to name
/// another one that does.
///
/// # Errors
/// What in the settings cannot be used, named; a data directory that cannot be used, or that another executor uses.
pub async fn run(
    listener: TcpListener,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    settings.check()?;
    let address = listener.local_addr().map_err(Error::internal)?;
    warn_if_open(settings, address);
    let options = settings.server.options_without_store();
    let executor = Executor {
        settings: settings.clone(),
        address,
    };
    service::run(listener, executor, options, shutdown).await
}

/// Whoever can send tasks executes commands here.
fn warn_if_open(settings: &Settings, address: SocketAddr) {
    let asks_for_token = !settings.server.bearer_token_file.as_os_str().is_empty();
    if settings.executor.driver.kind == DriverKind::Host
        && !asks_for_token
        && !address.ip().is_loopback()
    {
        log::warn!(
            "everybody who reaches {address} can execute commands here: give executor.bearerTokenFile, and the same token to \
             the run service"
        );
    }
}
