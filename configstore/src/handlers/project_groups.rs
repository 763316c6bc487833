//! Project groups.

use service::{Audit, Json, Opened};

use super::parts::{Reply, Segment, created, gone, ok};
use crate::actions::Actions;
use crate::api::{CreateUpdateProjectGroupRequest, ProjectGroupResponse, ProjectResponse};

/// A project group by id or path.
#[utoipa::path(get, path = "/api/v1alpha/projectgroups/{projectgroupref}", tag = "projectgroups",
    responses((status = 200, description = "The group.", body = ProjectGroupResponse)))]
pub(super) async fn one(Opened(actions): Opened<Actions>, Segment(group): Segment<1>) -> Reply {
    Ok(ok(&actions.project_group(&group).await?))
}

/// The groups that lie directly in a group.
#[utoipa::path(get, path = "/api/v1alpha/projectgroups/{projectgroupref}/subgroups", tag = "projectgroups",
    responses((status = 200, description = "The groups, by name.", body = [ProjectGroupResponse])))]
pub(super) async fn subgroups(
    Opened(actions): Opened<Actions>,
    Segment(group): Segment<1>,
) -> Reply {
    Ok(ok(&actions.subgroups(&group).await?))
}

/// The projects that lie directly in a group.
#[utoipa::path(get, path = "/api/v1alpha/projectgroups/{projectgroupref}/projects", tag = "projectgroups",
    responses((status = 200, description = "The projects, by name.", body = [ProjectResponse])))]
pub(super) async fn projects(
    Opened(actions): Opened<Actions>,
    Segment(group): Segment<1>,
) -> Reply {
    Ok(ok(&actions.group_projects(&group).await?))
}

/// Makes a project group.
#[utoipa::path(post, path = "/api/v1alpha/projectgroups", tag = "projectgroups",
    request_body = CreateUpdateProjectGroupRequest,
    responses((status = 201, description = "The group.", body = ProjectGroupResponse)))]
pub(super) async fn create(
    Opened(actions): Opened<Actions>,
    audit: Audit,
    Json(request): Json<CreateUpdateProjectGroupRequest>,
) -> Reply {
    let group = actions.create_project_group(&request).await?;
    audit.record("create", "projectgroup", &group.project_group.id);
    Ok(created(&group))
}

/// Replaces what a project group is: renames it, moves it, changes who sees it.
#[utoipa::path(put, path = "/api/v1alpha/projectgroups/{projectgroupref}", tag = "projectgroups",
    request_body = CreateUpdateProjectGroupRequest,
    responses((status = 201, description = "The group.", body = ProjectGroupResponse)))]
pub(super) async fn update(
    Opened(actions): Opened<Actions>,
    Segment(group): Segment<1>,
    audit: Audit,
    Json(request): Json<CreateUpdateProjectGroupRequest>,
) -> Reply {
    let group = actions.update_project_group(&group, &request).await?;
    audit.record("update", "projectgroup", &group.project_group.id);
    Ok(created(&group))
}

/// Deletes a project group and all that lies in it.
#[utoipa::path(delete, path = "/api/v1alpha/projectgroups/{projectgroupref}", tag = "projectgroups",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(actions): Opened<Actions>,
    Segment(group): Segment<1>,
    audit: Audit,
) -> Reply {
    actions.delete_project_group(&group).await?;
    audit.record("delete", "projectgroup", &group);
    Ok(gone())
}
