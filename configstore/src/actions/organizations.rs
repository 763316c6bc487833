//! Organizations.

use datamanager::{Document, Transaction};

use super::users::{root_group, unknown_user};
use super::{Actions, Page, check_name, place, required};
use crate::Error;
use crate::api::{ConfigType, CreateOrgRequest, MemberRole, Organization, Time};
use crate::error::{exists, unknown};
use crate::secrets::new_id;
use crate::store::{MemberDocument, OrganizationDocument, Reading, StoredParent};

pub(super) fn unknown_org(reference: &str) -> Error {
    unknown(format!("there is no organization {reference:?}"))
}

impl Actions {
    pub(crate) async fn org(&self, reference: &str) -> Result<Organization, Error> {
        let org = place::organization(&mut self.snapshot(), reference).await?;
        let org = org.map(|org| org.to_api());
        org.ok_or_else(|| Error::not_found(format!("there is no organization {reference:?}")))
    }

    pub(crate) async fn orgs(&self, page: &Page) -> Result<Vec<Organization>, Error> {
        let orgs = self
            .snapshot()
            .list::<OrganizationDocument>(&page.query("name"))
            .await?;
        Ok(orgs.iter().map(OrganizationDocument::to_api).collect())
    }

    pub(crate) async fn create_org(
        &self,
        request: &CreateOrgRequest,
    ) -> Result<Organization, Error> {
        check_name(&request.name)?;
        let visibility = required("visibility", request.visibility)?;
        let name = &request.name;
        self.database
            .write(|mut transaction| async move {
                let transaction = &mut transaction;
                if place::by_name::<OrganizationDocument>(transaction, name)
                    .await?
                    .is_some()
                {
                    return Err(exists(format!(
                        "an organization with the name {name:?} exists already"
                    )));
                }
                let mut org = OrganizationDocument {
                    id: new_id(),
                    name: name.clone(),
                    visibility,
                    creator_user_id: String::new(),
                    created_at: Time::now(),
                };
                let creator = &request.creator_user_id;
                if !creator.is_empty() {
                    let user = place::user(transaction, creator).await?;
                    let user = user.ok_or_else(|| unknown_user(creator))?;
                    transaction.put(&MemberDocument {
                        id: new_id(),
                        organization_id: org.id.clone(),
                        user_id: user.id.clone(),
                        role: MemberRole::Owner,
                    })?;
                    org.creator_user_id = user.id;
                }
                transaction.put(&org)?;
                transaction.put(&root_group(ConfigType::Org, &org.id, visibility))?;
                Ok(org.to_api())
            })
            .await
    }

    pub(crate) async fn delete_org(&self, reference: &str) -> Result<(), Error> {
        self.delete_tree(async |transaction: &mut Transaction| {
            let org = place::organization(transaction, reference).await?;
            let org = org.ok_or_else(|| unknown_org(reference))?;
            transaction.delete::<OrganizationDocument>(org.id())?;
            Ok(StoredParent::new(ConfigType::Org, org.id))
        })
        .await
    }
}
