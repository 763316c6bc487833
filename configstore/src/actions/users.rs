//! Users.

use datamanager::{Document, Query, Transaction};

use super::{Actions, Page, check_name, place};
use crate::Error;
use crate::api::{
    ConfigType, CreateUserRequest, UpdateUserRequest, User, UserOrgsResponse, Visibility,
};
use crate::error::{exists, unknown};
use crate::secrets::{new_id, new_secret, token_hash};
use crate::store::{
    GroupDocument, LinkedAccountDocument, MemberDocument, OrganizationDocument, Reading,
    StoredParent, TokenDocument, UserDocument,
};

/// Asks for one user by something that belongs to it.
#[derive(Clone, Debug)]
pub(crate) enum UserQuery {
    Token(String),
    LinkedAccount(String),
    RemoteUser {
        remote_user_id: String,
        remote_source_id: String,
    },
}

pub(super) fn unknown_user(reference: &str) -> Error {
    unknown(format!("there is no user {reference:?}"))
}

impl Actions {
    pub(crate) async fn user(&self, reference: &str) -> Result<User, Error> {
        let mut reader = self.snapshot();
        let user = place::user(&mut reader, reference).await?;
        let user =
            user.ok_or_else(|| Error::not_found(format!("there is no user {reference:?}")))?;
        self.whole_user(&mut reader, &user).await
    }

    pub(crate) async fn users(&self, page: &Page) -> Result<Vec<User>, Error> {
        let mut reader = self.snapshot();
        let mut users = Vec::new();
        for user in reader.list::<UserDocument>(&page.query("name")).await? {
            users.push(self.whole_user(&mut reader, &user).await?);
        }
        Ok(users)
    }

    pub(crate) async fn find_user(&self, query: &UserQuery) -> Result<User, Error> {
        let mut reader = self.snapshot();
        let user = match query {
            UserQuery::Token(token) => {
                let token = reader.get::<TokenDocument>(&token_hash(token)).await?;
                match token {
                    Some(token) => reader.get::<UserDocument>(&token.user_id).await?,
                    None => None,
                }
            }
            UserQuery::LinkedAccount(id) => {
                let account = reader.get::<LinkedAccountDocument>(id).await?;
                match account {
                    Some(account) => reader.get::<UserDocument>(&account.user_id).await?,
                    None => None,
                }
            }
            UserQuery::RemoteUser {
                remote_user_id,
                remote_source_id,
            } => remote_user(&mut reader, remote_source_id, remote_user_id).await?,
        };
        let user = user.ok_or_else(|| Error::not_found("there is no such user"))?;
        self.whole_user(&mut reader, &user).await
    }

    /// What a user looks like to others.
    pub(super) async fn whole_user(
        &self,
        reader: &mut impl Reading,
        user: &UserDocument,
    ) -> Result<User, Error> {
        let accounts = Query::by("user").equal(user.id.as_str());
        let accounts = reader.list::<LinkedAccountDocument>(&accounts).await?;
        let tokens = Query::by("user_name").equal(user.id.as_str());
        let tokens = reader.list::<TokenDocument>(&tokens).await?;
        user.to_api(&accounts, &tokens, self.keyring())
    }

    pub(crate) async fn create_user(&self, request: &CreateUserRequest) -> Result<User, Error> {
        check_name(&request.user_name)?;
        self.database
            .write(|mut transaction| async move {
                self.create_user_in(&mut transaction, request).await
            })
            .await
    }

    async fn create_user_in(
        &self,
        transaction: &mut Transaction,
        request: &CreateUserRequest,
    ) -> Result<User, Error> {
        let name = &request.user_name;
        check_user_name_is_free(transaction, name).await?;
        self.note_key(transaction).await?;
        let id = new_id();
        let secret = new_secret()?;
        let user = UserDocument {
            secret: self
                .keyring
                .seal(UserDocument::field(&id, "secret"), &secret)?,
            id,
            name: name.clone(),
            password: Default::default(),
            admin: false,
        };
        let mut accounts = Vec::new();
        if let Some(request) = &request.create_user_la_request {
            accounts.push(self.new_linked_account(transaction, &user, request).await?);
        }
        transaction.put(&user)?;
        transaction.put(&root_group(ConfigType::User, &user.id, Visibility::Public))?;
        user.to_api(&accounts, &[], self.keyring())
    }

    pub(crate) async fn update_user(
        &self,
        reference: &str,
        request: &UpdateUserRequest,
    ) -> Result<User, Error> {
        if !request.user_name.is_empty() {
            check_name(&request.user_name)?;
        }
        self.database
            .write(|mut transaction| async move {
                let user = place::user(&mut transaction, reference).await?;
                let mut user = user.ok_or_else(|| unknown_user(reference))?;
                if !request.user_name.is_empty() && request.user_name != user.name {
                    check_user_name_is_free(&mut transaction, &request.user_name).await?;
                    user.name.clone_from(&request.user_name);
                    transaction.put(&user)?;
                }
                self.whole_user(&mut transaction, &user).await
            })
            .await
    }

    pub(crate) async fn delete_user(&self, reference: &str) -> Result<(), Error> {
        self.delete_tree(async |transaction: &mut Transaction| {
            let user = place::user(transaction, reference).await?;
            let user = user.ok_or_else(|| unknown_user(reference))?;
            transaction.delete::<UserDocument>(user.id())?;
            Ok(StoredParent::new(ConfigType::User, user.id))
        })
        .await
    }

    /// The organizations of a user, by name.
    pub(crate) async fn user_orgs(&self, reference: &str) -> Result<Vec<UserOrgsResponse>, Error> {
        let mut reader = self.snapshot();
        let user = place::user(&mut reader, reference).await?;
        let user =
            user.ok_or_else(|| Error::not_found(format!("there is no user {reference:?}")))?;
        let memberships = Query::by("user").equal(user.id.as_str());
        let mut orgs = Vec::new();
        for member in reader.list::<MemberDocument>(&memberships).await? {
            // One that is gone may leave memberships for a moment.
            let org = reader
                .get::<OrganizationDocument>(&member.organization_id)
                .await?;
            if let Some(org) = org {
                orgs.push(UserOrgsResponse {
                    organization: org.to_api(),
                    role: Some(member.role),
                });
            }
        }
        orgs.sort_by(|one, other| one.organization.name.cmp(&other.organization.name));
        Ok(orgs)
    }
}

/// The group that a new owner begins with.
pub(super) fn root_group(
    kind: ConfigType,
    owner_id: &str,
    visibility: Visibility,
) -> GroupDocument {
    GroupDocument {
        id: new_id(),
        name: String::new(),
        parent: StoredParent::new(kind, owner_id),
        visibility,
    }
}

async fn check_user_name_is_free(transaction: &mut Transaction, name: &str) -> Result<(), Error> {
    match place::by_name::<UserDocument>(transaction, name).await? {
        Some(_) => Err(exists(format!(
            "a user with the name {name:?} exists already"
        ))),
        None => Ok(()),
    }
}

/// The user who has an account of a remote user linked.
pub(super) async fn remote_user(
    reader: &mut impl Reading,
    remote_source_id: &str,
    remote_user_id: &str,
) -> Result<Option<UserDocument>, Error> {
    if remote_source_id.len().max(remote_user_id.len()) > crate::names::NAME_BYTES_MAX {
        return Ok(None);
    }
    let accounts = Query::by("remote_user").equal((remote_source_id, remote_user_id));
    for account in reader.list::<LinkedAccountDocument>(&accounts).await? {
        // The account of a user who is gone may stay for a moment.
        if let Some(user) = reader.get::<UserDocument>(&account.user_id).await? {
            return Ok(Some(user));
        }
    }
    Ok(None)
}
