//! Projects.

use datamanager::{Document, Transaction};

use super::place::{self, LocatedGroup, LocatedProject};
use super::project_groups::parent_group;
use super::{Actions, check_length, check_name, required};
use crate::Error;
use crate::api::{
    ConfigType, CreateUpdateProjectRequest, ProjectResponse, RemoteRepositoryConfigType,
    RunDefinition, Visibility,
};
use crate::error::{exists, unknown};
use crate::secrets::{new_id, new_secret};
use crate::store::{
    LinkedAccountDocument, ProjectDocument, Reading, RepositorySettings, StoredParent,
    StoredRunDefinition, UserDocument,
};

/// How run definitions can be written.
const DEFINITION_FORMATS: [&str; 4] = ["yaml", "json", "jsonnet", "starlark"];

fn unknown_project(reference: &str) -> Error {
    unknown(format!("there is no project {reference:?}"))
}

/// What a request says that need not be looked up.
struct Checked {
    visibility: Visibility,
    repository: RepositorySettings,
}

fn check(request: &CreateUpdateProjectRequest) -> Result<Checked, Error> {
    check_name(&request.name)?;
    if request.parent.id.is_empty() {
        return Err(Error::bad_request("the id of the parent is empty"));
    }
    if request.parent.kind != Some(ConfigType::ProjectGroup) {
        return Err(Error::bad_request(
            "the type of the parent is not \"projectgroup\"",
        ));
    }
    let visibility = required("visibility", request.visibility)?;
    let config_type = required(
        "type of the repository's configuration",
        request.remote_repository_config_type,
    )?;
    check_length("linked account id", &request.linked_account_id)?;
    if let Some(definition) = &request.run_config {
        check_definition(definition)?;
    }
    if config_type == RemoteRepositoryConfigType::RemoteSource {
        for (what, value) in [
            ("remote source id", &request.remote_source_id),
            ("linked account id", &request.linked_account_id),
            ("repository id", &request.repository_id),
            ("repository path", &request.repository_path),
        ] {
            required(what, Some(value).filter(|value| !value.is_empty()))?;
        }
    }
    Ok(Checked {
        visibility,
        repository: RepositorySettings {
            config_type,
            remote_source_id: request.remote_source_id.clone(),
            linked_account_id: request.linked_account_id.clone(),
            id: request.repository_id.clone(),
            path: request.repository_path.clone(),
        },
    })
}

/// Its text is for the one who makes runs of it.
fn check_definition(definition: &RunDefinition) -> Result<(), Error> {
    if !DEFINITION_FORMATS.contains(&definition.format.as_str()) {
        let formats = DEFINITION_FORMATS.join(", ");
        return Err(Error::bad_request(format!(
            "the format of the run definition is none of {formats}"
        )));
    }
    required(
        "text of the run definition",
        Some(&definition.content).filter(|content| !content.is_empty()),
    )?;
    Ok(())
}

impl Actions {
    pub(super) fn project_response(
        &self,
        project: &ProjectDocument,
        group: &LocatedGroup,
    ) -> Result<ProjectResponse, Error> {
        Ok(ProjectResponse {
            project: project.to_api(self.keyring())?,
            place: group.place.of_project(project),
        })
    }

    pub(crate) async fn project(&self, reference: &str) -> Result<ProjectResponse, Error> {
        let located = place::project(&mut self.snapshot(), reference).await?;
        let located = located
            .ok_or_else(|| Error::not_found(format!("there is no project {reference:?}")))?;
        self.project_response(&located.project, &located.group)
    }

    pub(crate) async fn create_project(
        &self,
        request: &CreateUpdateProjectRequest,
    ) -> Result<ProjectResponse, Error> {
        let checked = &check(request)?;
        self.database
            .write(|mut transaction| async move {
                let group = parent_group(&mut transaction, &request.parent).await?;
                check_name_is_free(&mut transaction, &group, &request.name).await?;
                check_linked_account(&mut transaction, &checked.repository).await?;
                self.note_key(&mut transaction).await?;
                let id = new_id();
                let (secret, webhook_secret) = (new_secret()?, new_secret()?);
                let seal =
                    |name, clear: &str| self.keyring.seal(ProjectDocument::field(&id, name), clear);
                let mut project = ProjectDocument {
                    secret: seal("secret", &secret)?,
                    webhook_secret: seal("webhook_secret", &webhook_secret)?,
                    id: id.clone(),
                    name: String::new(),
                    parent: group.as_parent(),
                    visibility: checked.visibility,
                    repository: checked.repository.clone(),
                    ssh_private_key: Default::default(),
                    skip_ssh_host_key_check: false,
                    pass_variables_to_forks: false,
                    run_definition: None,
                };
                self.fill_project(&mut project, &group, checked, request)?;
                transaction.put(&project)?;
                self.project_response(&project, &group)
            })
            .await
    }

    pub(crate) async fn update_project(
        &self,
        reference: &str,
        request: &CreateUpdateProjectRequest,
    ) -> Result<ProjectResponse, Error> {
        let checked = &check(request)?;
        self.database
            .write(|mut transaction| async move {
                let found = place::project(&mut transaction, reference).await?;
                let LocatedProject { mut project, .. } =
                    found.ok_or_else(|| unknown_project(reference))?;
                let group = parent_group(&mut transaction, &request.parent).await?;
                if group.as_parent() != project.parent || request.name != project.name {
                    check_name_is_free(&mut transaction, &group, &request.name).await?;
                }
                check_linked_account(&mut transaction, &checked.repository).await?;
                self.note_key(&mut transaction).await?;
                self.fill_project(&mut project, &group, checked, request)?;
                transaction.put(&project)?;
                self.project_response(&project, &group)
            })
            .await
    }

    fn fill_project(
        &self,
        project: &mut ProjectDocument,
        group: &LocatedGroup,
        checked: &Checked,
        request: &CreateUpdateProjectRequest,
    ) -> Result<(), Error> {
        let field = ProjectDocument::field(&project.id, "ssh_private_key");
        project.ssh_private_key = self.keyring.seal(field, &request.ssh_private_key)?;
        project.name.clone_from(&request.name);
        project.parent = group.as_parent();
        project.visibility = checked.visibility;
        project.repository = checked.repository.clone();
        project.skip_ssh_host_key_check = request.skip_ssh_host_key_check;
        project.pass_variables_to_forks = request.pass_vars_to_forked_pr;
        let definition = request.run_config.as_ref();
        project.run_definition = definition.map(StoredRunDefinition::of);
        Ok(())
    }

    pub(crate) async fn delete_project(&self, reference: &str) -> Result<(), Error> {
        self.delete_tree(async |transaction: &mut Transaction| {
            let found = place::project(transaction, reference).await?;
            let project = found.ok_or_else(|| unknown_project(reference))?.project;
            transaction.delete::<ProjectDocument>(project.id())?;
            Ok(StoredParent::new(ConfigType::Project, project.id))
        })
        .await
    }
}

async fn check_name_is_free(
    transaction: &mut Transaction,
    group: &LocatedGroup,
    name: &str,
) -> Result<(), Error> {
    match place::child::<ProjectDocument>(transaction, &group.as_parent(), name).await? {
        Some(_) => Err(exists(format!(
            "a project with the path \"{}/{name}\" exists already",
            group.place.path
        ))),
        None => Ok(()),
    }
}

/// Refuses a project at a remote source whose account nobody has, or which is one of another source.
async fn check_linked_account(
    transaction: &mut Transaction,
    repository: &RepositorySettings,
) -> Result<(), Error> {
    if repository.config_type != RemoteRepositoryConfigType::RemoteSource {
        return Ok(());
    }
    let id = &repository.linked_account_id;
    let unknown = || unknown(format!("no user has the linked account {id:?}"));
    let account = Reading::get::<LinkedAccountDocument>(transaction, id).await?;
    let account = account.ok_or_else(unknown)?;
    let owner = Reading::get::<UserDocument>(transaction, &account.user_id).await?;
    owner.ok_or_else(unknown)?;
    if account.remote_source_id != repository.remote_source_id {
        return Err(Error::bad_request(format!(
            "the linked account {id:?} is not of remote source {:?}",
            repository.remote_source_id
        )));
    }
    Ok(())
}
