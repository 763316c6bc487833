//! Conditions.

use super::json::{null_as_default, optional};
use serde::{Deserialize, Serialize};

use super::WhenConditionType;

/// Conditions about what a run is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(default)]
pub struct WhenConditions {
    /// One of these must match.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub include: Vec<WhenCondition>,
    /// None of these may match.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub exclude: Vec<WhenCondition>,
}

/// One condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(rename = "match")]
    pub pattern: String,
}
