//! Organizations and their members.

use super::json::optional;
use serde::{Deserialize, Serialize};

use super::{MemberRole, UserResponse, Visibility};

/// Asks for a new organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateOrgRequest {
    /// The name.
    pub name: String,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

/// An organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrgResponse {
    /// A UUID.
    pub id: String,
    /// The name.
    pub name: String,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

/// The members of an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrgMembersResponse {
    /// The organization.
    pub organization: OrgResponse,
    /// Its members.
    pub members: Vec<OrgMemberResponse>,
}

/// A member of an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrgMemberResponse {
    /// The user.
    pub user: UserResponse,
    /// What the user may do there.
    #[serde(deserialize_with = "optional")]
    pub role: Option<MemberRole>,
}

/// Makes a user a member, or gives a member another role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddOrgMemberRequest {
    /// The role.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
}

/// A membership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddOrgMemberResponse {
    /// The organization.
    pub organization: OrgResponse,
    /// The user.
    pub user: UserResponse,
    /// What the user may do there.
    #[serde(deserialize_with = "optional")]
    pub role: Option<MemberRole>,
}

/// An organization that a user is a member of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UserOrgResponse {
    /// The organization.
    pub organization: OrgResponse,
    /// What the user may do there.
    #[serde(deserialize_with = "optional")]
    pub role: Option<MemberRole>,
}
