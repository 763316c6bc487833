//! Project groups and projects.

use configstore::api as store;

use crate::api::{ProjectGroupResponse, ProjectResponse, RunDefinition};

pub(crate) fn project_group(group: store::ProjectGroupResponse) -> ProjectGroupResponse {
    let store::ProjectGroupResponse {
        project_group,
        place,
    } = group;
    ProjectGroupResponse {
        id: project_group.id,
        name: project_group.name,
        path: place.path,
        parent_path: place.parent_path,
        visibility: project_group.visibility.map(Into::into),
        global_visibility: place.global_visibility.map(Into::into),
    }
}

pub(crate) fn project(project: store::ProjectResponse) -> ProjectResponse {
    let store::ProjectResponse { project, place } = project;
    ProjectResponse {
        id: project.id,
        name: project.name,
        path: place.path,
        parent_path: place.parent_path,
        visibility: project.visibility.map(Into::into),
        global_visibility: place.global_visibility.map(Into::into),
        pass_vars_to_forked_pr: project.pass_vars_to_forked_pr,
        run_config: project.run_config.map(definition),
    }
}

fn definition(definition: store::RunDefinition) -> RunDefinition {
    RunDefinition {
        // The configuration service takes no other ones.
        format: definition.format.parse().ok(),
        content: definition.content,
    }
}

pub(crate) fn definition_to_store(definition: &RunDefinition) -> store::RunDefinition {
    let format = definition.format.map(|format| format.as_str());
    store::RunDefinition {
        format: format.unwrap_or_default().to_owned(),
        content: definition.content.clone(),
    }
}
