//! Objects as agola stores them, and the documents that they are here.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::api::{
    ConfigType, Organization, OrganizationMember, Parent, Project, ProjectGroup, RemoteSource,
    Secret, User, Variable,
};
use crate::names::NAME_BYTES_MAX;
use crate::secrets::{Keyring, token_hash};
use crate::store::{
    GroupDocument, LinkedAccountDocument, MemberDocument, OrganizationDocument, ProjectDocument,
    RemoteSourceDocument, RepositorySettings, SecretDocument, StoredParent, StoredRunDefinition,
    TokenDocument, UserDocument, VariableDocument,
};

/// A user with what no route shows.
#[derive(Debug, Default, Serialize)]
pub(super) struct ExportedUser {
    #[serde(flatten)]
    pub(super) user: User,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) password: String,
}

/// What agola has in some of its types and never sets.
const VERSION: &str = "version";

/// Reads an object, and refuses what would be lost.
fn read<T: DeserializeOwned>(data: &Value) -> Result<T, Error> {
    let mut unknown = None;
    let read = serde_ignored::deserialize(data, |path| {
        let path = path.to_string();
        let is_version = path.rsplit('.').next() == Some(VERSION);
        if !(is_version || path == "password") {
            unknown.get_or_insert(path);
        }
    });
    // What the parser says may show the value, which may be secret.
    let read = read.map_err(|_: serde_json::Error| {
        Error::bad_request("a field has a value of another type than in agola v0.7")
    })?;
    match unknown {
        Some(path) => Err(Error::bad_request(format!(
            "the field {path:?} is not known"
        ))),
        None => Ok(read),
    }
}

fn needed<T>(field: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::bad_request(format!("the field {field:?} is missing")))
}

fn bounded(field: &str, value: &str) -> Result<(), Error> {
    match value.len() <= NAME_BYTES_MAX {
        true => Ok(()),
        false => Err(Error::bad_request(format!(
            "the field {field:?} has {} bytes: at most {NAME_BYTES_MAX} are accepted",
            value.len()
        ))),
    }
}

fn name(value: &str) -> Result<(), Error> {
    needed("name", Some(value).filter(|value| !value.is_empty()))?;
    bounded("name", value)
}

fn same_id(outer: &str, inner: &str) -> Result<(), Error> {
    match outer == inner {
        true => Ok(()),
        false => Err(Error::bad_request(format!(
            "the object has the id {inner:?} in its data"
        ))),
    }
}

fn parent(parent: &Parent, accepted: &[ConfigType]) -> Result<StoredParent, Error> {
    let kind = needed("parent.type", parent.kind)?;
    if !accepted.contains(&kind) {
        return Err(Error::bad_request(format!(
            "the parent cannot be of type {kind}"
        )));
    }
    needed("parent.id", Some(()).filter(|()| !parent.id.is_empty()))?;
    bounded("parent.id", &parent.id)?;
    Ok(StoredParent::new(kind, parent.id.clone()))
}

/// A user as its documents.
pub(super) struct UserDocuments {
    pub(super) user: UserDocument,
    pub(super) accounts: Vec<LinkedAccountDocument>,
    pub(super) tokens: Vec<TokenDocument>,
}

pub(super) fn user(id: &str, data: &Value, keyring: &Keyring) -> Result<UserDocuments, Error> {
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Password {
        password: String,
    }
    let user: User = read(data)?;
    let Password { password } = Password::deserialize(data)
        .map_err(|_| Error::bad_request("the field \"password\" is no text"))?;
    same_id(id, &user.id)?;
    name(&user.name)?;
    let field = |name| UserDocument::field(id, name);
    let mut accounts = Vec::new();
    for (account_id, account) in &user.linked_accounts {
        same_id(account_id, &account.id)?;
        bounded("remote_user_id", &account.remote_user_id)?;
        bounded("remote_source_id", &account.remote_source_id)?;
        let seal =
            |name, clear: &str| keyring.seal(LinkedAccountDocument::field(account_id, name), clear);
        accounts.push(LinkedAccountDocument {
            id: account_id.clone(),
            user_id: id.to_owned(),
            remote_source_id: account.remote_source_id.clone(),
            remote_user_id: account.remote_user_id.clone(),
            remote_user_name: account.remote_username.clone(),
            avatar_url: account.remote_user_avatar_url.clone(),
            user_access_token: seal("user_access_token", &account.user_access_token)?,
            oauth2_access_token: seal("oauth2_access_token", &account.oauth2_access_token)?,
            oauth2_refresh_token: seal("oauth2_refresh_token", &account.oauth2_refresh_token)?,
            oauth2_access_token_expires_at: account.oauth_2_access_token_expires_at,
        });
    }
    let mut tokens = Vec::new();
    for (token_name, token) in &user.tokens {
        name(token_name)?;
        // What this service shows in the place of tokens is none.
        needed("tokens", Some(()).filter(|()| !token.is_empty()))?;
        tokens.push(TokenDocument {
            id: token_hash(token),
            user_id: id.to_owned(),
            name: token_name.clone(),
        });
    }
    Ok(UserDocuments {
        user: UserDocument {
            id: id.to_owned(),
            name: user.name.clone(),
            secret: keyring.seal(field("secret"), &user.secret)?,
            password: keyring.seal(field("password"), &password)?,
            admin: user.admin,
        },
        accounts,
        tokens,
    })
}

pub(super) fn org(id: &str, data: &Value) -> Result<OrganizationDocument, Error> {
    let org: Organization = read(data)?;
    same_id(id, &org.id)?;
    name(&org.name)?;
    Ok(OrganizationDocument {
        id: org.id,
        name: org.name,
        visibility: needed("visibility", org.visibility)?,
        creator_user_id: org.creator_user_id,
        created_at: org.created_at,
    })
}

pub(super) fn member(id: &str, data: &Value) -> Result<MemberDocument, Error> {
    let member: OrganizationMember = read(data)?;
    same_id(id, &member.id)?;
    bounded("organization_id", &member.organization_id)?;
    bounded("user_id", &member.user_id)?;
    Ok(MemberDocument {
        id: member.id,
        organization_id: member.organization_id,
        user_id: member.user_id,
        role: needed("member_role", member.member_role)?,
    })
}

pub(super) fn project_group(id: &str, data: &Value) -> Result<GroupDocument, Error> {
    let group: ProjectGroup = read(data)?;
    same_id(id, &group.id)?;
    let accepted = [ConfigType::User, ConfigType::Org, ConfigType::ProjectGroup];
    let parent = parent(&group.parent, &accepted)?;
    match parent.kind {
        ConfigType::ProjectGroup => name(&group.name)?,
        _ if !group.name.is_empty() => {
            return Err(Error::bad_request("a root project group has a name"));
        }
        _ => {}
    }
    Ok(GroupDocument {
        id: group.id,
        name: group.name,
        parent,
        visibility: needed("visibility", group.visibility)?,
    })
}

pub(super) fn project(id: &str, data: &Value, keyring: &Keyring) -> Result<ProjectDocument, Error> {
    let project: Project = read(data)?;
    same_id(id, &project.id)?;
    name(&project.name)?;
    let seal = |name, clear: &str| keyring.seal(ProjectDocument::field(id, name), clear);
    Ok(ProjectDocument {
        parent: parent(&project.parent, &[ConfigType::ProjectGroup])?,
        visibility: needed("visibility", project.visibility)?,
        secret: seal("secret", &project.secret)?,
        webhook_secret: seal("webhook_secret", &project.webhook_secret)?,
        ssh_private_key: seal("ssh_private_key", &project.ssh_private_key)?,
        repository: RepositorySettings {
            config_type: needed(
                "remote_repository_config_type",
                project.remote_repository_config_type,
            )?,
            remote_source_id: project.remote_source_id,
            linked_account_id: project.linked_account_id,
            id: project.repository_id,
            path: project.repository_path,
        },
        id: project.id,
        name: project.name,
        skip_ssh_host_key_check: project.skip_ssh_host_key_check,
        pass_variables_to_forks: project.pass_vars_to_forked_pr,
        run_definition: project.run_config.as_ref().map(StoredRunDefinition::of),
    })
}

pub(super) fn remote_source(
    id: &str,
    data: &Value,
    keyring: &Keyring,
) -> Result<RemoteSourceDocument, Error> {
    let source: RemoteSource = read(data)?;
    same_id(id, &source.id)?;
    name(&source.name)?;
    Ok(RemoteSourceDocument {
        client_secret: keyring.seal(RemoteSourceDocument::field(id), &source.client_secret)?,
        id: source.id,
        name: source.name,
        api_url: source.apiurl,
        skip_verify: source.skip_verify,
        kind: needed("type", source.kind)?,
        auth_type: needed("auth_type", source.auth_type)?,
        client_id: source.client_id,
        ssh_host_key: source.ssh_host_key,
        skip_ssh_host_key_check: source.skip_ssh_host_key_check,
        registration_enabled: source.registration_enabled,
        login_enabled: source.login_enabled,
    })
}

const VALUE_PARENTS: [ConfigType; 2] = [ConfigType::ProjectGroup, ConfigType::Project];

pub(super) fn secret(id: &str, data: &Value, keyring: &Keyring) -> Result<SecretDocument, Error> {
    let secret: Secret = read(data)?;
    same_id(id, &secret.id)?;
    name(&secret.name)?;
    let clear = serde_json::to_string(&secret.data)
        .map_err(|_| Error::internal("the data of a secret cannot be encoded"))?;
    Ok(SecretDocument {
        parent: parent(&secret.parent, &VALUE_PARENTS)?,
        data: keyring.seal(SecretDocument::field(id), &clear)?,
        id: secret.id,
        name: secret.name,
        kind: needed("type", secret.kind)?,
        secret_provider_id: secret.secret_provider_id,
        path: secret.path,
    })
}

pub(super) fn variable(id: &str, data: &Value) -> Result<VariableDocument, Error> {
    let variable: Variable = read(data)?;
    same_id(id, &variable.id)?;
    name(&variable.name)?;
    Ok(VariableDocument {
        parent: parent(&variable.parent, &VALUE_PARENTS)?,
        id: variable.id,
        name: variable.name,
        values: variable.values,
    })
}
