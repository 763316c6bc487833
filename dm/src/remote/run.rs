//! Runs: `dm run …`.

mod act;
mod follow;
mod list;
mod log_stream;
mod logs;
mod owner;
mod printer;
mod start;

use clap::Subcommand;

use super::session::Session;

/// What is done with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunAction {
    /// Start the runs of a definition, or of the one that is stored in the project
    ///
    /// Prints their numbers. With --follow the exit code is 1 if one of them does not succeed.
    Start(start::StartArgs),
    /// Print runs, the newest first
    List(list::ListArgs),
    /// Print a run and its tasks, or a task and its steps
    Get(list::GetArgs),
    /// Print the log of a run, of a task or of a step
    ///
    /// Logs are printed as they are, byte for byte; that of the preparations only if they have failed, or with --setup. In the log of a run of several tasks each line begins with the name of
    /// its task. With --json {"task","step","line"} each, or "line_base64" where the line is no text; "step" is "setup" for
    /// the preparations.
    Logs(logs::LogsArgs),
    /// Delete the log of a step, once it is collected
    DeleteLog(logs::DeleteLogArgs),
    /// Stop a run that is running
    Stop(act::OneRun),
    /// Cancel a run that has not started yet
    Cancel(act::OneRun),
    /// Do again what a run has done, as a new run
    ///
    /// Prints its number. Without an option tasks that have succeeded are not done again, if that is possible.
    Restart(act::RestartArgs),
    /// Approve a task that waits for it
    Approve(act::ApproveArgs),
}

pub(super) async fn run(session: &mut Session, action: RunAction) -> anyhow::Result<()> {
    match action {
        RunAction::Start(args) => start::start(session, args).await,
        RunAction::List(args) => list::list(session, args).await,
        RunAction::Get(args) => list::get(session, args).await,
        RunAction::Logs(args) => logs::logs(session, args).await,
        RunAction::DeleteLog(args) => logs::delete(session, args).await,
        RunAction::Stop(args) => act::stop(session, args).await,
        RunAction::Cancel(args) => act::cancel(session, args).await,
        RunAction::Restart(args) => act::restart(session, args).await,
        RunAction::Approve(args) => act::approve(session, args).await,
    }
}
