//! Users, organizations and remote sources.

use configstore::api as store;

use crate::api::{
    LinkedAccountSummary, OrgMemberResponse, OrgResponse, RemoteSourceResponse, UserOrgResponse,
    UserResponse,
};

pub(crate) fn user(user: store::User) -> UserResponse {
    UserResponse {
        id: user.id,
        username: user.name,
        // A map is in the order of its keys.
        tokens: user.tokens.into_keys().collect(),
        linked_accounts: user
            .linked_accounts
            .into_values()
            .map(linked_account_summary)
            .collect(),
    }
}

fn linked_account_summary(account: store::LinkedAccount) -> LinkedAccountSummary {
    LinkedAccountSummary {
        id: account.id,
        remote_source_id: account.remote_source_id,
        remote_user_name: account.remote_username,
        remote_user_avatar_url: account.remote_user_avatar_url,
    }
}

pub(crate) fn organization(organization: store::Organization) -> OrgResponse {
    OrgResponse {
        id: organization.id,
        name: organization.name,
        visibility: organization.visibility.map(Into::into),
    }
}

pub(crate) fn user_organization(found: store::UserOrgsResponse) -> UserOrgResponse {
    UserOrgResponse {
        organization: organization(found.organization),
        role: found.role.map(Into::into),
    }
}

pub(crate) fn member(found: store::OrgMemberResponse) -> OrgMemberResponse {
    OrgMemberResponse {
        user: user(found.user),
        role: found.role.map(Into::into),
    }
}

pub(crate) fn remote_source(source: store::RemoteSource) -> RemoteSourceResponse {
    let auth_type = source.auth_type.map(|auth_type| auth_type.as_str());
    RemoteSourceResponse {
        id: source.id,
        name: source.name,
        auth_type: auth_type.unwrap_or_default().to_owned(),
        // Not set counts as yes.
        registration_enabled: source.registration_enabled.unwrap_or(true),
        login_enabled: source.login_enabled.unwrap_or(true),
    }
}
