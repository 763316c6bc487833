//! `dm run stop`, `cancel`, `restart` and `approve`.

use clap::Args;
use gateway_client::api::CreatedRun;
use serde_json::json;

use super::super::session::Session;
use super::follow::follow_to_success;
use super::owner::{OwnerArgs, find_task};
use super::start::print_created;

/// Which run.
#[derive(Debug, Args)]
pub(crate) struct OneRun {
    #[command(flatten)]
    owner: OwnerArgs,

    /// The number of the run
    run: u64,
}

/// Which run is done again, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    run: OneRun,

    /// Do all of it again
    #[arg(long, conflicts_with = "from_failed")]
    from_start: bool,

    /// Do only that again which has not succeeded
    #[arg(long)]
    from_failed: bool,

    /// Print the logs of the new run as they come, until it has ended; exit code 1 if it does not succeed
    #[arg(long, short)]
    follow: bool,
}

/// Which task is approved.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    run: OneRun,

    /// The name or the id of the task
    task: String,
}

pub(super) async fn stop(session: &mut Session, args: OneRun) -> anyhow::Result<()> {
    let owner = args.owner.find(&session.client).await?;
    let run = session.client.stop_run(owner.runs(), args.run).await?;
    session.print_done(&run, format!("run {} is being stopped", args.run))
}

pub(super) async fn cancel(session: &mut Session, args: OneRun) -> anyhow::Result<()> {
    let owner = args.owner.find(&session.client).await?;
    let run = session.client.cancel_run(owner.runs(), args.run).await?;
    session.print_done(&run, format!("run {} is cancelled", args.run))
}

pub(super) async fn restart(session: &mut Session, args: RestartArgs) -> anyhow::Result<()> {
    let number = args.run.run;
    let owner = args.run.owner.find(&session.client).await?;
    let from_start = match (args.from_start, args.from_failed) {
        (false, false) => {
            let run = session.client.run(owner.runs(), number).await?;
            !run.can_restart_from_failed_tasks
        }
        (from_start, _) => from_start,
    };
    let restarted = session.client.restart_run(owner.runs(), number, from_start);
    let run = restarted.await?;
    if args.follow {
        return follow_to_success(session, &owner, run.number).await;
    }
    let created = CreatedRun {
        number: run.number,
        name: run.name,
        setup_errors: run.setup_errors,
    };
    print_created(session, &[created])
}

pub(super) async fn approve(session: &mut Session, args: ApproveArgs) -> anyhow::Result<()> {
    let number = args.run.run;
    let owner = args.run.owner.find(&session.client).await?;
    let run = session.client.run(owner.runs(), number).await?;
    let task = find_task(&run, &args.task)?;
    let approved = session.client.approve_task(owner.runs(), number, &task.id);
    approved.await?;
    let approved = json!({ "run": number, "task": task.name, "approved": true });
    session.print_done(
        &approved,
        format!("task {} of run {number} is approved", task.name),
    )
}
