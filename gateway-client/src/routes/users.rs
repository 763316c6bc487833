//! Users, their tokens and their linked accounts. `user` is an id or a name.

use super::Paging;
use crate::api::{
    CreateRunResponse, CreateUserLaRequest, CreateUserLaResponse, CreateUserRequest,
    CreateUserTokenRequest, CreateUserTokenResponse, RemoteRepoResponse, UserCreateRunRequest,
    UserOrgResponse, UserResponse,
};
use crate::path::Path;
use crate::{Client, Error};

impl Client {
    /// The caller.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn current_user(&self) -> Result<UserResponse, Error> {
        self.get(&Path::of(["user"])).await
    }

    /// The organizations that the caller is a member of.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn current_user_orgs(&self) -> Result<Vec<UserOrgResponse>, Error> {
        self.get(&Path::of(["user", "orgs"])).await
    }

    /// The repositories of the caller at a remote source.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn remote_repositories(
        &self,
        source: &str,
    ) -> Result<Vec<RemoteRepoResponse>, Error> {
        self.get(&Path::of(["user", "remoterepos", source])).await
    }

    /// Makes runs of the caller. A gateway of agola v0.7 does not tell which.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn user_create_run(
        &self,
        request: &UserCreateRunRequest,
    ) -> Result<CreateRunResponse, Error> {
        let path = Path::of(["user", "createrun"]);
        let created: Option<CreateRunResponse> = self.post(&path, request).await?;
        Ok(created.unwrap_or_default())
    }

    /// A user. `user` is an id or a name.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn user(&self, user: &str) -> Result<UserResponse, Error> {
        self.get(&Path::of(["users", user])).await
    }

    /// Users.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn users(&self, paging: &Paging) -> Result<Vec<UserResponse>, Error> {
        self.get(&paging.of(Path::of(["users"]))).await
    }

    /// Makes a user.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn create_user(&self, request: &CreateUserRequest) -> Result<UserResponse, Error> {
        self.post(&Path::of(["users"]), request).await
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_user(&self, user: &str) -> Result<(), Error> {
        self.delete(&Path::of(["users", user])).await
    }

    /// Links an account at a remote source.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn create_linked_account(
        &self,
        user: &str,
        request: &CreateUserLaRequest,
    ) -> Result<CreateUserLaResponse, Error> {
        self.post(&Path::of(["users", user, "linkedaccounts"]), request)
            .await
    }

    /// Removes a linked account.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_linked_account(&self, user: &str, account: &str) -> Result<(), Error> {
        self.delete(&Path::of(["users", user, "linkedaccounts", account]))
            .await
    }

    /// Makes a token, whose value is told only here.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn create_token(
        &self,
        user: &str,
        request: &CreateUserTokenRequest,
    ) -> Result<CreateUserTokenResponse, Error> {
        self.post(&Path::of(["users", user, "tokens"]), request)
            .await
    }

    /// Deletes a token.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_token(&self, user: &str, name: &str) -> Result<(), Error> {
        self.delete(&Path::of(["users", user, "tokens", name]))
            .await
    }
}
