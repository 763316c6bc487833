//! What an object lies in.

use serde::{Deserialize, Serialize};
use service::api::json::optional;

use super::ConfigType;

/// The object that another lies in. In requests the id may be a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Parent {
    /// What kind of object it is.
    #[serde(
        rename = "type",
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<ConfigType>,
    /// Its id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
}

impl Parent {
    /// The object `id` of a kind.
    pub fn new(kind: ConfigType, id: impl Into<String>) -> Parent {
        Parent {
            kind: Some(kind),
            id: id.into(),
        }
    }

    /// A project group, by id or path.
    pub fn project_group(id_or_path: impl Into<String>) -> Parent {
        Parent::new(ConfigType::ProjectGroup, id_or_path)
    }
}
