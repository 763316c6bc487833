//! Whose runs are meant, and which run and task.

use clap::Args;
use gateway_client::api::{RunResponse, RunTaskSummaryResponse};
use gateway_client::{Client, RunsOf};

use crate::exit::Reason;

/// Whose runs are meant.
#[derive(Debug, Args)]
pub(super) struct OwnerArgs {
    /// Runs of this project: its path, as user/ann/web or org/acme/web, or its id
    #[arg(long, short, value_name = "REF")]
    project: Option<String>,

    /// Runs of this user that belong to no project; your own if neither this nor --project is given
    #[arg(long, short, value_name = "NAME", conflicts_with = "project")]
    user: Option<String>,
}

/// Whose runs they are.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Project(String),
    User(String),
}

impl OwnerArgs {
    pub(super) fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) async fn find(&self, client: &Client) -> anyhow::Result<Owner> {
        match (&self.project, &self.user) {
            (Some(project), _) => Ok(Owner::Project(project.clone())),
            (None, Some(user)) => Ok(Owner::User(user.clone())),
            (None, None) => Ok(Owner::User(client.current_user().await?.username)),
        }
    }
}

impl Owner {
    pub(super) fn runs(&self) -> RunsOf<'_> {
        match self {
            Owner::Project(project) => RunsOf::Project(project),
            Owner::User(user) => RunsOf::User(user),
        }
    }

    /// The options that name it.
    pub(super) fn options(&self) -> String {
        match self {
            Owner::Project(project) => format!("--project {project}"),
            Owner::User(user) => format!("--user {user}"),
        }
    }
}

/// The tasks of a run, those first that others depend on.
pub(super) fn tasks_in_order(run: &RunResponse) -> Vec<&RunTaskSummaryResponse> {
    let mut tasks: Vec<&RunTaskSummaryResponse> = run.tasks.values().collect();
    tasks.sort_by(|one, other| (one.level, &one.name).cmp(&(other.level, &other.name)));
    tasks
}

/// The task with this id or name.
pub(super) fn find_task<'a>(
    run: &'a RunResponse,
    task: &str,
) -> Result<&'a RunTaskSummaryResponse, Reason> {
    let named = || run.tasks.values().find(|one| one.name == task);
    run.tasks.get(task).or_else(named).ok_or_else(|| {
        let names: Vec<&str> = tasks_in_order(run)
            .iter()
            .map(|task| task.name.as_str())
            .collect();
        let names = names.join(", ");
        Reason::not_found(format!(
            "run {} has no task {task:?}; it has {names}",
            run.number
        ))
    })
}
