//! Variables.

use serde::{Deserialize, Serialize};
use service::api::json::optional;

use super::{Parent, WhenConditionType};

/// A variable of a project or a project group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Variable {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Unique among the variables of its parent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it lies in.
    pub parent: Parent,
    /// Of these the first that applies is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<VariableValue>,
}

/// A value that a variable may have: an entry of a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct VariableValue {
    /// The name of a secret, which may not be there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_name: String,
    /// The key in the secret's data.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_var: String,
    /// When the value applies; always if there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

/// Conditions about what a run is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct When {
    /// About the branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<WhenConditions>,
    /// About the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<WhenConditions>,
    /// About the whole reference.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<WhenConditions>,
}

/// What must match, and what must not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct WhenConditions {
    /// One of these must match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<WhenCondition>,
    /// None of these may match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<WhenCondition>,
}

/// One condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct WhenCondition {
    /// How it compares.
    #[serde(
        rename = "type",
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<WhenConditionType>,
    /// What it compares with.
    #[serde(rename = "match", skip_serializing_if = "String::is_empty")]
    pub pattern: String,
}

/// A variable and the path of its parent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct VariableResponse {
    /// The variable.
    #[serde(flatten)]
    pub variable: Variable,
    /// The path of its parent.
    #[serde(rename = "ParentPath")]
    pub parent_path: String,
}

/// Asks for a new variable, or replaces what one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateUpdateVariableRequest {
    /// The name.
    pub name: String,
    /// The values.
    pub values: Vec<VariableValue>,
}
