//! The open store.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use datamanager::{CommitId, DataManager, ErrorKind, Outcome, Snapshot, Transaction};

use super::{
    DeletionDocument, GroupDocument, LinkedAccountDocument, MemberDocument, OrganizationDocument,
    ProjectDocument, RemoteSourceDocument, SecretDocument, SecretKeyDocument, TokenDocument,
    UserDocument, VariableDocument,
};
use crate::Error;

/// How often a commit whose outcome is open is looked up, and how long after the first time.
const OUTCOME_LOOKS_MAX: u32 = 20;
const OUTCOME_LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How often a change is made again that turned out not to have been committed.
const ATTEMPTS_MAX: u32 = 3;

/// Runs a block once for each type of documents.
macro_rules! for_each_type {
    ($name:ident => $block:block) => {
        for_each_type!($name => $block,
            UserDocument, LinkedAccountDocument, TokenDocument, OrganizationDocument, MemberDocument, GroupDocument,
            ProjectDocument, RemoteSourceDocument, SecretDocument, VariableDocument, DeletionDocument, SecretKeyDocument);
    };
    ($name:ident => $block:block, $($document:ty),+) => {
        $({
            type $name = $document;
            $block
        })+
    };
}

/// The store, with transactions that are brought to a clear end.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    data_manager: DataManager,
}

impl Database {
    pub(crate) fn new(data_manager: DataManager) -> Database {
        Database { data_manager }
    }

    pub(crate) fn data_manager(&self) -> &DataManager {
        &self.data_manager
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.data_manager.snapshot()
    }

    /// Sees to it that the indexes of all types are there.
    pub(crate) fn declare_types(&self) -> Result<(), Error> {
        for_each_type!(Each => {
            self.data_manager.collection::<Each>()?;
        });
        Ok(())
    }

    /// Waits until everything can be looked up: right away but when the indexes were changed by hand or by a new version.
    pub(crate) async fn wait_for_indexes(&self, timeout: Duration) -> Result<(), Error> {
        for_each_type!(Each => {
            self.data_manager.collection::<Each>()?.wait_for_indexes(timeout).await?;
        });
        Ok(())
    }

    /// Runs `work` in a transaction and commits it. Clashes with other changes are tried again, and a commit whose outcome
    /// is open is looked up.
    ///
    /// `work` may run several times, and must let go of the transaction.
    ///
    /// # Errors
    /// What `work` gives; `Unavailable` if clashes do not end or the outcome stays open; `Maintenance`.
    pub(crate) async fn write<T, F, W>(&self, mut work: F) -> Result<T, Error>
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
