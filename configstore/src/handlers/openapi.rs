//! The description of the routes.

use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Type};

use super::{organizations, project_groups, projects, remote_sources, secrets, users, variables};

/// The description of all routes of this service but those that every server has.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Routes::openapi();
    for (path, item) in &mut document.paths.paths {
        let parameters: Vec<Parameter> = parameters(path).collect();
        for operation in operations(item) {
            operation
                .parameters
                .get_or_insert_default()
                .extend(parameters.iter().cloned().map(RefOr::T));
            add_failures(operation);
        }
    }
    document
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

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.delete,
    ];
    methods.into_iter().flatten()
}

/// The parameters that a path names.
fn parameters(path: &str) -> impl Iterator<Item = Parameter> {
    let names = path.split('/').filter_map(|segment| {
        segment
            .strip_prefix('{')
            .and_then(|segment| segment.strip_suffix('}'))
    });
    names.map(|name| {
        let description = match name {
            "projectref" | "projectgroupref" => "An id, or a path whose slashes are escaped.",
            "userref" | "orgref" | "remotesourceref" => "An id or a name.",
            "laid" => "An id.",
            _ => "A name.",
        };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(description))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
            .build()
    })
}

/// What every route may answer.
fn add_failures(operation: &mut Operation) {
    for (status, description) in [
        (
            "400",
            "The request does not fit, or what it rests on is not there.",
        ),
        ("401", "A token is needed."),
        ("404", "What is asked for is not there."),
        ("408", "The body came too slowly."),
        ("409", "Others changed the same things again and again."),
        ("413", "The body is too large."),
        ("503", "In maintenance, or the store does not answer."),
        ("504", "The change may or may not have been made."),
    ] {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("ErrorBody")))
            .build();
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/json", content)
            .build();
        operation
            .responses
            .responses
            .insert(status.to_owned(), response.into());
    }
}
