//! Projects.

use service::Opened;

use super::parts::{Forced, Optional, Reply, Segment, Sent, created, gone, ok};
use crate::actions::Gateway;
use crate::api::{
    CreateProjectRequest, CreateRunResponse, ProjectCreateRunRequest, ProjectResponse,
    UpdateProjectRequest,
};

/// A project by id or path. Public ones are for everybody.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}", tag = "projects", responses((status = 200, description = "The answer.", body = ProjectResponse)))]
pub(super) async fn one(
    Opened(gateway): Opened<Gateway>,
    Optional(caller): Optional,
    Segment(project): Segment<1>,
) -> Reply {
    let answer = gateway.project(caller.as_ref(), &project).await?;
    Ok(ok(&answer))
}

/// Makes a project. One at a remote source needs a git provider.
#[utoipa::path(post, path = "/api/v1alpha/projects", tag = "projects", request_body = CreateProjectRequest, responses((status = 201, description = "The answer.", body = ProjectResponse)))]
pub(super) async fn create(
    Opened(gateway): Opened<Gateway>,
    Sent { who, body }: Sent<CreateProjectRequest>,
) -> Reply {
    let answer = gateway.create_project(&who.caller, &body).await?;
    who.record("create", "project", &answer.id);
    Ok(created(&answer))
}

/// Changes a project.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}", tag = "projects", request_body = UpdateProjectRequest, responses((status = 201, description = "The answer.", body = ProjectResponse)))]
pub(super) async fn update(
    Opened(gateway): Opened<Gateway>,
    Segment(project): Segment<1>,
    Sent { who, body }: Sent<UpdateProjectRequest>,
) -> Reply {
    let answer = gateway.update_project(&who.caller, &project, &body).await?;
    who.record("update", "project", &answer.id);
    Ok(created(&answer))
}

/// Deletes a project with its secrets and variables.
#[utoipa::path(delete, path = "/api/v1alpha/projects/{projectref}", tag = "projects", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(project): Segment<1>,
) -> Reply {
    let id = gateway.delete_project(&who.caller, &project).await?;
    who.record("delete", "project", &id);
    Ok(gone())
}

/// Sets the remote repository up again. Needs a git provider.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}/reconfig", tag = "projects", responses((status = 204, description = "It is gone.")))]
pub(super) async fn reconfigure(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(project): Segment<1>,
) -> Reply {
    gateway.remote_repository(&who.caller, &project).await?;
    Ok(gone())
}

/// Has the project use the linked account of the caller. Needs a git provider.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}/updaterepolinkedaccount", tag = "projects", responses((status = 200, description = "The answer.", body = ProjectResponse)))]
pub(super) async fn update_linked_account(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(project): Segment<1>,
) -> Reply {
    gateway.remote_repository(&who.caller, &project).await?;
    let answer = gateway.project(Some(&who.caller), &project).await?;
    Ok(ok(&answer))
}

/// Makes runs of a definition: the one that is sent, or the one that is stored.
#[utoipa::path(post, path = "/api/v1alpha/projects/{projectref}/createrun", tag = "projects", request_body = ProjectCreateRunRequest, responses((status = 201, description = "The answer.", body = CreateRunResponse)))]
pub(super) async fn create_run(
    Opened(gateway): Opened<Gateway>,
    Segment(project): Segment<1>,
    Sent { who, body }: Sent<ProjectCreateRunRequest>,
) -> Reply {
    let answer = gateway
        .create_project_runs(&who.caller, &project, &body)
        .await?;
    who.record("create", "runs of project", &project);
    Ok(created(&answer))
}
