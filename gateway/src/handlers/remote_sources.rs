//! Remote sources.

use service::Opened;

use super::parts::{Forced, Optional, Parameters, Reply, Segment, Sent, created, gone, ok, page};
use crate::actions::Gateway;
use crate::api::{CreateRemoteSourceRequest, RemoteSourceResponse, UpdateRemoteSourceRequest};

/// A remote source by id or name.
#[utoipa::path(get, path = "/api/v1alpha/remotesources/{remotesourceref}", tag = "remotesources", responses((status = 200, description = "The answer.", body = RemoteSourceResponse)))]
pub(super) async fn one(
    Opened(gateway): Opened<Gateway>,
    _who: Forced,
    Segment(source): Segment<1>,
) -> Reply {
    let answer = gateway.remote_source(&source).await?;
    Ok(ok(&answer))
}

/// A page of remote sources, for everybody.
#[utoipa::path(get, path = "/api/v1alpha/remotesources", tag = "remotesources", params(
    ("start" = Option<String>, Query, description = "Begins behind this name."),
    ("limit" = Option<u64>, Query, description = "At most so many, and not more than 20."),
    ("asc" = Option<String>, Query, description = "Rising instead of falling; only its presence counts."),
), responses((status = 200, description = "The answer.", body = [RemoteSourceResponse])))]
pub(super) async fn list(
    Opened(gateway): Opened<Gateway>,
    _: Optional,
    parameters: Parameters,
) -> Reply {
    let answer = gateway.remote_sources(&page(&parameters)?).await?;
    Ok(ok(&answer))
}

/// Makes a remote source, for an administrator.
#[utoipa::path(post, path = "/api/v1alpha/remotesources", tag = "remotesources", request_body = CreateRemoteSourceRequest, responses((status = 201, description = "The answer.", body = RemoteSourceResponse)))]
pub(super) async fn create(
    Opened(gateway): Opened<Gateway>,
    Sent { who, body }: Sent<CreateRemoteSourceRequest>,
) -> Reply {
    let answer = gateway.create_remote_source(&who.caller, &body).await?;
    who.record("create", "remote source", &answer.id);
    Ok(created(&answer))
}

/// Changes a remote source, for an administrator.
#[utoipa::path(put, path = "/api/v1alpha/remotesources/{remotesourceref}", tag = "remotesources", request_body = UpdateRemoteSourceRequest, responses((status = 201, description = "The answer.", body = RemoteSourceResponse)))]
pub(super) async fn update(
    Opened(gateway): Opened<Gateway>,
    Segment(source): Segment<1>,
    Sent { who, body }: Sent<UpdateRemoteSourceRequest>,
) -> Reply {
    let answer = gateway
        .update_remote_source(&who.caller, &source, &body)
        .await?;
    who.record("update", "remote source", &answer.id);
    Ok(created(&answer))
}

/// Deletes a remote source, for an administrator.
#[utoipa::path(delete, path = "/api/v1alpha/remotesources/{remotesourceref}", tag = "remotesources", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(source): Segment<1>,
) -> Reply {
    gateway.delete_remote_source(&who.caller, &source).await?;
    who.record("delete", "remote source", &source);
    Ok(gone())
}
