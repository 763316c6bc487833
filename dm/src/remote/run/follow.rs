//! A run that is followed to its end.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use gateway_client::api::{RunResponse, RunTaskResponse, RunTaskStatus, RunTaskSummaryResponse};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::super::session::Session;
use super::super::words::{is_over, state, took};
use super::log_stream::{Ended, LOOK_INTERVAL, Patience, Piece, TaskLogs, has_ended};
use super::owner::{Owner, tasks_in_order};
use super::printer::Printer;
use super::start::setup_errors;
use crate::exit::Reason;
use crate::output::note;

/// Pieces of logs that wait for being printed.
pub(super) const PIECES_MAX: usize = 64;

/// Follows a run, and fails if it does not succeed. With `--json` the run is printed at its end.
pub(super) async fn follow_to_success(
    session: &mut Session,
    owner: &Owner,
    number: u64,
) -> anyhow::Result<()> {
    let run = follow_run(session, owner, number).await?;
    if session.output.is_json() {
        session.output.json(&run)?;
    }
    session.output.flush()?;
    let faults: Vec<&str> = run.setup_errors.iter().map(String::as_str).collect();
    setup_errors(&faults)?;
    let state = state(&run.phase, &run.result, false);
    let took = took(run.start_time, run.end_time);
    let message = format!("run {number} ({}): {state} {took}", run.name);
    match state == "success" {
        true => {
            note(message);
            Ok(())
        }
        false => Err(Reason::failed(message.trim_end()).into()),
    }
}

/// Prints the logs of all tasks of a run as they come, and tells what becomes of them, until it has ended.
pub(super) async fn follow_run(
    session: &mut Session,
    owner: &Owner,
    number: u64,
) -> anyhow::Result<RunResponse> {
    let client = session.client.clone();
    let (sender, mut receiver) = mpsc::channel::<Piece>(PIECES_MAX);
    let mut run = client.run(owner.runs(), number).await?;
    let names = run.tasks.values().map(|task| task.name.as_str());
    let mut printer = Printer::new(&session.output, names);
    let owner = Arc::new(owner.clone());
    let mut followers: JoinSet<Result<(String, RunTaskResponse), Ended>> = JoinSet::new();
    let mut tasks = Tasks::default();
    let mut patience = Patience::default();
    loop {
        tasks.look(&run, &owner);
        for task in tasks.next(&run) {
            let logs = TaskLogs {
                client: client.clone(),
                owner: owner.clone(),
                run: number,
                id: task.id.clone(),
                name: task.name.as_str().into(),
                sender: sender.clone(),
            };
            let id = task.id.clone();
            followers.spawn(async move { Ok((id, logs.follow().await?)) });
        }
        if is_over(&run.phase) && followers.is_empty() {
            break;
        }
        let next_look = Instant::now() + LOOK_INTERVAL;
        loop {
            tokio::select! {
                // What a task has printed comes before what has become of it.
                biased;
                Some(piece) = receiver.recv() => {
                    printer.print(&mut session.output, piece)?;
                    if receiver.is_empty() {
                        session.output.flush()?;
                    }
                }
                Some(ended) = followers.join_next() => {
                    match ended.context("a log cannot be followed")? {
                        Ok((id, task)) => tasks.end(id, &task),
                        Err(Ended::Failed(error)) => return Err(error.into()),
                        // The receiver is still there.
                        Err(Ended::Gone) => {}
                    }
                    break;
                }
                () = sleep_until(next_look) => break,
            }
        }
        match client.run(owner.runs(), number).await {
            Ok(found) => {
                patience.renew();
                run = found;
            }
            Err(error) => patience.after(error).await?,
        }
    }
    drop(sender);
    printer
        .print_all(&mut session.output, &mut receiver)
        .await?;
    Ok(run)
}

/// The tasks of a run, by their ids, as far as something was told of them.
#[derive(Default)]
struct Tasks {
    told: HashMap<String, Told>,
}

/// What was told about a task.
#[derive(Default)]
struct Told {
    waits: bool,
    log: Log,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Log {
    /// The task has not begun.
    #[default]
    None,
    /// It has begun, and its log is not followed yet.
    Begun,
    Followed,
    /// There is no more of it.
    Over,
}

impl Tasks {
    /// Tells what has changed.
    fn look(&mut self, run: &RunResponse, owner: &Owner) {
        for task in tasks_in_order(run) {
            let told = self.told.entry(task.id.clone()).or_default();
            if task.waiting_approval && !told.waits {
                told.waits = true;
                let options = owner.options();
                note(format!(
                    "{} waits for approval: dm run approve {options} {} {}",
                    task.name, run.number, task.name
                ));
            }
            if told.log != Log::None || task.status == RunTaskStatus::NotStarted {
                continue;
            }
            // One that was never executed has no log.
            told.log = match task.start_time.is_none() && has_ended(&task.status) {
                true => {
                    note(format!("{}: {}", task.name, task.status));
                    Log::Over
                }
                false => Log::Begun,
            };
        }
    }

    /// The tasks whose logs are to be followed now. That of a task comes behind those of all that it depends on.
    fn next<'a>(&mut self, run: &'a RunResponse) -> Vec<&'a RunTaskSummaryResponse> {
        let mut next = Vec::new();
        for task in tasks_in_order(run) {
            let log = |id: &String| self.told.get(id).map(|told| told.log);
            let is_coming = |id: &String| matches!(log(id), Some(Log::Begun | Log::Followed));
            if log(&task.id) == Some(Log::Begun) && !task.depends.keys().any(is_coming) {
                next.push(task);
            }
        }
        for task in &next {
            if let Some(told) = self.told.get_mut(&task.id) {
                told.log = Log::Followed;
            }
        }
        next
    }

    /// There is no more of the log of a task, which tells what has become of the task.
    fn end(&mut self, id: String, task: &RunTaskResponse) {
        self.told.entry(id).or_default().log = Log::Over;
        let took = took(task.start_time, task.end_time);
        let message = format!("{}: {} {took}", task.name, task.status);
        note(message.trim_end());
    }
}
