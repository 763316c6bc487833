//! Users, their linked accounts and their tokens.

use datamanager::{Document, Indexes};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::api::{LinkedAccount, Time, User};
use crate::secrets::{Field, Keyring, Sealed};

/// A user. Linked accounts and tokens are documents of their own, so that they can be found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UserDocument {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: Sealed,
    /// Only imports bring one.
    #[serde(default, skip_serializing_if = "Sealed::is_empty")]
    pub(crate) password: Sealed,
    #[serde(default)]
    pub(crate) admin: bool,
}

impl Document for UserDocument {
    const TYPE: &'static str = "user";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<UserDocument> {
        Indexes::<UserDocument>::new().unique("name", |user| user.name.clone())
    }
}

impl UserDocument {
    pub(crate) fn field<'a>(id: &'a str, name: &'a str) -> Field<'a> {
        Field {
            data_type: UserDocument::TYPE,
            id,
            name,
        }
    }

    /// With what belongs to it.
    pub(crate) fn to_api(
        &self,
        accounts: &[LinkedAccountDocument],
        tokens: &[TokenDocument],
        keyring: &Keyring,
    ) -> Result<User, Error> {
        let accounts = accounts
            .iter()
            .map(|account| Ok((account.id.clone(), account.to_api(keyring)?)));
        let tokens = tokens
            .iter()
            .map(|token| (token.name.clone(), String::new()));
        Ok(User {
            id: self.id.clone(),
            name: self.name.clone(),
            secret: keyring.open(UserDocument::field(&self.id, "secret"), &self.secret)?,
            linked_accounts: accounts.collect::<Result<_, Error>>()?,
            tokens: tokens.collect(),
            admin: self.admin,
        })
    }
}

/// An account of a user at a remote source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LinkedAccountDocument {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) remote_source_id: String,
    pub(crate) remote_user_id: String,
    pub(crate) remote_user_name: String,
    #[serde(default)]
    pub(crate) avatar_url: String,
    pub(crate) user_access_token: Sealed,
    pub(crate) oauth2_access_token: Sealed,
    pub(crate) oauth2_refresh_token: Sealed,
    pub(crate) oauth2_access_token_expires_at: Time,
}

impl Document for LinkedAccountDocument {
    const TYPE: &'static str = "linkedaccount";

    fn id(&self) -> &str {
        &self.id
    }

    /// That a remote user is linked once is seen to when an account is made, not by an index: an update may make it untrue,
    /// as in agola.
    fn indexes() -> Indexes<LinkedAccountDocument> {
        Indexes::<LinkedAccountDocument>::new()
            .index("user", |account| account.user_id.clone())
            .index("remote_user", |account| {
                (
                    account.remote_source_id.clone(),
                    account.remote_user_id.clone(),
                )
            })
    }
}

impl LinkedAccountDocument {
    pub(crate) fn field<'a>(id: &'a str, name: &'a str) -> Field<'a> {
        Field {
            data_type: LinkedAccountDocument::TYPE,
            id,
            name,
        }
    }

    pub(crate) fn to_api(&self, keyring: &Keyring) -> Result<LinkedAccount, Error> {
        let open =
            |name, sealed| keyring.open(LinkedAccountDocument::field(&self.id, name), sealed);
        Ok(LinkedAccount {
            id: self.id.clone(),
            remote_user_id: self.remote_user_id.clone(),
            remote_username: self.remote_user_name.clone(),
            remote_user_avatar_url: self.avatar_url.clone(),
            remote_source_id: self.remote_source_id.clone(),
            user_access_token: open("user_access_token", &self.user_access_token)?,
            oauth2_access_token: open("oauth2_access_token", &self.oauth2_access_token)?,
            oauth2_refresh_token: open("oauth2_refresh_token", &self.oauth2_refresh_token)?,
            oauth_2_access_token_expires_at: self.oauth2_access_token_expires_at,
        })
    }
}

/// A token of a user, under the hash of its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenDocument {
    /// The SHA-256 of the token.
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) name: String,
}

impl Document for TokenDocument {
    const TYPE: &'static str = "usertoken";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<TokenDocument> {
        Indexes::<TokenDocument>::new().unique("user_name", |token| {
            (token.user_id.clone(), token.name.clone())
        })
    }
}
