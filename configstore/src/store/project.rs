//! Projects.

use datamanager::{Document, Indexes};
use serde::{Deserialize, Serialize};

use super::{StoredParent, child_key};
use crate::Error;
use crate::api::{Project, RemoteRepositoryConfigType, RunDefinition, Visibility};
use crate::secrets::{Field, Keyring, Sealed};

/// A project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProjectDocument {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: StoredParent,
    pub(crate) visibility: Visibility,
    pub(crate) secret: Sealed,
    pub(crate) webhook_secret: Sealed,
    pub(crate) repository: RepositorySettings,
    pub(crate) ssh_private_key: Sealed,
    pub(crate) skip_ssh_host_key_check: bool,
    pub(crate) pass_variables_to_forks: bool,
    /// Not there in what was written before there were definitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_definition: Option<StoredRunDefinition>,
}

/// What the project's runs are made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredRunDefinition {
    pub(crate) format: String,
    pub(crate) content: String,
}

impl StoredRunDefinition {
    pub(crate) fn of(definition: &RunDefinition) -> StoredRunDefinition {
        StoredRunDefinition {
            format: definition.format.clone(),
            content: definition.content.clone(),
        }
    }

    fn to_api(&self) -> RunDefinition {
        RunDefinition {
            format: self.format.clone(),
            content: self.content.clone(),
        }
    }
}

/// Where the project's repository is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RepositorySettings {
    pub(crate) config_type: RemoteRepositoryConfigType,
    pub(crate) remote_source_id: String,
    pub(crate) linked_account_id: String,
    pub(crate) id: String,
    pub(crate) path: String,
}

impl Document for ProjectDocument {
    const TYPE: &'static str = "project";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<ProjectDocument> {
        Indexes::<ProjectDocument>::new().unique("parent_name", |project| {
            child_key(&project.parent, &project.name)
        })
    }
}

impl ProjectDocument {
    pub(crate) fn field<'a>(id: &'a str, name: &'a str) -> Field<'a> {
        Field {
            data_type: ProjectDocument::TYPE,
            id,
            name,
        }
    }

    pub(crate) fn to_api(&self, keyring: &Keyring) -> Result<Project, Error> {
        let open = |name, sealed| keyring.open(ProjectDocument::field(&self.id, name), sealed);
        Ok(Project {
            id: self.id.clone(),
            name: self.name.clone(),
            secret: open("secret", &self.secret)?,
            parent: self.parent.to_api(),
            visibility: Some(self.visibility),
            remote_repository_config_type: Some(self.repository.config_type),
            remote_source_id: self.repository.remote_source_id.clone(),
            linked_account_id: self.repository.linked_account_id.clone(),
            repository_id: self.repository.id.clone(),
            repository_path: self.repository.path.clone(),
            ssh_private_key: open("ssh_private_key", &self.ssh_private_key)?,
            skip_ssh_host_key_check: self.skip_ssh_host_key_check,
            webhook_secret: open("webhook_secret", &self.webhook_secret)?,
            pass_vars_to_forked_pr: self.pass_variables_to_forks,
            run_config: self
                .run_definition
                .as_ref()
                .map(StoredRunDefinition::to_api),
        })
    }
}
