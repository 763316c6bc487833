//! Secrets and variables.

use crate::api::{SecretRequest, SecretResponse, VariableRequest, VariableResponse};
use crate::path::Path;
use crate::{Client, Error};

/// What has secrets and variables, by its id or path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuesOf<'a> {
    /// A project.
    Project(&'a str),
    /// A project group.
    ProjectGroup(&'a str),
}

impl ValuesOf<'_> {
    fn path(self, kind: &str) -> Path {
        match self {
            ValuesOf::Project(project) => Path::of(["projects", project, kind]),
            ValuesOf::ProjectGroup(group) => Path::of(["projectgroups", group, kind]),
        }
    }
}

/// Which secrets or variables are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Those of the groups above, too.
    pub tree: bool,
    /// Of those with one name the nearest alone.
    pub remove_overridden: bool,
}

impl ListOptions {
    fn of(self, path: Path) -> Path {
        path.flag("tree", self.tree)
            .flag("removeoverridden", self.remove_overridden)
    }
}

impl Client {
    /// The secrets.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn secrets(
        &self,
        of: ValuesOf<'_>,
        options: ListOptions,
    ) -> Result<Vec<SecretResponse>, Error> {
        self.get(&options.of(of.path("secrets"))).await
    }

    /// Makes a secret.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn create_secret(
        &self,
        of: ValuesOf<'_>,
        request: &SecretRequest,
    ) -> Result<SecretResponse, Error> {
        self.post(&of.path("secrets"), request).await
    }

    /// Replaces a secret.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn update_secret(
        &self,
        of: ValuesOf<'_>,
        name: &str,
        request: &SecretRequest,
    ) -> Result<SecretResponse, Error> {
        self.put(&of.path("secrets").then([name]), request).await
    }

    /// Deletes a secret.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_secret(&self, of: ValuesOf<'_>, name: &str) -> Result<(), Error> {
        self.delete(&of.path("secrets").then([name])).await
    }

    /// The variables.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn variables(
        &self,
        of: ValuesOf<'_>,
        options: ListOptions,
    ) -> Result<Vec<VariableResponse>, Error> {
        self.get(&options.of(of.path("variables"))).await
    }

    /// Makes a variable.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn create_variable(
        &self,
        of: ValuesOf<'_>,
        request: &VariableRequest,
    ) -> Result<VariableResponse, Error> {
        self.post(&of.path("variables"), request).await
    }

    /// Replaces a variable.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn update_variable(
        &self,
        of: ValuesOf<'_>,
        name: &str,
        request: &VariableRequest,
    ) -> Result<VariableResponse, Error> {
        self.put(&of.path("variables").then([name]), request).await
    }

    /// Deletes a variable.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_variable(&self, of: ValuesOf<'_>, name: &str) -> Result<(), Error> {
        self.delete(&of.path("variables").then([name])).await
    }
}
