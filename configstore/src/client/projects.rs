//! Project groups and projects.

use service::Error;
use service::client::Path;

use super::Client;
use crate::api::{
    CreateUpdateProjectGroupRequest, CreateUpdateProjectRequest, ProjectGroupResponse,
    ProjectResponse,
};

impl Client {
    /// A project group by id or path.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn project_group(&self, group: &str) -> Result<ProjectGroupResponse, Error> {
        self.base.get(&Path::of(["projectgroups", group])).await
    }

    /// The groups that lie directly in a group, by name.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn project_group_subgroups(
        &self,
        group: &str,
    ) -> Result<Vec<ProjectGroupResponse>, Error> {
        self.base
            .get(&Path::of(["projectgroups", group, "subgroups"]))
            .await
    }

    /// The projects that lie directly in a group, by name.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn project_group_projects(&self, group: &str) -> Result<Vec<ProjectResponse>, Error> {
        self.base
            .get(&Path::of(["projectgroups", group, "projects"]))
            .await
    }

    /// Makes a project group.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_project_group(
        &self,
        request: &CreateUpdateProjectGroupRequest,
    ) -> Result<ProjectGroupResponse, Error> {
        self.base.post(&Path::of(["projectgroups"]), request).await
    }

    /// Replaces what a project group is.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn update_project_group(
        &self,
        group: &str,
        request: &CreateUpdateProjectGroupRequest,
    ) -> Result<ProjectGroupResponse, Error> {
        self.base
            .put(&Path::of(["projectgroups", group]), request)
            .await
    }

    /// Deletes a project group and all that lies in it.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_project_group(&self, group: &str) -> Result<(), Error> {
        self.base.delete(&Path::of(["projectgroups", group])).await
    }

    /// A project by id or path.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn project(&self, project: &str) -> Result<ProjectResponse, Error> {
        self.base.get(&Path::of(["projects", project])).await
    }

    /// Makes a project.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_project(
        &self,
        request: &CreateUpdateProjectRequest,
    ) -> Result<ProjectResponse, Error> {
        self.base.post(&Path::of(["projects"]), request).await
    }

    /// Replaces what a project is, but for its secrets.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn update_project(
        &self,
        project: &str,
        request: &CreateUpdateProjectRequest,
    ) -> Result<ProjectResponse, Error> {
        self.base
            .put(&Path::of(["projects", project]), request)
            .await
    }

    /// Deletes a project with its secrets and variables.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_project(&self, project: &str) -> Result<(), Error> {
        self.base.delete(&Path::of(["projects", project])).await
    }
}
