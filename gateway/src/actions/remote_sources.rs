//! Remote sources.

use configstore::api::{AuthType, CreateUpdateRemoteSourceRequest, RemoteSourceType};

use super::permissions::check_admin;
use super::{Gateway, Page};
use crate::Error;
use crate::api::{CreateRemoteSourceRequest, RemoteSourceResponse, UpdateRemoteSourceRequest};
use crate::auth::Caller;
use crate::convert;
use crate::error::{behind, unknown_as_not_found};

impl Gateway {
    pub(crate) async fn remote_source(
        &self,
        reference: &str,
    ) -> Result<RemoteSourceResponse, Error> {
        let source = self.configstore().remote_source(reference).await;
        Ok(convert::remote_source(source.map_err(behind)?))
    }

    pub(crate) async fn remote_sources(
        &self,
        page: &Page,
    ) -> Result<Vec<RemoteSourceResponse>, Error> {
        let sources = self.configstore().remote_sources(&page.options()).await;
        let sources = sources.map_err(behind)?.into_iter();
        Ok(sources.map(convert::remote_source).collect())
    }

    pub(crate) async fn create_remote_source(
        &self,
        caller: &Caller,
        request: &CreateRemoteSourceRequest,
    ) -> Result<RemoteSourceResponse, Error> {
        check_admin(caller)?;
        let request = checked(request)?;
        let configstore = self.configstore_for(caller);
        let source = configstore.create_remote_source(&request).await;
        Ok(convert::remote_source(source.map_err(behind)?))
    }

    pub(crate) async fn update_remote_source(
        &self,
        caller: &Caller,
        reference: &str,
        request: &UpdateRemoteSourceRequest,
    ) -> Result<RemoteSourceResponse, Error> {
        check_admin(caller)?;
        let source = self.configstore().remote_source(reference).await;
        let source = source.map_err(behind)?;
        let text = |new: &Option<String>, old: String| new.clone().unwrap_or(old);
        let changed = CreateUpdateRemoteSourceRequest {
            name: text(&request.name, source.name),
            apiurl: text(&request.apiurl, source.apiurl),
            skip_verify: request.skip_verify.unwrap_or(source.skip_verify),
            kind: source.kind,
            auth_type: source.auth_type,
            oauth2_client_id: text(&request.oauth_2_client_id, source.client_id),
            oauth2_client_secret: text(&request.oauth_2_client_secret, source.client_secret),
            ssh_host_key: text(&request.ssh_host_key, source.ssh_host_key),
            skip_ssh_host_key_check: request
                .skip_ssh_host_key_check
                .unwrap_or(source.skip_ssh_host_key_check),
            registration_enabled: request.registration_enabled.or(source.registration_enabled),
            login_enabled: request.login_enabled.or(source.login_enabled),
        };
        let configstore = self.configstore_for(caller);
        let source = configstore.update_remote_source(&source.id, &changed).await;
        Ok(convert::remote_source(source.map_err(behind)?))
    }

    pub(crate) async fn delete_remote_source(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<(), Error> {
        check_admin(caller)?;
        let configstore = self.configstore_for(caller);
        let deleted = configstore.delete_remote_source(reference).await;
        deleted.map_err(unknown_as_not_found)
    }
}

fn checked(request: &CreateRemoteSourceRequest) -> Result<CreateUpdateRemoteSourceRequest, Error> {
    for (what, value) in [
        ("name", &request.name),
        ("apiurl", &request.apiurl),
        ("type", &request.kind),
        ("auth_type", &request.auth_type),
    ] {
        required(what, value)?;
    }
    let unknown = |cause: service::api::UnknownName| Error::bad_request(cause.to_string());
    let kind: RemoteSourceType = request.kind.parse().map_err(unknown)?;
    let auth_type: AuthType = request.auth_type.parse().map_err(unknown)?;
    if !kind.supports(auth_type) {
        let message = format!("a remote source of type {kind} does not have auth type {auth_type}");
        return Err(Error::bad_request(message));
    }
    if auth_type == AuthType::Oauth2 {
        required("oauth_2_client_id", &request.oauth_2_client_id)?;
        required("oauth_2_client_secret", &request.oauth_2_client_secret)?;
    }
    Ok(CreateUpdateRemoteSourceRequest {
        name: request.name.clone(),
        apiurl: request.apiurl.clone(),
        skip_verify: request.skip_verify,
        kind: Some(kind),
        auth_type: Some(auth_type),
        oauth2_client_id: request.oauth_2_client_id.clone(),
        oauth2_client_secret: request.oauth_2_client_secret.clone(),
        ssh_host_key: request.ssh_host_key.clone(),
        skip_ssh_host_key_check: request.skip_ssh_host_key_check,
        registration_enabled: Some(request.registration_enabled.unwrap_or(true)),
        login_enabled: Some(request.login_enabled.unwrap_or(true)),
    })
}

fn required(what: &str, value: &str) -> Result<(), Error> {
    match value.is_empty() {
        true => Err(Error::bad_request(format!("{what} is missing"))),
        false => Ok(()),
    }
}
