//! Secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::api::json::optional;

use super::{Parent, SecretType};

/// A secret of a project or a project group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Secret {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Unique among the secrets of its parent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it lies in.
    pub parent: Parent,
    /// Where its data is.
    #[serde(
        rename = "type",
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<SecretType>,
    /// The values, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// Not used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_provider_id: String,
    /// Not used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// A secret and the path of its parent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SecretResponse {
    /// The secret.
    #[serde(flatten)]
    pub secret: Secret,
    /// The path of its parent.
    #[serde(rename = "ParentPath")]
    pub parent_path: String,
}

/// Asks for a new secret, or replaces what one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateUpdateSecretRequest {
    /// The name.
    pub name: String,
    /// `internal`.
    #[serde(
        deserialize_with = "optional",
        rename = "Type",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<SecretType>,
    /// The values, by key.
    pub data: BTreeMap<String, String>,
    /// Not used.
    #[serde(rename = "SecretProviderID")]
    pub secret_provider_id: String,
    /// Not used.
    pub path: String,
}
