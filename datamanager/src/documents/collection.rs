//! The documents of one type in an open store.

use std::fmt;
use std::marker::PhantomData;

use super::document_scan::DocumentScan;
use super::index_key::IndexKey;
use super::index_scan::IndexScan;
use super::query::Query;
use crate::committer::Committed;
use crate::scan::ScanOptions;
use crate::{DataManager, Document, Error};

/// The documents of one type: each call is a transaction, or a snapshot, of its own.
///
/// Cheap to clone. Several calls as one step are what [`DataManager::update`] is for.
pub struct Collection<T> {
    store: DataManager,
    documents: PhantomData<fn() -> T>,
}

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Collection<T> {
        Collection {
            store: self.store.clone(),
            documents: PhantomData,
        }
    }
}

impl<T: Document> fmt::Debug for Collection<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Collection")
            .field("type", &T::TYPE)
            .field("store", &self.store)
            .finish()
    }
}

impl DataManager {
    /// The documents of a type.
    ///
    /// From here on this process sees to it that the type's indexes are what it declares: those that are new are built in
    /// the background. Using the type in a transaction or a snapshot does the same.
    ///
    /// # Errors
    /// `Invalid` if the type or its indexes have names that they cannot have.
    pub fn collection<T: Document>(&self) -> Result<Collection<T>, Error> {
        self.inner.types.get::<T>()?;
        Ok(Collection {
            store: self.clone(),
            documents: PhantomData,
        })
    }
}

impl<T: Document> Collection<T> {
    /// The store that the documents are in.
    pub fn store(&self) -> &DataManager {
        &self.store
    }

    /// The document with an id. As [`Snapshot::get`](crate::Snapshot::get).
    ///
    /// # Errors
    /// As there.
    pub async fn get(&self, id: &str) -> Result<Option<T>, Error> {
        self.store.snapshot().get(id).await
    }

    /// Writes a document, whether it is there or not, and commits. As [`Transaction::put`](crate::Transaction::put).
    ///
    /// # Errors
    /// As there and as [`Transaction::commit`](crate::Transaction::commit). Never `Conflict`, except while a unique index is
    /// not complete.
    pub async fn put(&self, document: &T) -> Result<Committed, Error> {
        let mut transaction = self.store.begin();
        transaction.put(document)?;
        transaction.commit().await
    }

    /// Deletes a document, whether it is there or not, and commits. As [`Transaction::delete`](crate::Transaction::delete).
    ///
    /// # Errors
    /// As there and as [`Transaction::commit`](crate::Transaction::commit).
    pub async fn delete(&self, id: &str) -> Result<Committed, Error> {
        let mut transaction = self.store.begin();
        transaction.delete::<T>(id)?;
        transaction.commit().await
    }

    /// The document that has `key` in a unique index. As [`Snapshot::find`](crate::Snapshot::find).
    ///
    /// # Errors
    /// As there.
    pub async fn find(&self, index: &str, key: impl IndexKey) -> Result<Option<T>, Error> {
        self.store.snapshot().find(index, key).await
    }

    /// The documents that `query` means. As [`Snapshot::query`](crate::Snapshot::query).
    ///
    /// # Errors
    /// As there.
    pub async fn query(&self, query: &Query) -> Result<IndexScan<'static, T>, Error> {
        self.store.snapshot().query(query).await
    }

    /// How many documents `query` means. As [`Snapshot::count_by`](crate::Snapshot::count_by).
    ///
    /// # Errors
    /// As there.
    pub async fn count_by(&self, query: &Query) -> Result<u64, Error> {
        self.store.snapshot().count_by::<T>(query).await
    }

    /// Whether there is a document that `query` means. As [`Snapshot::exists`](crate::Snapshot::exists).
    ///
    /// # Errors
    /// As there.
    pub async fn exists(&self, query: &Query) -> Result<bool, Error> {
        self.store.snapshot().exists::<T>(query).await
    }

    /// The documents in the order of their ids. As [`Snapshot::documents`](crate::Snapshot::documents).
    ///
    /// # Errors
    /// As there.
    pub fn documents(&self, options: &ScanOptions) -> Result<DocumentScan<'static, T>, Error> {
        self.store.snapshot().documents(options)
    }
}
