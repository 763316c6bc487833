//! Deleting an object with all that lies below it.
//!
//! The object goes in the first transaction. From then on nothing below it can be reached: whatever is looked up, by path or
//! by id, is looked up through what it lies in. As much of what is below goes in the same transaction as fits; for the rest
//! it writes down what is left to be done, and further transactions do that, in this process or in another one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use datamanager::{Document, IndexKey, Query, ScanOptions, Transaction};
use tokio::time::Instant;

use super::Actions;
use crate::Error;
use crate::api::ConfigType;
use crate::store::{
    DeletionDocument, GroupDocument, LinkedAccountDocument, MemberDocument, ProjectDocument,
    Reading, SecretDocument, StoredParent, TokenDocument, VariableDocument,
};

/// Objects that one transaction deletes, at most.
const BATCH_OBJECTS_MAX: usize = 1_000;
/// How often a first transaction with other objects in it may clash before it takes the one object alone.
const WHOLE_ATTEMPTS_MAX: u32 = 3;
/// How long a caller waits for what is left; after that it goes on in the background.
const CALLER_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it is looked for what other processes have left.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// The pause behind a first failure; it doubles with each, up to the interval.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

impl Actions {
    /// Deletes an object, which `remove` does in the transaction that it gets, and all that is below it.
    pub(super) async fn delete_tree(
        &self,
        remove: impl AsyncFn(&mut Transaction) -> Result<StoredParent, Error>,
    ) -> Result<(), Error> {
        let attempts = AtomicU32::new(0);
        let (remove, attempts) = (&remove, &attempts);
        let has_leftovers = self
            .database
            .write(|mut transaction| async move {
                let target = remove(&mut transaction).await?;
                let attempt = attempts.fetch_add(1, Ordering::Relaxed);
                // What lies below may change all the time; the object alone hardly does.
                let objects_max = match attempt < WHOLE_ATTEMPTS_MAX {
                    true => BATCH_OBJECTS_MAX,
                    false => 0,
                };
                delete_below(&mut transaction, target, objects_max).await
            })
            .await?;
        if has_leftovers {
            self.leftovers.notify_one();
            let deadline = Instant::now() + CALLER_WAIT_MAX;
            // The object is gone whatever becomes of this.
            while Instant::now() < deadline && self.sweep_batch().await.unwrap_or(false) {}
        }
        Ok(())
    }

    /// Deletes a batch of what is left below objects that are gone; returns whether there may be more.
    pub(crate) async fn sweep_batch(&self) -> Result<bool, Error> {
        let snapshot = self.snapshot();
        let first = snapshot.documents::<DeletionDocument>(&ScanOptions::new().limit(1))?;
        let Some(deletion) = first.collect().await?.pop() else {
            return Ok(false);
        };
        let id = deletion.id();
        self.database
            .write(|mut transaction| async move {
                let deletion = Reading::get::<DeletionDocument>(&mut transaction, id).await?;
                // Another process may have been faster.
                let Some(deletion) = deletion else {
                    return Ok(());
                };
                transaction.delete::<DeletionDocument>(deletion.id())?;
                delete_below(&mut transaction, deletion.target(), BATCH_OBJECTS_MAX).await?;
                Ok(())
            })
            .await?;
        Ok(true)
    }

    /// Deletes what is left, whenever there is something, until it is stopped.
    pub(crate) async fn sweep(self) {
        let mut failure_pause = FIRST_PAUSE;
        while !self.is_stopping.load(Ordering::Relaxed) {
            let pause = match self.sweep_batch().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK_INTERVAL,
                Err(error) => {
                    let pause = failure_pause;
                    failure_pause = (failure_pause * 2).min(LOOK_INTERVAL);
                    self.log_failure(&error, pause);
                    pause
                }
            };
            if pause.is_zero() {
                failure_pause = FIRST_PAUSE;
                continue;
            }
            // Either way it is time to look.
            let _ = tokio::time::timeout(pause, self.leftovers.notified()).await;
        }
    }

    fn log_failure(&self, error: &Error, pause: Duration) {
        // It goes on when changes are accepted again.
        if error.code() != "maintenance" && !self.is_stopping.load(Ordering::Relaxed) {
            log::warn!(
                instance = self.database.data_manager().instance();
                "cannot go on with a deletion; it is tried again in {pause:?}: {}", error.chain()
            );
        }
    }
}

/// Deletes at most so many objects below one that is gone, and notes that there are more; returns whether there may be.
///
/// What lies deepest goes first, so that all that is left lies below the one object.
async fn delete_below(
    transaction: &mut Transaction,
    target: StoredParent,
    objects_max: usize,
) -> Result<bool, Error> {
    let mut left = objects_max;
    let mut way = vec![target.clone()];
    while left > 0 {
        let Some(object) = way.last() else {
            break;
        };
        delete_leaves(transaction, object, &mut left).await?;
        let below = Query::by("parent_name").equal(object.key()).limit(1);
        match transaction.list::<GroupDocument>(&below).await?.pop() {
            Some(group) => way.push(StoredParent::new(ConfigType::ProjectGroup, group.id)),
            // Nothing is in it any more, if it was not the bound that ended it.
            None if left > 0 => {
                if way.len() > 1 {
                    transaction.delete::<GroupDocument>(&object.id)?;
                    left -= 1;
                }
                way.pop();
            }
            None => {}
        }
    }
    let has_more = !way.is_empty();
    if has_more {
        transaction.put(&DeletionDocument::of(&target))?;
    }
    Ok(has_more)
}

/// Deletes what lies directly in an object and is no group, with all that is in it.
async fn delete_leaves(
    transaction: &mut Transaction,
    object: &StoredParent,
    left: &mut usize,
) -> Result<(), Error> {
    let id = object.id.as_str();
    match object.kind {
        ConfigType::User => {
            take::<LinkedAccountDocument>(transaction, "user", id, left).await?;
            take::<TokenDocument>(transaction, "user_name", id, left).await?;
            take::<MemberDocument>(transaction, "user", id, left).await?;
        }
        ConfigType::Org => {
            take::<MemberDocument>(transaction, "org_user", id, left).await?;
        }
        ConfigType::Project => delete_values(transaction, object, left).await?,
        ConfigType::ProjectGroup => {
            delete_values(transaction, object, left).await?;
            let projects = Query::by("parent_name").equal(object.key()).limit(*left);
            for project in transaction.list::<ProjectDocument>(&projects).await? {
                let project = StoredParent::new(ConfigType::Project, project.id);
                delete_values(transaction, &project, left).await?;
                if *left == 0 {
                    break;
                }
                transaction.delete::<ProjectDocument>(&project.id)?;
                *left -= 1;
            }
        }
        ConfigType::OrgMember
        | ConfigType::RemoteSource
        | ConfigType::Secret
        | ConfigType::Variable => {}
    }
    Ok(())
}

async fn delete_values(
    transaction: &mut Transaction,
    parent: &StoredParent,
    left: &mut usize,
) -> Result<(), Error> {
    take::<SecretDocument>(transaction, "parent_name", parent.key(), left).await?;
    take::<VariableDocument>(transaction, "parent_name", parent.key(), left).await
}

/// Deletes the documents with a key, at most as many as are left.
async fn take<T: Document>(
    transaction: &mut Transaction,
    index: &str,
    key: impl IndexKey,
    left: &mut usize,
) -> Result<(), Error> {
    if *left == 0 {
        return Ok(());
    }
    let query = Query::by(index).equal(key).limit(*left);
    for document in transaction.list::<T>(&query).await? {
        transaction.delete::<T>(document.id())?;
        *left -= 1;
    }
    Ok(())
}
