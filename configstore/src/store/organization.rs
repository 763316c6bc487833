//! Organizations and their members.

use datamanager::{Document, Indexes};
use serde::{Deserialize, Serialize};

use crate::api::{MemberRole, Organization, OrganizationMember, Time, Visibility};

/// An organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OrganizationDocument {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) visibility: Visibility,
    pub(crate) creator_user_id: String,
    pub(crate) created_at: Time,
}

impl Document for OrganizationDocument {
    const TYPE: &'static str = "org";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<OrganizationDocument> {
        Indexes::<OrganizationDocument>::new().unique("name", |org| org.name.clone())
    }
}

impl OrganizationDocument {
    pub(crate) fn to_api(&self) -> Organization {
        Organization {
            id: self.id.clone(),
            name: self.name.clone(),
            visibility: Some(self.visibility),
            creator_user_id: self.creator_user_id.clone(),
            created_at: self.created_at,
        }
    }
}

/// A membership.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MemberDocument {
    pub(crate) id: String,
    pub(crate) organization_id: String,
    pub(crate) user_id: String,
    pub(crate) role: MemberRole,
}

impl Document for MemberDocument {
    const TYPE: &'static str = "orgmember";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<MemberDocument> {
        Indexes::<MemberDocument>::new()
            .unique("org_user", |member| {
                (member.organization_id.clone(), member.user_id.clone())
            })
            .index("user", |member| member.user_id.clone())
    }
}

impl MemberDocument {
    pub(crate) fn to_api(&self) -> OrganizationMember {
        OrganizationMember {
            id: self.id.clone(),
            organization_id: self.organization_id.clone(),
            user_id: self.user_id.clone(),
            member_role: Some(self.role),
        }
    }
}
