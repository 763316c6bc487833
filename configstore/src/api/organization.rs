//! Organizations and their members.

use serde::{Deserialize, Serialize};
use service::api::json::optional;

use super::{MemberRole, Time, User, Visibility};

/// An organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Organization {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Unique among organizations.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// The user who has made it, if that is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub creator_user_id: String,
    /// When it was made.
    pub created_at: Time,
}

/// A membership of a user in an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct OrganizationMember {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The id of the organization.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub organization_id: String,
    /// The id of the user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_id: String,
    /// What the user may do there.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub member_role: Option<MemberRole>,
}

/// Asks for a new organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateOrgRequest {
    /// The name.
    pub name: String,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// The id or name of a user who becomes an owner, or nothing.
    #[serde(rename = "CreatorUserID")]
    pub creator_user_id: String,
}

/// Makes a user a member, or gives a member another role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct AddOrgMemberRequest {
    /// The role.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
}

/// A member of an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct OrgMemberResponse {
    /// The user.
    pub user: User,
    /// The role.
    #[serde(deserialize_with = "optional")]
    pub role: Option<MemberRole>,
}

/// An organization that a user is a member of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct UserOrgsResponse {
    /// The organization.
    pub organization: Organization,
    /// The role.
    #[serde(deserialize_with = "optional")]
    pub role: Option<MemberRole>,
}
