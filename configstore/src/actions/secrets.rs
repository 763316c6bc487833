//! Secrets.

use std::collections::BTreeMap;

use datamanager::{Document, Query, Transaction};

use super::place::{self, ValueLevels};
use super::{Actions, ValueParent, check_name};
use crate::Error;
use crate::api::{CreateUpdateSecretRequest, Secret, SecretResponse, SecretType};
use crate::error::{exists, unknown};
use crate::secrets::{Sealed, new_id};
use crate::store::{Reading, SecretDocument};

pub(super) fn unknown_parent(parent: ValueParent<'_>) -> Error {
    match parent {
        ValueParent::ProjectGroup(reference) => {
            unknown(format!("there is no project group {reference:?}"))
        }
        ValueParent::Project(reference) => unknown(format!("there is no project {reference:?}")),
    }
}

/// The levels of something that has secrets and variables; a caller's mistake if it is not there, when reading too.
pub(super) async fn levels(
    reader: &mut impl Reading,
    parent: ValueParent<'_>,
) -> Result<ValueLevels, Error> {
    let levels = place::value_levels(reader, parent).await?;
    levels.ok_or_else(|| unknown_parent(parent))
}

fn check(request: &CreateUpdateSecretRequest) -> Result<(), Error> {
    check_name(&request.name)?;
    if request.kind != Some(SecretType::Internal) {
        return Err(Error::bad_request(
            "the type of the secret is not \"internal\"",
        ));
    }
    if request.data.is_empty() {
        return Err(Error::bad_request("the secret has no data"));
    }
    Ok(())
}

impl Actions {
    /// The secrets of an object by name, and with `tree` also those of the groups above it, level by level up to the root.
    pub(crate) async fn secrets(
        &self,
        parent: ValueParent<'_>,
        tree: bool,
    ) -> Result<Vec<SecretResponse>, Error> {
        let mut reader = self.snapshot();
        let levels = levels(&mut reader, parent).await?.levels;
        let mut secrets = Vec::new();
        for (parent, path) in levels.iter().take(if tree { usize::MAX } else { 1 }) {
            let query = Query::by("parent_name").equal(parent.key());
            for secret in reader.list::<SecretDocument>(&query).await? {
                secrets.push(SecretResponse {
                    secret: secret.to_api(self.keyring())?,
                    parent_path: path.clone(),
                });
            }
        }
        Ok(secrets)
    }

    fn seal_data(&self, id: &str, data: &BTreeMap<String, String>) -> Result<Sealed, Error> {
        let data = serde_json::to_string(data)
            .map_err(|_| Error::internal("the data of a secret cannot be encoded"))?;
        self.keyring.seal(SecretDocument::field(id), &data)
    }

    pub(crate) async fn create_secret(
        &self,
        parent: ValueParent<'_>,
        request: &CreateUpdateSecretRequest,
    ) -> Result<Secret, Error> {
        check(request)?;
        self.database
            .write(|mut transaction| async move {
                let levels = levels(&mut transaction, parent).await?;
                let parent = levels.parent()?;
                check_name_is_free(&mut transaction, &levels, &request.name).await?;
                self.note_key(&mut transaction).await?;
                let id = new_id();
                let secret = SecretDocument {
                    data: self.seal_data(&id, &request.data)?,
                    id,
                    name: request.name.clone(),
                    parent: parent.clone(),
                    kind: SecretType::Internal,
                    secret_provider_id: request.secret_provider_id.clone(),
                    path: request.path.clone(),
                };
                transaction.put(&secret)?;
                secret.to_api(self.keyring())
            })
            .await
    }

    pub(crate) async fn update_secret(
        &self,
        parent: ValueParent<'_>,
        name: &str,
        request: &CreateUpdateSecretRequest,
    ) -> Result<Secret, Error> {
        check(request)?;
        self.database
            .write(|mut transaction| async move {
                let levels = levels(&mut transaction, parent).await?;
                let mut secret = existing(&mut transaction, &levels, name).await?;
                if request.name != secret.name {
                    check_name_is_free(&mut transaction, &levels, &request.name).await?;
                }
                self.note_key(&mut transaction).await?;
                secret.name.clone_from(&request.name);
                secret.data = self.seal_data(&secret.id, &request.data)?;
                secret
                    .secret_provider_id
                    .clone_from(&request.secret_provider_id);
                secret.path.clone_from(&request.path);
                transaction.put(&secret)?;
                secret.to_api(self.keyring())
            })
            .await
    }

    pub(crate) async fn delete_secret(
        &self,
        parent: ValueParent<'_>,
        name: &str,
    ) -> Result<(), Error> {
        self.database
            .write(|mut transaction| async move {
                let levels = levels(&mut transaction, parent).await?;
                let secret = existing(&mut transaction, &levels, name).await?;
                transaction.delete::<SecretDocument>(secret.id())?;
                Ok(())
            })
            .await
    }
}

async fn existing(
    transaction: &mut Transaction,
    levels: &ValueLevels,
    name: &str,
) -> Result<SecretDocument, Error> {
    let secret = place::child::<SecretDocument>(transaction, levels.parent()?, name).await?;
    secret.ok_or_else(|| unknown(format!("there is no secret {name:?} here")))
}

async fn check_name_is_free(
    transaction: &mut Transaction,
    levels: &ValueLevels,
    name: &str,
) -> Result<(), Error> {
    match place::child::<SecretDocument>(transaction, levels.parent()?, name).await? {
        Some(_) => Err(exists(format!(
            "a secret with the name {name:?} exists here already"
        ))),
        None => Ok(()),
    }
}
