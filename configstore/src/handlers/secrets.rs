//! Secrets of project groups and of projects.

use actix_web::HttpResponse;
use service::{Audit, Json, Opened};

use super::parts::{Parameters, Reply, Segment, created, gone, ok};
use crate::Error;
use crate::actions::{Actions, ValueParent};
use crate::api::{CreateUpdateSecretRequest, Secret, SecretResponse};

async fn list(actions: &Actions, parent: ValueParent<'_>, parameters: &Parameters) -> Reply {
    Ok(ok(&actions
        .secrets(parent, parameters.flag("tree"))
        .await?))
}

async fn create(
    actions: &Actions,
    parent: ValueParent<'_>,
    audit: &Audit,
    request: &CreateUpdateSecretRequest,
) -> Reply {
    let secret = actions.create_secret(parent, request).await?;
    audit.record("create", "secret", &secret.id);
    Ok(created(&secret))
}

async fn update(
    actions: &Actions,
    parent: ValueParent<'_>,
    name: &str,
    audit: &Audit,
    request: &CreateUpdateSecretRequest,
) -> Reply {
    let secret = actions.update_secret(parent, name, request).await?;
    audit.record("update", "secret", &secret.id);
    Ok(ok(&secret))
}

async fn remove(
    actions: &Actions,
    parent: ValueParent<'_>,
    name: &str,
    audit: &Audit,
) -> Result<HttpResponse, Error> {
    actions.delete_secret(parent, name).await?;
    audit.record(
        "delete",
        "secret",
        &format!("{}/{name}", parent.reference()),
    );
    Ok(gone())
}

/// The secrets of a project group; with `tree` also those of the groups above it, level by level up to the root.
#[utoipa::path(get, path = "/api/v1alpha/projectgroups/{projectgroupref}/secrets", tag = "secrets", params(
    ("tree" = Option<String>, Query, description = "Only its presence counts."),
), responses((status = 200, description = "The secrets.", body = [SecretResponse])))]
pub(super) async fn list_of_group(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    parameters: Parameters,
) -> Reply {
    list(&actions, ValueParent::ProjectGroup(&parent), &parameters).await
}

/// Makes a secret of a project group.
#[utoipa::path(post, path = "/api/v1alpha/projectgroups/{projectgroupref}/secrets", tag = "secrets",
    request_body = CreateUpdateSecretRequest,
    responses((status = 201, description = "The secret.", body = Secret)))]
pub(super) async fn create_in_group(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    audit: Audit,
    Json(request): Json<CreateUpdateSecretRequest>,
) -> Reply {
    create(
        &actions,
        ValueParent::ProjectGroup(&parent),
        &audit,
        &request,
    )
    .await
}

/// Replaces what a secret of a project group is.
#[utoipa::path(put, path = "/api/v1alpha/projectgroups/{projectgroupref}/secrets/{secretname}", tag = "secrets",
    request_body = CreateUpdateSecretRequest,
    responses((status = 200, description = "The secret.", body = Secret)))]
pub(super) async fn update_in_group(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    Segment(name): Segment<3>,
    audit: Audit,
    Json(request): Json<CreateUpdateSecretRequest>,
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

/// Removes a secret from a project group.
#[utoipa::path(delete, path = "/api/v1alpha/projectgroups/{projectgroupref}/secrets/{secretname}", tag = "secrets",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_from_group(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    Segment(name): Segment<3>,
    audit: Audit,
) -> Reply {
    remove(&actions, ValueParent::ProjectGroup(&parent), &name, &audit).await
}

/// The secrets of a project; with `tree` also those of the groups above it, level by level up to the root.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}/secrets", tag = "secrets", params(
    ("tree" = Option<String>, Query, description = "Only its presence counts."),
), responses((status = 200, description = "The secrets.", body = [SecretResponse])))]
pub(super) async fn list_of_project(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    parameters: Parameters,
) -> Reply {
    list(&actions, ValueParent::Project(&parent), &parameters).await
}

/// Makes a secret of a project.
#[utoipa::path(post, path = "/api/v1alpha/projects/{projectref}/secrets", tag = "secrets",
    request_body = CreateUpdateSecretRequest,
    responses((status = 201, description = "The secret.", body = Secret)))]
pub(super) async fn create_in_project(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    audit: Audit,
    Json(request): Json<CreateUpdateSecretRequest>,
) -> Reply {
    create(&actions, ValueParent::Project(&parent), &audit, &request).await
}

/// Replaces what a secret of a project is.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}/secrets/{secretname}", tag = "secrets",
    request_body = CreateUpdateSecretRequest,
    responses((status = 200, description = "The secret.", body = Secret)))]
pub(super) async fn update_in_project(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    Segment(name): Segment<3>,
    audit: Audit,
    Json(request): Json<CreateUpdateSecretRequest>,
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

/// Removes a secret from a project.
#[utoipa::path(delete, path = "/api/v1alpha/projects/{projectref}/secrets/{secretname}", tag = "secrets",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_from_project(
    Opened(actions): Opened<Actions>,
    Segment(parent): Segment<1>,
    Segment(name): Segment<3>,
    audit: Audit,
) -> Reply {
    remove(&actions, ValueParent::Project(&parent), &name, &audit).await
}
