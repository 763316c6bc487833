//! Commands that ask a gateway: runs, projects, users, organizations, secrets and variables.
//!
//! | module | what it is |
//! |---|---|
//! | `session` | which gateway, which token, and where the answer is printed |
//! | `failure` | what a failure means, and what to do about it |
//! | `table`, `words` | tables; times, durations and states in words |
//! | `input`, `definition` | files and standard input; run definitions |
//! | `paging` | lists that the gateway gives in parts |
//! | `run` | runs, their logs, and what is done with them |
//! | `values` | whose secrets and variables |
//! | all others | a noun each |

mod definition;
mod failure;
mod input;
mod org;
mod paging;
mod project;
mod project_group;
mod run;
mod secret;
mod session;
mod table;
mod user;
mod values;
mod variable;
mod variable_file;
mod words;

use clap::{Args, Subcommand};

use crate::output::Output;

use session::{GatewayArgs, Session};

/// A noun, and what is done with it.
#[derive(Debug, Subcommand)]
pub(crate) enum RemoteCommand {
    /// Start runs, look at them and their logs, and act on them
    Run(Noun<run::RunAction>),
    /// Make, show, change and delete projects
    Project(Noun<project::ProjectAction>),
    /// Make, show, change and delete groups of projects
    #[command(visible_alias = "group")]
    Projectgroup(Noun<project_group::ProjectGroupAction>),
    /// Make, show and delete users, and their tokens
    User(Noun<user::UserAction>),
    /// Make, show and delete organizations, and their members
    Org(Noun<org::OrgAction>),
    /// Make, show, replace and delete secrets of projects and groups
    Secret(Noun<secret::SecretAction>),
    /// Make, show, replace and delete variables of projects and groups
    Variable(Noun<variable::VariableAction>),
}

/// What is done, and at which gateway.
#[derive(Debug, Args)]
pub(crate) struct Noun<A: Subcommand> {
    #[command(flatten)]
    gateway: GatewayArgs,

    #[command(subcommand)]
    action: A,
}

/// Runs a command of a gateway to its end.
pub(crate) async fn run(command: RemoteCommand, output: Output) -> anyhow::Result<()> {
    match command {
        RemoteCommand::Run(noun) => noun.run(output, run::run).await,
        RemoteCommand::Project(noun) => noun.run(output, project::run).await,
        RemoteCommand::Projectgroup(noun) => noun.run(output, project_group::run).await,
        RemoteCommand::Org(noun) => noun.run(output, org::run).await,
        RemoteCommand::Secret(noun) => noun.run(output, secret::run).await,
        RemoteCommand::Variable(noun) => noun.run(output, variable::run).await,
        RemoteCommand::User(noun) => noun.run(output, user::run).await,
    }
}

impl<A: Subcommand> Noun<A> {
    async fn run(
        self,
        output: Output,
        act: impl AsyncFnOnce(&mut Session, A) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut session = Session::begin(&self.gateway, output)?;
        let result = act(&mut session, self.action).await;
        session.end(result)
    }
}
