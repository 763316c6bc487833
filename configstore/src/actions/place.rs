//! Finding things by id, name or path, and where they are.

use crate::Error;
use crate::api::{ConfigType, Place, Visibility};
use crate::names::{NAME_BYTES_MAX, is_path, is_uuid};
use crate::store::{
    GroupDocument, OrganizationDocument, ProjectDocument, Reading, RemoteSourceDocument,
    StoredParent, UserDocument, child_key,
};

/// Groups above an object, at most: more can only be a ring, which no change can make.
const DEPTH_MAX: usize = 10_000;

/// Where a group is, and what follows for all that lies in it.
#[derive(Clone, Debug)]
pub(crate) struct GroupPlace {
    pub(crate) owner: StoredParent,
    /// The group's path.
    pub(crate) path: String,
    /// The path of its parent; the same for a root group.
    pub(crate) parent_path: String,
    /// Whether the group, one above it or the organization is private.
    pub(crate) is_private: bool,
    /// The ids of the groups from the root down to this one.
    pub(crate) ids: Vec<String>,
}

/// A group and where it is.
#[derive(Clone, Debug)]
pub(crate) struct LocatedGroup {
    pub(crate) group: GroupDocument,
    pub(crate) place: GroupPlace,
}

/// A project and the group that it lies in.
#[derive(Clone, Debug)]
pub(crate) struct LocatedProject {
    pub(crate) project: ProjectDocument,
    pub(crate) group: LocatedGroup,
}

/// What has secrets and variables, by id or path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueParent<'a> {
    ProjectGroup(&'a str),
    Project(&'a str),
}

impl<'a> ValueParent<'a> {
    /// The id or path.
    pub(crate) fn reference(self) -> &'a str {
        match self {
            ValueParent::ProjectGroup(reference) | ValueParent::Project(reference) => reference,
        }
    }
}

impl GroupPlace {
    fn of_root(group: &GroupDocument, owner_name: &str, owner_is_private: bool) -> GroupPlace {
        let path = format!("{}/{owner_name}", group.parent.kind);
        GroupPlace {
            owner: group.parent.clone(),
            parent_path: path.clone(),
            path,
            is_private: owner_is_private || group.visibility == Visibility::Private,
            ids: vec![group.id.clone()],
        }
    }

    /// The place of a group in this one.
    pub(crate) fn of_subgroup(&self, group: &GroupDocument) -> GroupPlace {
        let mut ids = self.ids.clone();
        ids.push(group.id.clone());
        GroupPlace {
            owner: self.owner.clone(),
            parent_path: self.path.clone(),
            path: format!("{}/{}", self.path, group.name),
            is_private: self.is_private || group.visibility == Visibility::Private,
            ids,
        }
    }

    pub(crate) fn to_api(&self) -> Place {
        Place {
            owner_type: Some(self.owner.kind),
            owner_id: self.owner.id.clone(),
            path: self.path.clone(),
            parent_path: self.parent_path.clone(),
            global_visibility: Some(visibility(self.is_private)),
        }
    }

    /// The place of a project in this group.
    pub(crate) fn of_project(&self, project: &ProjectDocument) -> Place {
        Place {
            owner_type: Some(self.owner.kind),
            owner_id: self.owner.id.clone(),
            path: format!("{}/{}", self.path, project.name),
            parent_path: self.path.clone(),
            global_visibility: Some(visibility(
                self.is_private || project.visibility == Visibility::Private,
            )),
        }
    }
}

fn visibility(is_private: bool) -> Visibility {
    match is_private {
        true => Visibility::Private,
        false => Visibility::Public,
    }
}

impl LocatedGroup {
    /// How the group stands as a parent.
    pub(crate) fn as_parent(&self) -> StoredParent {
        StoredParent::new(ConfigType::ProjectGroup, self.group.id.clone())
    }
}

/// The user with an id or a name.
pub(crate) async fn user(
    reader: &mut impl Reading,
    reference: &str,
) -> Result<Option<UserDocument>, Error> {
    by_id_or_name(reader, reference).await
}

/// The organization with an id or a name.
pub(crate) async fn organization(
    reader: &mut impl Reading,
    reference: &str,
) -> Result<Option<OrganizationDocument>, Error> {
    by_id_or_name(reader, reference).await
}

/// The remote source with an id or a name.
pub(crate) async fn remote_source(
    reader: &mut impl Reading,
    reference: &str,
) -> Result<Option<RemoteSourceDocument>, Error> {
    by_id_or_name(reader, reference).await
}

async fn by_id_or_name<T: datamanager::Document>(
    reader: &mut impl Reading,
    reference: &str,
) -> Result<Option<T>, Error> {
    match is_uuid(reference) {
        true => Ok(reader.get(reference).await?),
        false => by_name(reader, reference).await,
    }
}

/// The object with a name, of a type whose names are unique.
pub(crate) async fn by_name<T: datamanager::Document>(
    reader: &mut impl Reading,
    name: &str,
) -> Result<Option<T>, Error> {
    match name.len() <= NAME_BYTES_MAX {
        true => Ok(reader.find("name", name).await?),
        false => Ok(None),
    }
}

/// The object with a name among those of a parent.
pub(crate) async fn child<T: datamanager::Document>(
    reader: &mut impl Reading,
    parent: &StoredParent,
    name: &str,
) -> Result<Option<T>, Error> {
    match name.len() <= NAME_BYTES_MAX {
        true => Ok(reader.find("parent_name", child_key(parent, name)).await?),
        false => Ok(None),
    }
}

/// The group with an id or a path.
pub(crate) async fn group(
    reader: &mut impl Reading,
    reference: &str,
) -> Result<Option<LocatedGroup>, Error> {
    match is_path(reference) {
        true => group_by_path(reader, reference).await,
        false => group_by_id(reader, reference).await,
    }
}

/// The project with an id or a path.
pub(crate) async fn project(
    reader: &mut impl Reading,
    reference: &str,
) -> Result<Option<LocatedProject>, Error> {
    if !is_path(reference) {
        let Some(project) = reader.get::<ProjectDocument>(reference).await? else {
            return Ok(None);
        };
        let group = group_by_id(reader, &project.parent.id).await?;
        return Ok(group.map(|group| LocatedProject { project, group }));
    }
    let Some((group_path, name)) = reference.rsplit_once('/') else {
        return Ok(None);
    };
    let Some(group) = group_by_path(reader, group_path).await? else {
        return Ok(None);
    };
    let project = child(reader, &group.as_parent(), name).await?;
    Ok(project.map(|project| LocatedProject { project, group }))
}

/// Goes down from the owner.
async fn group_by_path(
    reader: &mut impl Reading,
    path: &str,
) -> Result<Option<LocatedGroup>, Error> {
    let mut names = path.split('/');
    let (Some(kind), Some(owner_name)) = (names.next(), names.next()) else {
        return Ok(None);
    };
    let (owner, is_private) = match kind {
        "user" => match by_name::<UserDocument>(reader, owner_name).await? {
            Some(user) => (StoredParent::new(ConfigType::User, user.id), false),
            None => return Ok(None),
        },
        "org" => match by_name::<OrganizationDocument>(reader, owner_name).await? {
            Some(org) => (
                StoredParent::new(ConfigType::Org, org.id),
                org.visibility == Visibility::Private,
            ),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let Some(root) = child::<GroupDocument>(reader, &owner, "").await? else {
        return Ok(None);
    };
    let mut located = LocatedGroup {
        place: GroupPlace::of_root(&root, owner_name, is_private),
        group: root,
    };
    for name in names {
        // Root groups alone have no name.
        if name.is_empty() {
            return Ok(None);
        }
        let Some(group) = child::<GroupDocument>(reader, &located.as_parent(), name).await? else {
            return Ok(None);
        };
        located = LocatedGroup {
            place: located.place.of_subgroup(&group),
            group,
        };
    }
    Ok(Some(located))
}

/// Goes up to the owner. What lies below something that is gone is gone too.
async fn group_by_id(reader: &mut impl Reading, id: &str) -> Result<Option<LocatedGroup>, Error> {
    let Some(group) = reader.get::<GroupDocument>(id).await? else {
        return Ok(None);
    };
    let mut above = vec![group];
    let root = loop {
        let Some(top) = above.pop() else {
            return Ok(None);
        };
        if top.is_root() {
            break top;
        }
        let parent = reader.get::<GroupDocument>(&top.parent.id).await?;
        above.push(top);
        match parent {
            Some(parent) if above.len() < DEPTH_MAX => above.push(parent),
            _ => return Ok(None),
        }
    };
    let owner = match root.parent.kind {
        ConfigType::User => {
            let user = reader.get::<UserDocument>(&root.parent.id).await?;
            user.map(|user| (user.name, false))
        }
        ConfigType::Org => {
            let org = reader.get::<OrganizationDocument>(&root.parent.id).await?;
            org.map(|org| (org.name, org.visibility == Visibility::Private))
        }
        _ => None,
    };
    let Some((owner_name, is_private)) = owner else {
        return Ok(None);
    };
    let mut located = LocatedGroup {
        place: GroupPlace::of_root(&root, &owner_name, is_private),
        group: root,
    };
    while let Some(group) = above.pop() {
        located = LocatedGroup {
            place: located.place.of_subgroup(&group),
            group,
        };
    }
    Ok(Some(located))
}

/// An object with secrets and variables: how it stands as a parent, its path, and the groups above it with their paths, from
/// the nearest to the root.
pub(crate) struct ValueLevels {
    pub(crate) levels: Vec<(StoredParent, String)>,
}

impl ValueLevels {
    /// The object itself.
    pub(crate) fn parent(&self) -> Result<&StoredParent, Error> {
        let first = self.levels.first().map(|(parent, _)| parent);
        first.ok_or_else(|| Error::internal("an object has no levels"))
    }
}

/// What a reference to a parent of secrets and variables means.
pub(crate) async fn value_levels(
    reader: &mut impl Reading,
    parent: ValueParent<'_>,
) -> Result<Option<ValueLevels>, Error> {
    let mut levels = Vec::new();
    let group = match parent {
        ValueParent::ProjectGroup(reference) => group(reader, reference).await?,
        ValueParent::Project(reference) => match project(reader, reference).await? {
            Some(located) => {
                let place = located.group.place.of_project(&located.project);
                let id = located.project.id;
                levels.push((StoredParent::new(ConfigType::Project, id), place.path));
                Some(located.group)
            }
            None => None,
        },
    };
    let Some(group) = group else {
        return Ok(None);
    };
    let mut path = group.place.path.as_str();
    for id in group.place.ids.iter().rev() {
        levels.push((
            StoredParent::new(ConfigType::ProjectGroup, id.clone()),
            path.to_owned(),
        ));
        path = path.rsplit_once('/').map_or("", |(above, _)| above);
    }
    Ok(Some(ValueLevels { levels }))
}
