//! Secrets and variables.

use service::Error;
use service::client::Path;

use super::Client;
use crate::api::{
    CreateUpdateSecretRequest, CreateUpdateVariableRequest, Secret, SecretResponse, Variable,
    VariableResponse,
};

/// What has secrets and variables: a project group or a project, by id or path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueParent<'a> {
    /// A project group.
    ProjectGroup(&'a str),
    /// A project.
    Project(&'a str),
}

impl ValueParent<'_> {
    fn path<const N: usize>(self, rest: [&str; N]) -> Path {
        let (kind, reference) = match self {
            ValueParent::ProjectGroup(reference) => ("projectgroups", reference),
            ValueParent::Project(reference) => ("projects", reference),
        };
        Path::of([kind, reference].into_iter().chain(rest))
    }

    fn list(self, what: &str, tree: bool) -> Path {
        let path = self.path([what]);
        match tree {
            true => path.query("tree", ""),
            false => path,
        }
    }
}

impl Client {
    /// The secrets of an object; with `tree` also those of the groups above it, level by level up to the root.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn secrets(
        &self,
        parent: ValueParent<'_>,
        tree: bool,
    ) -> Result<Vec<SecretResponse>, Error> {
        self.base.get(&parent.list("secrets", tree)).await
    }

    /// Makes a secret.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_secret(
        &self,
        parent: ValueParent<'_>,
        request: &CreateUpdateSecretRequest,
    ) -> Result<Secret, Error> {
        self.base.post(&parent.path(["secrets"]), request).await
    }

    /// Replaces what a secret is.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn update_secret(
        &self,
        parent: ValueParent<'_>,
        name: &str,
        request: &CreateUpdateSecretRequest,
    ) -> Result<Secret, Error> {
        self.base
            .put(&parent.path(["secrets", name]), request)
            .await
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_secret(&self, parent: ValueParent<'_>, name: &str) -> Result<(), Error> {
        self.base.delete(&parent.path(["secrets", name])).await
    }

    /// The variables of an object; with `tree` also those of the groups above it, level by level up to the root.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn variables(
        &self,
        parent: ValueParent<'_>,
        tree: bool,
    ) -> Result<Vec<VariableResponse>, Error> {
        self.base.get(&parent.list("variables", tree)).await
    }

    /// Makes a variable.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_variable(
        &self,
        parent: ValueParent<'_>,
        request: &CreateUpdateVariableRequest,
    ) -> Result<Variable, Error> {
        self.base.post(&parent.path(["variables"]), request).await
    }

    /// Replaces what a variable is.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn update_variable(
        &self,
        parent: ValueParent<'_>,
        name: &str,
        request: &CreateUpdateVariableRequest,
    ) -> Result<Variable, Error> {
        self.base
            .put(&parent.path(["variables", name]), request)
            .await
    }

    /// Removes a variable.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_variable(&self, parent: ValueParent<'_>, name: &str) -> Result<(), Error> {
        self.base.delete(&parent.path(["variables", name])).await
    }
}
