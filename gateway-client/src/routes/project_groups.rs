//! Project groups. `group` is an id, or a path as `org/org01/group01`.

use crate::api::{
    CreateProjectGroupRequest, ProjectGroupResponse, ProjectResponse, UpdateProjectGroupRequest,
};
use crate::path::Path;
use crate::{Client, Error};

impl Client {
    /// A project group. `group` is an id, or a path as `org/org01/group01`.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn project_group(&self, group: &str) -> Result<ProjectGroupResponse, Error> {
        self.get(&Path::of(["projectgroups", group])).await
    }

    /// The groups that lie in a group.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn project_group_subgroups(
        &self,
        group: &str,
    ) -> Result<Vec<ProjectGroupResponse>, Error> {
        self.get(&Path::of(["projectgroups", group, "subgroups"]))
            .await
    }

    /// The projects that lie in a group.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn project_group_projects(&self, group: &str) -> Result<Vec<ProjectResponse>, Error> {
        self.get(&Path::of(["projectgroups", group, "projects"]))
            .await
    }

    /// Makes a project group.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn create_project_group(
        &self,
        request: &CreateProjectGroupRequest,
    ) -> Result<ProjectGroupResponse, Error> {
        self.post(&Path::of(["projectgroups"]), request).await
    }

    /// Changes a project group.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn update_project_group(
        &self,
        group: &str,
        request: &UpdateProjectGroupRequest,
    ) -> Result<ProjectGroupResponse, Error> {
        self.put(&Path::of(["projectgroups", group]), request).await
    }

    /// Deletes a project group and what lies in it.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_project_group(&self, group: &str) -> Result<(), Error> {
        self.delete(&Path::of(["projectgroups", group])).await
    }
}
