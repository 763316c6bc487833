//! Signing in and registering through remote sources, which needs a git provider.

use super::debug_without_secrets;
use serde::{Deserialize, Serialize};

use super::UserResponse;

/// Signs in, or asks who somebody is at a remote source.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginUserRequest {
    /// The remote source, by name or id.
    pub remote_source_name: String,
    /// The user's name there.
    pub login_name: String,
    /// The password there.
    pub password: String,
}

/// A user who has signed in, or where the user has to go for it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginUserResponse {
    /// Where to go.
    pub oauth2_redirect: String,
    /// A token for the scheme `bearer`.
    pub token: String,
    /// The user.
    pub user: Option<UserResponse>,
}

/// Who somebody is at a remote source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RemoteUserInfo {
    /// The id there.
    #[serde(rename = "ID")]
    pub id: String,
    /// The name there.
    pub login_name: String,
    /// The address of mail.
    pub email: String,
}

/// Who somebody is at a remote source, or where the user has to go for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorizeResponse {
    /// Where to go.
    pub oauth2_redirect: String,
    /// Who it is.
    pub remote_user_info: Option<RemoteUserInfo>,
    /// The remote source.
    pub remote_source_name: String,
}

/// Asks for a new user with a linked account.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegisterUserRequest {
    /// The name that the user is to have.
    pub username: String,
    /// The remote source, by name or id.
    pub remote_source_name: String,
    /// The user's name there.
    pub remote_source_login_name: String,
    /// The password there.
    pub remote_source_login_password: String,
}

/// Where the user has to go for registering.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegisterUserResponse {
    /// Where to go.
    pub oauth2_redirect: String,
}

/// What has come of going to a remote source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteSourceAuthResult {
    /// `createuserla`, `loginuser`, `authorize` or `registeruser`.
    pub request_type: String,
}

debug_without_secrets!(LoginUserRequest {
    remote_source_name,
    login_name
});

debug_without_secrets!(LoginUserResponse {
    oauth2_redirect,
    user
});

debug_without_secrets!(RegisterUserRequest {
    username,
    remote_source_name,
    remote_source_login_name
});
