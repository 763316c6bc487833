//! Organizations and their members: `dm org …`.

use clap::{Args, Subcommand, ValueEnum};
use gateway_client::api::{
    CreateOrgRequest, MemberRole, OrgMemberResponse, OrgResponse, UserOrgResponse,
};
use serde_json::json;

use super::paging::PageArgs;
use super::session::Session;
use super::words::{VisibilityArg, visibility};

/// What is done with organizations.
#[derive(Debug, Subcommand)]
pub(crate) enum OrgAction {
    /// Make an organization, whose owner is who makes it
    Create {
        name: String,
        /// Who can see it
        #[arg(long, value_enum, default_value_t = VisibilityArg::Private)]
        visibility: VisibilityArg,
    },
    /// Print an organization
    Get(OneOrg),
    /// Print organizations
    List(ListArgs),
    /// Delete an organization and all that lies in it
    Delete(OneOrg),
    /// The members of an organization
    #[command(subcommand)]
    Member(MemberAction),
}

/// Which organization.
#[derive(Debug, Args)]
pub(crate) struct OneOrg {
    /// Its name or id
    #[arg(value_name = "ORG")]
    org: String,
}

/// Which organizations are listed.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageArgs,

    /// Only those that you are a member of, with your role
    #[arg(long, conflicts_with_all = ["after", "limit"])]
    mine: bool,
}

/// What is done with members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberAction {
    /// Make a user a member, or give a member another role
    Add {
        #[command(flatten)]
        member: OneMember,
        /// What the user may do: an owner everything, a member what is private to others
        #[arg(long, value_enum, default_value_t = Role::Member)]
        role: Role,
    },
    /// Print the members
    List(OneOrg),
    /// End a membership
    Remove(OneMember),
}

/// Which member.
#[derive(Debug, Args)]
pub(crate) struct OneMember {
    #[command(flatten)]
    org: OneOrg,

    /// The name or the id of the user
    user: String,
}

/// A role.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    Owner,
    Member,
}

impl From<Role> for MemberRole {
    fn from(role: Role) -> MemberRole {
        match role {
            Role::Owner => MemberRole::Owner,
            Role::Member => MemberRole::Member,
        }
    }
}

pub(super) async fn run(session: &mut Session, action: OrgAction) -> anyhow::Result<()> {
    match action {
        OrgAction::Create { name, visibility } => {
            let request = CreateOrgRequest {
                name,
                visibility: Some(visibility.into()),
            };
            let org = session.client.create_org(&request).await?;
            session.print_done(&org, format!("organization {} is made", org.name))
        }
        OrgAction::Get(one) => {
            let org = session.client.org(&one.org).await?;
            let properties = [
                ("organization", org.name.clone()),
                ("id", org.id.clone()),
                ("visibility", visibility(&org.visibility)),
            ];
            session.print_one(&org, properties)
        }
        OrgAction::List(args) => list(session, &args).await,
        OrgAction::Delete(one) => {
            session.client.delete_org(&one.org).await?;
            session.print_deleted("organization", &one.org)
        }
        OrgAction::Member(action) => member(session, action).await,
    }
}

async fn list(session: &mut Session, args: &ListArgs) -> anyhow::Result<()> {
    let client = session.client.clone();
    if args.mine {
        let orgs = client.current_user_orgs().await?;
        return session.print_list(["NAME", "ROLE"], &orgs, |org: &UserOrgResponse| {
            [org.organization.name.clone(), role(&org.role)]
        });
    }
    let page = async |paging: &_| client.orgs(paging).await;
    let orgs = args
        .page
        .collect(page, |org: &OrgResponse| &org.name)
        .await?;
    session.print_list(["NAME", "VISIBILITY", "ID"], &orgs, |org| {
        [
            org.name.clone(),
            visibility(&org.visibility),
            org.id.clone(),
        ]
    })
}

async fn member(session: &mut Session, action: MemberAction) -> anyhow::Result<()> {
    match action {
        MemberAction::Add { member, role } => {
            let OneMember { org, user } = member;
            let added = session.client.add_org_member(&org.org, &user, role.into());
            let added = added.await?;
            let (user, org) = (&added.user.username, &added.organization.name);
            let message = match &added.role {
                Some(role) => format!("{user} is {role} of {org}"),
                None => format!("{user} is in {org}"),
            };
            session.print_done(&added, message)
        }
        MemberAction::List(one) => {
            let found = session.client.org_members(&one.org).await?;
            let mut members = found.members;
            members.sort_by(|one, other| one.user.username.cmp(&other.user.username));
            session.print_list(["USER", "ROLE"], &members, |member: &OrgMemberResponse| {
                [member.user.username.clone(), role(&member.role)]
            })
        }
        MemberAction::Remove(OneMember { org, user }) => {
            session.client.remove_org_member(&org.org, &user).await?;
            let removed = json!({ "removed": user, "organization": org.org });
            session.print_done(
                &removed,
                format!("{user} is no member of {} any more", org.org),
            )
        }
    }
}

fn role(role: &Option<MemberRole>) -> String {
    let role = role.as_ref().map(ToString::to_string);
    role.unwrap_or_default()
}
