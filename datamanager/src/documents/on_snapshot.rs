//! Documents in snapshots.

use super::document_scan::DocumentScan;
use super::index_key::{EncodedKey, IndexKey};
use super::index_scan::{IndexScan, count};
use super::query::Query;
use super::reader::Reader;
use crate::scan::ScanOptions;
use crate::{Document, Error, Snapshot};

impl Snapshot {
    fn reader(&self) -> Reader<'static> {
        Reader::Snapshot(self.clone())
    }

    /// The document with an id, `None` if it is not there.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for an id outside the limits, and for a document that cannot be decoded.
    pub async fn get<T: Document>(&self, id: &str) -> Result<Option<T>, Error> {
        self.document_types().get::<T>()?;
        self.reader().document(id).await
    }

    /// The document that has `key` in a unique index.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Unavailable` while the index is being built; `Invalid` if the type has no such index, if it is not unique, or if the
    /// key has other values than it.
    pub async fn find<T: Document>(
        &self,
        index: &str,
        key: impl IndexKey,
    ) -> Result<Option<T>, Error> {
        let document_type = self.document_types().get::<T>()?;
        let key = EncodedKey::of(&key);
        self.reader().find(&document_type, index, &key).await
    }

    /// The documents that `query` means.
    ///
    /// # Errors
    /// As [`Snapshot::find`], except that any index can be queried.
    pub async fn query<T: Document>(&self, query: &Query) -> Result<IndexScan<'static, T>, Error> {
        let document_type = self.document_types().get::<T>()?;
        IndexScan::new(self.reader(), document_type, query).await
    }

    /// How many documents `query` means. Reads the index alone.
    ///
    /// # Errors
    /// As [`Snapshot::query`].
    pub async fn count_by<T: Document>(&self, query: &Query) -> Result<u64, Error> {
        let document_type = self.document_types().get::<T>()?;
        count(self.reader(), document_type.as_ref(), query).await
    }

    /// Whether there is a document that `query` means. Reads the index alone.
    ///
    /// # Errors
    /// As [`Snapshot::query`].
    pub async fn exists<T: Document>(&self, query: &Query) -> Result<bool, Error> {
        let first = query.clone().limit(1);
        Ok(self.count_by::<T>(&first).await? > 0)
    }

    /// The documents of a type in the order of their ids.
    ///
    /// # Errors
    /// `Invalid` for a type outside the limits.
    pub fn documents<T: Document>(
        &self,
        options: &ScanOptions,
    ) -> Result<DocumentScan<'static, T>, Error> {
        self.document_types().get::<T>()?;
        Ok(DocumentScan::of_snapshot(self.scan_raw(T::TYPE, options)?))
    }
}
