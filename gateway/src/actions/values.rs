//! Secrets and variables.

use std::collections::HashSet;

use configstore::api::{CreateUpdateSecretRequest, CreateUpdateVariableRequest, Place, Variable};
use configstore::client::ValueParent;
use configstore::evaluation::effective_variables;
use regex::Regex;

use super::Gateway;
use super::permissions::Owner;
use crate::api::{
    SecretRequest, SecretResponse, SecretType, VariableRequest, VariableResponse, When,
    WhenConditionType,
};
use crate::auth::Caller;
use crate::convert;
use crate::error::behind;
use crate::{Error, ErrorKind};

/// What has secrets and variables, by id or path.
#[derive(Clone, Debug)]
pub(crate) enum ValueOwner {
    ProjectGroup(String),
    Project(String),
}

/// What was found of it.
struct Found {
    id: String,
    is_project: bool,
    place: Place,
}

impl Found {
    fn parent(&self) -> ValueParent<'_> {
        match self.is_project {
            true => ValueParent::Project(&self.id),
            false => ValueParent::ProjectGroup(&self.id),
        }
    }
}

impl Gateway {
    async fn find(&self, owner: &ValueOwner) -> Result<Found, Error> {
        let (id, place) = match owner {
            ValueOwner::Project(reference) => {
                let found = self.configstore().project(reference).await;
                let found = found.map_err(behind)?;
                (found.project.id, found.place)
            }
            ValueOwner::ProjectGroup(reference) => {
                let found = self.configstore().project_group(reference).await;
                let found = found.map_err(behind)?;
                (found.project_group.id, found.place)
            }
        };
        Ok(Found {
            id,
            is_project: matches!(owner, ValueOwner::Project(_)),
            place,
        })
    }

    /// For who may read it. What is not there is 400 here, as it always was.
    async fn readable(&self, caller: &Caller, owner: &ValueOwner) -> Result<Found, Error> {
        let found = self.find(owner).await;
        let found = found.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Error::bad_request(error.to_string()).with_code("unknown_reference")
            }
            _ => error,
        })?;
        self.check_can_read(Some(caller), &found.place).await?;
        Ok(found)
    }

    async fn own(&self, caller: &Caller, owner: &ValueOwner) -> Result<Found, Error> {
        let found = self.find(owner).await?;
        self.check_owner(caller, Owner::of(&found.place)).await?;
        Ok(found)
    }

    /// The secrets by name, and with `tree` also those of the groups above; with `effective` those of one name that lie above
    /// another are left out.
    pub(crate) async fn secrets(
        &self,
        caller: &Caller,
        owner: &ValueOwner,
        tree: bool,
        effective: bool,
    ) -> Result<Vec<SecretResponse>, Error> {
        let found = self.readable(caller, owner).await?;
        let secrets = self.configstore().secrets(found.parent(), tree).await;
        let mut secrets = secrets.map_err(behind)?;
        if effective {
            let mut names = HashSet::new();
            secrets.retain(|secret| names.insert(secret.secret.name.clone()));
        }
        Ok(secrets.into_iter().map(convert::secret).collect())
    }

    pub(crate) async fn create_secret(
        &self,
        caller: &Caller,
        owner: &ValueOwner,
        request: &SecretRequest,
    ) -> Result<SecretResponse, Error> {
        let found = self.own(caller, owner).await?;
        let request = secret_request(request)?;
        let configstore = self.configstore_for(caller);
        let secret = configstore.create_secret(found.parent(), &request).await;
        Ok(secret_response(secret.map_err(behind)?, &found))
    }

    pub(crate) async fn update_secret(
        &self,
        caller: &Caller,
        owner: &ValueOwner,
        name: &str,
        request: &SecretRequest,
    ) -> Result<SecretResponse, Error> {
        let found = self.own(caller, owner).await?;
        let request = secret_request(request)?;
        let configstore = self.configstore_for(caller);
        let secret = configstore.update_secret(found.parent(), name, &request);
        Ok(secret_response(secret.await.map_err(behind)?, &found))
    }

    pub(crate) async fn delete_secret(
        &self,
        caller: &Caller,
        owner: &ValueOwner,
        name: &str,
    ) -> Result<(), Error> {
        let found = self.own(caller, owner).await?;
        let configstore = self.configstore_for(caller);
        let deleted = configstore.delete_secret(found.parent(), name).await;
        deleted.map_err(behind)
    }

    /// The variables, as [`Gateway::secrets`].
    pub(crate) async fn variables(
        &self,
        caller: &Caller,
        owner: &ValueOwner,
        tree: bool,
        effective: bool,
    ) -> Result<Vec<VariableResponse>, Error> {
        let found = self.readable(caller, owner).await?;
        let configstore = self.configstore();
        let (variables, secrets) = futures::try_join!(
            configstore.variables(found.parent(), tree),
            configstore.secrets(found.parent(), true)
        )
        .map_err(behind)?;
        let variables = match effective {
            true => effective_variables(variables),
            false => variables,
        };
        let variables = variables.into_iter();
        Ok(variables
            .map(|variable| convert::variable(variable, &secrets))
            .collect())
    }

    pub(crate) async fn create_variable(
        &self,
        caller: &Caller,
        owner: &ValueOwner,
        request: &VariableRequest,
    ) -> Result<VariableResponse, Error> {
        let found = self.own(caller, owner).await?;
        let request = variable_request(request)?;
        let configstore = self.configstore_for(caller);
        let variable = configstore.create_variable(found.parent(), &request).await;
        self.variable_response(variable.map_err(behind)?, &found)
            .await
    }

    pub(crate) async fn update_variable(
        &self,
        caller: &Caller,
        owner: &ValueOwner,
        name: &str,
        request: &VariableRequest,
    ) -> Result<VariableResponse, Error> {
        let found = self.own(caller, owner).await?;
        let request = variable_request(request)?;
        let configstore = self.configstore_for(caller);
        let variable = configstore.update_variable(found.parent(), name, &request);
        self.variable_response(variable.await.map_err(behind)?, &found)
            .await
    }

    pub(crate) async fn delete_variable(
        &self,
        caller: &Caller,
        owner: &ValueOwner,
        name: &str,
    ) -> Result<(), Error> {
        let found = self.own(caller, owner).await?;
        let configstore = self.configstore_for(caller);
        let deleted = configstore.delete_variable(found.parent(), name).await;
        deleted.map_err(behind)
    }

    async fn variable_response(
        &self,
        variable: Variable,
        found: &Found,
    ) -> Result<VariableResponse, Error> {
        let secrets = self.configstore().secrets(found.parent(), true).await;
        let variable = configstore::api::VariableResponse {
            variable,
            parent_path: found.place.path.clone(),
        };
        Ok(convert::variable(variable, &secrets.map_err(behind)?))
    }
}

fn secret_response(secret: configstore::api::Secret, found: &Found) -> SecretResponse {
    convert::secret(configstore::api::SecretResponse {
        secret,
        parent_path: found.place.path.clone(),
    })
}

fn secret_request(request: &SecretRequest) -> Result<CreateUpdateSecretRequest, Error> {
    match request.kind {
        Some(SecretType::Internal) => {}
        Some(SecretType::External) => {
            return Err(Error::bad_request(
                "secrets of type external are not accepted",
            ));
        }
        None => return Err(Error::bad_request("the type of the secret is missing")),
    }
    Ok(CreateUpdateSecretRequest {
        name: request.name.clone(),
        kind: request.kind.map(Into::into),
        data: request.data.clone(),
        ..CreateUpdateSecretRequest::default()
    })
}

fn variable_request(request: &VariableRequest) -> Result<CreateUpdateVariableRequest, Error> {
    for value in &request.values {
        if let Some(when) = &value.when {
            check_patterns(when)?;
        }
    }
    Ok(CreateUpdateVariableRequest {
        name: request.name.clone(),
        values: request
            .values
            .iter()
            .map(convert::variable_to_store)
            .collect(),
    })
}

/// Refuses a regular expression that is none, which would only show when a run is made.
fn check_patterns(when: &When) -> Result<(), Error> {
    let conditions = [&when.branch, &when.tag, &when.reference]
        .into_iter()
        .flatten();
    for condition in
        conditions.flat_map(|conditions| conditions.include.iter().chain(&conditions.exclude))
    {
        match condition.kind {
            None => return Err(Error::bad_request("a condition has no type")),
            Some(WhenConditionType::Regexp) => {
                Regex::new(&condition.pattern).map_err(|cause| {
                    let message = "a condition is no regular expression";
                    Error::bad_request(format!("{message}: {cause}"))
                })?;
            }
            Some(WhenConditionType::Simple) => {}
        }
    }
    Ok(())
}
