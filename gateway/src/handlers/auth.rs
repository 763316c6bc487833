//! Signing in and registering through remote sources. All of it needs a git provider.

use service::{Json, Opened};

use super::parts::{Reply, created};
use crate::actions::Gateway;
use crate::api::{
    AuthorizeResponse, LoginUserRequest, LoginUserResponse, RegisterUserRequest,
    RegisterUserResponse,
};

/// Signs in.
#[utoipa::path(post, path = "/api/v1alpha/auth/login", tag = "auth", request_body = LoginUserRequest, responses((status = 201, description = "The answer.", body = LoginUserResponse)))]
pub(super) async fn login(
    Opened(gateway): Opened<Gateway>,
    Json(body): Json<LoginUserRequest>,
) -> Reply {
    gateway.sign_in(&body.remote_source_name).await?;
    let answer = LoginUserResponse::default();
    Ok(created(&answer))
}

/// Asks who somebody is at a remote source.
#[utoipa::path(post, path = "/api/v1alpha/auth/authorize", tag = "auth", request_body = LoginUserRequest, responses((status = 201, description = "The answer.", body = AuthorizeResponse)))]
pub(super) async fn authorize(
    Opened(gateway): Opened<Gateway>,
    Json(body): Json<LoginUserRequest>,
) -> Reply {
    gateway.sign_in(&body.remote_source_name).await?;
    let answer = AuthorizeResponse::default();
    Ok(created(&answer))
}

/// Makes a user with a linked account.
#[utoipa::path(post, path = "/api/v1alpha/auth/register", tag = "auth", request_body = RegisterUserRequest, responses((status = 201, description = "The answer.", body = RegisterUserResponse)))]
pub(super) async fn register(
    Opened(gateway): Opened<Gateway>,
    Json(body): Json<RegisterUserRequest>,
) -> Reply {
    gateway.sign_in(&body.remote_source_name).await?;
    let answer = RegisterUserResponse::default();
    Ok(created(&answer))
}
