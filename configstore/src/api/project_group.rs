//! Project groups.

use serde::{Deserialize, Serialize};
use service::api::json::optional;

use super::{ConfigType, Parent, Visibility};

/// A project group. A root group has no name; its parent is a user or an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ProjectGroup {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Unique among the groups of its parent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it lies in.
    pub parent: Parent,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

/// Where an object is in the tree of its owner, and what follows from that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct Place {
    /// A user or an organization.
    #[serde(deserialize_with = "optional")]
    pub owner_type: Option<ConfigType>,
    /// The id of the owner.
    #[serde(rename = "OwnerID")]
    pub owner_id: String,
    /// The path of the object.
    pub path: String,
    /// The path of its parent; the same as that of the object for a root group.
    pub parent_path: String,
    /// Private if the object, a group above it, or the organization is private.
    #[serde(deserialize_with = "optional")]
    pub global_visibility: Option<Visibility>,
}

/// A project group and its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ProjectGroupResponse {
    /// The group.
    #[serde(flatten)]
    pub project_group: ProjectGroup,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
}

/// Asks for a new project group, or replaces what one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateUpdateProjectGroupRequest {
    /// The name; empty for a root group alone.
    pub name: String,
    /// What it is to lie in.
    pub parent: Parent,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}
