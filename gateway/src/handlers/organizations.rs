//! Organizations and their members.

use service::Opened;

use super::parts::{Forced, Parameters, Reply, Segment, Sent, created, gone, ok, page};
use crate::actions::Gateway;
use crate::api::{
    AddOrgMemberRequest, AddOrgMemberResponse, CreateOrgRequest, OrgMembersResponse, OrgResponse,
};

/// An organization by id or name.
#[utoipa::path(get, path = "/api/v1alpha/orgs/{orgref}", tag = "orgs", responses((status = 200, description = "The answer.", body = OrgResponse)))]
pub(super) async fn one(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(org): Segment<1>,
) -> Reply {
    let answer = gateway.organization(&who.caller, &org).await?;
    Ok(ok(&answer))
}

/// A page of organizations that the caller may see.
#[utoipa::path(get, path = "/api/v1alpha/orgs", tag = "orgs", params(
    ("start" = Option<String>, Query, description = "Begins behind this name."),
    ("limit" = Option<u64>, Query, description = "At most so many, and not more than 20."),
    ("asc" = Option<String>, Query, description = "Rising instead of falling; only its presence counts."),
), responses((status = 200, description = "The answer.", body = [OrgResponse])))]
pub(super) async fn list(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    parameters: Parameters,
) -> Reply {
    let answer = gateway
        .organizations(&who.caller, &page(&parameters)?)
        .await?;
    Ok(ok(&answer))
}

/// Makes an organization, whose owner the caller is.
#[utoipa::path(post, path = "/api/v1alpha/orgs", tag = "orgs", request_body = CreateOrgRequest, responses((status = 201, description = "The answer.", body = OrgResponse)))]
pub(super) async fn create(
    Opened(gateway): Opened<Gateway>,
    Sent { who, body }: Sent<CreateOrgRequest>,
) -> Reply {
    let answer = gateway.create_organization(&who.caller, &body).await?;
    who.record("create", "org", &answer.id);
    Ok(created(&answer))
}

/// Deletes an organization and all that belongs to it.
#[utoipa::path(delete, path = "/api/v1alpha/orgs/{orgref}", tag = "orgs", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(org): Segment<1>,
) -> Reply {
    let id = gateway.delete_organization(&who.caller, &org).await?;
    who.record("delete", "org", &id);
    Ok(gone())
}

/// The members of an organization.
#[utoipa::path(get, path = "/api/v1alpha/orgs/{orgref}/members", tag = "orgs", responses((status = 200, description = "The answer.", body = OrgMembersResponse)))]
pub(super) async fn members(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(org): Segment<1>,
) -> Reply {
    let answer = gateway.members(&who.caller, &org).await?;
    Ok(ok(&answer))
}

/// Makes a user a member, or gives a member another role.
#[utoipa::path(put, path = "/api/v1alpha/orgs/{orgref}/members/{userref}", tag = "orgs", request_body = AddOrgMemberRequest, responses((status = 200, description = "The answer.", body = AddOrgMemberResponse)))]
pub(super) async fn put_member(
    Opened(gateway): Opened<Gateway>,
    Segment(org): Segment<1>,
    Segment(user): Segment<3>,
    Sent { who, body }: Sent<AddOrgMemberRequest>,
) -> Reply {
    let answer = gateway.put_member(&who.caller, &org, &user, &body).await?;
    who.record(
        "update",
        "org member",
        &format!("{}/{}", answer.organization.id, answer.user.id),
    );
    Ok(ok(&answer))
}

/// Ends a membership.
#[utoipa::path(delete, path = "/api/v1alpha/orgs/{orgref}/members/{userref}", tag = "orgs", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_member(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(org): Segment<1>,
    Segment(user): Segment<3>,
) -> Reply {
    gateway.delete_member(&who.caller, &org, &user).await?;
    who.record("delete", "org member", &format!("{org}/{user}"));
    Ok(gone())
}
