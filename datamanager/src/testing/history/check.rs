//! Whether a history can be that of a store which keeps its promises.

mod listeners;
mod log;
mod model;
mod real_time;
mod replay;
mod run;

use self::log::Log;
use self::run::Run;
use super::event::{Answer, Event};
use super::violation::Violation;

/// What a history was found to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Transactions that were handed over for their commit.
    pub transactions: usize,
    /// Transactions that stand in the log.
    pub committed: usize,
    /// Transactions that their clients were told are not committed.
    pub refused: usize,
    /// Transactions that their clients were told may be committed.
    pub unknown: usize,
    /// Transactions whose clients were told nothing, for their process was gone.
    pub unanswered: usize,
    /// Of the last two, those that stand in the log.
    pub found: usize,
    /// Snapshots that were read.
    pub views: usize,
    /// Entries and ranges that were read, in snapshots and transactions.
    pub reads: usize,
    /// Transactions that listeners got.
    pub deliveries: usize,
    /// Imports that took effect.
    pub imports: usize,
    /// The last record that anybody knows of.
    pub last_seq: u64,
}

pub(super) fn check(events: &[Event]) -> Result<Report, Violation> {
    let run = Run::collect(events)?;
    let log = Log::find(&run)?;
    listeners::check(&run, &log)?;
    replay::check(&run, &log)?;
    real_time::check(&run, &log)?;
    Ok(report(&run, &log))
}

fn report(run: &Run<'_>, log: &Log<'_>) -> Report {
    let answered = |is: fn(&Answer) -> bool| {
        let answers = run.attempts.iter().filter_map(|attempt| attempt.answer);
        answers.filter(|(_, answer)| is(answer)).count()
    };
    let acknowledged = answered(|answer| matches!(answer, Answer::Committed { .. }));
    let unanswered = run.attempts.iter().filter(|each| each.answer.is_none());
    let steps = run.attempts.iter().map(|attempt| attempt.steps);
    let steps = steps.chain(run.views.iter().map(|view| view.steps));
    Report {
        transactions: run.attempts.len(),
        committed: log.transactions.len(),
        refused: answered(|answer| matches!(answer, Answer::Refused { .. })),
        unknown: answered(|answer| matches!(answer, Answer::Unknown { .. })),
        unanswered: unanswered.count(),
        found: log.transactions.len() - acknowledged,
        views: run.views.len(),
        reads: steps.flatten().filter(|step| run::is_read(step)).count(),
        deliveries: run
            .listeners
            .iter()
            .map(|listener| listener.deliveries.len())
            .sum(),
        imports: log.imports.len(),
        last_seq: log.last_seq(),
    }
}

#[cfg(test)]
mod tests;
