//! `dm run list` and `dm run get`.

use clap::Args;
use gateway_client::RunsFilter;
use gateway_client::api::{
    RunPhase, RunResponse, RunResult, RunSummaryResponse, RunTaskResponse, RunTaskSummaryResponse,
};

use super::super::session::Session;
use super::super::words::{state, time, took};
use super::owner::{OwnerArgs, find_task, tasks_in_order};
use crate::output::note;

/// Which runs are listed.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    owner: OwnerArgs,

    /// Only runs in this phase; can be repeated, or be a list with commas
    #[arg(long, value_delimiter = ',', value_name = "PHASE",
        value_parser = ["setuperror", "queued", "cancelled", "running", "finished"])]
    phase: Vec<String>,

    /// Only runs with this result; can be repeated, or be a list with commas
    #[arg(long, value_delimiter = ',', value_name = "RESULT",
        value_parser = ["unknown", "stopped", "success", "failed"])]
    result: Vec<String>,

    /// Only runs of this part, as branch/main, tag/v1 or pr/12, with %2F for a slash in a name
    #[arg(long, value_name = "PART")]
    subgroup: Option<String>,

    /// Begin behind the run with this number
    #[arg(long, value_name = "RUN")]
    after: Option<u64>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,

    /// The oldest first
    #[arg(long)]
    oldest_first: bool,
}

/// Which run or task is shown.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    owner: OwnerArgs,

    /// The number of the run
    run: u64,

    /// The name or the id of a task
    task: Option<String>,
}

pub(super) async fn list(session: &mut Session, args: ListArgs) -> anyhow::Result<()> {
    let owner = args.owner.find(&session.client).await?;
    let mut filter = RunsFilter {
        phases: args.phase.into_iter().map(RunPhase::from).collect(),
        results: args.result.into_iter().map(RunResult::from).collect(),
        subgroup: args.subgroup.unwrap_or_default(),
        start: args.after,
        limit: None,
        ascending: args.oldest_first,
    };
    // The gateway gives a few at once.
    let mut runs: Vec<RunSummaryResponse> = Vec::new();
    while runs.len() < args.limit {
        filter.limit = u32::try_from(args.limit - runs.len()).ok();
        let page = session.client.runs(owner.runs(), &filter).await?;
        let Some(last) = page.last() else {
            break;
        };
        filter.start = Some(last.number);
        runs.extend(page);
    }
    runs.truncate(args.limit);
    let header = ["RUN", "NAME", "STATE", "FOR", "CREATED", "TOOK"];
    session.print_list(header, &runs, |run| {
        [
            run.number.to_string(),
            run.name.clone(),
            state(
                &run.phase,
                &run.result,
                !run.tasks_waiting_approval.is_empty(),
            ),
            target(|key| run.annotations.get(key)),
            time(run.enqueue_time),
            took(run.start_time, run.end_time),
        ]
    })?;
    if let Some(last) = runs.last().filter(|_| runs.len() == args.limit) {
        note(format!(
            "{} runs are shown; --after {} goes on behind them",
            runs.len(),
            last.number
        ));
    }
    Ok(())
}

/// What a run is for.
fn target<'a>(annotation: impl Fn(&str) -> Option<&'a String>) -> String {
    let named = |key: &str| annotation(key).filter(|name| !name.is_empty());
    if let Some(branch) = named("branch") {
        return branch.clone();
    }
    if let Some(tag) = named("tag") {
        return format!("tag {tag}");
    }
    if let Some(id) = named("pull_request_id") {
        return format!("pull request {id}");
    }
    named("ref").cloned().unwrap_or_default()
}

pub(super) async fn get(session: &mut Session, args: GetArgs) -> anyhow::Result<()> {
    let owner = args.owner.find(&session.client).await?;
    let run = session.client.run(owner.runs(), args.run).await?;
    let Some(task) = &args.task else {
        return print_run(session, &run);
    };
    let id = &find_task(&run, task)?.id;
    let task = session.client.run_task(owner.runs(), args.run, id).await?;
    print_task(session, &task)
}

fn print_run(session: &mut Session, run: &RunResponse) -> anyhow::Result<()> {
    let waits = !run.tasks_waiting_approval.is_empty();
    let mut state = state(&run.phase, &run.result, waits);
    if run.stopping && run.phase == RunPhase::Running {
        state = "is being stopped".to_owned();
    }
    let properties = [
        ("run", run.number.to_string()),
        ("name", run.name.clone()),
        ("state", state),
        ("for", target(|key| run.annotations.get(key))),
        (
            "commit",
            run.annotations
                .get("commit_sha")
                .cloned()
                .unwrap_or_default(),
        ),
        (
            "message",
            run.annotations.get("message").cloned().unwrap_or_default(),
        ),
        ("created", time(run.enqueue_time)),
        ("took", took(run.start_time, run.end_time)),
    ];
    session.print_one(run, properties)?;
    if session.output.is_json() {
        return Ok(());
    }
    for fault in &run.setup_errors {
        let fault = crate::output::printable(fault);
        session.output.line(format!("fault    {fault}"))?;
    }
    let tasks = tasks_in_order(run);
    if tasks.is_empty() {
        return Ok(());
    }
    session.output.line("")?;
    let header = ["TASK", "STATE", "TOOK", "AFTER"];
    session.print_list(header, &tasks, |task| {
        [
            task.name.clone(),
            task_state(task),
            took(task.start_time, task.end_time),
            after(run, task),
        ]
    })
}

fn task_state(task: &RunTaskSummaryResponse) -> String {
    match task.waiting_approval {
        true => "waits for approval".to_owned(),
        false => task.status.to_string(),
    }
}

/// The names of the tasks that a task depends on.
fn after(run: &RunResponse, task: &RunTaskSummaryResponse) -> String {
    let tasks = task.depends.keys().filter_map(|id| run.tasks.get(id));
    let mut names: Vec<&str> = tasks.map(|task| task.name.as_str()).collect();
    names.sort_unstable();
    names.join(", ")
}

fn print_task(session: &mut Session, task: &RunTaskResponse) -> anyhow::Result<()> {
    let state = match task.waiting_approval {
        true => "waits for approval".to_owned(),
        false => task.status.to_string(),
    };
    let properties = [
        ("task", task.name.clone()),
        ("id", task.id.clone()),
        ("state", state),
        ("began", time(task.start_time)),
        ("took", took(task.start_time, task.end_time)),
    ];
    session.print_one(task, properties)?;
    if session.output.is_json() {
        return Ok(());
    }
    session.output.line("")?;
    let setup = &task.setup_step;
    let setup = [
        "setup".to_owned(),
        String::new(),
        String::new(),
        setup.phase.to_string(),
        String::new(),
        took(setup.start_time, setup.end_time),
    ];
    let steps = task.steps.iter().enumerate().map(|(number, step)| {
        let kind = step.kind.as_ref().map(ToString::to_string);
        let exit_status = step.exit_status.map(|status| status.to_string());
        [
            number.to_string(),
            step.name.clone(),
            kind.unwrap_or_default(),
            step.phase.to_string(),
            exit_status.unwrap_or_default(),
            took(step.start_time, step.end_time),
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(setup).chain(steps).collect();
    let header = ["STEP", "NAME", "TYPE", "STATE", "EXIT", "TOOK"];
    session.print_list(header, &rows, Clone::clone)
}
