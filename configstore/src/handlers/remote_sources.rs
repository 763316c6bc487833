//! Remote sources.

use service::{Audit, Json, Opened};

use super::parts::{Parameters, Reply, Segment, created, gone, ok, page};
use crate::actions::Actions;
use crate::api::{CreateUpdateRemoteSourceRequest, RemoteSource};

/// A page of remote sources by name, falling.
#[utoipa::path(get, path = "/api/v1alpha/remotesources", tag = "remotesources", params(
    ("start" = Option<String>, Query, description = "Begins behind this name."),
    ("limit" = Option<u32>, Query, description = "10 if not given, at most 20; 0 for all."),
    ("asc" = Option<String>, Query, description = "Rising; only its presence counts."),
), responses((status = 200, description = "The remote sources.", body = [RemoteSource])))]
pub(super) async fn list(Opened(actions): Opened<Actions>, parameters: Parameters) -> Reply {
    Ok(ok(&actions.remote_sources(&page(&parameters)?).await?))
}

/// A remote source by id or name.
#[utoipa::path(get, path = "/api/v1alpha/remotesources/{remotesourceref}", tag = "remotesources",
    responses((status = 200, description = "The remote source.", body = RemoteSource)))]
pub(super) async fn one(Opened(actions): Opened<Actions>, Segment(source): Segment<1>) -> Reply {
    Ok(ok(&actions.remote_source(&source).await?))
}

/// Makes a remote source.
#[utoipa::path(post, path = "/api/v1alpha/remotesources", tag = "remotesources",
    request_body = CreateUpdateRemoteSourceRequest,
    responses((status = 201, description = "The remote source.", body = RemoteSource)))]
pub(super) async fn create(
    Opened(actions): Opened<Actions>,
    audit: Audit,
    Json(request): Json<CreateUpdateRemoteSourceRequest>,
) -> Reply {
    let source = actions.create_remote_source(&request).await?;
    audit.record("create", "remotesource", &source.id);
    Ok(created(&source))
}

/// Replaces what a remote source is.
#[utoipa::path(put, path = "/api/v1alpha/remotesources/{remotesourceref}", tag = "remotesources",
    request_body = CreateUpdateRemoteSourceRequest,
    responses((status = 201, description = "The remote source.", body = RemoteSource)))]
pub(super) async fn update(
    Opened(actions): Opened<Actions>,
    Segment(source): Segment<1>,
    audit: Audit,
    Json(request): Json<CreateUpdateRemoteSourceRequest>,
) -> Reply {
    let source = actions.update_remote_source(&source, &request).await?;
    audit.record("update", "remotesource", &source.id);
    Ok(created(&source))
}

/// Deletes a remote source. Linked accounts and projects that use it stay.
#[utoipa::path(delete, path = "/api/v1alpha/remotesources/{remotesourceref}", tag = "remotesources",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(actions): Opened<Actions>,
    Segment(source): Segment<1>,
    audit: Audit,
) -> Reply {
    actions.delete_remote_source(&source).await?;
    audit.record("delete", "remotesource", &source);
    Ok(gone())
}
