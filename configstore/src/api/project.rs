//! Projects.

use serde::{Deserialize, Serialize};
use service::api::json::{is_false, optional};

use super::{Parent, Place, RemoteRepositoryConfigType, Visibility};

/// A project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Project {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Unique among the projects of its group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// 40 random hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret: String,
    /// The group that it lies in.
    pub parent: Parent,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Where its repository is configured.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub remote_repository_config_type: Option<RemoteRepositoryConfigType>,
    /// The id of the remote source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_source_id: String,
    /// The id of the linked account.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub linked_account_id: String,
    /// The repository's id at the remote source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repository_id: String,
    /// The repository's path there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repository_path: String,
    /// A private key, PEM.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ssh_private_key: String,
    /// Whether the host is trusted whatever its key.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_ssh_host_key_check: bool,
    /// 40 random hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub webhook_secret: String,
    /// Whether pull requests of forks get the variables.
    #[serde(skip_serializing_if = "is_false")]
    pub pass_vars_to_forked_pr: bool,
    /// What its runs are made of if they bring no definition with them. agola does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunDefinition>,
}

/// What runs are made of: a text in one of the formats of run definitions. It is not looked into here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RunDefinition {
    /// How it is written: `yaml`, `json`, `jsonnet` or `starlark`.
    pub format: String,
    /// The text.
    pub content: String,
}

/// A project and its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ProjectResponse {
    /// The project.
    #[serde(flatten)]
    pub project: Project,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
}

/// Asks for a new project, or replaces what one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateUpdateProjectRequest {
    /// The name.
    pub name: String,
    /// The group that it is to lie in.
    pub parent: Parent,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Where its repository is configured.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub remote_repository_config_type: Option<RemoteRepositoryConfigType>,
    /// The id of the remote source.
    #[serde(rename = "RemoteSourceID")]
    pub remote_source_id: String,
    /// The id of the linked account.
    #[serde(rename = "LinkedAccountID")]
    pub linked_account_id: String,
    /// The repository's id at the remote source.
    #[serde(rename = "RepositoryID")]
    pub repository_id: String,
    /// The repository's path there.
    pub repository_path: String,
    /// A private key, PEM.
    #[serde(rename = "SSHPrivateKey")]
    pub ssh_private_key: String,
    /// Whether the host is trusted whatever its key.
    #[serde(rename = "SkipSSHHostKeyCheck")]
    pub skip_ssh_host_key_check: bool,
    /// Whether pull requests of forks get the variables.
    #[serde(rename = "PassVarsToForkedPR")]
    pub pass_vars_to_forked_pr: bool,
    /// What its runs are made of if they bring no definition with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunDefinition>,
}
