//! Signing in and registering through remote sources.

use crate::api::{
    AuthorizeResponse, LoginUserRequest, LoginUserResponse, RegisterUserRequest,
    RegisterUserResponse, RemoteSourceAuthResult,
};
use crate::path::Path;
use crate::{Client, Error};

impl Client {
    /// Signs in.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn login(&self, request: &LoginUserRequest) -> Result<LoginUserResponse, Error> {
        self.post(&Path::of(["auth", "login"]), request).await
    }

    /// Asks who somebody is at a remote source.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn authorize(&self, request: &LoginUserRequest) -> Result<AuthorizeResponse, Error> {
        self.post(&Path::of(["auth", "authorize"]), request).await
    }

    /// Makes a user with a linked account.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn register(
        &self,
        request: &RegisterUserRequest,
    ) -> Result<RegisterUserResponse, Error> {
        self.post(&Path::of(["auth", "register"]), request).await
    }

    /// Brings back what a remote source has sent a browser away with.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn oauth2_callback(
        &self,
        code: &str,
        state: &str,
    ) -> Result<RemoteSourceAuthResult, Error> {
        let path = Path::of(["auth", "oauth2", "callback"]);
        self.get(&path.query("code", code).query("state", state))
            .await
    }
}
