//! Variables of project groups and of projects.

use actix_web::HttpResponse;
use service::{Audit, Json, Opened};

use super::parts::{Parameters, Reply, Segment, created, gone, ok};
use crate::Error;
use crate::actions::{Actions, ValueParent};
use crate::api::{CreateUpdateVariableRequest, Variable, VariableResponse};

async fn list(actions: &Actions, parent: ValueParent<'_>, parameters: &Parameters) -> Reply {
    Ok(ok(&actions
        .variables(parent, parameters.flag("tree"))
        .await?))
}

async fn create(
    actions: &Actions,
    parent: ValueParent<'_>,
    audit: &Audit,
    request: &CreateUpdateVariableRequest,
) -> Reply {
    let variable = actions.create_variable(parent, request).await?;
    audit.record("create", "variable", &variable.id);
    Ok(created(&variable))
}

async fn update(
    actions: &Actions,
    parent: ValueParent<'_>,
    name: &str,
    audit: &Audit,
    request: &CreateUpdateVariableRequest,
) -> Reply {
    let variable = actions.update_variable(parent, name, request).await?;
    audit.record("update", "variable", &variable.id);
    Ok(ok(&variable))
}

async fn remove(
    actions: &Actions,
    parent: ValueParent<'_>,
    name: &str,
    audit: &Audit,
) -> Result<HttpResponse, Error> {
    actions.delete_variable(parent, name).await?;
    audit.record(
        "delete",
        "variable",
        &format!("{}/{name}", parent.reference()),
    );
    Ok(gone())
}

/// The variables of a project group; with `tree` also those of the groups above it, level by level up to the root.
#[utoipa::path(get, path = "/api/v1alpha/projectgroups/{projectgroupref}/variables", tag = "variables", params(
    ("tree" = Option<String>, Query, description = "Only its presence counts."),
), responses((status = 200, description = "The variables.", body = [VariableResponse])))]
pub(super) async fn list_of_group(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    parameters: Parameters,
) -> Reply {
    list(&actions, ValueParent::ProjectGroup(&parent), &parameters).await
}

/// Makes a variable of a project group.
#[utoipa::path(post, path = "/api/v1alpha/projectgroups/{projectgroupref}/variables", tag = "variables",
    request_body = CreateUpdateVariableRequest,
    responses((status = 201, description = "The variable.", body = Variable)))]
pub(super) async fn create_in_group(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    audit: Audit,
    Json(request): Json<CreateUpdateVariableRequest>,
) -> Reply {
    create(
        &actions,
        ValueParent::ProjectGroup(&parent),
        &audit,
        &request,
    )
    .await
}

/// Replaces what a variable of a project group is.
#[utoipa::path(put, path = "/api/v1alpha/projectgroups/{projectgroupref}/variables/{variablename}", tag = "variables",
    request_body = CreateUpdateVariableRequest,
    responses((status = 200, description = "The variable.", body = Variable)))]
pub(super) async fn update_in_group(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    Segment(name): Segment<3>,
    audit: Audit,
    Json(request): Json<CreateUpdateVariableRequest>,
) -> Reply {
    update(
        &actions,
        ValueParent::ProjectGroup(&parent),
        &name,
        &audit,
        &request,
    )
    .await
}

/// Removes a variable from a project group.
#[utoipa::path(delete, path = "/api/v1alpha/projectgroups/{projectgroupref}/variables/{variablename}", tag = "variables",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_from_group(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    Segment(name): Segment<3>,
    audit: Audit,
) -> Reply {
    remove(&actions, ValueParent::ProjectGroup(&parent), &name, &audit).await
}

/// The variables of a project; with `tree` also those of the groups above it, level by level up to the root.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}/variables", tag = "variables", params(
    ("tree" = Option<String>, Query, description = "Only its presence counts."),
), responses((status = 200, description = "The variables.", body = [VariableResponse])))]
pub(super) async fn list_of_project(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    parameters: Parameters,
) -> Reply {
    list(&actions, ValueParent::Project(&parent), &parameters).await
}

/// Makes a variable of a project.
#[utoipa::path(post, path = "/api/v1alpha/projects/{projectref}/variables", tag = "variables",
    request_body = CreateUpdateVariableRequest,
    responses((status = 201, description = "The variable.", body = Variable)))]
pub(super) async fn create_in_project(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    audit: Audit,
    Json(request): Json<CreateUpdateVariableRequest>,
) -> Reply {
    create(&actions, ValueParent::Project(&parent), &audit, &request).await
}

/// Replaces what a variable of a project is.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}/variables/{variablename}", tag = "variables",
    request_body = CreateUpdateVariableRequest,
    responses((status = 200, description = "The variable.", body = Variable)))]
pub(super) async fn update_in_project(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    Segment(name): Segment<3>,
    audit: Audit,
    Json(request): Json<CreateUpdateVariableRequest>,
) -> Reply {
    update(
        &actions,
        ValueParent::Project(&parent),
        &name,
        &audit,
        &request,
    )
    .await
}

/// Removes a variable from a project.
#[utoipa::path(delete, path = "/api/v1alpha/projects/{projectref}/variables/{variablename}", tag = "variables",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_from_project(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    Segment(name): Segment<3>,
    audit: Audit,
) -> Reply {
    remove(&actions, ValueParent::Project(&parent), &name, &audit).await
}
