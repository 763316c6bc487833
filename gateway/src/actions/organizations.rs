//! Organizations and their members.

use configstore::api::{
    AddOrgMemberRequest, CreateOrgRequest, OrgMemberResponse, Organization, Visibility,
};
use configstore::client::ListOptions;

use super::permissions::Owner;
use super::{Gateway, Page};
use crate::Error;
use crate::api::{self, AddOrgMemberResponse, OrgMembersResponse, OrgResponse};
use crate::auth::Caller;
use crate::convert;
use crate::error::{behind, forbidden};

/// Requests for one page, at most, when most organizations are not for the caller.
const LOOKS_MAX: usize = 200;

impl Gateway {
    async fn readable_organization(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<Organization, Error> {
        let organization = self.configstore().org(reference).await;
        let organization = organization.map_err(behind)?;
        if organization.visibility == Some(Visibility::Public) {
            return Ok(organization);
        }
        let owner = Owner::organization(&organization.id);
        match self.is_member(caller, owner).await? {
            true => Ok(organization),
            false => Err(forbidden("only its members may see this")),
        }
    }

    async fn own_organization(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<Organization, Error> {
        let organization = self.configstore().org(reference).await;
        let organization = organization.map_err(behind)?;
        let owner = Owner::organization(&organization.id);
        self.check_owner(caller, owner).await?;
        Ok(organization)
    }

    pub(crate) async fn organization(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<OrgResponse, Error> {
        let organization = self.readable_organization(caller, reference).await?;
        Ok(convert::organization(organization))
    }

    /// Those that the caller may see.
    pub(crate) async fn organizations(
        &self,
        caller: &Caller,
        page: &Page,
    ) -> Result<Vec<OrgResponse>, Error> {
        let mut options = page.options();
        if caller.is_admin() {
            let found = self.configstore().orgs(&options).await;
            let found = found.map_err(behind)?.into_iter();
            return Ok(found.map(convert::organization).collect());
        }
        let own = match caller.user_id() {
            Some(id) => self.configstore().user_orgs(id).await.map_err(behind)?,
            None => Vec::new(),
        };
        let is_readable = |organization: &Organization| {
            let mut own = own.iter();
            organization.visibility == Some(Visibility::Public)
                || own.any(|own| own.organization.id == organization.id)
        };
        let size = page.size() as usize;
        let mut readable = Vec::new();
        for _ in 0..LOOKS_MAX {
            let found = self.organizations_at(&options).await?;
            let Some(last) = found.last() else {
                break;
            };
            options.start = Some(last.name.clone());
            let missing = size - readable.len();
            readable.extend(found.into_iter().filter(&is_readable).take(missing));
            if readable.len() == size {
                break;
            }
        }
        Ok(readable.into_iter().map(convert::organization).collect())
    }

    async fn organizations_at(&self, options: &ListOptions) -> Result<Vec<Organization>, Error> {
        let whole_pages = ListOptions {
            limit: Some(Page::default().size()),
            ..options.clone()
        };
        self.configstore().orgs(&whole_pages).await.map_err(behind)
    }

    pub(crate) async fn create_organization(
        &self,
        caller: &Caller,
        request: &api::CreateOrgRequest,
    ) -> Result<OrgResponse, Error> {
        let request = CreateOrgRequest {
            name: request.name.clone(),
            visibility: request.visibility.map(Into::into),
            creator_user_id: caller.user_id().unwrap_or_default().to_owned(),
        };
        let organization = self.configstore_for(caller).create_org(&request).await;
        Ok(convert::organization(organization.map_err(behind)?))
    }

    /// Returns the id.
    pub(crate) async fn delete_organization(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<String, Error> {
        let organization = self.own_organization(caller, reference).await?;
        let configstore = self.configstore_for(caller);
        let deleted = configstore.delete_org(&organization.id).await;
        deleted.map_err(behind)?;
        Ok(organization.id)
    }

    pub(crate) async fn members(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<OrgMembersResponse, Error> {
        let organization = self.readable_organization(caller, reference).await?;
        let members = self.configstore().org_members(&organization.id).await;
        let members: Vec<OrgMemberResponse> = members.map_err(behind)?;
        Ok(OrgMembersResponse {
            organization: convert::organization(organization),
            members: members.into_iter().map(convert::member).collect(),
        })
    }

    pub(crate) async fn put_member(
        &self,
        caller: &Caller,
        reference: &str,
        user: &str,
        request: &api::AddOrgMemberRequest,
    ) -> Result<AddOrgMemberResponse, Error> {
        let organization = self.own_organization(caller, reference).await?;
        let user = self.configstore().user(user).await.map_err(behind)?;
        let request = AddOrgMemberRequest {
            role: request.role.map(Into::into),
        };
        let configstore = self.configstore_for(caller);
        let member = configstore.put_org_member(&organization.id, &user.id, &request);
        let member = member.await.map_err(behind)?;
        Ok(AddOrgMemberResponse {
            organization: convert::organization(organization),
            user: convert::user(user),
            role: member.member_role.map(Into::into),
        })
    }

    pub(crate) async fn delete_member(
        &self,
        caller: &Caller,
        reference: &str,
        user: &str,
    ) -> Result<(), Error> {
        let organization = self.own_organization(caller, reference).await?;
        let configstore = self.configstore_for(caller);
        let deleted = configstore.delete_org_member(&organization.id, user).await;
        deleted.map_err(|error| match error.kind() {
            crate::ErrorKind::NotFound => Error::bad_request(error.to_string()),
            _ => behind(error),
        })
    }
}
