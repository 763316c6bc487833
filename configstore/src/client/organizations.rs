//! Organizations and their members.

use service::Error;
use service::client::Path;

use super::{Client, ListOptions};
use crate::api::{
    AddOrgMemberRequest, CreateOrgRequest, OrgMemberResponse, Organization, OrganizationMember,
};

impl Client {
    /// An organization by id or name.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn org(&self, org: &str) -> Result<Organization, Error> {
        self.base.get(&Path::of(["orgs", org])).await
    }

    /// A page of organizations.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn orgs(&self, options: &ListOptions) -> Result<Vec<Organization>, Error> {
        self.base.get(&options.apply(Path::of(["orgs"]))).await
    }

    /// Makes an organization.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_org(&self, request: &CreateOrgRequest) -> Result<Organization, Error> {
        self.base.post(&Path::of(["orgs"]), request).await
    }

    /// Deletes an organization and all that belongs to it.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_org(&self, org: &str) -> Result<(), Error> {
        self.base.delete(&Path::of(["orgs", org])).await
    }

    /// The members of an organization, by name.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn org_members(&self, org: &str) -> Result<Vec<OrgMemberResponse>, Error> {
        self.base.get(&Path::of(["orgs", org, "members"])).await
    }

    /// Makes a user a member, or gives a member another role.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn put_org_member(
        &self,
        org: &str,
        user: &str,
        request: &AddOrgMemberRequest,
    ) -> Result<OrganizationMember, Error> {
        self.base
            .put(&Path::of(["orgs", org, "members", user]), request)
            .await
    }

    /// Ends a membership.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn delete_org_member(&self, org: &str, user: &str) -> Result<(), Error> {
        self.base
            .delete(&Path::of(["orgs", org, "members", user]))
            .await
    }
}
