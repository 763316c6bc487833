//! Organizations and their members.

use service::{Audit, Json, Opened};

use super::parts::{Parameters, Reply, Segment, created, gone, ok, page};
use crate::actions::Actions;
use crate::api::{
    AddOrgMemberRequest, CreateOrgRequest, OrgMemberResponse, Organization, OrganizationMember,
};

/// A page of organizations by name, falling.
#[utoipa::path(get, path = "/api/v1alpha/orgs", tag = "orgs", params(
    ("start" = Option<String>, Query, description = "Begins behind this name."),
    ("limit" = Option<u32>, Query, description = "10 if not given, at most 20; 0 for all."),
    ("asc" = Option<String>, Query, description = "Rising; only its presence counts."),
), responses((status = 200, description = "The organizations.", body = [Organization])))]
pub(super) async fn list(Opened(actions): Opened<Actions>, parameters: Parameters) -> Reply {
    Ok(ok(&actions.orgs(&page(&parameters)?).await?))
}

/// An organization by id or name.
#[utoipa::path(get, path = "/api/v1alpha/orgs/{orgref}", tag = "orgs",
    responses((status = 200, description = "The organization.", body = Organization)))]
pub(super) async fn one(Opened(actions): Opened<Actions>, Segment(org): Segment<1>) -> Reply {
    Ok(ok(&actions.org(&org).await?))
}

/// Makes an organization, with a root project group and perhaps an owner.
#[utoipa::path(post, path = "/api/v1alpha/orgs", tag = "orgs", request_body = CreateOrgRequest,
    responses((status = 201, description = "The organization.", body = Organization)))]
pub(super) async fn create(
    Opened(actions): Opened<Actions>,
    audit: Audit,
    Json(request): Json<CreateOrgRequest>,
) -> Reply {
    let org = actions.create_org(&request).await?;
    audit.record("create", "org", &org.id);
    Ok(created(&org))
}

/// Deletes an organization and all that belongs to it.
#[utoipa::path(delete, path = "/api/v1alpha/orgs/{orgref}", tag = "orgs",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(actions): Opened<Actions>,
    Segment(org): Segment<1>,
    audit: Audit,
) -> Reply {
    actions.delete_org(&org).await?;
    audit.record("delete", "org", &org);
    Ok(gone())
}

/// The members of an organization, by name.
#[utoipa::path(get, path = "/api/v1alpha/orgs/{orgref}/members", tag = "orgs",
    responses((status = 200, description = "The members.", body = [OrgMemberResponse])))]
pub(super) async fn members(Opened(actions): Opened<Actions>, Segment(org): Segment<1>) -> Reply {
    Ok(ok(&actions.members(&org).await?))
}

/// Makes a user a member, or gives a member another role.
#[utoipa::path(put, path = "/api/v1alpha/orgs/{orgref}/members/{userref}", tag = "orgs",
    request_body = AddOrgMemberRequest,
    responses((status = 201, description = "The membership.", body = OrganizationMember)))]
pub(super) async fn put_member(
    Opened(actions): Opened<Actions>,
    Segment(org): Segment<1>,
    Segment(user): Segment<3>,
    audit: Audit,
    Json(request): Json<AddOrgMemberRequest>,
) -> Reply {
    let member = actions.put_member(&org, &user, &request).await?;
    audit.record("update", "member", &member.id);
    Ok(created(&member))
}

/// Ends a membership.
#[utoipa::path(delete, path = "/api/v1alpha/orgs/{orgref}/members/{userref}", tag = "orgs",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_member(
    Opened(actions): Opened<Actions>,
    Segment(org): Segment<1>,
    Segment(user): Segment<3>,
    audit: Audit,
) -> Reply {
    actions.delete_member(&org, &user).await?;
    audit.record("delete", "member", &format!("{org}/{user}"));
    Ok(gone())
}
