//! Users, their linked accounts and their tokens.

use service::Opened;

use super::parts::{Forced, Parameters, Reply, Segment, Sent, created, gone, ok, page};
use crate::actions::Gateway;
use crate::api::{
    CreateRunResponse, CreateUserLaRequest, CreateUserLaResponse, CreateUserRequest,
    CreateUserTokenRequest, CreateUserTokenResponse, RemoteRepoResponse, UserCreateRunRequest,
    UserOrgResponse, UserResponse,
};

/// The user whose token is shown.
#[utoipa::path(get, path = "/api/v1alpha/user", tag = "users", responses((status = 200, description = "The answer.", body = UserResponse)))]
pub(super) async fn current(Opened(gateway): Opened<Gateway>, who: Forced) -> Reply {
    let answer = gateway.current_user(&who.caller).await?;
    Ok(ok(&answer))
}

/// A user by id or name.
#[utoipa::path(get, path = "/api/v1alpha/users/{userref}", tag = "users", responses((status = 200, description = "The answer.", body = UserResponse)))]
pub(super) async fn one(
    Opened(gateway): Opened<Gateway>,
    _who: Forced,
    Segment(user): Segment<1>,
) -> Reply {
    let answer = gateway.user(&user).await?;
    Ok(ok(&answer))
}

/// A page of users, for an administrator.
#[utoipa::path(get, path = "/api/v1alpha/users", tag = "users", params(
    ("start" = Option<String>, Query, description = "Begins behind this name."),
    ("limit" = Option<u64>, Query, description = "At most so many, and not more than 20."),
    ("asc" = Option<String>, Query, description = "Rising instead of falling; only its presence counts."),
), responses((status = 200, description = "The answer.", body = [UserResponse])))]
pub(super) async fn list(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    parameters: Parameters,
) -> Reply {
    let answer = gateway.users(&who.caller, &page(&parameters)?).await?;
    Ok(ok(&answer))
}

/// Makes a user, for an administrator.
#[utoipa::path(post, path = "/api/v1alpha/users", tag = "users", request_body = CreateUserRequest, responses((status = 201, description = "The answer.", body = UserResponse)))]
pub(super) async fn create(
    Opened(gateway): Opened<Gateway>,
    Sent { who, body }: Sent<CreateUserRequest>,
) -> Reply {
    let answer = gateway.create_user(&who.caller, &body).await?;
    who.record("create", "user", &answer.id);
    Ok(created(&answer))
}

/// Deletes a user and all that belongs to it, for an administrator.
#[utoipa::path(delete, path = "/api/v1alpha/users/{userref}", tag = "users", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(user): Segment<1>,
) -> Reply {
    gateway.delete_user(&who.caller, &user).await?;
    who.record("delete", "user", &user);
    Ok(gone())
}

/// The organizations of the user whose token is shown.
#[utoipa::path(get, path = "/api/v1alpha/user/orgs", tag = "users", responses((status = 200, description = "The answer.", body = [UserOrgResponse])))]
pub(super) async fn orgs(Opened(gateway): Opened<Gateway>, who: Forced) -> Reply {
    let answer = gateway.user_organizations(&who.caller).await?;
    Ok(ok(&answer))
}

/// Makes runs of a definition for the user whose token is shown.
#[utoipa::path(post, path = "/api/v1alpha/user/createrun", tag = "users", request_body = UserCreateRunRequest, responses((status = 201, description = "The answer.", body = CreateRunResponse)))]
pub(super) async fn create_run(
    Opened(gateway): Opened<Gateway>,
    Sent { who, body }: Sent<UserCreateRunRequest>,
) -> Reply {
    let answer = gateway.create_user_runs(&who.caller, &body).await?;
    who.record(
        "create",
        "runs of user",
        who.caller.user_id().unwrap_or_default(),
    );
    Ok(created(&answer))
}

/// The repositories that the user has at a remote source. Needs a git provider.
#[utoipa::path(get, path = "/api/v1alpha/user/remoterepos/{remotesourceref}", tag = "users", responses((status = 200, description = "The answer.", body = [RemoteRepoResponse])))]
pub(super) async fn remote_repositories(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(source): Segment<2>,
) -> Reply {
    gateway.remote_repositories(&who.caller, &source).await?;
    let answer: Vec<RemoteRepoResponse> = Vec::new();
    Ok(ok(&answer))
}

/// Links an account at a remote source. Needs a git provider.
#[utoipa::path(post, path = "/api/v1alpha/users/{userref}/linkedaccounts", tag = "users", request_body = CreateUserLaRequest, responses((status = 201, description = "The answer.", body = CreateUserLaResponse)))]
pub(super) async fn create_linked_account(
    Opened(gateway): Opened<Gateway>,
    Segment(user): Segment<1>,
    Sent { who, body }: Sent<CreateUserLaRequest>,
) -> Reply {
    gateway
        .create_linked_account(&who.caller, &user, &body)
        .await?;
    let answer = CreateUserLaResponse::default();
    Ok(created(&answer))
}

/// Removes a linked account.
#[utoipa::path(delete, path = "/api/v1alpha/users/{userref}/linkedaccounts/{laid}", tag = "users", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_linked_account(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(user): Segment<1>,
    Segment(account): Segment<3>,
) -> Reply {
    gateway
        .delete_linked_account(&who.caller, &user, &account)
        .await?;
    who.record("delete", "linked account", &account);
    Ok(gone())
}

/// Makes a token. Its value is told here and never again.
#[utoipa::path(post, path = "/api/v1alpha/users/{userref}/tokens", tag = "users", request_body = CreateUserTokenRequest, responses((status = 201, description = "The answer.", body = CreateUserTokenResponse)))]
pub(super) async fn create_token(
    Opened(gateway): Opened<Gateway>,
    Segment(user): Segment<1>,
    Sent { who, body }: Sent<CreateUserTokenRequest>,
) -> Reply {
    let answer = gateway.create_token(&who.caller, &user, &body).await?;
    who.record("create", "token", &format!("{user}/{}", body.token_name));
    Ok(created(&answer))
}

/// Removes a token.
#[utoipa::path(delete, path = "/api/v1alpha/users/{userref}/tokens/{tokenname}", tag = "users", responses((status = 204, description = "It is gone.")))]
pub(super) async fn remove_token(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    Segment(user): Segment<1>,
    Segment(token): Segment<3>,
) -> Reply {
    gateway.delete_token(&who.caller, &user, &token).await?;
    who.record("delete", "token", &format!("{user}/{token}"));
    Ok(gone())
}
