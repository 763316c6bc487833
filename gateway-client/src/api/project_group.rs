//! Project groups.

use super::json::optional;
use serde::{Deserialize, Serialize};

use super::Visibility;

/// Asks for a new project group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateProjectGroupRequest {
    /// The name.
    pub name: String,
    /// The group that it is to lie in, by id or path. Empty: the caller's own.
    pub parent_ref: String,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

/// Changes a project group: what is not given stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateProjectGroupRequest {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another group that it is to lie in, by id or path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<String>,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

/// A project group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectGroupResponse {
    /// A UUID.
    pub id: String,
    /// Empty for the group of a user or of an organization.
    pub name: String,
    /// `user/…` or `org/…`.
    pub path: String,
    /// The path of the group that it lies in.
    pub parent_path: String,
    /// Who can see it, if those above it can be seen.
    #[serde(deserialize_with = "optional")]
    pub visibility: Option<Visibility>,
    /// Who can see it.
    #[serde(deserialize_with = "optional")]
    pub global_visibility: Option<Visibility>,
}
