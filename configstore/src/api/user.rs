//! Users, their linked accounts and their tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::api::json::is_false;

use super::Time;

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct User {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Unique among users.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// 40 random hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret: String,
    /// By their ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub linked_accounts: BTreeMap<String, LinkedAccount>,
    /// The names of the user's tokens. The values are empty: only hashes of tokens are kept, so nobody can tell them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens: BTreeMap<String, String>,
    /// Whether the user may do everything.
    #[serde(skip_serializing_if = "is_false")]
    pub admin: bool,
}

/// An account of a user at a remote source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct LinkedAccount {
    /// A UUID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The user's id at the remote source.
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
    /// The token of a source with passwords.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_access_token: String,
    /// The token of a source with OAuth2.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub oauth2_access_token: String,
    /// How that is renewed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub oauth2_refresh_token: String,
    /// When it expires.
    pub oauth_2_access_token_expires_at: Time,
}

/// Asks for a new user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CreateUserRequest {
    /// The name.
    pub user_name: String,
    /// A linked account that the user is to have from the start.
    pub create_user_la_request: Option<CreateUserLaRequest>,
}

/// Asks for another name of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct UpdateUserRequest {
    /// The name; empty leaves it as it is.
    pub user_name: String,
}

/// Asks for a new linked account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CreateUserLaRequest {
    /// The name of the remote source.
    pub remote_source_name: String,
    /// The user's id at the remote source.
    pub remote_user_id: String,
    /// The user's name there.
    pub remote_user_name: String,
    /// The token of a source with passwords.
    pub user_access_token: String,
    /// The token of a source with OAuth2.
    pub oauth2_access_token: String,
    /// How that is renewed.
    pub oauth2_refresh_token: String,
    /// When it expires.
    pub oauth_2_access_token_expires_at: Time,
}

/// Replaces what is known of a linked account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct UpdateUserLaRequest {
    /// The user's id at the remote source.
    pub remote_user_id: String,
    /// The user's name there.
    pub remote_user_name: String,
    /// The token of a source with passwords.
    pub user_access_token: String,
    /// The token of a source with OAuth2.
    pub oauth2_access_token: String,
    /// How that is renewed.
    pub oauth2_refresh_token: String,
    /// When it expires.
    pub oauth_2_access_token_expires_at: Time,
}

/// Asks for a new token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CreateUserTokenRequest {
    /// Any name that the user has no token with yet.
    pub token_name: String,
}

/// A new token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CreateUserTokenResponse {
    /// Its value, which is told only here.
    pub token: String,
}
