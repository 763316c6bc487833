//! Members of organizations.

use datamanager::{Document, Query, Transaction};

use super::organizations::unknown_org;
use super::users::unknown_user;
use super::{Actions, place, required};
use crate::Error;
use crate::api::{AddOrgMemberRequest, OrgMemberResponse, OrganizationMember};
use crate::error::unknown;
use crate::secrets::new_id;
use crate::store::{MemberDocument, Reading, UserDocument};

impl Actions {
    /// The members of an organization, by name.
    pub(crate) async fn members(&self, org: &str) -> Result<Vec<OrgMemberResponse>, Error> {
        let mut reader = self.snapshot();
        let found = place::organization(&mut reader, org).await?;
        let org =
            found.ok_or_else(|| Error::not_found(format!("there is no organization {org:?}")))?;
        let query = Query::by("org_user").equal(org.id.as_str());
        let mut members = Vec::new();
        for member in reader.list::<MemberDocument>(&query).await? {
            // A user who is gone may leave memberships for a moment.
            if let Some(user) = Reading::get::<UserDocument>(&mut reader, &member.user_id).await? {
                members.push(OrgMemberResponse {
                    user: self.whole_user(&mut reader, &user).await?,
                    role: Some(member.role),
                });
            }
        }
        members.sort_by(|one, other| one.user.name.cmp(&other.user.name));
        Ok(members)
    }

    /// Makes a user a member, or gives a member another role.
    pub(crate) async fn put_member(
        &self,
        org: &str,
        user: &str,
        request: &AddOrgMemberRequest,
    ) -> Result<OrganizationMember, Error> {
        let role = required("role", request.role)?;
        self.database
            .write(|mut transaction| async move {
                let (org_id, user_id, member) = find(&mut transaction, org, user).await?;
                let mut member = member.unwrap_or_else(|| MemberDocument {
                    id: new_id(),
                    organization_id: org_id,
                    user_id,
                    role,
                });
                member.role = role;
                transaction.put(&member)?;
                Ok(member.to_api())
            })
            .await
    }

    pub(crate) async fn delete_member(&self, org: &str, user: &str) -> Result<(), Error> {
        self.database
            .write(|mut transaction| async move {
                let (_, _, member) = find(&mut transaction, org, user).await?;
                let member = member.ok_or_else(|| {
                    unknown(format!(
                        "user {user:?} is no member of organization {org:?}"
                    ))
                })?;
                transaction.delete::<MemberDocument>(member.id())?;
                Ok(())
            })
            .await
    }
}

/// The ids of an organization and a user, and the membership if there is one.
async fn find(
    transaction: &mut Transaction,
    org: &str,
    user: &str,
) -> Result<(String, String, Option<MemberDocument>), Error> {
    let found = place::organization(transaction, org).await?;
    let org_id = found.ok_or_else(|| unknown_org(org))?.id;
    let found = place::user(transaction, user).await?;
    let user_id = found.ok_or_else(|| unknown_user(user))?.id;
    let key = (org_id.clone(), user_id.clone());
    let member = Reading::find::<MemberDocument>(transaction, "org_user", key).await?;
    Ok((org_id, user_id, member))
}
