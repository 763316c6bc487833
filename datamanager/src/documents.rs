//! Typed documents: what they are stored as, and finding them by what they hold.
//!
//! A document is an entry like any other. What makes it findable are further entries, of the internal type `!index`, that
//! are written in the same transaction. See `ARCHITECTURE.md`, section "Documents".

mod changes;
mod collection;
mod document;
mod index_key;
mod indexes;
mod query;
mod view;

mod document_scan;
mod index_scan;
mod on_snapshot;
mod on_transaction;
mod reader;

mod catalog;
mod document_type;
mod expansion;
mod import_indexer;
mod index_entry;
mod indexer;
mod intent;
mod own_documents;
mod verify;

pub use catalog::IndexState;
pub use changes::{Change, ChangedDocuments, Changes, Previous};
pub use collection::Collection;
pub use document::Document;
pub use document_scan::DocumentScan;
pub use index_key::{FieldKind, IndexField, IndexKey, KeyEncoder};
pub use index_scan::IndexScan;
pub use indexer::{IndexStatus, IndexedType};
pub use indexes::Indexes;
pub use query::{IndexCursor, Query};
pub use verify::IndexVerification;
pub use view::{View, ViewChange};

pub(crate) use catalog::Catalog;
pub(crate) use document_type::DocumentTypes;
pub(crate) use expansion::{Before, Cost, Expansion};
pub(crate) use import_indexer::ImportIndexer;
#[cfg(test)]
pub(crate) use index_entry::IndexEntry;
pub(crate) use index_entry::IndexEntryKey;
#[cfg(test)]
pub(crate) use index_key::EncodedKey;
pub(crate) use indexer::keep_indexes_built;
pub(crate) use intent::{CatalogChange, Intent, PendingWrite, WriteKind};
pub(crate) use own_documents::OwnDocuments;
pub(crate) use verify::verify_indexes;
