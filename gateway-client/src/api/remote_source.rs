//! Remote sources.

use super::debug_without_secrets;
use serde::{Deserialize, Serialize};

/// Asks for a new remote source.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateRemoteSourceRequest {
    /// The name.
    pub name: String,
    /// Where its API is.
    pub apiurl: String,
    /// `gitea`, `github` or `gitlab`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `oauth2`, or `password` with Gitea.
    pub auth_type: String,
    /// Whether its certificate is trusted whatever it is.
    pub skip_verify: bool,
    /// For OAuth2.
    pub oauth_2_client_id: String,
    /// For OAuth2.
    pub oauth_2_client_secret: String,
    /// The key of its SSH host.
    pub ssh_host_key: String,
    /// Whether that host is trusted whatever its key.
    pub skip_ssh_host_key_check: bool,
    /// Whether users can register through it. Not given: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_enabled: Option<bool>,
    /// Whether users can sign in through it. Not given: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_enabled: Option<bool>,
}

/// Changes a remote source: what is not given stays as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateRemoteSourceRequest {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where its API is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apiurl: Option<String>,
    /// Whether its certificate is trusted whatever it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_verify: Option<bool>,
    /// For OAuth2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_2_client_id: Option<String>,
    /// For OAuth2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_2_client_secret: Option<String>,
    /// The key of its SSH host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_host_key: Option<String>,
    /// Whether that host is trusted whatever its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_ssh_host_key_check: Option<bool>,
    /// Whether users can register through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_enabled: Option<bool>,
    /// Whether users can sign in through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_enabled: Option<bool>,
}

/// A remote source, as everybody may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteSourceResponse {
    /// A UUID.
    pub id: String,
    /// The name.
    pub name: String,
    /// How users sign in there.
    pub auth_type: String,
    /// Whether users can register through it.
    pub registration_enabled: bool,
    /// Whether users can sign in through it.
    pub login_enabled: bool,
}

/// A repository at a remote source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteRepoResponse {
    /// Its id there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Its path there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
}

debug_without_secrets!(CreateRemoteSourceRequest {
    name,
    apiurl,
    kind,
    auth_type
});

debug_without_secrets!(UpdateRemoteSourceRequest { name, apiurl });
