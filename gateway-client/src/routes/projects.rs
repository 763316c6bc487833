//! Projects. `project` is an id, or a path as `user/ann/project01`.

use crate::api::{
    CreateProjectRequest, CreateRunResponse, ProjectCreateRunRequest, ProjectResponse,
    UpdateProjectRequest,
};
use crate::path::Path;
use crate::{Client, Error};

impl Client {
    /// A project. `project` is an id, or a path as `user/ann/project01`.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn project(&self, project: &str) -> Result<ProjectResponse, Error> {
        self.get(&Path::of(["projects", project])).await
    }

    /// Makes a project.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn create_project(
        &self,
        request: &CreateProjectRequest,
    ) -> Result<ProjectResponse, Error> {
        self.post(&Path::of(["projects"]), request).await
    }

    /// Changes a project.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn update_project(
        &self,
        project: &str,
        request: &UpdateProjectRequest,
    ) -> Result<ProjectResponse, Error> {
        self.put(&Path::of(["projects", project]), request).await
    }

    /// Deletes a project.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_project(&self, project: &str) -> Result<(), Error> {
        self.delete(&Path::of(["projects", project])).await
    }

    /// Sets up the repository of a project anew.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn reconfigure_project(&self, project: &str) -> Result<(), Error> {
        self.put_empty(&Path::of(["projects", project, "reconfig"]))
            .await
    }

    /// Has a project use the caller's linked account.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn update_project_linked_account(
        &self,
        project: &str,
    ) -> Result<ProjectResponse, Error> {
        self.put_empty(&Path::of(["projects", project, "updaterepolinkedaccount"]))
            .await
    }

    /// Makes runs of a project. A gateway of agola v0.7 does not tell which.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn project_create_run(
        &self,
        project: &str,
        request: &ProjectCreateRunRequest,
    ) -> Result<CreateRunResponse, Error> {
        let path = Path::of(["projects", project, "createrun"]);
        let created: Option<CreateRunResponse> = self.post(&path, request).await?;
        Ok(created.unwrap_or_default())
    }
}
