//! What a transaction wants to do to the store, before it is known what that takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::document_type::DocumentType;
use crate::Timestamp;
use crate::entry_key::EntryKey;

/// What a transaction writes, in the words of its program. What that takes, the entries of indexes among it, depends on
/// the state that it is committed on top of: see [`Expansion`](super::expansion::Expansion).
#[derive(Debug, Default)]
pub(crate) struct Intent {
    pub(crate) writes: BTreeMap<EntryKey, PendingWrite>,
    /// The types of raw writes, internal ones left out.
    pub(crate) raw_types: BTreeSet<String>,
    pub(crate) catalog_changes: Vec<CatalogChange>,
    /// Whether raw writes to a type with indexes mark these stale, instead of being refused.
    pub(crate) may_mark_stale: bool,
}

/// What becomes of one entry.
#[derive(Clone, Debug)]
pub(crate) struct PendingWrite {
    /// `None` deletes.
    pub(crate) value: Option<Bytes>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) kind: WriteKind,
}

/// How an entry is written.
#[derive(Clone, Debug)]
pub(crate) enum WriteKind {
    /// As bytes that nobody looks into.
    Raw,
    /// As a document of this type, whose index entries change with it.
    Document(Arc<dyn DocumentType>),
    /// Not at all: the indexes that are being built get the entries of the document that is there.
    Reindex(Arc<dyn DocumentType>),
}

/// A change to what is known of a type's indexes.
#[derive(Clone, Debug)]
pub(crate) enum CatalogChange {
    /// A program uses the type: its indexes are to be as it declares them.
    Declare(Arc<dyn DocumentType>),
    /// All documents have passed through these builds.
    Finish {
        data_type: String,
        builds: Vec<u32>,
        /// Documents that could not be decoded.
        skipped: u64,
    },
    /// Two documents have the same key in an index that was to be unique.
    Fail {
        data_type: String,
        build: u32,
        key: String,
        ids: [String; 2],
    },
    /// All indexes of the type are to be built anew.
    MarkStale { data_type: String },
    /// The entries of a retired build are gone.
    Forget { data_type: String, build: u32 },
}

impl CatalogChange {
    pub(crate) fn data_type(&self) -> &str {
        match self {
            CatalogChange::Declare(document_type) => document_type.definition().data_type,
            CatalogChange::Finish { data_type, .. }
            | CatalogChange::Fail { data_type, .. }
            | CatalogChange::MarkStale { data_type }
            | CatalogChange::Forget { data_type, .. } => data_type,
        }
    }
}

impl Intent {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.catalog_changes.is_empty()
    }
}
