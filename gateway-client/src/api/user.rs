//! Users, their linked accounts and their tokens.

use super::debug_without_secrets;
use std::collections::BTreeMap;

use super::json::null_as_default;
use serde::{Deserialize, Serialize};

use super::RunDefinition;

/// Asks for a new user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateUserRequest {
    /// The name.
    pub username: String,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserResponse {
    /// A UUID.
    pub id: String,
    /// The name.
    pub username: String,
    /// The names of the tokens, rising.
    pub tokens: Vec<String>,
    /// The accounts at remote sources.
    pub linked_accounts: Vec<LinkedAccountSummary>,
}

/// An account of a user at a remote source, in a [`UserResponse`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkedAccountSummary {
    /// A UUID.
    pub id: String,
    /// The id of the remote source.
    pub remote_source_id: String,
    /// The user's name there.
    pub remote_user_name: String,
    /// Where a picture of the user is.
    pub remote_user_avatar_url: String,
}

/// An account of a user at a remote source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkedAccountResponse {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The user's id there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_user_id: String,
    /// The user's name there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_username: String,
    /// Where a picture of the user is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_user_avatar_url: String,
    /// The id of the remote source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_source_id: String,
}

/// Asks for a new linked account.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateUserLaRequest {
    /// The remote source, by name or id.
    pub remote_source_name: String,
    /// The user's name there.
    pub remote_source_login_name: String,
    /// The password there.
    pub remote_source_login_password: String,
}

/// A new linked account, or where the user has to go for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateUserLaResponse {
    /// The account.
    pub linked_account: Option<LinkedAccountResponse>,
    /// Where to go.
    pub oauth2_redirect: String,
}

/// Asks for a new token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateUserTokenRequest {
    /// Any name that the user has no token with yet.
    pub token_name: String,
}

/// A new token.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateUserTokenResponse {
    /// Its value, which is told only here.
    pub token: String,
}

/// Asks for runs of the caller: exactly one of branch, tag and reference is given.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserCreateRunRequest {
    /// The repository, as a UUID. What has a definition with it needs none.
    pub repo_uuid: String,
    /// The path of the repository: the id of the user, a slash, and the UUID.
    pub repo_path: String,
    /// The branch.
    pub branch: String,
    /// The tag.
    pub tag: String,
    /// The whole reference, as `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit.
    pub commit_sha: String,
    /// What the commit says.
    pub message: String,
    /// How references of pull requests look; the first group of each is the id.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub pull_request_ref_regexes: Vec<String>,
    /// The variables that the runs have.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub variables: BTreeMap<String, String>,
    /// What the runs are made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<RunDefinition>,
}

debug_without_secrets!(CreateUserLaRequest {
    remote_source_name,
    remote_source_login_name
});

debug_without_secrets!(CreateUserTokenResponse {});

debug_without_secrets!(UserCreateRunRequest {
    branch,
    tag,
    reference,
    commit_sha
});
