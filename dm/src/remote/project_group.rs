//! Project groups: `dm projectgroup …`.

use clap::{Args, Subcommand};
use gateway_client::api::{
    CreateProjectGroupRequest, ProjectGroupResponse, UpdateProjectGroupRequest,
};

use super::project::ParentArgs;
use super::session::Session;
use super::words::{VisibilityArg, visibility};
use crate::exit::Reason;

/// What is done with project groups.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectGroupAction {
    /// Make a group
    Create(CreateArgs),
    /// Print a group
    Get(OneGroup),
    /// Print the groups that lie in a group
    List(ParentArgs),
    /// Change what is given of a group
    Update(UpdateArgs),
    /// Delete a group and all that lies in it
    Delete(OneGroup),
}

/// Which group.
#[derive(Debug, Args)]
pub(crate) struct OneGroup {
    /// Its path, as org/acme/backend, or its id
    #[arg(value_name = "GROUP")]
    group: String,
}

/// What is made.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    name: String,

    #[command(flatten)]
    parent: ParentArgs,

    /// Who can see it
    #[arg(long, value_enum, default_value_t = VisibilityArg::Private)]
    visibility: VisibilityArg,
}

/// What is changed.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    group: OneGroup,

    /// Another name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Another group that it is to lie in
    #[arg(long, value_name = "GROUP")]
    parent: Option<String>,

    /// Who can see it
    #[arg(long, value_enum)]
    visibility: Option<VisibilityArg>,
}

pub(super) async fn run(session: &mut Session, action: ProjectGroupAction) -> anyhow::Result<()> {
    match action {
        ProjectGroupAction::Create(args) => {
            let request = CreateProjectGroupRequest {
                name: args.name,
                parent_ref: args.parent.parent.unwrap_or_default(),
                visibility: Some(args.visibility.into()),
            };
            let group = session.client.create_project_group(&request).await?;
            session.print_done(&group, format!("group {} is made", group.path))
        }
        ProjectGroupAction::Get(one) => {
            let group = session.client.project_group(&one.group).await?;
            print(session, &group)
        }
        ProjectGroupAction::List(args) => {
            let parent = args.group(session).await?;
            let mut groups = session.client.project_group_subgroups(&parent).await?;
            groups.sort_by(|one, other| one.path.cmp(&other.path));
            session.print_list(["PATH", "VISIBILITY"], &groups, |group| {
                [group.path.clone(), visibility(&group.global_visibility)]
            })
        }
        ProjectGroupAction::Update(args) => update(session, args).await,
        ProjectGroupAction::Delete(one) => {
            session.client.delete_project_group(&one.group).await?;
            session.print_deleted("group", &one.group)
        }
    }
}

async fn update(session: &mut Session, args: UpdateArgs) -> anyhow::Result<()> {
    let request = UpdateProjectGroupRequest {
        name: args.name,
        parent_ref: args.parent,
        visibility: args.visibility.map(Into::into),
    };
    if request == UpdateProjectGroupRequest::default() {
        return Err(Reason::usage("nothing is to be changed: see --help").into());
    }
    let reference = &args.group.group;
    let changed = session.client.update_project_group(reference, &request);
    let group = changed.await?;
    session.print_done(&group, format!("group {} is changed", group.path))
}

fn print(session: &mut Session, group: &ProjectGroupResponse) -> anyhow::Result<()> {
    let properties = [
        ("group", group.path.clone()),
        ("id", group.id.clone()),
        ("visibility", visibility(&group.visibility)),
        ("in all", visibility(&group.global_visibility)),
    ];
    session.print_one(group, properties)
}
