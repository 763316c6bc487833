//! Project groups.

use service::Opened;

use super::parts::{Forced, Reply, Segment, Sent, created, gone, ok};
use crate::actions::Gateway;
use crate::api::{
    CreateProjectGroupRequest, ProjectGroupResponse, ProjectResponse, UpdateProjectGroupRequest,
};

/// A project group by id or path.
#[utoipa::path(get, path = "/api/v1alpha/projectgroups/{projectgroupref}", tag = "projectgroups", responses((status = 200, description = "The answer.", body = ProjectGroupResponse)))]
pub(super) async fn one(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(group): Segment<1>,
) -> Reply {
    let answer = gateway.project_group(&who.caller, &group).await?;
    Ok(ok(&answer))
}

/// The groups that lie directly in a group, as far as the caller may see them.
#[utoipa::path(get, path = "/api/v1alpha/projectgroups/{projectgroupref}/subgroups", tag = "projectgroups", responses((status = 200, description = "The answer.", body = [ProjectGroupResponse])))]
pub(super) async fn subgroups(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(group): Segment<1>,
) -> Reply {
    let answer = gateway.subgroups(&who.caller, &group).await?;
    Ok(ok(&answer))
}

/// The projects that lie directly in a group, as far as the caller may see them.
#[utoipa::path(get, path = "/api/v1alpha/projectgroups/{projectgroupref}/projects", tag = "projectgroups", responses((status = 200, description = "The answer.", body = [ProjectResponse])))]
pub(super) async fn projects(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(group): Segment<1>,
) -> Reply {
    let answer = gateway.group_projects(&who.caller, &group).await?;
    Ok(ok(&answer))
}

/// Makes a project group.
#[utoipa::path(post, path = "/api/v1alpha/projectgroups", tag = "projectgroups", request_body = CreateProjectGroupRequest, responses((status = 201, description = "The answer.", body = ProjectGroupResponse)))]
pub(super) async fn create(
    Opened(gateway): Opened<Gateway>,
    Sent { who, body }: Sent<CreateProjectGroupRequest>,
) -> Reply {
    let answer = gateway.create_project_group(&who.caller, &body).await?;
    who.record("create", "project group", &answer.id);
    Ok(created(&answer))
}

/// Changes a project group.
#[utoipa::path(put, path = "/api/v1alpha/projectgroups/{projectgroupref}", tag = "projectgroups", request_body = UpdateProjectGroupRequest, responses((status = 201, description = "The answer.", body = ProjectGroupResponse)))]
pub(super) async fn update(
    Opened(gateway): Opened<Gateway>,
    Segment(group): Segment<1>,
    Sent { who, body }: Sent<UpdateProjectGroupRequest>,
) -> Reply {
    let answer = gateway
        .update_project_group(&who.caller, &group, &body)
        .await?;
    who.record("update", "project group", &answer.id);
    Ok(created(&answer))
}

/// Deletes a project group and all that lies in it.
#[utoipa::path(delete, path = "/api/v1alpha/projectgroups/{projectgroupref}", tag = "projectgroups", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(group): Segment<1>,
) -> Reply {
    let id = gateway.delete_project_group(&who.caller, &group).await?;
    who.record("delete", "project group", &id);
    Ok(gone())
}
