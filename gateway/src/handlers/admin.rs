//! What operators ask of the services behind the gateway.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::Payload;
use service::{Context, Opened, relay};

use super::parts::{Forced, Parameters, Reply, Segment, done, ok};
use crate::actions::{Component, Gateway};
use crate::api::{MaintenanceResponse, StoreResponse};

/// The stores of both services: instances, modes, positions, checkpoints and sizes.
#[utoipa::path(get, path = "/api/v1alpha/admin/stores", tag = "admin", responses((status = 200, description = "The answer.", body = [StoreResponse])))]
pub(super) async fn stores(Opened(gateway): Opened<Gateway>, who: Forced) -> Reply {
    let answer = gateway.stores(&who.caller).await?;
    Ok(ok(&answer))
}

/// Whether a service is in maintenance.
#[utoipa::path(get, path = "/api/v1alpha/maintenance/{servicename}", tag = "admin", responses((status = 200, description = "The answer.", body = MaintenanceResponse)))]
pub(super) async fn maintenance(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(service): Segment<1>,
) -> Reply {
    let answer = gateway.maintenance(&who.caller, service.parse()?).await?;
    Ok(ok(&answer))
}

/// Has all instances of a service refuse changes.
#[utoipa::path(put, path = "/api/v1alpha/maintenance/{servicename}", tag = "admin", responses((status = 200, description = "It is done.")))]
pub(super) async fn enable_maintenance(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(service): Segment<1>,
) -> Reply {
    gateway
        .enable_maintenance(&who.caller, service.parse()?)
        .await?;
    who.record("enable", "maintenance", &service);
    Ok(done())
}

/// Has all instances of a service accept changes again.
#[utoipa::path(delete, path = "/api/v1alpha/maintenance/{servicename}", tag = "admin", responses((status = 200, description = "It is done.")))]
pub(super) async fn disable_maintenance(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(service): Segment<1>,
) -> Reply {
    gateway
        .disable_maintenance(&who.caller, service.parse()?)
        .await?;
    who.record("disable", "maintenance", &service);
    Ok(done())
}

/// The content of a service's store. If it fails, the connection is cut off rather than ended.
#[utoipa::path(get, path = "/api/v1alpha/export/{servicename}", tag = "admin", params(
    ("format" = Option<String>, Query, description = "`agola`, which is the default, or `native`."),
), responses((status = 200, description = "The stream.", content_type = "application/octet-stream")))]
pub(super) async fn export(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(service): Segment<1>,
    parameters: Parameters,
    context: Context,
) -> Reply {
    let component: Component = service.parse()?;
    let format = parameters.value("format");
    let export = gateway.export(&who.caller, component, format).await?;
    who.record("export", "store", &service);
    let body = relay::outgoing(export, &context, "an export");
    Ok(HttpResponse::Ok()
        .content_type(ContentType::octet_stream())
        .streaming(body))
}

/// Replaces the content of a service's store by that of an export.
#[utoipa::path(post, path = "/api/v1alpha/import/{servicename}", tag = "admin",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "An export."),
    responses((status = 200, description = "The store holds what was sent, and nothing else.")))]
pub(super) async fn import(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(service): Segment<1>,
    context: Context,
    payload: Payload,
) -> Reply {
    let component: Component = service.parse()?;
    let (body, sending) = relay::incoming(payload, context.limits().stream_idle_timeout);
    let (sent, imported) = futures::join!(sending, gateway.import(&who.caller, component, body));
    if let Err(error) = imported {
        // If the body broke off, that is why nothing was imported.
        sent?;
        return Err(error);
    }
    who.record("import", "store", &service);
    Ok(done())
}
