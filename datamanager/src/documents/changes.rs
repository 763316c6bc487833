//! Following the documents of one type.

use std::sync::Arc;

use bytes::Bytes;

use super::document;
use crate::cursor::Cursor;
use crate::entry_key::{EntryKey, raw_key};
use crate::follow::{Follow, FollowedTransaction, FollowedWrite};
use crate::memtable::Version;
use crate::state::Shared;
use crate::{DataManager, Document, Error, Position, Snapshot, Timestamp};

use super::collection::Collection;

/// What a transaction did to the documents of one type.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChangedDocuments<T> {
    /// Behind this transaction: a listener that goes on from here gets the next one first.
    pub cursor: Cursor,
    /// The position of its record.
    pub position: Position,
    /// The writer's time.
    pub time: Timestamp,
    /// One for each document, in the order of their ids.
    pub changes: Vec<Change<T>>,
}

/// What happened to one document.
///
/// That a document expires is no change; see [`View`](crate::View) for following expiry too.
#[derive(Debug)]
pub enum Change<T> {
    /// It was written.
    Put {
        /// What is there now.
        new: T,
        /// What was there before.
        old: Previous<T>,
        /// From when on it is gone, if it expires.
        expires_at: Option<Timestamp>,
    },
    /// It was deleted.
    Delete {
        /// Its id.
        id: String,
        /// What was there before.
        old: Previous<T>,
    },
    /// Something was written that cannot be decoded.
    Unreadable {
        /// Its id.
        id: String,
        /// Why; it names type and id.
        error: Error,
    },
}

/// A document before a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Previous<T> {
    /// This was there; `None` if there was no document.
    Known(Option<T>),
    /// The version before is no longer at hand, or cannot be decoded. Types with
    /// [`Document::LOG_PREVIOUS`] have it always.
    Unknown,
}

/// A listener to the changes of one type: each transaction that changes a document, whole and in order.
///
/// As [`Follow`], which it is made of.
#[derive(Debug)]
pub struct Changes<T> {
    follow: Follow,
    shared: Arc<Shared>,
    documents: std::marker::PhantomData<fn() -> T>,
}

impl<T: Document> Collection<T> {
    /// Follows the changes to the documents from `cursor` on.
    pub fn changes(&self, cursor: Cursor) -> Changes<T> {
        Changes::new(self.store(), self.store().follow(cursor))
    }

    /// A snapshot, and a listener to every change behind it.
    pub fn snapshot_and_changes(&self) -> (Snapshot, Changes<T>) {
        let (snapshot, follow) = self.store().snapshot_and_follow();
        (snapshot, Changes::new(self.store(), follow))
    }
}

impl DataManager {
    /// Follows the changes to the documents of a type from the newest applied position on.
    pub fn changes<T: Document>(&self) -> Changes<T> {
        Changes::new(self, self.follow_new())
    }
}

impl<T: Document> Changes<T> {
    pub(crate) fn new(store: &DataManager, follow: Follow) -> Changes<T> {
        Changes {
            follow,
            shared: store.inner.shared.clone(),
            documents: std::marker::PhantomData,
        }
    }

    /// Behind everything delivered so far.
    pub fn cursor(&self) -> Cursor {
        self.follow.cursor()
    }

    /// The next transaction that changes a document of the type; waits until there is one.
    ///
    /// # Cancel safety
    /// A call that is dropped has skipped nothing.
    ///
    /// # Errors
    /// As [`Follow::next`].
    pub async fn next(&mut self) -> Result<ChangedDocuments<T>, Error> {
        loop {
            if let Some(changed) = self.next_or_moved().await? {
                return Ok(changed);
            }
        }
    }

    /// The same; `None` when the listener has moved on over something else.
    pub(crate) async fn next_or_moved(&mut self) -> Result<Option<ChangedDocuments<T>>, Error> {
        let before = self.follow.cursor();
        let Some(transaction) = self.follow.next_or_moved().await? else {
            return Ok(None);
        };
        // Reading what was there before may wait; a call that is dropped there begins with this transaction again.
        let mut guard = Rewind {
            follow: &mut self.follow,
            to: Some(before),
        };
        let changed = changed_documents(&self.shared, transaction).await?;
        guard.to = None;
        Ok(changed)
    }
}

/// Puts a listener back behind `to`, unless that is taken away before.
struct Rewind<'a> {
    follow: &'a mut Follow,
    to: Option<Cursor>,
}

impl Drop for Rewind<'_> {
    fn drop(&mut self) {
        if let Some(cursor) = self.to {
            self.follow.rewind(cursor);
        }
    }
}

async fn changed_documents<T: Document>(
    shared: &Shared,
    transaction: FollowedTransaction,
) -> Result<Option<ChangedDocuments<T>>, Error> {
    let version = Version {
        seq: transaction.position.seq,
        index: transaction.index,
    };
    let mut changes = Vec::new();
    for write in &transaction.writes {
        if write.data_type != T::TYPE {
            continue;
        }
        let key = raw_key(T::TYPE, write.id.as_bytes());
        let logged = transaction.previous.get(&key).cloned();
        let old = previous::<T>(shared, &key, version, transaction.time, logged, write).await?;
        changes.push(change(write, old));
    }
    if changes.is_empty() {
        return Ok(None);
    }
    Ok(Some(ChangedDocuments {
        cursor: transaction.cursor,
        position: transaction.position,
        time: transaction.time,
        changes,
    }))
}

fn change<T: Document>(write: &FollowedWrite, old: Previous<T>) -> Change<T> {
    let id = write.id.clone();
    let Some(value) = &write.value else {
        return Change::Delete { id, old };
    };
    match document::decode(&id, value) {
        Ok(new) => Change::Put {
            new,
            old,
            expires_at: write.expires_at,
        },
        Err(error) => Change::Unreadable { id, error },
    }
}

/// What stood under `key` before the transaction that is `version`.
async fn previous<T: Document>(
    shared: &Shared,
    key: &EntryKey,
    version: Version,
    time: Timestamp,
    logged: Option<Bytes>,
    write: &FollowedWrite,
) -> Result<Previous<T>, Error> {
    let value = match logged {
        Some(value) => Some(value),
        None => match shared.view().get_before(key, version).await? {
            Some(found) => found.and_then(|entry| entry.value_at(time).cloned()),
            None => return Ok(Previous::Unknown),
        },
    };
    let Some(value) = value else {
        return Ok(Previous::Known(None));
    };
    Ok(match document::decode(&write.id, &value) {
        Ok(document) => Previous::Known(Some(document)),
        Err(_) => Previous::Unknown,
    })
}
