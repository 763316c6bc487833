//! Users, their linked accounts and their tokens.

use service::{Audit, Json, Opened};

use super::parts::{Parameters, Reply, Segment, created, gone, ok, page};
use crate::actions::{Actions, UserQuery};
use crate::api::{
    CreateUserLaRequest, CreateUserRequest, CreateUserTokenRequest, CreateUserTokenResponse,
    LinkedAccount, UpdateUserLaRequest, UpdateUserRequest, User, UserOrgsResponse,
};

/// A page of users by name, falling; or, with `query_type`, the one user who has something.
#[utoipa::path(get, path = "/api/v1alpha/users", tag = "users", params(
    ("start" = Option<String>, Query, description = "Begins behind this name."),
    ("limit" = Option<u32>, Query, description = "10 if not given, at most 20; 0 for all."),
    ("asc" = Option<String>, Query, description = "Rising; only its presence counts."),
    ("query_type" = Option<String>, Query, description = "bytoken, bylinkedaccount or byremoteuser."),
    ("token" = Option<String>, Query, description = "For bytoken."),
    ("linkedaccountid" = Option<String>, Query, description = "For bylinkedaccount."),
    ("remoteuserid" = Option<String>, Query, description = "For byremoteuser."),
    ("remotesourceid" = Option<String>, Query, description = "For byremoteuser."),
), responses((status = 200, description = "The users.", body = [User])))]
pub(super) async fn list(Opened(actions): Opened<Actions>, parameters: Parameters) -> Reply {
    let page = page(&parameters)?;
    let value = |name| parameters.value(name).to_owned();
    let query = match parameters.value("query_type") {
        "bytoken" => UserQuery::Token(value("token")),
        "bylinkedaccount" => UserQuery::LinkedAccount(value("linkedaccountid")),
        "byremoteuser" => UserQuery::RemoteUser {
            remote_user_id: value("remoteuserid"),
            remote_source_id: value("remotesourceid"),
        },
        _ => return Ok(ok(&actions.users(&page).await?)),
    };
    Ok(ok(&[actions.find_user(&query).await?]))
}

/// A user by id or name.
#[utoipa::path(get, path = "/api/v1alpha/users/{userref}", tag = "users",
    responses((status = 200, description = "The user.", body = User)))]
pub(super) async fn one(Opened(actions): Opened<Actions>, Segment(user): Segment<1>) -> Reply {
    Ok(ok(&actions.user(&user).await?))
}

/// Makes a user, with a root project group and perhaps a linked account.
#[utoipa::path(post, path = "/api/v1alpha/users", tag = "users", request_body = CreateUserRequest,
    responses((status = 201, description = "The user.", body = User)))]
pub(super) async fn create(
    Opened(actions): Opened<Actions>,
    audit: Audit,
    Json(request): Json<CreateUserRequest>,
) -> Reply {
    let user = actions.create_user(&request).await?;
    audit.record("create", "user", &user.id);
    Ok(created(&user))
}

/// Renames a user.
#[utoipa::path(put, path = "/api/v1alpha/users/{userref}", tag = "users", request_body = UpdateUserRequest,
    responses((status = 201, description = "The user.", body = User)))]
pub(super) async fn update(
    Opened(actions): Opened<Actions>,
    Segment(user): Segment<1>,
    audit: Audit,
    Json(request): Json<UpdateUserRequest>,
) -> Reply {
    let user = actions.update_user(&user, &request).await?;
    audit.record("update", "user", &user.id);
    Ok(created(&user))
}

/// Deletes a user and all that belongs to it.
#[utoipa::path(delete, path = "/api/v1alpha/users/{userref}", tag = "users",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(actions): Opened<Actions>,
    Segment(user): Segment<1>,
    audit: Audit,
) -> Reply {
    actions.delete_user(&user).await?;
    audit.record("delete", "user", &user);
    Ok(gone())
}

/// The organizations of a user, by name.
#[utoipa::path(get, path = "/api/v1alpha/users/{userref}/orgs", tag = "users",
    responses((status = 200, description = "The organizations.", body = [UserOrgsResponse])))]
pub(super) async fn orgs(Opened(actions): Opened<Actions>, Segment(user): Segment<1>) -> Reply {
    Ok(ok(&actions.user_orgs(&user).await?))
}

/// Links an account at a remote source.
#[utoipa::path(post, path = "/api/v1alpha/users/{userref}/linkedaccounts", tag = "users",
    request_body = CreateUserLaRequest,
    responses((status = 201, description = "The account.", body = LinkedAccount)))]
pub(super) async fn create_linked_account(
    Opened(actions): Opened<Actions>,
    Segment(user): Segment<1>,
    audit: Audit,
    Json(request): Json<CreateUserLaRequest>,
) -> Reply {
    let account = actions.create_linked_account(&user, &request).await?;
    audit.record("create", "linked account", &account.id);
    Ok(created(&account))
}

/// Replaces what is known of a linked account.
#[utoipa::path(put, path = "/api/v1alpha/users/{userref}/linkedaccounts/{laid}", tag = "users",
    request_body = UpdateUserLaRequest,
    responses((status = 200, description = "The account.", body = LinkedAccount)))]
pub(super) async fn update_linked_account(
    Opened(actions): Opened<Actions>,
    Segment(user): Segment<1>,
    Segment(account): Segment<3>,
    audit: Audit,
    Json(request): Json<UpdateUserLaRequest>,
) -> Reply {
    let account = actions
        .update_linked_account(&user, &account, &request)
        .await?;
    audit.record("update", "linked account", &account.id);
    Ok(ok(&account))
}

/// Removes a linked account.
#[utoipa::path(delete, path = "/api/v1alpha/users/{userref}/linkedaccounts/{laid}", tag = "users",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_linked_account(
    Opened(actions): Opened<Actions>,
    Segment(user): Segment<1>,
    Segment(account): Segment<3>,
    audit: Audit,
) -> Reply {
    actions.delete_linked_account(&user, &account).await?;
    audit.record("delete", "linked account", &account);
    Ok(gone())
}

/// Makes a token. Its value is told here and never again.
#[utoipa::path(post, path = "/api/v1alpha/users/{userref}/tokens", tag = "users",
    request_body = CreateUserTokenRequest,
    responses((status = 201, description = "The token.", body = CreateUserTokenResponse)))]
pub(super) async fn create_token(
    Opened(actions): Opened<Actions>,
    Segment(user): Segment<1>,
    audit: Audit,
    Json(request): Json<CreateUserTokenRequest>,
) -> Reply {
    let token = actions.create_token(&user, &request).await?;
    audit.record("create", "token", &format!("{user}/{}", request.token_name));
    Ok(created(&token))
}

/// Removes a token.
#[utoipa::path(delete, path = "/api/v1alpha/users/{userref}/tokens/{tokenname}", tag = "users",
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_token(
    Opened(actions): Opened<Actions>,
    Segment(user): Segment<1>,
    Segment(token): Segment<3>,
    audit: Audit,
) -> Reply {
    actions.delete_token(&user, &token).await?;
    audit.record("delete", "token", &format!("{user}/{token}"));
    Ok(gone())
}
