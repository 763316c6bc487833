//! Secrets and variables.

use super::debug_without_secrets;
use std::collections::BTreeMap;

use super::json::{null_as_default, optional};
use serde::{Deserialize, Serialize};

use super::{SecretType, When};

/// Asks for a new secret, or replaces one.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretRequest {
    /// The name.
    pub name: String,
    /// `internal`.
    #[serde(
        rename = "type",
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<SecretType>,
    /// The values, by key.
    #[serde(deserialize_with = "null_as_default")]
    pub data: BTreeMap<String, String>,
}

/// A secret, without its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretResponse {
    /// A UUID.
    pub id: String,
    /// The name.
    pub name: String,
    /// The path of what it lies in.
    pub parent_path: String,
}

/// Asks for a new variable, or replaces one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VariableRequest {
    /// The name.
    pub name: String,
    /// Of these the first that applies is taken.
    #[serde(deserialize_with = "null_as_default")]
    pub values: Vec<VariableValueRequest>,
}

/// A value that a variable may have: an entry of a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VariableValueRequest {
    /// The name of a secret.
    pub secret_name: String,
    /// The key in its data.
    pub secret_var: String,
    /// When it applies; always if there is nothing.
    pub when: Option<When>,
}

/// A variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VariableResponse {
    /// A UUID.
    pub id: String,
    /// The name.
    pub name: String,
    /// Of these the first that applies is taken.
    pub values: Vec<VariableValueResponse>,
    /// The path of what it lies in.
    pub parent_path: String,
}

/// A value that a variable may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VariableValueResponse {
    /// The name of a secret.
    pub secret_name: String,
    /// The key in its data.
    pub secret_var: String,
    /// The path of what the secret lies in that is meant; empty if there is none.
    pub matching_secret_parent_path: String,
    /// When it applies; always if there is nothing.
    pub when: Option<When>,
}

debug_without_secrets!(SecretRequest { name, kind });
