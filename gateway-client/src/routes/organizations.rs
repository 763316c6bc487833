//! Organizations and their members. `org` is an id or a name.

use super::Paging;
use crate::api::{
    AddOrgMemberRequest, AddOrgMemberResponse, CreateOrgRequest, MemberRole, OrgMembersResponse,
    OrgResponse,
};
use crate::path::Path;
use crate::{Client, Error};

impl Client {
    /// An organization. `org` is an id or a name.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn org(&self, org: &str) -> Result<OrgResponse, Error> {
        self.get(&Path::of(["orgs", org])).await
    }

    /// Organizations.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn orgs(&self, paging: &Paging) -> Result<Vec<OrgResponse>, Error> {
        self.get(&paging.of(Path::of(["orgs"]))).await
    }

    /// Makes an organization.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn create_org(&self, request: &CreateOrgRequest) -> Result<OrgResponse, Error> {
        self.post(&Path::of(["orgs"]), request).await
    }

    /// Deletes an organization and what lies in it.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_org(&self, org: &str) -> Result<(), Error> {
        self.delete(&Path::of(["orgs", org])).await
    }

    /// An organization and its members.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn org_members(&self, org: &str) -> Result<OrgMembersResponse, Error> {
        self.get(&Path::of(["orgs", org, "members"])).await
    }

    /// Makes a user a member, or gives a member another role.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn add_org_member(
        &self,
        org: &str,
        user: &str,
        role: MemberRole,
    ) -> Result<AddOrgMemberResponse, Error> {
        let path = Path::of(["orgs", org, "members", user]);
        let request = AddOrgMemberRequest { role: Some(role) };
        self.put(&path, &request).await
    }

    /// Ends a membership.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn remove_org_member(&self, org: &str, user: &str) -> Result<(), Error> {
        self.delete(&Path::of(["orgs", org, "members", user])).await
    }
}
