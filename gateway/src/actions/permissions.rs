//! What callers may do.
//!
//! - An administrator may do everything.
//! - The owner of a thing is the user at the root of its tree, or whoever has the role `owner` in the organization there.
//! - Members are the owner and all members of that organization.
//! - What is public, with all above it, everybody may read, and what is private members alone. Lists are for callers who say
//!   who they are.

use configstore::api::{ConfigType, MemberRole, Place, Visibility};

use super::Gateway;
use crate::Error;
use crate::auth::Caller;
use crate::error::{behind, forbidden};

/// The root of a tree of project groups.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) kind: Option<ConfigType>,
    pub(super) id: &'a str,
}

impl<'a> Owner<'a> {
    pub(super) fn of(place: &'a Place) -> Owner<'a> {
        Owner {
            kind: place.owner_type,
            id: &place.owner_id,
        }
    }

    pub(super) fn organization(id: &'a str) -> Owner<'a> {
        Owner {
            kind: Some(ConfigType::Org),
            id,
        }
    }
}

impl Gateway {
    /// The role of a user in an organization.
    async fn role(
        &self,
        user_id: &str,
        organization_id: &str,
    ) -> Result<Option<MemberRole>, Error> {
        let organizations = self.configstore().user_orgs(user_id).await;
        let organizations = organizations.map_err(behind)?;
        let found = organizations
            .into_iter()
            .find(|found| found.organization.id == organization_id);
        Ok(found.and_then(|found| found.role))
    }

    pub(super) async fn is_owner(&self, caller: &Caller, owner: Owner<'_>) -> Result<bool, Error> {
        let role = self.role_towards(caller, owner).await?;
        Ok(role == Some(MemberRole::Owner))
    }

    pub(super) async fn is_member(&self, caller: &Caller, owner: Owner<'_>) -> Result<bool, Error> {
        Ok(self.role_towards(caller, owner).await?.is_some())
    }

    async fn role_towards(
        &self,
        caller: &Caller,
        owner: Owner<'_>,
    ) -> Result<Option<MemberRole>, Error> {
        if caller.is_admin() {
            return Ok(Some(MemberRole::Owner));
        }
        let Some(user_id) = caller.user_id() else {
            return Ok(None);
        };
        match owner.kind {
            Some(ConfigType::User) if owner.id == user_id => Ok(Some(MemberRole::Owner)),
            Some(ConfigType::Org) => self.role(user_id, owner.id).await,
            _ => Ok(None),
        }
    }

    pub(super) async fn check_owner(&self, caller: &Caller, owner: Owner<'_>) -> Result<(), Error> {
        match self.is_owner(caller, owner).await? {
            true => Ok(()),
            false => Err(forbidden("only its owner may do this")),
        }
    }

    /// Refuses to show what is private to who is no member.
    pub(super) async fn check_can_read(
        &self,
        caller: Option<&Caller>,
        place: &Place,
    ) -> Result<(), Error> {
        if place.global_visibility == Some(Visibility::Public) {
            return Ok(());
        }
        let is_member = match caller {
            Some(caller) => self.is_member(caller, Owner::of(place)).await?,
            None => false,
        };
        match is_member {
            true => Ok(()),
            false => Err(forbidden("only its members may see this")),
        }
    }

    /// Leaves out what is private if the caller is no member.
    pub(super) async fn keep_readable<T>(
        &self,
        caller: &Caller,
        things: Vec<T>,
        place: impl Fn(&T) -> &Place,
    ) -> Result<Vec<T>, Error> {
        let is_public = |thing: &T| place(thing).global_visibility == Some(Visibility::Public);
        let Some(private) = things.iter().find(|thing| !is_public(thing)) else {
            return Ok(things);
        };
        // What lies in one group has one owner.
        match self.is_member(caller, Owner::of(place(private))).await? {
            true => Ok(things),
            false => Ok(things.into_iter().filter(is_public).collect()),
        }
    }
}

pub(super) fn check_admin(caller: &Caller) -> Result<(), Error> {
    match caller.is_admin() {
        true => Ok(()),
        false => Err(forbidden("only an administrator may do this")),
    }
}
