//! Linked accounts.

use datamanager::{Document, Transaction};

use super::users::{remote_user, unknown_user};
use super::{Actions, check_length, place};
use crate::Error;
use crate::api::{CreateUserLaRequest, LinkedAccount, UpdateUserLaRequest};
use crate::error::{exists, unknown};
use crate::secrets::new_id;
use crate::store::{LinkedAccountDocument, Reading, RemoteSourceDocument, UserDocument};

impl Actions {
    pub(crate) async fn create_linked_account(
        &self,
        user: &str,
        request: &CreateUserLaRequest,
    ) -> Result<LinkedAccount, Error> {
        self.database
            .write(|mut transaction| async move {
                let found = place::user(&mut transaction, user).await?;
                let user = found.ok_or_else(|| unknown_user(user))?;
                self.note_key(&mut transaction).await?;
                let account = self
                    .new_linked_account(&mut transaction, &user, request)
                    .await?;
                account.to_api(self.keyring())
            })
            .await
    }

    /// Writes a new account of a user, which may be new too.
    pub(super) async fn new_linked_account(
        &self,
        transaction: &mut Transaction,
        user: &UserDocument,
        request: &CreateUserLaRequest,
    ) -> Result<LinkedAccountDocument, Error> {
        let source_name = &request.remote_source_name;
        if source_name.is_empty() {
            return Err(Error::bad_request("the name of the remote source is empty"));
        }
        let source = place::by_name::<RemoteSourceDocument>(transaction, source_name).await?;
        let source =
            source.ok_or_else(|| unknown(format!("there is no remote source {source_name:?}")))?;
        let remote_id = &request.remote_user_id;
        check_length("remote user id", remote_id)?;
        if remote_user(transaction, &source.id, remote_id)
            .await?
            .is_some()
        {
            return Err(exists(format!(
                "the user {remote_id:?} of remote source {source_name:?} is linked already"
            )));
        }
        let mut account = LinkedAccountDocument {
            id: new_id(),
            user_id: user.id.clone(),
            remote_source_id: source.id,
            remote_user_id: String::new(),
            remote_user_name: String::new(),
            avatar_url: String::new(),
            user_access_token: Default::default(),
            oauth2_access_token: Default::default(),
            oauth2_refresh_token: Default::default(),
            oauth2_access_token_expires_at: Default::default(),
        };
        let fields = UpdateUserLaRequest {
            remote_user_id: request.remote_user_id.clone(),
            remote_user_name: request.remote_user_name.clone(),
            user_access_token: request.user_access_token.clone(),
            oauth2_access_token: request.oauth2_access_token.clone(),
            oauth2_refresh_token: request.oauth2_refresh_token.clone(),
            oauth_2_access_token_expires_at: request.oauth_2_access_token_expires_at,
        };
        self.fill_linked_account(&mut account, &fields)?;
        transaction.put(&account)?;
        Ok(account)
    }

    fn fill_linked_account(
        &self,
        account: &mut LinkedAccountDocument,
        request: &UpdateUserLaRequest,
    ) -> Result<(), Error> {
        let id = account.id.clone();
        let seal = |name, clear: &str| {
            self.keyring
                .seal(LinkedAccountDocument::field(&id, name), clear)
        };
        account.remote_user_id.clone_from(&request.remote_user_id);
        account
            .remote_user_name
            .clone_from(&request.remote_user_name);
        account.user_access_token = seal("user_access_token", &request.user_access_token)?;
        account.oauth2_access_token = seal("oauth2_access_token", &request.oauth2_access_token)?;
        account.oauth2_refresh_token = seal("oauth2_refresh_token", &request.oauth2_refresh_token)?;
        account.oauth2_access_token_expires_at = request.oauth_2_access_token_expires_at;
        Ok(())
    }

    pub(crate) async fn update_linked_account(
        &self,
        user: &str,
        account_id: &str,
        request: &UpdateUserLaRequest,
    ) -> Result<LinkedAccount, Error> {
        check_length("remote user id", &request.remote_user_id)?;
        self.database
            .write(|mut transaction| async move {
                let mut account = own_account(&mut transaction, user, account_id).await?;
                let source_id = &account.remote_source_id;
                let source =
                    Reading::get::<RemoteSourceDocument>(&mut transaction, source_id).await?;
                if source.is_none() {
                    return Err(unknown(format!(
                        "the remote source {source_id:?} of the linked account is gone"
                    )));
                }
                self.note_key(&mut transaction).await?;
                self.fill_linked_account(&mut account, request)?;
                transaction.put(&account)?;
                account.to_api(self.keyring())
            })
            .await
    }

    pub(crate) async fn delete_linked_account(
        &self,
        user: &str,
        account_id: &str,
    ) -> Result<(), Error> {
        self.database
            .write(|mut transaction| async move {
                let account = own_account(&mut transaction, user, account_id).await?;
                transaction.delete::<LinkedAccountDocument>(account.id())?;
                Ok(())
            })
            .await
    }
}

/// An account of one user.
async fn own_account(
    transaction: &mut Transaction,
    user: &str,
    account_id: &str,
) -> Result<LinkedAccountDocument, Error> {
    let found = place::user(transaction, user).await?;
    let owner = found.ok_or_else(|| unknown_user(user))?;
    let account = Reading::get::<LinkedAccountDocument>(transaction, account_id).await?;
    let account = account.filter(|account| account.user_id == owner.id);
    account.ok_or_else(|| {
        unknown(format!(
            "user {user:?} has no linked account {account_id:?}"
        ))
    })
}
