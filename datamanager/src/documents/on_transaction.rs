//! Documents in transactions.

use super::document;
use super::document_scan::DocumentScan;
use super::document_type::DocumentType;
use super::index_key::{EncodedKey, IndexKey};
use super::index_scan::{IndexScan, count};
use super::intent::WriteKind;
use super::query::Query;
use super::reader::Reader;
use crate::entry_key::entry_key;
use crate::scan::ScanOptions;
use crate::{Document, Error, Transaction};

impl Transaction {
    /// The document with an id, `None` if it is not there.
    ///
    /// # Cancel safety
    /// A call that is dropped may count as a read.
    ///
    /// # Errors
    /// `Invalid` for an id outside the limits, and for a document that cannot be decoded.
    pub async fn get<T: Document>(&mut self, id: &str) -> Result<Option<T>, Error> {
        self.snapshot().document_types().get::<T>()?;
        Reader::Transaction(self).document(id).await
    }

    /// Writes a document, replacing the one with its id, and its index entries with it.
    ///
    /// Nothing is read before the commit, and what is read for the indexes then is no reason for a conflict: a document
    /// that the transaction has not read is written over whatever is there.
    ///
    /// # Errors
    /// `Invalid` for a type, id, index key or value outside the limits, or a transaction that has become too large. Whether
    /// its unique keys are free is told at commit.
    pub fn put<T: Document>(&mut self, document: &T) -> Result<(), Error> {
        let document_type = self.snapshot().document_types().get::<T>()?;
        let key = entry_key(T::TYPE, document.id())?;
        let keys = document_type.keys(document)?;
        let value = document::encode(document)?;
        let expires_at = document.expires_at();
        let kind = WriteKind::Document(document_type.clone());
        self.write(key.clone(), Some(value), expires_at, kind)?;
        let definition = document_type.definition();
        self.own_documents_mut()
            .put(&key, definition, &keys, document.id(), expires_at);
        Ok(())
    }

    /// Deletes the document with an id, whether it is there or not, and its index entries.
    ///
    /// # Errors
    /// `Invalid` for an id outside the limits, or a transaction that has become too large.
    pub fn delete<T: Document>(&mut self, id: &str) -> Result<(), Error> {
        let document_type = self.snapshot().document_types().get::<T>()?;
        let key = entry_key(T::TYPE, id)?;
        let kind = WriteKind::Document(document_type.clone());
        self.write(key.clone(), None, None, kind)?;
        self.own_documents_mut()
            .remove(&key, document_type.definition());
        Ok(())
    }

    /// The document that has `key` in a unique index. That there is none counts as read too.
    ///
    /// # Cancel safety
    /// A call that is dropped may count as a read.
    ///
    /// # Errors
    /// `Unavailable` while the index is being built; `Invalid` if the type has no such index, if it is not unique, or if the
    /// key has other values than it.
    pub async fn find<T: Document>(
        &mut self,
        index: &str,
        key: impl IndexKey,
    ) -> Result<Option<T>, Error> {
        let document_type = self.snapshot().document_types().get::<T>()?;
        let key = EncodedKey::of(&key);
        Reader::Transaction(self)
            .find(&document_type, index, &key)
            .await
    }

    /// The documents that `query` means, with the transaction's own among them.
    ///
    /// # Errors
    /// As [`Transaction::find`], except that any index can be queried.
    pub async fn query<T: Document>(&mut self, query: &Query) -> Result<IndexScan<'_, T>, Error> {
        let document_type = self.snapshot().document_types().get::<T>()?;
        IndexScan::new(Reader::Transaction(self), document_type, query).await
    }

    /// How many documents `query` means. Reads the index alone.
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub async fn count_by<T: Document>(&mut self, query: &Query) -> Result<u64, Error> {
        let document_type = self.snapshot().document_types().get::<T>()?;
        count(Reader::Transaction(self), document_type.as_ref(), query).await
    }

    /// Whether there is a document that `query` means. Reads the index alone.
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub async fn exists<T: Document>(&mut self, query: &Query) -> Result<bool, Error> {
        let first = query.clone().limit(1);
        Ok(self.count_by::<T>(&first).await? > 0)
    }

    /// The documents of a type in the order of their ids, with the transaction's own among them.
    ///
    /// # Errors
    /// `Invalid` for a type outside the limits.
    pub fn documents<T: Document>(
        &mut self,
        options: &ScanOptions,
    ) -> Result<DocumentScan<'_, T>, Error> {
        self.snapshot().document_types().get::<T>()?;
        Ok(DocumentScan::in_transaction(
            self.scan_raw(T::TYPE, options)?,
        ))
    }
}
