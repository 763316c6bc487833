//! Tokens of users.

use datamanager::{Document, Transaction};

use super::users::unknown_user;
use super::{Actions, check_length, place};
use crate::Error;
use crate::api::{CreateUserTokenRequest, CreateUserTokenResponse};
use crate::error::{exists, unknown};
use crate::secrets::{new_secret, token_hash};
use crate::store::{Reading, TokenDocument, UserDocument};

impl Actions {
    /// Makes a token, and tells its value this once.
    pub(crate) async fn create_token(
        &self,
        user: &str,
        request: &CreateUserTokenRequest,
    ) -> Result<CreateUserTokenResponse, Error> {
        let name = &request.token_name;
        if name.is_empty() {
            return Err(Error::bad_request("the name of the token is empty"));
        }
        check_length("name of the token", name)?;
        self.database
            .write(|mut transaction| async move {
                let (owner, existing) = user_and_token(&mut transaction, user, name).await?;
                if existing.is_some() {
                    return Err(exists(format!(
                        "user {user:?} has a token with the name {name:?} already"
                    )));
                }
                let token = new_secret()?;
                transaction.put(&TokenDocument {
                    id: token_hash(&token),
                    user_id: owner.id,
                    name: name.clone(),
                })?;
                Ok(CreateUserTokenResponse { token })
            })
            .await
    }

    pub(crate) async fn delete_token(&self, user: &str, name: &str) -> Result<(), Error> {
        self.database
            .write(|mut transaction| async move {
                let (_, existing) = user_and_token(&mut transaction, user, name).await?;
                let token = existing
                    .ok_or_else(|| unknown(format!("user {user:?} has no token {name:?}")))?;
                transaction.delete::<TokenDocument>(token.id())?;
                Ok(())
            })
            .await
    }
}

/// A user, and the token with a name if there is one.
async fn user_and_token(
    transaction: &mut Transaction,
    user: &str,
    name: &str,
) -> Result<(UserDocument, Option<TokenDocument>), Error> {
    let found = place::user(transaction, user).await?;
    let owner = found.ok_or_else(|| unknown_user(user))?;
    if check_length("name of the token", name).is_err() {
        return Ok((owner, None));
    }
    let key = (owner.id.clone(), name.to_owned());
    let token = Reading::find::<TokenDocument>(transaction, "user_name", key).await?;
    Ok((owner, token))
}
