//! What is stored: document types that nobody outside sees, with their indexes, and conversion to the types of the API.
//!
//! Source: `docs/formats.md`, section "configstore".

mod deletion;
mod organization;
mod project;
mod project_group;
mod remote_source;
mod secret_key;
mod types;
mod user;
mod value;

pub(crate) use deletion::DeletionDocument;
pub(crate) use organization::{MemberDocument, OrganizationDocument};
pub(crate) use project::{ProjectDocument, RepositorySettings, StoredRunDefinition};
pub(crate) use project_group::GroupDocument;
pub(crate) use remote_source::RemoteSourceDocument;
pub(crate) use secret_key::SecretKeyDocument;
pub(crate) use service::{Database, Reading};
pub(crate) use types::{declare_types, wait_for_indexes};
pub(crate) use user::{LinkedAccountDocument, TokenDocument, UserDocument};
pub(crate) use value::{SecretDocument, VariableDocument};

use crate::api::{ConfigType, Parent};

/// What an object lies in, as it is stored: always an id.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct StoredParent {
    #[serde(rename = "type")]
    pub(crate) kind: ConfigType,
    pub(crate) id: String,
}

impl StoredParent {
    pub(crate) fn new(kind: ConfigType, id: impl Into<String>) -> StoredParent {
        StoredParent {
            kind,
            id: id.into(),
        }
    }

    /// How it stands in indexes.
    pub(crate) fn key(&self) -> (&'static str, &str) {
        (self.kind.as_str(), &self.id)
    }

    pub(crate) fn to_api(&self) -> Parent {
        Parent::new(self.kind, self.id.clone())
    }
}

/// The key of an object with a name under a parent.
pub(crate) fn child_key(parent: &StoredParent, name: &str) -> (&'static str, String, String) {
    (parent.kind.as_str(), parent.id.clone(), name.to_owned())
}
