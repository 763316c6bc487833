//! The description of the routes.

use utoipa::OpenApi;

use super::{organizations, project_groups, projects, remote_sources, secrets, users, variables};

/// The description of all routes of this service but those that every server has.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    service::openapi::complete(Routes::openapi(), |parameter| match parameter {
        "projectref" | "projectgroupref" => "An id, or a path whose slashes are escaped.",
        "userref" | "orgref" | "remotesourceref" => "An id or a name.",
        "laid" => "An id.",
        _ => "A name.",
    })
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "configstore",
        description = "Users, organizations, project groups, projects, secrets, variables and remote sources."
    ),
    components(schemas(service::api::ErrorBody)),
    paths(
        users::list,
        users::one,
        users::create,
        users::update,
        users::remove,
        users::orgs,
        users::create_linked_account,
        users::update_linked_account,
        users::remove_linked_account,
        users::create_token,
        users::remove_token,
        organizations::list,
        organizations::one,
        organizations::create,
        organizations::remove,
        organizations::members,
        organizations::put_member,
        organizations::remove_member,
        project_groups::one,
        project_groups::subgroups,
        project_groups::projects,
        project_groups::create,
        project_groups::update,
        project_groups::remove,
        projects::one,
        projects::create,
        projects::update,
        projects::remove,
        secrets::list_of_group,
        secrets::create_in_group,
        secrets::update_in_group,
        secrets::remove_from_group,
        secrets::list_of_project,
        secrets::create_in_project,
        secrets::update_in_project,
        secrets::remove_from_project,
        variables::list_of_group,
        variables::create_in_group,
        variables::update_in_group,
        variables::remove_from_group,
        variables::list_of_project,
        variables::create_in_project,
        variables::update_in_project,
        variables::remove_from_project,
        remote_sources::list,
        remote_sources::one,
        remote_sources::create,
        remote_sources::update,
        remote_sources::remove,
    )
)]
struct Routes;
