//! Project groups.

use datamanager::{Document, Indexes};
use serde::{Deserialize, Serialize};

use super::{StoredParent, child_key};
use crate::api::{ConfigType, ProjectGroup, Visibility};

/// A project group. The name of a root group is empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupDocument {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: StoredParent,
    pub(crate) visibility: Visibility,
}

impl Document for GroupDocument {
    const TYPE: &'static str = "projectgroup";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<GroupDocument> {
        Indexes::<GroupDocument>::new()
            .unique("parent_name", |group| child_key(&group.parent, &group.name))
    }
}

impl GroupDocument {
    /// Whether it is the group of a user or an organization.
    pub(crate) fn is_root(&self) -> bool {
        self.parent.kind != ConfigType::ProjectGroup
    }

    pub(crate) fn to_api(&self) -> ProjectGroup {
        ProjectGroup {
            id: self.id.clone(),
            name: self.name.clone(),
            parent: self.parent.to_api(),
            visibility: Some(self.visibility),
        }
    }
}
