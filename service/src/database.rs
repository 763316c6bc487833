//! Transactions of a server, each with a clear end.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use datamanager::{
    CommitId, Conflict, DataManager, ErrorKind, Outcome, Snapshot, Token, Transaction,
};

use tokio::time::Instant;

use crate::Error;

/// How often a commit whose outcome is open is looked up, and how long after the first time.
const OUTCOME_LOOKS_MAX: u32 = 20;
const OUTCOME_LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How often a change is made again that turned out not to have been committed.
const ATTEMPTS_MAX: u32 = 3;
/// How long a change with a token is tried again after clashes with other changes.
const TOKEN_WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The store, with transactions that are brought to a clear end.
#[derive(Clone, Debug)]
pub struct Database {
    data_manager: DataManager,
}

impl Database {
    /// Of an open store.
    pub fn new(data_manager: DataManager) -> Database {
        Database { data_manager }
    }

    /// The store.
    pub fn data_manager(&self) -> &DataManager {
        &self.data_manager
    }

    /// The newest state that is applied here.
    pub fn snapshot(&self) -> Snapshot {
        self.data_manager.snapshot()
    }

    /// Runs `work` in a transaction and commits it. Clashes with other changes are tried again, and a commit whose outcome
    /// is open is looked up.
    ///
    /// `work` may run several times, and must let go of the transaction.
    ///
    /// # Errors
    /// What `work` gives; `Unavailable` if clashes do not end or the outcome stays open; `Maintenance`.
    pub async fn write<T, F, W>(&self, mut work: F) -> Result<T, Error>
    where
        F: FnMut(Transaction) -> W,
        W: Future<Output = Result<T, Error>>,
    {
        let value = Mutex::new(None);
        let mut failure = None;
        for _ in 0..ATTEMPTS_MAX {
            let updated = self.data_manager.update(|transaction| {
                let work = work(transaction);
                let value = &value;
                async move {
                    let done = work.await.map_err(WorkError::Refused)?;
                    *value.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
                    Ok(())
                }
            });
            let error = match updated.await {
                Ok(()) => return taken(&value),
                Err(WorkError::Refused(error)) => return Err(error),
                Err(WorkError::Store(error)) => error,
            };
            // Another process was faster; what it has written is seen by the next attempt, which says more.
            if error.kind() == ErrorKind::NotUnique {
                failure = Some(error);
                continue;
            }
            let Some(id) = error
                .commit_id()
                .filter(|_| error.kind() == ErrorKind::Unknown)
            else {
                return Err(error.into());
            };
            match self.outcome(id).await {
                Some(Outcome::Committed) => return taken(&value),
                Some(Outcome::NotCommitted) => failure = Some(error),
                _ => return Err(error.into()),
            }
        }
        Err(match failure {
            Some(error) if error.kind() == ErrorKind::NotUnique => error.into(),
            Some(error) => {
                Error::unavailable("the log does not answer in time; nothing was changed")
                    .with_source(error)
            }
            None => Error::internal("a change was not tried"),
        })
    }

    /// As [`Database::write`], and fails if a group of `token` was committed to since the token was taken; the commit counts
    /// as one to all of them.
    ///
    /// # Errors
    /// As [`Database::write`]; `Conflict` with code `token_conflict` where the token is out of date.
    pub async fn write_with_token<T>(
        &self,
        token: Option<&Token>,
        work: impl AsyncFn(&mut Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let work = &work;
        let Some(token) = token else {
            let work = |mut transaction| async move { work(&mut transaction).await };
            return self.write(work).await;
        };
        let deadline = Instant::now() + TOKEN_WRITE_TIMEOUT;
        loop {
            let mut transaction = self.data_manager.begin();
            transaction.check_token(token.clone())?;
            let value = work(&mut transaction).await?;
            let error = match transaction.commit().await {
                Ok(_) => return Ok(value),
                Err(error) => error,
            };
            let is_over = Instant::now() >= deadline;
            match (error.kind(), error.conflict(), error.commit_id()) {
                (ErrorKind::Conflict, Some(Conflict::Entry { .. } | Conflict::Range { .. }), _)
                    if !is_over => {}
                (ErrorKind::Conflict, ..) => {
                    let message = "what the change-group token stands for has changed since";
                    let refused = Error::new(crate::ErrorKind::Conflict, message);
                    return Err(refused.with_code("token_conflict").with_source(error));
                }
                (ErrorKind::Unknown, _, Some(id)) => match self.outcome(id).await {
                    Some(Outcome::Committed) => return Ok(value),
                    Some(Outcome::NotCommitted) if !is_over => {}
                    _ => return Err(error.into()),
                },
                _ => return Err(error.into()),
            }
        }
    }

    /// What became of a commit, if that can be known soon.
    async fn outcome(&self, id: CommitId) -> Option<Outcome> {
        for _ in 0..OUTCOME_LOOKS_MAX {
            match self.data_manager.outcome(id).await {
                Ok(Outcome::Undecided) => {}
                Ok(outcome) => return Some(outcome),
                Err(error) => log::warn!(
                    instance = self.data_manager.instance();
                    "cannot look up what became of commit {id}: {}", error.chain()
                ),
            }
            tokio::time::sleep(OUTCOME_LOOK_INTERVAL).await;
        }
        None
    }
}

/// Why a transaction was not committed.
enum WorkError {
    /// Its work has refused.
    Refused(Error),
    Store(datamanager::Error),
}

impl From<datamanager::Error> for WorkError {
    fn from(error: datamanager::Error) -> WorkError {
        WorkError::Store(error)
    }
}

fn taken<T>(value: &Mutex<Option<T>>) -> Result<T, Error> {
    let value = value.lock().unwrap_or_else(PoisonError::into_inner).take();
    value.ok_or_else(|| Error::internal("a committed change has no result"))
}
