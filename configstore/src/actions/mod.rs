//! The rules of the service. Nothing here knows HTTP.
//!
//! Reads are made of one snapshot. A change is one transaction that reads what it rests on, so that no other change can
//! take that away, whatever process makes it; clashes are tried again inside.

mod deletion;
mod linked_accounts;
mod members;
mod organizations;
mod page;
mod place;
mod project_groups;
mod projects;
mod remote_sources;
mod rotation;
mod secrets;
mod tokens;
mod users;
mod variables;

pub(crate) use page::Page;
pub(crate) use place::ValueParent;
pub use rotation::RotationReport;
pub(crate) use users::UserQuery;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datamanager::{Snapshot, Transaction};
use tokio::sync::Notify;

use crate::Error;
use crate::names::NAME_BYTES_MAX;
use crate::secrets::Keyring;
use crate::store::{Database, Reading, SecretKeyDocument};

/// What the service does, on one store and with one set of keys. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Actions {
    database: Database,
    keyring: Arc<Keyring>,
    /// Tells the task that removes what lies below objects that are gone.
    leftovers: Arc<Notify>,
    /// Set once that task is to end.
    is_stopping: Arc<AtomicBool>,
}

impl Actions {
    pub(crate) fn new(database: Database, keyring: Arc<Keyring>) -> Actions {
        Actions {
            database,
            keyring,
            leftovers: Arc::new(Notify::new()),
            is_stopping: Arc::default(),
        }
    }

    /// Ends what runs in the background.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.leftovers.notify_one();
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Refuses to go on if the store needs keys that are not there, or that are others.
    pub(crate) async fn check_keys(&self) -> Result<(), Error> {
        let keys = self
            .database
            .snapshot()
            .documents::<SecretKeyDocument>(&Default::default())?;
        for key in keys.collect().await? {
            key.verify(&self.keyring)?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        self.database.snapshot()
    }

    /// To be called in each transaction that encrypts something.
    async fn note_key(&self, transaction: &mut Transaction) -> Result<(), Error> {
        let id = self.keyring.current_id();
        let noted = Reading::get::<SecretKeyDocument>(transaction, id).await?;
        if noted.is_none_or(|key| key.is_retiring) {
            transaction.put(&SecretKeyDocument::of_current(&self.keyring)?)?;
        }
        Ok(())
    }
}

/// Refuses a text that becomes a part of a key and is longer than one can be.
fn check_length(what: &str, text: &str) -> Result<(), Error> {
    if text.len() > NAME_BYTES_MAX {
        return Err(Error::bad_request(format!(
            "the {what} has {} bytes: at most {NAME_BYTES_MAX} are accepted",
            text.len()
        )));
    }
    Ok(())
}

/// Refuses what cannot be a name.
fn check_name(name: &str) -> Result<(), Error> {
    crate::names::check_name(name).map_err(Error::bad_request)
}

/// A field of a request that must be there.
fn required<T>(what: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::bad_request(format!("the {what} is missing")))
}
