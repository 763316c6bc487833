//! Remote sources.

use serde::{Deserialize, Serialize};
use service::api::json::{is_false, optional};

use super::{AuthType, RemoteSourceType};

/// A place outside that has repositories and users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RemoteSource {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Unique among remote sources.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where its API is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub apiurl: String,
    /// Whether its certificate is trusted whatever it is.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_verify: bool,
    /// What product it is.
    #[serde(
        rename = "type",
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<RemoteSourceType>,
    /// How users sign in there.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<AuthType>,
    /// For OAuth2.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_id: String,
    /// For OAuth2.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_secret: String,
    /// The key of its SSH host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ssh_host_key: String,
    /// Whether that host is trusted whatever its key.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_ssh_host_key_check: bool,
    /// Whether users can register through it. Not set counts as yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_enabled: Option<bool>,
    /// Whether users can sign in through it. Not set counts as yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_enabled: Option<bool>,
}

/// Asks for a new remote source, or replaces what one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateUpdateRemoteSourceRequest {
    /// The name.
    pub name: String,
    /// Where its API is.
    #[serde(rename = "APIURL")]
    pub apiurl: String,
    /// Whether its certificate is trusted whatever it is.
    pub skip_verify: bool,
    /// What product it is.
    #[serde(
        rename = "Type",
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<RemoteSourceType>,
    /// How users sign in there.
    #[serde(deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<AuthType>,
    /// For OAuth2.
    #[serde(rename = "Oauth2ClientID")]
    pub oauth2_client_id: String,
    /// For OAuth2.
    #[serde(rename = "Oauth2ClientSecret")]
    pub oauth2_client_secret: String,
    /// The key of its SSH host.
    #[serde(rename = "SSHHostKey")]
    pub ssh_host_key: String,
    /// Whether that host is trusted whatever its key.
    #[serde(rename = "SkipSSHHostKeyCheck")]
    pub skip_ssh_host_key_check: bool,
    /// Whether users can register through it. Not set counts as yes.
    pub registration_enabled: Option<bool>,
    /// Whether users can sign in through it. Not set counts as yes.
    pub login_enabled: Option<bool>,
}
