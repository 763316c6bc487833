//! The index entries of the documents that a transaction has written itself, so that its queries see them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::document_type::TypeDefinition;
use super::index_entry::{IndexEntry, index_suffix};
use super::index_key::EncodedKey;
use crate::Timestamp;
use crate::entry_key::EntryKey;
use crate::memtable::{Version, VersionedEntry};

/// Entries of documents that are not committed. Those of a document that was written replace what the snapshot has of it.
#[derive(Debug, Default)]
pub(crate) struct OwnDocuments {
    /// Of each index, by type and name: the entries by what stands behind the index's prefix in their keys.
    indexes: BTreeMap<(&'static str, String), BTreeMap<Vec<u8>, OwnEntry>>,
    /// Where the entries of each document are.
    places: BTreeMap<EntryKey, Vec<(String, Vec<u8>)>>,
}

#[derive(Debug)]
struct OwnEntry {
    value: Bytes,
    expires_at: Option<Timestamp>,
}

/// What marks an entry of a merge as the transaction's own.
pub(crate) const OWN_VERSION: Version = Version {
    seq: u64::MAX,
    index: u32::MAX,
};

impl OwnDocuments {
    /// Takes in a document with these keys in the indexes of its type.
    pub(crate) fn put(
        &mut self,
        document: &EntryKey,
        definition: &TypeDefinition,
        keys: &[EncodedKey],
        id: &str,
        expires_at: Option<Timestamp>,
    ) {
        self.remove(document, definition);
        let mut places = Vec::with_capacity(keys.len());
        for (index, key) in definition.indexes.iter().zip(keys) {
            let suffix = index_suffix(key, index.unique, id);
            // The build does not matter here: it stands before the suffix.
            let entry = IndexEntry::new(definition.data_type, "", index.unique, 0, key, id);
            let own = OwnEntry {
                value: entry.value,
                expires_at,
            };
            let name = (definition.data_type, index.name.clone());
            self.indexes
                .entry(name)
                .or_default()
                .insert(suffix.clone(), own);
            places.push((index.name.clone(), suffix));
        }
        self.places.insert(document.clone(), places);
    }

    /// A document was deleted, or is about to be replaced.
    pub(crate) fn remove(&mut self, document: &EntryKey, definition: &TypeDefinition) {
        for (index, suffix) in self.places.remove(document).unwrap_or_default() {
            if let Some(entries) = self.indexes.get_mut(&(definition.data_type, index)) {
                entries.remove(&suffix);
            }
        }
    }

    /// The id of the document that has `key` in a unique index.
    pub(crate) fn unique_id(
        &self,
        data_type: &'static str,
        index: &str,
        key: &EncodedKey,
    ) -> Option<String> {
        let entries = self.indexes.get(&(data_type, index.to_owned()))?;
        let own = entries.get(&index_suffix(key, true, ""))?;
        Some(String::from_utf8_lossy(&own.value).into_owned())
    }

    /// The entries of an index with keys in `[low, high)`, which begin with `prefix`, in order.
    pub(crate) fn entries(
        &self,
        data_type: &'static str,
        index: &str,
        prefix: &[u8],
        low: &EntryKey,
        high: &EntryKey,
    ) -> Vec<VersionedEntry> {
        let Some(entries) = self.indexes.get(&(data_type, index.to_owned())) else {
            return Vec::new();
        };
        let start = low.strip_prefix(prefix).unwrap_or_default().to_vec();
        let from = entries.range(start..);
        let entries = from.map(|(suffix, own)| VersionedEntry {
            key: Bytes::from([prefix, suffix].concat()),
            version: OWN_VERSION,
            value: Some(own.value.clone()),
            expires_at: own.expires_at,
        });
        entries.take_while(|entry| entry.key < *high).collect()
    }
}
