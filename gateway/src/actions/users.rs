//! Users, their linked accounts and their tokens.

use configstore::api::{CreateUserRequest, CreateUserTokenRequest, User};

use super::permissions::check_admin;
use super::{Gateway, Page};
use crate::Error;
use crate::api::{
    self, CreateUserLaRequest, CreateUserTokenResponse, UserOrgResponse, UserResponse,
};
use crate::auth::Caller;
use crate::convert;
use crate::error::{behind, needs_git, unknown_as_not_found};

impl Gateway {
    async fn found_user(&self, reference: &str) -> Result<User, Error> {
        self.configstore().user(reference).await.map_err(behind)
    }

    /// A user whose tokens and accounts the caller may change.
    async fn own_user(&self, caller: &Caller, reference: &str) -> Result<User, Error> {
        let user = self.found_user(reference).await?;
        match caller.is_admin() || caller.is_user(&user.id) {
            true => Ok(user),
            // As it always was, not 403.
            false => Err(Error::bad_request("only the user may do this")),
        }
    }

    pub(crate) async fn current_user(&self, caller: &Caller) -> Result<UserResponse, Error> {
        let id = &caller.calling_user()?.id;
        Ok(convert::user(self.found_user(id).await?))
    }

    pub(crate) async fn user(&self, reference: &str) -> Result<UserResponse, Error> {
        Ok(convert::user(self.found_user(reference).await?))
    }

    pub(crate) async fn users(
        &self,
        caller: &Caller,
        page: &Page,
    ) -> Result<Vec<UserResponse>, Error> {
        check_admin(caller)?;
        let users = self.configstore().users(&page.options()).await;
        let users = users.map_err(behind)?.into_iter();
        Ok(users.map(convert::user).collect())
    }

    pub(crate) async fn create_user(
        &self,
        caller: &Caller,
        request: &api::CreateUserRequest,
    ) -> Result<UserResponse, Error> {
        check_admin(caller)?;
        let request = CreateUserRequest {
            user_name: request.username.clone(),
            create_user_la_request: None,
        };
        let user = self.configstore_for(caller).create_user(&request).await;
        Ok(convert::user(user.map_err(behind)?))
    }

    pub(crate) async fn delete_user(&self, caller: &Caller, reference: &str) -> Result<(), Error> {
        check_admin(caller)?;
        let deleted = self.configstore_for(caller).delete_user(reference).await;
        deleted.map_err(behind)
    }

    pub(crate) async fn user_organizations(
        &self,
        caller: &Caller,
    ) -> Result<Vec<UserOrgResponse>, Error> {
        let id = &caller.calling_user()?.id;
        let organizations = self.configstore().user_orgs(id).await;
        let organizations = organizations.map_err(behind)?.into_iter();
        Ok(organizations.map(convert::user_organization).collect())
    }

    /// Repositories that the caller has at a remote source.
    pub(crate) async fn remote_repositories(
        &self,
        caller: &Caller,
        source: &str,
    ) -> Result<(), Error> {
        let id = &caller.calling_user()?.id;
        let source = self.configstore().remote_source(source).await;
        let source = source.map_err(behind)?;
        let user = self.found_user(id).await?;
        let mut accounts = user.linked_accounts.values();
        match accounts.any(|account| account.remote_source_id == source.id) {
            true => Err(needs_git("a list of remote repositories")),
            false => Err(Error::bad_request("you have no linked account there")),
        }
    }

    pub(crate) async fn create_linked_account(
        &self,
        caller: &Caller,
        reference: &str,
        request: &CreateUserLaRequest,
    ) -> Result<(), Error> {
        let source = self
            .configstore()
            .remote_source(&request.remote_source_name);
        let source = source.await.map_err(behind)?;
        let user = self.found_user(reference).await?;
        if !caller.is_user(&user.id) {
            return Err(Error::bad_request("only the user may link an account"));
        }
        let mut accounts = user.linked_accounts.values();
        if accounts.any(|account| account.remote_source_id == source.id) {
            return Err(Error::bad_request(
                "you have a linked account there already",
            ));
        }
        Err(needs_git("a linked account"))
    }

    pub(crate) async fn delete_linked_account(
        &self,
        caller: &Caller,
        reference: &str,
        account: &str,
    ) -> Result<(), Error> {
        let user = self.own_user(caller, reference).await?;
        let configstore = self.configstore_for(caller);
        let deleted = configstore.delete_linked_account(&user.id, account).await;
        deleted.map_err(behind)
    }

    pub(crate) async fn create_token(
        &self,
        caller: &Caller,
        reference: &str,
        request: &api::CreateUserTokenRequest,
    ) -> Result<CreateUserTokenResponse, Error> {
        let user = self.own_user(caller, reference).await?;
        let request = CreateUserTokenRequest {
            token_name: request.token_name.clone(),
        };
        let configstore = self.configstore_for(caller);
        let token = configstore.create_token(&user.id, &request).await;
        let token = token.map_err(unknown_as_not_found)?.token;
        Ok(CreateUserTokenResponse { token })
    }

    pub(crate) async fn delete_token(
        &self,
        caller: &Caller,
        reference: &str,
        name: &str,
    ) -> Result<(), Error> {
        let user = self.own_user(caller, reference).await?;
        let configstore = self.configstore_for(caller);
        let deleted = configstore.delete_token(&user.id, name).await;
        deleted.map_err(behind)
    }

    /// What goes to a remote source for who somebody is.
    pub(crate) async fn sign_in(&self, source: &str) -> Result<(), Error> {
        if source.is_empty() {
            return Err(Error::bad_request("remote_source_name is missing"));
        }
        let found = self.configstore().remote_source(source).await;
        found.map_err(behind)?;
        Err(needs_git(
            "signing in or registering through a remote source",
        ))
    }
}
