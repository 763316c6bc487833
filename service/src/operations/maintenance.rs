//! Maintenance, and which instances there are.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use datamanager::{DataManager, Instance};

use crate::api::{ErrorBody, InstanceStatus, MaintenanceStatus, Mode, StoreStatus};
use crate::position::Position;
use crate::{Audit, Context, Error, json};

impl From<datamanager::Mode> for Mode {
    fn from(mode: datamanager::Mode) -> Mode {
        match mode {
            datamanager::Mode::Normal => Mode::Normal,
            // A mode that comes later would be another in which not everything is served.
            _ => Mode::Maintenance,
        }
    }
}

/// What was asked for last, by whom, and which instances are not there yet.
pub(super) struct Requested {
    pub(super) mode: Mode,
    since: Option<datamanager::Position>,
    by: Option<String>,
    importing: Option<String>,
    instances: Vec<Instance>,
}

impl Requested {
    /// As of the newest position of the log.
    pub(super) async fn read(store: &DataManager) -> Result<Requested, Error> {
        store.latest_snapshot().await?;
        let status = store.maintenance();
        Ok(Requested {
            mode: status.mode.into(),
            since: status.since,
            by: status.instance,
            importing: status.importing,
            instances: store.instances().await?,
        })
    }

    /// Instances in another mode, or in that of an earlier maintenance.
    pub(super) fn waiting_for(&self) -> Vec<String> {
        let has_followed = |instance: &&Instance| {
            let reached = self
                .since
                .is_none_or(|since| instance.position.seq >= since.seq);
            Mode::from(instance.mode) == self.mode && reached
        };
        let late = self
            .instances
            .iter()
            .filter(|instance| !has_followed(instance));
        late.map(|instance| instance.name.clone()).collect()
    }
}

/// Whether the service is in maintenance.
#[utoipa::path(get, path = "/api/v1alpha/maintenance", tag = "operations", responses(
    (status = 200, description = "What was asked for, and what is.", body = MaintenanceStatus),
    (status = 503, description = "The store does not answer.", body = ErrorBody)
))]
pub(crate) async fn status(context: Context) -> Result<HttpResponse, Error> {
    let requested = Requested::read(context.store()?).await?;
    let waiting_for = requested.waiting_for();
    let in_maintenance = requested.mode == Mode::Maintenance && waiting_for.is_empty();
    let status = MaintenanceStatus {
        requested_mode: requested.mode,
        current_mode: match in_maintenance {
            true => Mode::Maintenance,
            false => Mode::Normal,
        },
        since: requested
            .since
            .map(|since| Position::from(since).to_string()),
        requested_by: requested.by,
        importing: requested.importing,
        waiting_for,
    };
    Ok(json::reply(StatusCode::OK, &status))
}

/// Refuses changes in all instances, from one position of the log on.
#[utoipa::path(put, path = "/api/v1alpha/maintenance", tag = "operations", responses(
    (status = 200, description = "From now on changes are refused by all instances."),
    (status = 400, description = "It is on already.", body = ErrorBody),
    (status = 503, description = "The store does not answer.", body = ErrorBody)
))]
pub(crate) async fn enable(context: Context, audit: Audit) -> Result<HttpResponse, Error> {
    let store = context.store()?;
    store.latest_snapshot().await?;
    if store.maintenance().since.is_some() {
        return Err(Error::bad_request("maintenance is on already").with_code("already_enabled"));
    }
    store.maintenance_on().await?;
    audit.record("enable", "maintenance", context.instance());
    Ok(empty())
}

/// Accepts changes again.
#[utoipa::path(delete, path = "/api/v1alpha/maintenance", tag = "operations", responses(
    (status = 200, description = "All instances accept changes as soon as they hear of it."),
    (status = 400, description = "It is off already, or an import is under way.", body = ErrorBody),
    (status = 503, description = "The store does not answer.", body = ErrorBody)
))]
pub(crate) async fn disable(context: Context, audit: Audit) -> Result<HttpResponse, Error> {
    let store = context.store()?;
    store.latest_snapshot().await?;
    if store.maintenance().since.is_none() {
        return Err(Error::bad_request("maintenance is off already").with_code("already_disabled"));
    }
    store
        .maintenance_off(false)
        .await
        .map_err(|error| match error.kind() {
            datamanager::ErrorKind::Invalid => {
                let message = format!("maintenance stays on: {error}");
                Error::bad_request(message).with_code("importing")
            }
            _ => Error::from(error),
        })?;
    audit.record("disable", "maintenance", context.instance());
    Ok(empty())
}

/// The live instances of the service. One that has vanished is listed for another minute.
#[utoipa::path(get, path = "/api/v1alpha/instances", tag = "operations", responses(
    (status = 200, description = "By name.", body = [InstanceStatus]),
    (status = 503, description = "The store does not answer.", body = ErrorBody)
))]
pub(crate) async fn instances(context: Context) -> Result<HttpResponse, Error> {
    let requested = Requested::read(context.store()?).await?;
    let requested_mode = requested.mode;
    let instances = requested.instances.into_iter();
    let instances = instances.map(|instance| InstanceStatus {
        name: instance.name,
        version: instance.version,
        requested_mode,
        current_mode: instance.mode.into(),
        position: Position::from(instance.position).to_string(),
        age_ms: u64::try_from(instance.age.as_millis()).unwrap_or(u64::MAX),
    });
    let instances: Vec<InstanceStatus> = instances.collect();
    Ok(json::reply(StatusCode::OK, &instances))
}

/// The store of this instance: how far it is, and how large.
#[utoipa::path(get, path = "/api/v1alpha/store", tag = "operations", responses(
    (status = 200, description = "The store.", body = StoreStatus),
    (status = 503, description = "The store is not open yet.", body = ErrorBody)
))]
pub(crate) async fn store(context: Context) -> Result<HttpResponse, Error> {
    let stats = context.store()?.stats();
    let text = |position| Position::from(position).to_string();
    let status = StoreStatus {
        instance: context.instance().to_owned(),
        position: text(stats.position),
        covered: text(stats.covered),
        flushed: text(stats.flushed),
        manifest: stats.manifest,
        runs: stats.runs.len() as u64,
        entries: stats.runs.iter().map(|run| run.entries).sum(),
        data_file_bytes: stats.runs.iter().map(|run| run.bytes).sum(),
        memory_log_bytes: stats.memtable_log_bytes,
    };
    Ok(json::reply(StatusCode::OK, &status))
}

/// The answer to what has nothing to say.
pub(super) fn empty() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .finish()
}
