//! Reading documents through a snapshot, or through a transaction, which notes what it reads.

use bytes::Bytes;

use super::catalog::{catalog_key, not_ready};
use super::document;
use super::document_type::{TypeDefinition, TypedDocument};
use super::index_entry::IndexEntry;
use super::index_key::EncodedKey;
use super::indexes::IndexDefinition;
use crate::entry_key::{EntryKey, raw_key, type_end};
use crate::memtable::VersionedEntry;
use crate::merge::Merge;
use crate::{Document, Error, Snapshot, Timestamp, Transaction};

use super::document_type::DocumentType;

/// What documents are read through.
pub(crate) enum Reader<'a> {
    Snapshot(Snapshot),
    Transaction(&'a mut Transaction),
}

impl Reader<'_> {
    fn snapshot(&self) -> &Snapshot {
        match self {
            Reader::Snapshot(snapshot) => snapshot,
            Reader::Transaction(transaction) => transaction.snapshot(),
        }
    }

    pub(crate) fn time(&self) -> Timestamp {
        self.snapshot().time()
    }

    /// The stored bytes of an entry that is there.
    pub(crate) async fn get(&mut self, key: &EntryKey) -> Result<Option<Bytes>, Error> {
        match self {
            Reader::Snapshot(snapshot) => {
                let found = snapshot.view().get(key).await?;
                let time = snapshot.time();
                Ok(found.and_then(|entry| entry.value_at(time).cloned()))
            }
            Reader::Transaction(transaction) => transaction.get_key(key).await,
        }
    }

    pub(crate) fn merge(&self, low: EntryKey, high: EntryKey, reverse: bool) -> Merge {
        self.snapshot().view().merge(low, high, reverse)
    }

    pub(crate) fn note_range(&mut self, place: &mut Option<usize>, start: EntryKey, end: EntryKey) {
        if let Reader::Transaction(transaction) = self {
            transaction.note_range(place, start, end);
        }
    }

    pub(crate) fn note_expiry(&mut self, entry: &VersionedEntry) {
        if let Reader::Transaction(transaction) = self {
            transaction.note_expiry(entry.expires_at);
        }
    }

    pub(crate) fn has_written(&self, key: &EntryKey) -> bool {
        match self {
            Reader::Snapshot(_) => false,
            Reader::Transaction(transaction) => transaction.has_written(key),
        }
    }

    /// The build of an index that is complete; `None` where there is none and the type has no document either.
    ///
    /// # Errors
    /// `Unavailable` while it is being built, `Invalid` if it never will be.
    pub(crate) async fn usable_build(
        &mut self,
        definition: &TypeDefinition,
        index: &IndexDefinition,
    ) -> Result<Option<u32>, Error> {
        let data_type = definition.data_type;
        if let Reader::Transaction(transaction) = self {
            // An index that is no longer kept up to date would not tell of what is written since.
            transaction.note_point(catalog_key(data_type));
        }
        let view = self.snapshot().view();
        if let Some(catalog) = view.control.catalog.get(data_type) {
            return catalog.usable(definition, index).map(Some);
        }
        let (low, high) = (raw_key(data_type, b""), type_end(data_type));
        let mut merge = self.merge(low.clone(), high.clone(), false);
        let time = self.time();
        while let Some(found) = merge.next().await? {
            self.note_expiry(&found);
            if found.value_at(time).is_some() {
                return Err(not_ready(data_type, &index.name, "is about to be built"));
            }
        }
        self.note_range(&mut None, low, high);
        Ok(None)
    }

    /// The document with an id.
    pub(crate) async fn document<T: Document>(&mut self, id: &str) -> Result<Option<T>, Error> {
        let key = crate::entry_key::entry_key(T::TYPE, id)?;
        let found = self.get(&key).await?;
        found.map(|value| document::decode(id, &value)).transpose()
    }

    /// The id of the document that has `key` in a unique index.
    pub(crate) async fn unique_id<T: Document>(
        &mut self,
        document_type: &TypedDocument<T>,
        index: &str,
        key: &EncodedKey,
    ) -> Result<Option<String>, Error> {
        let definition = document_type.definition();
        let data_type = definition.data_type;
        let index = definition.index(index)?;
        definition.check_key(index, key)?;
        let why = if !index.unique {
            "the index is not unique"
        } else if key.fields.len() < index.fields.len() {
            "the key has fewer values than the index"
        } else if key.has_none {
            "the key has a missing value, so that any number of documents may have it"
        } else {
            ""
        };
        if !why.is_empty() {
            return Err(Error::invalid(format!(
                "index {:?} of type {data_type:?} cannot name one document: {why}; use a query",
                index.name
            )));
        }
        let build = self.usable_build(definition, index).await?;
        let entry = IndexEntry::new(data_type, &index.name, true, build.unwrap_or(0), key, "");
        if let Reader::Transaction(transaction) = self {
            let own = transaction.own_documents();
            if let Some(id) = own.unique_id(data_type, &index.name, key) {
                return Ok(Some(id));
            }
        }
        if build.is_none() {
            return Ok(None);
        }
        let Some(id) = self.get(&entry.key).await? else {
            return Ok(None);
        };
        let id = String::from_utf8(id.to_vec()).map_err(|error| {
            Error::corrupt(format!(
                "an entry of index {:?} of type {data_type:?} names no document",
                index.name
            ))
            .with_source(error)
        })?;
        // What the transaction has written itself has other entries, or none.
        let is_own = self.has_written(&raw_key(data_type, id.as_bytes()));
        Ok(Some(id).filter(|_| !is_own))
    }

    /// The document that has `key` in a unique index.
    pub(crate) async fn find<T: Document>(
        &mut self,
        document_type: &TypedDocument<T>,
        index: &str,
        key: &EncodedKey,
    ) -> Result<Option<T>, Error> {
        let Some(id) = self.unique_id(document_type, index, key).await? else {
            return Ok(None);
        };
        let found = self.document(&id).await?.ok_or_else(|| {
            Error::corrupt(format!(
                "index {index:?} of type {:?} names document {id:?}, which is not there",
                T::TYPE
            ))
        })?;
        Ok(Some(found))
    }
}
