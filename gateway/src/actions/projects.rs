//! Projects.

use configstore::api::{CreateUpdateProjectRequest, Parent, Project, RemoteRepositoryConfigType};

use super::Gateway;
use super::permissions::Owner;
use crate::Error;
use crate::api::{CreateProjectRequest, ProjectResponse, RunDefinition, UpdateProjectRequest};
use crate::auth::Caller;
use crate::convert;
use crate::error::{behind, needs_git, unknown_as_not_found};

impl Gateway {
    /// A project as the configuration service has it, for who may read it.
    pub(super) async fn readable_project(
        &self,
        caller: Option<&Caller>,
        reference: &str,
    ) -> Result<configstore::api::ProjectResponse, Error> {
        let project = self.configstore().project(reference).await;
        let project = project.map_err(behind)?;
        self.check_can_read(caller, &project.place).await?;
        Ok(project)
    }

    /// A project as the configuration service has it, for its owner.
    pub(super) async fn own_project(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<configstore::api::ProjectResponse, Error> {
        let project = self.configstore().project(reference).await;
        let project = project.map_err(behind)?;
        self.check_owner(caller, Owner::of(&project.place)).await?;
        Ok(project)
    }

    pub(crate) async fn project(
        &self,
        caller: Option<&Caller>,
        reference: &str,
    ) -> Result<ProjectResponse, Error> {
        let project = self.readable_project(caller, reference).await?;
        Ok(convert::project(project))
    }

    pub(crate) async fn create_project(
        &self,
        caller: &Caller,
        request: &CreateProjectRequest,
    ) -> Result<ProjectResponse, Error> {
        let parent = self.new_parent(caller, &request.parent_ref).await?;
        if !request.remote_source_name.is_empty() {
            if request.repo_path.is_empty() {
                return Err(Error::bad_request("repo_path is missing"));
            }
            let source = self
                .configstore()
                .remote_source(&request.remote_source_name);
            source.await.map_err(behind)?;
            return Err(needs_git("a project at a remote source"));
        }
        if !request.repo_path.is_empty() {
            let message = "repo_path is given, but no remote_source_name";
            return Err(Error::bad_request(message));
        }
        let request = CreateUpdateProjectRequest {
            name: request.name.clone(),
            parent: Parent::project_group(parent.project_group.id),
            visibility: request.visibility.map(Into::into),
            remote_repository_config_type: Some(RemoteRepositoryConfigType::Manual),
            skip_ssh_host_key_check: request.skip_ssh_host_key_check,
            pass_vars_to_forked_pr: request.pass_vars_to_forked_pr,
            run_config: stored(request.run_config.as_ref())?,
            ..CreateUpdateProjectRequest::default()
        };
        let configstore = self.configstore_for(caller);
        let project = configstore.create_project(&request).await;
        Ok(convert::project(project.map_err(behind)?))
    }

    pub(crate) async fn update_project(
        &self,
        caller: &Caller,
        reference: &str,
        request: &UpdateProjectRequest,
    ) -> Result<ProjectResponse, Error> {
        let project = self.own_project(caller, reference).await?.project;
        let id = project.id.clone();
        let mut changed = as_it_is(project);
        if let Some(parent) = &request.parent_ref {
            changed.parent = self.destination(caller, parent).await?;
        }
        if let Some(name) = &request.name {
            changed.name.clone_from(name);
        }
        if let Some(visibility) = request.visibility {
            changed.visibility = Some(visibility.into());
        }
        if let Some(pass) = request.pass_vars_to_forked_pr {
            changed.pass_vars_to_forked_pr = pass;
        }
        if let Some(definition) = &request.run_config {
            changed.run_config = stored(Some(definition))?;
        }
        let configstore = self.configstore_for(caller);
        let project = configstore.update_project(&id, &changed).await;
        Ok(convert::project(project.map_err(behind)?))
    }

    /// Returns the id.
    pub(crate) async fn delete_project(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<String, Error> {
        let project = self.own_project(caller, reference).await?.project;
        let configstore = self.configstore_for(caller);
        let deleted = configstore.delete_project(&project.id).await;
        deleted.map_err(unknown_as_not_found)?;
        Ok(project.id)
    }

    /// What is done at the remote repository of a project.
    pub(crate) async fn remote_repository(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<(), Error> {
        let project = self.own_project(caller, reference).await?.project;
        match project.remote_repository_config_type {
            Some(RemoteRepositoryConfigType::RemoteSource) => {
                Err(needs_git("what is done at the repository of a project"))
            }
            _ => Err(no_repository()),
        }
    }
}

/// A project without a remote source is asked for what needs one.
pub(super) fn no_repository() -> Error {
    Error::bad_request("the project has no repository at a remote source")
        .with_code("no_repository")
}

/// A definition that is to be stored; none if its text is empty.
fn stored(
    definition: Option<&RunDefinition>,
) -> Result<Option<configstore::api::RunDefinition>, Error> {
    match definition {
        Some(definition) if definition.content.is_empty() => Ok(None),
        Some(definition) if definition.format.is_none() => Err(Error::bad_request(
            "the format of the run_config is missing",
        )),
        definition => Ok(definition.map(convert::definition_to_store)),
    }
}

/// A request that changes nothing.
fn as_it_is(project: Project) -> CreateUpdateProjectRequest {
    CreateUpdateProjectRequest {
        name: project.name,
        parent: project.parent,
        visibility: project.visibility,
        remote_repository_config_type: project.remote_repository_config_type,
        remote_source_id: project.remote_source_id,
        linked_account_id: project.linked_account_id,
        repository_id: project.repository_id,
        repository_path: project.repository_path,
        ssh_private_key: project.ssh_private_key,
        skip_ssh_host_key_check: project.skip_ssh_host_key_check,
        pass_vars_to_forked_pr: project.pass_vars_to_forked_pr,
        run_config: project.run_config,
    }
}
