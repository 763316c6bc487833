//! Indexes of documents that come into a store by an import.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::catalog::{Catalog, TypeCatalog, catalog_key};
use super::document_type::{DocumentType, DocumentTypes};
use super::index_entry::IndexEntry;
use crate::Error;
use crate::entry_key::EntryKey;

/// Makes the entries of the indexes that the program declares, so that the documents of an import can be found at once, and
/// keys that are not unique are noticed before anything changes.
pub(crate) struct ImportIndexer {
    known: BTreeMap<&'static str, Known>,
}

struct Known {
    document_type: Arc<dyn DocumentType>,
    catalog: TypeCatalog,
    /// Whether a document has come. The first document of a type that has none brings its catalog by itself.
    is_used: bool,
}

impl ImportIndexer {
    /// For the types that the program has used. Others are indexed when a program that knows them opens the store.
    ///
    /// # Errors
    /// `Invalid` if a type is declared in a way that cannot be.
    pub(crate) fn new(types: &DocumentTypes) -> Result<ImportIndexer, Error> {
        let mut known = BTreeMap::new();
        for document_type in types.all() {
            let definition = document_type.definition();
            let Some(reconciled) = TypeCatalog::reconcile(None, definition)? else {
                continue;
            };
            let mut catalog = reconciled.catalog;
            let builds = catalog.building();
            catalog.finish(&builds, 0);
            let data_type = definition.data_type;
            let entry = Known {
                document_type,
                catalog,
                is_used: false,
            };
            known.insert(data_type, entry);
        }
        Ok(ImportIndexer { known })
    }

    /// The index entries of a document; none if its type has no indexes, or is not known.
    ///
    /// # Errors
    /// `Invalid`, naming it, if it is no document of its type or has a key that is too long.
    pub(crate) fn entries(
        &mut self,
        data_type: &str,
        id: &str,
        value: &[u8],
    ) -> Result<Vec<IndexEntry>, Error> {
        let Some(known) = self.known.get_mut(data_type) else {
            return Ok(Vec::new());
        };
        known.is_used = true;
        let keys = known.document_type.keys_of(id, value)?;
        let declared = &known.document_type.definition().indexes;
        let entries = declared.iter().zip(&keys).filter_map(|(index, key)| {
            let build = known.catalog.indexes.get(&index.name)?.build;
            Some(IndexEntry::new(
                data_type,
                &index.name,
                index.unique,
                build,
                key,
                id,
            ))
        });
        Ok(entries.collect())
    }

    /// The catalogs of the types that have documents, as entries, and together.
    ///
    /// # Errors
    /// Never for catalogs that are made here.
    pub(crate) fn catalogs(&self) -> Result<(Vec<(EntryKey, Bytes)>, Catalog), Error> {
        let mut all = Catalog::default();
        let mut entries = Vec::new();
        for (data_type, known) in self.known.iter().filter(|(_, known)| known.is_used) {
            let (key, value) = (catalog_key(data_type), known.catalog.encode());
            all.set(&key, Some(&value))?;
            entries.push((key, value));
        }
        Ok((entries, all))
    }
}
