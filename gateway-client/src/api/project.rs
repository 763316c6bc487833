//! Projects.

use super::debug_without_secrets;
use std::collections::BTreeMap;

use super::json::{is_false, null_as_default, optional};
use serde::{Deserialize, Serialize};

use super::{DefinitionFormat, Visibility};

/// What runs are made of: a text in one of the formats of run definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunDefinition {
    /// How it is written.
    #[serde(deserialize_with = "optional")]
    pub format: Option<DefinitionFormat>,
    /// The text.
    pub content: String,
}

/// Asks for a new project. Without a remote source it has no repository: its runs come from definitions that are sent or stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateProjectRequest {
    /// The name.
    pub name: String,
    /// The group that it is to lie in, by id or path. Empty: the caller's own.
    pub parent_ref: String,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// The path of the repository at the remote source.
    pub repo_path: String,
    /// The remote source, by name or id.
    pub remote_source_name: String,
    /// Whether the host is trusted whatever its key.
    pub skip_ssh_host_key_check: bool,
    /// Whether pull requests of forks get the variables.
    pub pass_vars_to_forked_pr: bool,
    /// What runs are made of that bring no definition with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunDefinition>,
}

/// Changes a project: what is not given stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateProjectRequest {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another group that it is to lie in, by id or path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<String>,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Whether pull requests of forks get the variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_vars_to_forked_pr: Option<bool>,
    /// Another stored definition; one whose content is empty takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunDefinition>,
}

/// A project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectResponse {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `user/…` or `org/…`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The path of the group that it lies in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parent_path: String,
    /// Who can see it, if the groups above it can be seen.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Who can see it.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub global_visibility: Option<Visibility>,
    /// Whether pull requests of forks get the variables.
    #[serde(skip_serializing_if = "is_false")]
    pub pass_vars_to_forked_pr: bool,
    /// What runs are made of that bring no definition with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_config: Option<RunDefinition>,
}

/// Asks for runs of a project: exactly one of branch, tag and reference is given.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectCreateRunRequest {
    /// The branch.
    pub branch: String,
    /// The tag.
    pub tag: String,
    /// The whole reference, as `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit.
    pub commit_sha: String,
    /// What the runs are made of. Without it: what is stored in the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<RunDefinition>,
    /// What the commit says.
    pub message: String,
    /// Variables beside those of the project, before which they go.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub variables: BTreeMap<String, String>,
    /// How references of pull requests look; the first group of each is the id.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub pull_request_ref_regexes: Vec<String>,
}

debug_without_secrets!(ProjectCreateRunRequest {
    branch,
    tag,
    reference,
    commit_sha
});
