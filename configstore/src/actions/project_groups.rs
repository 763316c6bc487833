//! Project groups.

use datamanager::{Document, Query, Transaction};

use super::place::{self, GroupPlace, LocatedGroup};
use super::{Actions, check_name, required};
use crate::Error;
use crate::api::{
    ConfigType, CreateUpdateProjectGroupRequest, Parent, ProjectGroupResponse, ProjectResponse,
    Visibility,
};
use crate::error::{exists, unknown};
use crate::secrets::new_id;
use crate::store::{GroupDocument, ProjectDocument, Reading, StoredParent};

fn unknown_group(reference: &str) -> Error {
    unknown(format!("there is no project group {reference:?}"))
}

fn response(group: &GroupDocument, place: &GroupPlace) -> ProjectGroupResponse {
    ProjectGroupResponse {
        project_group: group.to_api(),
        place: place.to_api(),
    }
}

/// The group that something is to lie in, by id or path.
pub(super) async fn parent_group(
    reader: &mut impl Reading,
    parent: &Parent,
) -> Result<LocatedGroup, Error> {
    let group = place::group(reader, &parent.id).await?;
    group.ok_or_else(|| unknown(format!("there is no parent project group {:?}", parent.id)))
}

/// What can be told of a request without looking at the store.
fn check(request: &CreateUpdateProjectGroupRequest) -> Result<(ConfigType, Visibility), Error> {
    let kind = match required("type of the parent", request.parent.kind)? {
        kind @ (ConfigType::ProjectGroup | ConfigType::Org | ConfigType::User) => kind,
        kind => {
            return Err(Error::bad_request(format!(
                "the parent of a project group cannot be of type {kind}"
            )));
        }
    };
    if request.parent.id.is_empty() {
        return Err(Error::bad_request("the id of the parent is empty"));
    }
    match kind {
        ConfigType::ProjectGroup => check_name(&request.name)?,
        _ if !request.name.is_empty() => {
            return Err(Error::bad_request("a root project group has no name"));
        }
        _ => {}
    }
    Ok((kind, required("visibility", request.visibility)?))
}

impl Actions {
    async fn found_group(
        &self,
        reader: &mut impl Reading,
        reference: &str,
    ) -> Result<LocatedGroup, Error> {
        let group = place::group(reader, reference).await?;
        group.ok_or_else(|| Error::not_found(format!("there is no project group {reference:?}")))
    }

    pub(crate) async fn project_group(
        &self,
        reference: &str,
    ) -> Result<ProjectGroupResponse, Error> {
        let located = self.found_group(&mut self.snapshot(), reference).await?;
        Ok(response(&located.group, &located.place))
    }

    /// The groups that lie directly in a group, by name.
    pub(crate) async fn subgroups(
        &self,
        reference: &str,
    ) -> Result<Vec<ProjectGroupResponse>, Error> {
        let mut reader = self.snapshot();
        let located = self.found_group(&mut reader, reference).await?;
        let query = Query::by("parent_name").equal(located.as_parent().key());
        let groups = reader.list::<GroupDocument>(&query).await?;
        let responses = groups
            .iter()
            .map(|group| response(group, &located.place.of_subgroup(group)));
        Ok(responses.collect())
    }

    /// The projects that lie directly in a group, by name.
    pub(crate) async fn group_projects(
        &self,
        reference: &str,
    ) -> Result<Vec<ProjectResponse>, Error> {
        let mut reader = self.snapshot();
        let located = self.found_group(&mut reader, reference).await?;
        let query = Query::by("parent_name").equal(located.as_parent().key());
        let projects = reader.list::<ProjectDocument>(&query).await?;
        let responses = projects
            .iter()
            .map(|project| self.project_response(project, &located));
        responses.collect()
    }

    pub(crate) async fn create_project_group(
        &self,
        request: &CreateUpdateProjectGroupRequest,
    ) -> Result<ProjectGroupResponse, Error> {
        let (kind, visibility) = check(request)?;
        if kind != ConfigType::ProjectGroup {
            return Err(Error::bad_request(
                "a root project group comes with its user or organization and cannot be made",
            ));
        }
        self.database
            .write(|mut transaction| async move {
                let parent = parent_group(&mut transaction, &request.parent).await?;
                check_name_is_free(&mut transaction, &parent, &request.name).await?;
                let group = GroupDocument {
                    id: new_id(),
                    name: request.name.clone(),
                    parent: parent.as_parent(),
                    visibility,
                };
                transaction.put(&group)?;
                Ok(response(&group, &parent.place.of_subgroup(&group)))
            })
            .await
    }

    pub(crate) async fn update_project_group(
        &self,
        reference: &str,
        request: &CreateUpdateProjectGroupRequest,
    ) -> Result<ProjectGroupResponse, Error> {
        let (kind, visibility) = check(request)?;
        self.database
            .write(|mut transaction| async move {
                let found = place::group(&mut transaction, reference).await?;
                let LocatedGroup { mut group, .. } = found.ok_or_else(|| unknown_group(reference))?;
                if kind != group.parent.kind {
                    return Err(Error::bad_request(format!(
                        "the parent of project group {reference:?} is of type {} and cannot become one of type {kind}",
                        group.parent.kind
                    )));
                }
                if group.is_root() {
                    if request.parent.id != group.parent.id {
                        return Err(Error::bad_request("the parent of a root project group cannot change"));
                    }
                } else {
                    let parent = parent_group(&mut transaction, &request.parent).await?;
                    move_group(&mut transaction, &mut group, &parent, &request.name).await?;
                }
                group.visibility = visibility;
                transaction.put(&group)?;
                // Read in the transaction, and so with the change.
                let located = place::group(&mut transaction, &group.id).await?;
                let located = located.ok_or_else(|| unknown_group(reference))?;
                Ok(response(&located.group, &located.place))
            })
            .await
    }

    pub(crate) async fn delete_project_group(&self, reference: &str) -> Result<(), Error> {
        self.delete_tree(async |transaction: &mut Transaction| {
            let found = place::group(transaction, reference).await?;
            let group = found.ok_or_else(|| unknown_group(reference))?.group;
            if group.is_root() {
                return Err(Error::bad_request("a root project group cannot be deleted"));
            }
            transaction.delete::<GroupDocument>(group.id())?;
            Ok(StoredParent::new(ConfigType::ProjectGroup, group.id))
        })
        .await
    }
}

/// Gives a group, which is no root group, another parent and name.
async fn move_group(
    transaction: &mut Transaction,
    group: &mut GroupDocument,
    parent: &LocatedGroup,
    name: &str,
) -> Result<(), Error> {
    if parent.as_parent() == group.parent && name == group.name {
        return Ok(());
    }
    check_name_is_free(transaction, parent, name).await?;
    if parent.place.ids.contains(&group.id) {
        return Err(Error::bad_request(format!(
            "the project group cannot be moved into itself, to {:?}",
            parent.place.path
        )));
    }
    group.parent = parent.as_parent();
    group.name = name.to_owned();
    Ok(())
}

async fn check_name_is_free(
    transaction: &mut Transaction,
    parent: &LocatedGroup,
    name: &str,
) -> Result<(), Error> {
    match place::child::<GroupDocument>(transaction, &parent.as_parent(), name).await? {
        Some(_) => Err(exists(format!(
            "a project group with the path \"{}/{name}\" exists already",
            parent.place.path
        ))),
        None => Ok(()),
    }
}
