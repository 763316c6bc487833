//! Users, their linked accounts and their tokens.

use service::Error;
use service::client::Path;

use super::{Client, ListOptions};
use crate::api::{
    CreateUserLaRequest, CreateUserRequest, CreateUserTokenRequest, CreateUserTokenResponse,
    LinkedAccount, UpdateUserLaRequest, UpdateUserRequest, User, UserOrgsResponse,
};

impl Client {
    /// A user by id or name.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn user(&self, user: &str) -> Result<User, Error> {
        self.base.get(&Path::of(["users", user])).await
    }

    /// A page of users.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn users(&self, options: &ListOptions) -> Result<Vec<User>, Error> {
        self.base.get(&options.apply(Path::of(["users"]))).await
    }

    /// The user that a token belongs to.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn user_by_token(&self, token: &str) -> Result<User, Error> {
        let path = Path::of(["users"]).query("query_type", "bytoken");
        self.one_user(path.query("token", token)).await
    }

    /// The user that has a linked account.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn user_by_linked_account(&self, account_id: &str) -> Result<User, Error> {
        let path = Path::of(["users"]).query("query_type", "bylinkedaccount");
        self.one_user(path.query("linkedaccountid", account_id))
            .await
    }

    /// The user that has an account of a user of a remote source.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn user_by_remote_user(
        &self,
        remote_user_id: &str,
        remote_source_id: &str,
    ) -> Result<User, Error> {
        let path = Path::of(["users"]).query("query_type", "byremoteuser");
        let path = path.query("remoteuserid", remote_user_id);
        self.one_user(path.query("remotesourceid", remote_source_id))
            .await
    }

    async fn one_user(&self, path: Path) -> Result<User, Error> {
        let users: Vec<User> = self.base.get(&path).await?;
        users
            .into_iter()
            .next()
            .ok_or_else(|| Error::not_found("there is no such user"))
    }

    /// Makes a user.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_user(&self, request: &CreateUserRequest) -> Result<User, Error> {
        self.base.post(&Path::of(["users"]), request).await
    }

    /// Renames a user.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn update_user(
        &self,
        user: &str,
        request: &UpdateUserRequest,
    ) -> Result<User, Error> {
        self.base.put(&Path::of(["users", user]), request).await
    }

    /// Deletes a user and all that belongs to it.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_user(&self, user: &str) -> Result<(), Error> {
        self.base.delete(&Path::of(["users", user])).await
    }

    /// The organizations of a user, by name.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn user_orgs(&self, user: &str) -> Result<Vec<UserOrgsResponse>, Error> {
        self.base.get(&Path::of(["users", user, "orgs"])).await
    }

    /// Links an account at a remote source.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_linked_account(
        &self,
        user: &str,
        request: &CreateUserLaRequest,
    ) -> Result<LinkedAccount, Error> {
        self.base
            .post(&Path::of(["users", user, "linkedaccounts"]), request)
            .await
    }

    /// Replaces what is known of a linked account.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn update_linked_account(
        &self,
        user: &str,
        account_id: &str,
        request: &UpdateUserLaRequest,
    ) -> Result<LinkedAccount, Error> {
        let path = Path::of(["users", user, "linkedaccounts", account_id]);
        self.base.put(&path, request).await
    }

    /// Removes a linked account.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_linked_account(&self, user: &str, account_id: &str) -> Result<(), Error> {
        self.base
            .delete(&Path::of(["users", user, "linkedaccounts", account_id]))
            .await
    }

    /// Makes a token. Its value is told here and never again.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_token(
        &self,
        user: &str,
        request: &CreateUserTokenRequest,
    ) -> Result<CreateUserTokenResponse, Error> {
        self.base
            .post(&Path::of(["users", user, "tokens"]), request)
            .await
    }

    /// Removes a token.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_token(&self, user: &str, token_name: &str) -> Result<(), Error> {
        self.base
            .delete(&Path::of(["users", user, "tokens", token_name]))
            .await
    }
}
