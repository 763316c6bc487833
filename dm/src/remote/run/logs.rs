//! `dm run logs` and `dm run delete-log`.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use gateway_client::LogStep;
use gateway_client::api::RunTaskSummaryResponse;
use serde_json::json;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinHandle;

use super::super::session::Session;
use super::follow::{PIECES_MAX, follow_run};
use super::log_stream::{Ended, Piece, TaskLogs};
use super::owner::{Owner, OwnerArgs, find_task, tasks_in_order};
use super::printer::Printer;

/// Which logs are printed.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    owner: OwnerArgs,

    /// The number of the run
    run: u64,

    /// The name or the id of a task; all tasks if none is named
    task: Option<String>,

    #[command(flatten)]
    part: PartArgs,

    /// Go on until what is printed has ended
    #[arg(long, short)]
    follow: bool,
}

/// Which log is deleted.
#[derive(Debug, Args)]
pub(crate) struct DeleteLogArgs {
    #[command(flatten)]
    owner: OwnerArgs,

    /// The number of the run
    run: u64,

    /// The name or the id of the task
    task: String,

    #[command(flatten)]
    part: PartArgs,
}

/// Which part of a task.
#[derive(Debug, Args)]
struct PartArgs {
    /// The log of this step alone, from 0 on
    #[arg(long, value_name = "N", requires = "task")]
    step: Option<u32>,

    /// The log of the preparations alone
    #[arg(long, requires = "task", conflicts_with = "step")]
    setup: bool,
}

impl PartArgs {
    fn step(&self) -> Option<LogStep> {
        match self.setup {
            true => Some(LogStep::Setup),
            false => self.step.map(LogStep::Step),
        }
    }
}

pub(super) async fn logs(session: &mut Session, args: LogsArgs) -> anyhow::Result<()> {
    let owner = args.owner.find(&session.client).await?;
    if args.task.is_none() && args.follow {
        return follow_run(session, &owner, args.run).await.map(drop);
    }
    let run = session.client.run(owner.runs(), args.run).await?;
    let tasks = match &args.task {
        Some(task) => vec![find_task(&run, task)?],
        None => tasks_in_order(&run),
    };
    let names = tasks.iter().map(|task| task.name.as_str());
    let mut printer = Printer::new(&session.output, names);
    let (sender, mut receiver) = mpsc::channel(PIECES_MAX);
    let tasks = logs_of(session, owner, args.run, &tasks, sender);
    let reading: JoinHandle<Result<(), Ended>> =
        tokio::spawn(read(tasks, args.part.step(), args.follow));
    printer
        .print_all(&mut session.output, &mut receiver)
        .await?;
    match reading.await.context("the log cannot be read")? {
        Err(Ended::Failed(error)) => Err(error.into()),
        Err(Ended::Gone) | Ok(()) => Ok(()),
    }
}

fn logs_of(
    session: &Session,
    owner: Owner,
    run: u64,
    tasks: &[&RunTaskSummaryResponse],
    sender: Sender<Piece>,
) -> Vec<TaskLogs> {
    let owner = Arc::new(owner);
    let logs = tasks.iter().map(|task| TaskLogs {
        client: session.client.clone(),
        owner: owner.clone(),
        run,
        id: task.id.clone(),
        name: task.name.as_str().into(),
        sender: sender.clone(),
    });
    logs.collect()
}

/// Reads one after the other: a step of each, or all of them.
async fn read(tasks: Vec<TaskLogs>, step: Option<LogStep>, follow: bool) -> Result<(), Ended> {
    for task in tasks {
        match (step, follow) {
            (Some(step), true) => task.follow_step(step).await?,
            (Some(step), false) => task.read_step(step, &mut 0, false).await?,
            (None, true) => task.follow().await.map(drop)?,
            (None, false) => task.read().await?,
        }
    }
    Ok(())
}

pub(super) async fn delete(session: &mut Session, args: DeleteLogArgs) -> anyhow::Result<()> {
    let Some(step) = args.part.step() else {
        let message = "which log is to be deleted: --step N or --setup";
        return Err(crate::exit::Reason::usage(message).into());
    };
    let owner = args.owner.find(&session.client).await?;
    let run = session.client.run(owner.runs(), args.run).await?;
    let task = find_task(&run, &args.task)?;
    let deleted = session
        .client
        .delete_log(owner.runs(), args.run, &task.id, step);
    deleted.await?;
    let deleted = json!({ "run": args.run, "task": task.name, "deleted": true });
    session.print_done(
        &deleted,
        format!("the log of task {} is deleted", task.name),
    )
}
