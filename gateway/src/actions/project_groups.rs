//! Project groups.

use configstore::api::{CreateUpdateProjectGroupRequest, Parent};

use super::Gateway;
use super::permissions::Owner;
use crate::api::{
    CreateProjectGroupRequest, ProjectGroupResponse, ProjectResponse, UpdateProjectGroupRequest,
};
use crate::auth::Caller;
use crate::convert;
use crate::error::{behind, unknown_as_not_found};
use crate::{Error, ErrorKind};

impl Gateway {
    /// A group as the configuration service has it, for who may read it.
    async fn readable_group(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<configstore::api::ProjectGroupResponse, Error> {
        let group = self.configstore().project_group(reference).await;
        let group = group.map_err(behind)?;
        self.check_can_read(Some(caller), &group.place).await?;
        Ok(group)
    }

    /// A group as the configuration service has it, for its owner.
    pub(super) async fn own_group(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<configstore::api::ProjectGroupResponse, Error> {
        let group = self.configstore().project_group(reference).await;
        let group = group.map_err(behind)?;
        self.check_owner(caller, Owner::of(&group.place)).await?;
        Ok(group)
    }

    /// The group that something is to lie in: that of the caller if none is named.
    pub(super) async fn new_parent(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<configstore::api::ProjectGroupResponse, Error> {
        match reference.is_empty() {
            true => {
                let user = caller.calling_user()?;
                self.own_group(caller, &format!("user/{}", user.name)).await
            }
            false => self.own_group(caller, reference).await,
        }
    }

    /// The group that something is to be moved to.
    pub(super) async fn destination(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<Parent, Error> {
        let group = self.own_group(caller, reference).await;
        let group = group.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::bad_request(error.to_string()),
            _ => error,
        })?;
        Ok(Parent::project_group(group.project_group.id))
    }

    pub(crate) async fn project_group(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<ProjectGroupResponse, Error> {
        let group = self.readable_group(caller, reference).await?;
        Ok(convert::project_group(group))
    }

    pub(crate) async fn subgroups(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<Vec<ProjectGroupResponse>, Error> {
        let group = self.readable_group(caller, reference).await?;
        let id = &group.project_group.id;
        let groups = self.configstore().project_group_subgroups(id).await;
        let groups = groups.map_err(behind)?;
        let groups = self.keep_readable(caller, groups, |group| &group.place);
        let groups = groups.await?.into_iter();
        Ok(groups.map(convert::project_group).collect())
    }

    pub(crate) async fn group_projects(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<Vec<ProjectResponse>, Error> {
        let group = self.readable_group(caller, reference).await?;
        let id = &group.project_group.id;
        let projects = self.configstore().project_group_projects(id).await;
        let projects = projects.map_err(behind)?;
        let projects = self.keep_readable(caller, projects, |project| &project.place);
        let projects = projects.await?.into_iter();
        Ok(projects.map(convert::project).collect())
    }

    pub(crate) async fn create_project_group(
        &self,
        caller: &Caller,
        request: &CreateProjectGroupRequest,
    ) -> Result<ProjectGroupResponse, Error> {
        let parent = self.new_parent(caller, &request.parent_ref).await?;
        let request = CreateUpdateProjectGroupRequest {
            name: request.name.clone(),
            parent: Parent::project_group(parent.project_group.id),
            visibility: request.visibility.map(Into::into),
        };
        let configstore = self.configstore_for(caller);
        let group = configstore.create_project_group(&request).await;
        Ok(convert::project_group(group.map_err(behind)?))
    }

    pub(crate) async fn update_project_group(
        &self,
        caller: &Caller,
        reference: &str,
        request: &UpdateProjectGroupRequest,
    ) -> Result<ProjectGroupResponse, Error> {
        let group = self.own_group(caller, reference).await?.project_group;
        let parent = match &request.parent_ref {
            Some(parent) => self.destination(caller, parent).await?,
            None => group.parent,
        };
        let visibility = request.visibility.map(Into::into);
        let changed = CreateUpdateProjectGroupRequest {
            name: request.name.clone().unwrap_or(group.name),
            parent,
            visibility: visibility.or(group.visibility),
        };
        let configstore = self.configstore_for(caller);
        let group = configstore.update_project_group(&group.id, &changed).await;
        Ok(convert::project_group(group.map_err(behind)?))
    }

    /// Returns the id.
    pub(crate) async fn delete_project_group(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<String, Error> {
        let group = self.own_group(caller, reference).await?.project_group;
        let configstore = self.configstore_for(caller);
        let deleted = configstore.delete_project_group(&group.id).await;
        deleted.map_err(unknown_as_not_found)?;
        Ok(group.id)
    }
}
