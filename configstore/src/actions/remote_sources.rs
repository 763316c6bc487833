//! Remote sources.

use datamanager::{Document, Transaction};

use super::{Actions, Page, check_name, place, required};
use crate::Error;
use crate::api::{AuthType, CreateUpdateRemoteSourceRequest, RemoteSource, RemoteSourceType};
use crate::error::{exists, unknown};
use crate::secrets::new_id;
use crate::store::{Reading, RemoteSourceDocument};

fn unknown_source(reference: &str) -> Error {
    unknown(format!("there is no remote source {reference:?}"))
}

fn check(request: &CreateUpdateRemoteSourceRequest) -> Result<(RemoteSourceType, AuthType), Error> {
    check_name(&request.name)?;
    let not_empty = |what, value| {
        required(
            what,
            Some(value).filter(|value: &&String| !value.is_empty()),
        )
    };
    not_empty("API URL", &request.apiurl)?;
    let kind = required("type", request.kind)?;
    let auth_type = required("authentication type", request.auth_type)?;
    if !kind.supports(auth_type) {
        return Err(Error::bad_request(format!(
            "a remote source of type {kind} does not support authentication type {auth_type}"
        )));
    }
    if auth_type == AuthType::Oauth2 {
        not_empty("client id", &request.oauth2_client_id)?;
        not_empty("client secret", &request.oauth2_client_secret)?;
    }
    Ok((kind, auth_type))
}

impl Actions {
    pub(crate) async fn remote_source(&self, reference: &str) -> Result<RemoteSource, Error> {
        let source = place::remote_source(&mut self.snapshot(), reference).await?;
        let source = source
            .ok_or_else(|| Error::not_found(format!("there is no remote source {reference:?}")))?;
        self.read_remote_source(&source)
    }

    pub(crate) async fn remote_sources(&self, page: &Page) -> Result<Vec<RemoteSource>, Error> {
        let sources = self
            .snapshot()
            .list::<RemoteSourceDocument>(&page.query("name"))
            .await?;
        sources
            .iter()
            .map(|source| self.read_remote_source(source))
            .collect()
    }

    /// A source as readers see it: what is not set is shown as what it means.
    fn read_remote_source(&self, source: &RemoteSourceDocument) -> Result<RemoteSource, Error> {
        let mut source = source.to_api(self.keyring())?;
        source.registration_enabled.get_or_insert(true);
        source.login_enabled.get_or_insert(true);
        Ok(source)
    }

    pub(crate) async fn create_remote_source(
        &self,
        request: &CreateUpdateRemoteSourceRequest,
    ) -> Result<RemoteSource, Error> {
        let types = check(request)?;
        self.database
            .write(|mut transaction| async move {
                check_name_is_free(&mut transaction, &request.name).await?;
                self.put_remote_source(&mut transaction, new_id(), types, request)
                    .await
            })
            .await
    }

    pub(crate) async fn update_remote_source(
        &self,
        reference: &str,
        request: &CreateUpdateRemoteSourceRequest,
    ) -> Result<RemoteSource, Error> {
        let types = check(request)?;
        self.database
            .write(|mut transaction| async move {
                let source = place::remote_source(&mut transaction, reference).await?;
                let source = source.ok_or_else(|| unknown_source(reference))?;
                if request.name != source.name {
                    check_name_is_free(&mut transaction, &request.name).await?;
                }
                self.put_remote_source(&mut transaction, source.id, types, request)
                    .await
            })
            .await
    }

    async fn put_remote_source(
        &self,
        transaction: &mut Transaction,
        id: String,
        (kind, auth_type): (RemoteSourceType, AuthType),
        request: &CreateUpdateRemoteSourceRequest,
    ) -> Result<RemoteSource, Error> {
        self.note_key(transaction).await?;
        let field = RemoteSourceDocument::field(&id);
        let source = RemoteSourceDocument {
            client_secret: self.keyring.seal(field, &request.oauth2_client_secret)?,
            id: id.clone(),
            name: request.name.clone(),
            api_url: request.apiurl.clone(),
            skip_verify: request.skip_verify,
            kind,
            auth_type,
            client_id: request.oauth2_client_id.clone(),
            ssh_host_key: request.ssh_host_key.clone(),
            skip_ssh_host_key_check: request.skip_ssh_host_key_check,
            registration_enabled: request.registration_enabled,
            login_enabled: request.login_enabled,
        };
        transaction.put(&source)?;
        source.to_api(self.keyring())
    }

    pub(crate) async fn delete_remote_source(&self, reference: &str) -> Result<(), Error> {
        self.database
            .write(|mut transaction| async move {
                let source = place::remote_source(&mut transaction, reference).await?;
                let source = source.ok_or_else(|| unknown_source(reference))?;
                transaction.delete::<RemoteSourceDocument>(source.id())?;
                Ok(())
            })
            .await
    }
}

async fn check_name_is_free(transaction: &mut Transaction, name: &str) -> Result<(), Error> {
    match place::by_name::<RemoteSourceDocument>(transaction, name).await? {
        Some(_) => Err(exists(format!(
            "a remote source with the name {name:?} exists already"
        ))),
        None => Ok(()),
    }
}
