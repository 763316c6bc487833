//! Committing until it is known what became of it.

use std::time::Duration;

use datamanager::{Committed, DataManager, ErrorKind, Outcome, Position, Transaction};
use rand::RngExt;

/// How often a transaction that clashed is built again.
const ATTEMPTS_MAX: u32 = 6;
/// How often the log is asked for a commit of which nothing stands there yet.
const OUTCOME_QUESTIONS_MAX: u32 = 20;
const DELAY_MS_MAX: u64 = 200;

/// What became of one attempt.
pub(crate) enum Settled {
    /// It is stored.
    At(Position),
    /// It is not stored and a new attempt may succeed; says why.
    Again(datamanager::Error),
}

/// Tells what became of a commit, asking the log if the answer was lost.
///
/// # Errors
/// It is not stored and trying again does not help, or nobody can tell.
pub(crate) async fn settle(
    store: &DataManager,
    result: Result<Committed, datamanager::Error>,
) -> Result<Settled, datamanager::Error> {
    let error = match result {
        Ok(committed) => return Ok(Settled::At(committed.position)),
        Err(error) => error,
    };
    if error.kind() == ErrorKind::Conflict {
        return Ok(Settled::Again(error));
    }
    let Some(id) = error.commit_id() else {
        return Err(error);
    };
    for question in 0..OUTCOME_QUESTIONS_MAX {
        match store.outcome(id).await? {
            Outcome::Committed => {
                return Ok(Settled::At(Position {
                    epoch: id.epoch,
                    seq: id.seq,
                    record: id.record,
                }));
            }
            Outcome::NotCommitted => return Ok(Settled::Again(error)),
            Outcome::Undecided => pause(question).await,
            Outcome::TooOld => break,
        }
    }
    Err(error)
}

/// Commits what `build` makes, and builds it again when it clashes.
///
/// # Errors
/// Those of `build`, and those of [`Transaction::commit`].
pub(crate) async fn commit(
    store: &DataManager,
    build: impl AsyncFn(Transaction) -> anyhow::Result<Transaction>,
) -> anyhow::Result<Position> {
    let mut attempt = 0;
    loop {
        let transaction = build(store.begin()).await?;
        match settle(store, transaction.commit().await).await? {
            Settled::At(position) => return Ok(position),
            Settled::Again(error) if attempt + 1 == ATTEMPTS_MAX => return Err(error.into()),
            Settled::Again(error) => log::info!("building the transaction again: {error}"),
        }
        pause(attempt).await;
        attempt += 1;
    }
}

/// Waits for a random time that grows with the attempts, so that those who clashed do not clash again.
async fn pause(attempt: u32) {
    let most_ms = (4u64 << attempt.min(6)).min(DELAY_MS_MAX);
    let delay_ms = rand::rng().random_range(0..=most_ms);
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
}
