//! Routes that all servers have, for operators and for the programs that watch over servers.
//!
//! | route | served | answer |
//! |---|---|---|
//! | `GET /healthz` | always, without a token | 200: the process is up |
//! | `GET /readyz` | always, without a token | 200, or 503 with code `starting`, `maintenance`, `stopping` or `unavailable` |
//! | `GET /metrics` | always | figures in the format of Prometheus |
//! | `GET /api/v1alpha/openapi.json` | always | the description of all routes |
//! | `GET /api/v1alpha/instances` | once the store is open | the live instances ([`InstanceStatus`](crate::api::InstanceStatus)) |
//! | `GET /api/v1alpha/store` | once the store is open | how far it is and how large ([`StoreStatus`](crate::api::StoreStatus)) |
//! | `GET /api/v1alpha/maintenance` | once the store is open | [`MaintenanceStatus`](crate::api::MaintenanceStatus) |
//! | `PUT`, `DELETE` of it | once the store is open | 200 without a body; 400 if it is on, or off, already |
//! | `GET /api/v1alpha/export` | once the store is open | a stream; `?format=agola` (default) or `native`, `?zstd` |
//! | `POST /api/v1alpha/import` | in maintenance | 200 without a body; 4xx, and nothing has changed |
//!
//! A server without a store has the first four alone.
//!
//! In maintenance all other routes are answered with 503 and code `maintenance`.

mod health;
mod maintenance;
mod transfer;

use std::sync::Arc;
use std::time::Instant;

use actix_web::web::{self, ServiceConfig};
use bytes::Bytes;
use tokio::sync::Mutex;
use utoipa::OpenApi;

use crate::context::Slot;
use crate::{Error, Service};

/// What the routes of a server work with.
pub(crate) struct Operations<S: Service> {
    inner: Arc<Inner<S>>,
}

struct Inner<S: Service> {
    service: Arc<S>,
    state: Slot<S::State>,
    openapi: Bytes,
    /// When the log was asked last for what is new, and how that went.
    caught_up: Mutex<Option<(Instant, Result<(), health::NotReady>)>>,
}

impl<S: Service> Clone for Operations<S> {
    fn clone(&self) -> Operations<S> {
        Operations {
            inner: self.inner.clone(),
        }
    }
}

impl<S: Service> Operations<S> {
    pub(crate) fn new(
        service: Arc<S>,
        state: Slot<S::State>,
        has_store: bool,
    ) -> Result<Operations<S>, Error> {
        let mut openapi = service.openapi();
        openapi.merge(Shared::openapi());
        if has_store {
            openapi.merge(OnStore::openapi());
        }
        let openapi = serde_json::to_vec(&openapi).map_err(Error::internal)?;
        Ok(Operations {
            inner: Arc::new(Inner {
                service,
                state,
                openapi: openapi.into(),
                caught_up: Mutex::new(None),
            }),
        })
    }
}

/// The description of the routes here.
#[derive(OpenApi)]
#[openapi(
    paths(health::healthz, health::readyz, health::metrics, health::openapi,),
    components(schemas(crate::api::ErrorBody))
)]
struct Shared;

/// The description of those that are about a store.
#[derive(OpenApi)]
#[openapi(paths(
    maintenance::status,
    maintenance::enable,
    maintenance::disable,
    maintenance::instances,
    maintenance::store,
    transfer::export,
    transfer::import,
))]
struct OnStore;

/// Those beside the API.
pub(crate) fn routes<S: Service>(routes: &mut ServiceConfig) {
    routes
        .service(web::resource("/healthz").get(health::healthz))
        .service(web::resource("/readyz").get(health::readyz::<S>))
        .service(web::resource("/metrics").get(health::metrics));
}

/// Those below `/api/v1alpha`.
pub(crate) fn api_routes<S: Service>(routes: &mut ServiceConfig, has_store: bool) {
    routes.service(web::resource("/openapi.json").get(health::openapi::<S>));
    if !has_store {
        return;
    }
    routes
        .service(web::resource("/instances").get(maintenance::instances))
        .service(web::resource("/store").get(maintenance::store))
        .service(
            web::resource("/maintenance")
                .get(maintenance::status)
                .put(maintenance::enable)
                .delete(maintenance::disable),
        )
        .service(web::resource("/export").get(transfer::export::<S>))
        .service(web::resource("/import").post(transfer::import::<S>));
}

/// What the server that got a request has for these routes.
pub(crate) fn of<S: Service>(request: &actix_web::HttpRequest) -> Result<Operations<S>, Error> {
    let operations = request.app_data::<Operations<S>>().cloned();
    operations.ok_or_else(|| Error::internal("a request came to an app without operations"))
}
