//! Projects: `dm project …`.

use clap::{Args, Subcommand};
use gateway_client::api::{
    CreateProjectRequest, ProjectResponse, RunDefinition, UpdateProjectRequest,
};

use super::definition::DefinitionArgs;
use super::session::Session;
use super::words::{VisibilityArg, visibility};
use crate::exit::Reason;

/// What is done with projects.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectAction {
    /// Make a project, whose runs come from definitions that are sent, or from the one in --file
    Create(CreateArgs),
    /// Print a project
    Get(OneProject),
    /// Print the projects that lie in a group, not those in the groups below it
    List(ParentArgs),
    /// Change what is given of a project
    Update(UpdateArgs),
    /// Delete a project
    Delete(OneProject),
}

/// Which project.
#[derive(Debug, Args)]
pub(crate) struct OneProject {
    /// Its path, as user/ann/web or org/acme/web, or its id
    #[arg(value_name = "PROJECT")]
    project: String,
}

/// Where something lies.
#[derive(Debug, Args)]
pub(crate) struct ParentArgs {
    /// The group that it lies in, as user/ann or org/acme/backend; your own if none is named
    #[arg(long, value_name = "GROUP")]
    pub(super) parent: Option<String>,
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

    /// Give variables to runs of pull requests of forks
    #[arg(long)]
    pass_vars_to_forked_pr: bool,

    #[command(flatten)]
    definition: DefinitionArgs,
}

/// What is changed.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    project: OneProject,

    /// Another name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Another group that it is to lie in
    #[arg(long, value_name = "GROUP")]
    parent: Option<String>,

    /// Who can see it
    #[arg(long, value_enum)]
    visibility: Option<VisibilityArg>,

    /// Whether variables are given to runs of pull requests of forks
    #[arg(long, value_name = "true|false")]
    pass_vars_to_forked_pr: Option<bool>,

    #[command(flatten)]
    definition: DefinitionArgs,

    /// Take away the run definition that is stored
    #[arg(long, conflicts_with = "file")]
    no_definition: bool,
}

pub(super) async fn run(session: &mut Session, action: ProjectAction) -> anyhow::Result<()> {
    match action {
        ProjectAction::Create(args) => create(session, args).await,
        ProjectAction::Get(one) => {
            let project = session.client.project(&one.project).await?;
            print(session, &project)
        }
        ProjectAction::List(args) => list(session, args).await,
        ProjectAction::Update(args) => update(session, args).await,
        ProjectAction::Delete(one) => {
            session.client.delete_project(&one.project).await?;
            session.print_deleted("project", &one.project)
        }
    }
}

async fn create(session: &mut Session, args: CreateArgs) -> anyhow::Result<()> {
    let request = CreateProjectRequest {
        name: args.name,
        parent_ref: args.parent.parent.unwrap_or_default(),
        visibility: Some(args.visibility.into()),
        pass_vars_to_forked_pr: args.pass_vars_to_forked_pr,
        run_config: args.definition.read()?,
        ..Default::default()
    };
    let project = session.client.create_project(&request).await?;
    session.print_done(&project, format!("project {} is made", project.path))
}

async fn update(session: &mut Session, args: UpdateArgs) -> anyhow::Result<()> {
    let run_config = match args.no_definition {
        true => Some(RunDefinition::default()),
        false => args.definition.read()?,
    };
    let request = UpdateProjectRequest {
        name: args.name,
        parent_ref: args.parent,
        visibility: args.visibility.map(Into::into),
        pass_vars_to_forked_pr: args.pass_vars_to_forked_pr,
        run_config,
    };
    if request == UpdateProjectRequest::default() {
        return Err(Reason::usage("nothing is to be changed: see --help").into());
    }
    let reference = &args.project.project;
    let project = session.client.update_project(reference, &request).await?;
    session.print_done(&project, format!("project {} is changed", project.path))
}

async fn list(session: &mut Session, args: ParentArgs) -> anyhow::Result<()> {
    let group = args.group(session).await?;
    let mut projects = session.client.project_group_projects(&group).await?;
    projects.sort_by(|one, other| one.path.cmp(&other.path));
    session.print_list(["PATH", "VISIBILITY", "DEFINITION"], &projects, |project| {
        [
            project.path.clone(),
            visibility(&project.global_visibility),
            definition(project),
        ]
    })
}

impl ParentArgs {
    /// The group, or that of the caller.
    pub(super) async fn group(&self, session: &Session) -> anyhow::Result<String> {
        match &self.parent {
            Some(group) => Ok(group.clone()),
            None => {
                let user = session.client.current_user().await?;
                Ok(format!("user/{}", user.username))
            }
        }
    }
}

/// The format of the definition that is stored.
fn definition(project: &ProjectResponse) -> String {
    let stored = project.run_config.as_ref();
    let format = stored.and_then(|definition| definition.format.as_ref());
    format.map(ToString::to_string).unwrap_or_default()
}

fn print(session: &mut Session, project: &ProjectResponse) -> anyhow::Result<()> {
    let properties = [
        ("project", project.path.clone()),
        ("id", project.id.clone()),
        ("visibility", visibility(&project.visibility)),
        ("visible to", who_sees(project)),
        ("definition", definition(project)),
    ];
    session.print_one(project, properties)?;
    let stored = project
        .run_config
        .as_ref()
        .filter(|stored| !stored.content.is_empty());
    let Some(stored) = stored.filter(|_| !session.output.is_json()) else {
        return Ok(());
    };
    session.output.line("")?;
    for line in stored.content.lines() {
        session.output.line(&*crate::output::printable(line))?;
    }
    Ok(())
}

/// A public project in a private group is not seen by everybody.
fn who_sees(project: &ProjectResponse) -> String {
    match &project.global_visibility {
        Some(gateway_client::api::Visibility::Public) => "everybody".to_owned(),
        Some(_) => "members".to_owned(),
        None => String::new(),
    }
}
