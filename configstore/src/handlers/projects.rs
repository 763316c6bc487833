//! Projects.

use service::{Audit, Json, Opened};

use super::parts::{Reply, Segment, created, gone, ok};
use crate::actions::Actions;
use crate::api::{CreateUpdateProjectRequest, ProjectResponse};

/// A project by id or path.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}", tag = "projects",
    responses((status = 200, description = "The project.", body = ProjectResponse)))]
pub(super) async fn one(Opened(actions): Opened<Actions>, Segment(project): Segment<1>) -> Reply {
    Ok(ok(&actions.project(&project).await?))
}

/// Makes a project.
#[utoipa::path(post, path = "/api/v1alpha/projects", tag = "projects", request_body = CreateUpdateProjectRequest,
    responses((status = 201, description = "The project.", body = ProjectResponse)))]
pub(super) async fn create(
    Opened(actions): Opened<Actions>,
    audit: Audit,
    Json(request): Json<CreateUpdateProjectRequest>,
) -> Reply {
    let project = actions.create_project(&request).await?;
    audit.record("create", "project", &project.project.id);
    Ok(created(&project))
}

/// Replaces what a project is, but for its secrets.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}", tag = "projects",
    request_body = CreateUpdateProjectRequest,
    responses((status = 201, description = "The project.", body = ProjectResponse)))]
pub(super) async fn update(
    Opened(actions): Opened<Actions>,
    Segment(project): Segment<1>,
    audit: Audit,
    Json(request): Json<CreateUpdateProjectRequest>,
) -> Reply {
    let project = actions.update_project(&project, &request).await?;
    audit.record("update", "project", &project.project.id);
    Ok(created(&project))
}

/// Deletes a project with its secrets and variables.
#[utoipa::path(delete, path = "/api/v1alpha/projects/{projectref}", tag = "projects",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(actions): Opened<Actions>,
    Segment(project): Segment<1>,
    audit: Audit,
) -> Reply {
    actions.delete_project(&project).await?;
    audit.record("delete", "project", &project);
    Ok(gone())
}
