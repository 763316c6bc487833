//! What a transaction takes on top of one state: its own writes, the entries of indexes, and changes to catalogs.
//!
//! A caller works this out on the newest state that it sees and notes what that rests on. If any of it has changed by the
//! time the committer has the transaction's place in the log, the committer does it again on top of that place (R20). So
//! the committer mostly has nothing to do, and a document that is written without having been read never conflicts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::catalog::{Catalog, TypeCatalog, catalog_key};
use super::document_type::DocumentType;
use super::index_entry::{IndexEntry, IndexEntryKey};
use super::index_key::{EncodedKey, describe_key_fields};
use super::intent::{CatalogChange, Intent, PendingWrite, WriteKind};
use crate::conflict::{BatchWrites, ReadSet};
use crate::entry_key::{EntryKey, PREVIOUS_TYPE, raw_key, split_key, type_end};
use crate::error::UniqueViolation;
use crate::memtable::VersionedEntry;
use crate::read_view::ReadView;
use crate::record::{TransactionBody, WriteRef};
use crate::settings::{Settings, UniqueWhileBuilding};
use crate::{Error, Timestamp};

/// What a transaction takes on top of one state.
#[derive(Debug)]
pub(crate) struct Expansion {
    pub(crate) body: TransactionBody,
    /// What it rests on.
    pub(crate) basis: ReadSet,
    pub(crate) cost: Cost,
}

/// What working an expansion out again costs, while all other commits wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cost {
    /// The committer does it.
    Small,
    /// The committer does it if the caller's have been out of date again and again: many documents are written.
    Large,
    /// The committer does not do it: all documents of a type were read.
    Unbounded,
}

/// Documents that the committer works out without hesitation, at most.
const SMALL_DOCUMENTS_MAX: usize = 1_000;

/// The state that a transaction is put on top of: a view, and the transactions before it in the same record.
pub(crate) struct Before<'a> {
    pub(crate) view: &'a ReadView,
    pub(crate) batch: Option<&'a BatchWrites>,
    /// At which entries count as expired or not.
    pub(crate) time: Timestamp,
}

/// An entry that is there.
struct Present {
    value: Bytes,
    expires_at: Option<Timestamp>,
}

/// An entry that is written besides what the transaction asks for.
#[derive(Debug)]
struct ExtraWrite {
    value: Option<Bytes>,
    expires_at: Option<Timestamp>,
}

impl Intent {
    /// Works out what the transaction takes on top of `before`.
    ///
    /// # Errors
    /// `NotUnique`, `Invalid` if it must not be, `Unavailable` while it cannot.
    pub(crate) async fn expand(
        &self,
        before: Before<'_>,
        settings: &Settings,
    ) -> Result<Expansion, Error> {
        let mut expander = Expander {
            intent: self,
            before,
            settings,
            basis: ReadSet::default(),
            cost: Cost::Small,
            extra: BTreeMap::new(),
        };
        expander.run().await?;
        let body = encode(&self.writes, &expander.extra);
        if body.encoded.len() > settings.transaction_bytes_max && !expander.extra.is_empty() {
            return Err(Error::invalid(format!(
                "the transaction has {} bytes with its index entries: {} are accepted",
                body.encoded.len(),
                settings.transaction_bytes_max
            )));
        }
        Ok(Expansion {
            body,
            basis: expander.basis,
            cost: expander.cost,
        })
    }
}

/// All writes in the order of their keys.
fn encode(
    writes: &BTreeMap<EntryKey, PendingWrite>,
    extra: &BTreeMap<EntryKey, ExtraWrite>,
) -> TransactionBody {
    let own = writes
        .iter()
        .filter(|(_, write)| !matches!(write.kind, WriteKind::Reindex(_)))
        .map(|(key, write)| WriteRef {
            key,
            value: write.value.as_deref(),
            expires_at: write.expires_at,
        });
    let mut all: Vec<WriteRef<'_>> = own.collect();
    if !extra.is_empty() {
        all.extend(extra.iter().map(|(key, write)| WriteRef {
            key,
            value: write.value.as_deref(),
            expires_at: write.expires_at,
        }));
        all.sort_by_key(|write| write.key);
    }
    TransactionBody::encode(all.iter().copied())
}

struct Expander<'a> {
    intent: &'a Intent,
    before: Before<'a>,
    settings: &'a Settings,
    basis: ReadSet,
    cost: Cost,
    extra: BTreeMap<EntryKey, ExtraWrite>,
}

impl<'a> Expander<'a> {
    async fn run(&mut self) -> Result<(), Error> {
        for data_type in &self.intent.raw_types {
            self.expand_raw(data_type)?;
        }
        let mut documents: BTreeMap<&str, Vec<Pending<'a>>> = BTreeMap::new();
        for (key, write) in &self.intent.writes {
            let (document_type, reindex) = match &write.kind {
                WriteKind::Raw => continue,
                WriteKind::Document(document_type) => (document_type, false),
                WriteKind::Reindex(document_type) => (document_type, true),
            };
            let data_type = document_type.definition().data_type;
            if self.intent.raw_types.contains(data_type) {
                return Err(Error::invalid(format!(
                    "the transaction writes type {data_type:?} both as documents and as raw bytes"
                )));
            }
            let pending = Pending {
                key,
                write,
                document_type,
                reindex,
            };
            documents.entry(data_type).or_default().push(pending);
        }
        if documents.values().map(Vec::len).sum::<usize>() > SMALL_DOCUMENTS_MAX {
            self.cost = Cost::Large;
        }
        for (data_type, pending) in &documents {
            self.expand_documents(data_type, pending).await?;
        }
        for change in &self.intent.catalog_changes {
            self.expand_catalog_change(change).await?;
        }
        Ok(())
    }

    /// The catalog of a type as it is before the transaction, or as the transaction has changed it so far.
    fn catalog(&self, data_type: &str) -> Result<Option<TypeCatalog>, Error> {
        let key = catalog_key(data_type);
        let written = match self.extra.get(&key) {
            Some(write) => Some(write.value.as_deref()),
            None => {
                let batch = self.before.batch.and_then(|batch| batch.get(&key));
                batch.map(|write| write.value.as_deref())
            }
        };
        let Some(value) = written else {
            return Ok(self.before.view.control.catalog.get(data_type).cloned());
        };
        let mut catalog = Catalog::default();
        catalog.set(&key, value)?;
        Ok(catalog.get(data_type).cloned())
    }

    fn write_catalog(&mut self, data_type: &str, catalog: &TypeCatalog) {
        self.put(catalog_key(data_type), catalog.encode(), None);
    }

    fn put(&mut self, key: EntryKey, value: Bytes, expires_at: Option<Timestamp>) {
        let write = ExtraWrite {
            value: Some(value),
            expires_at,
        };
        self.extra.insert(key, write);
    }

    /// Raw bytes are written to a type: its indexes, if it has any, do not follow.
    fn expand_raw(&mut self, data_type: &str) -> Result<(), Error> {
        let Some(mut catalog) = self.catalog(data_type)? else {
            return Ok(());
        };
        if !catalog.has_maintained() {
            return Ok(());
        }
        if !self.intent.may_mark_stale {
            return Err(Error::invalid(format!(
                "type {data_type:?} has indexes, which raw writes do not keep up to date: write its documents with a program \
                 that knows the type, or ask for its indexes to be marked stale"
            )));
        }
        catalog.mark_stale();
        self.write_catalog(data_type, &catalog);
        Ok(())
    }

    async fn expand_catalog_change(&mut self, change: &CatalogChange) -> Result<(), Error> {
        let data_type = change.data_type();
        if let CatalogChange::Declare(document_type) = change {
            self.declare(document_type).await?;
            return Ok(());
        }
        let Some(mut catalog) = self.catalog(data_type)? else {
            return Ok(());
        };
        let changed = match change {
            CatalogChange::Declare(_) => false,
            CatalogChange::Finish {
                builds, skipped, ..
            } => catalog.finish(builds, *skipped),
            CatalogChange::Fail {
                build, key, ids, ..
            } => catalog.fail(*build, key, ids),
            CatalogChange::MarkStale { .. } => catalog.mark_stale(),
            CatalogChange::Forget { build, .. } => catalog.retired.remove(build).is_some(),
        };
        if changed {
            self.write_catalog(data_type, &catalog);
        }
        Ok(())
    }

    /// Makes the catalog what the program declares, and returns it; `None` if the type has no indexes.
    async fn declare(
        &mut self,
        document_type: &Arc<dyn DocumentType>,
    ) -> Result<Option<TypeCatalog>, Error> {
        let definition = document_type.definition();
        let current = self.catalog(definition.data_type)?;
        let Some(reconciled) = TypeCatalog::reconcile(current.as_ref(), definition)? else {
            return Ok(None);
        };
        let mut catalog = reconciled.catalog;
        if reconciled.started && !self.has_documents(definition.data_type).await? {
            let builds = catalog.building();
            catalog.finish(&builds, 0);
        }
        if reconciled.changed {
            self.write_catalog(definition.data_type, &catalog);
        }
        Ok(Some(catalog))
    }

    async fn expand_documents(
        &mut self,
        data_type: &str,
        documents: &[Pending<'a>],
    ) -> Result<(), Error> {
        let Some(first) = documents.first() else {
            return Ok(());
        };
        let definition = first.document_type.definition();
        let catalog = self.declare(first.document_type).await?;
        if catalog.is_none() && !definition.log_previous {
            return Ok(());
        }
        let mut changes = IndexChanges::new(data_type, definition, catalog);
        for pending in documents {
            let Some((_, id)) = split_key(pending.key) else {
                continue;
            };
            let id = std::str::from_utf8(id)
                .map_err(|_| Error::corrupt(format!("an id of type {data_type:?} is no text")))?;
            let old = self.get(pending.key).await?;
            if pending.reindex {
                changes.reindex(pending.document_type, id, old.as_ref())?;
                continue;
            }
            if let (Some(old), true) = (&old, definition.log_previous) {
                let key = raw_key(PREVIOUS_TYPE, pending.key);
                self.put(key, old.value.clone(), Some(Timestamp::default()));
            }
            changes.replace(pending, id, old.as_ref())?;
        }
        self.check_owners(&mut changes).await?;
        self.check_unfinished(&changes, documents).await?;
        for key in changes.removed.keys() {
            if !changes.added.contains_key(key) {
                let delete = ExtraWrite {
                    value: None,
                    expires_at: None,
                };
                self.extra.insert(key.clone(), delete);
            }
        }
        for (key, added) in changes.added {
            self.put(key, added.value, added.expires_at);
        }
        Ok(())
    }

    /// Refuses keys that are another document's; and keeps entries that are, of those that were to be removed.
    async fn check_owners(&mut self, changes: &mut IndexChanges<'_>) -> Result<(), Error> {
        // While an index is being built its entry may be that of another document with the same key.
        let doubtful = changes.removed.iter();
        let doubtful: Vec<EntryKey> = doubtful
            .filter(|(_, removed)| removed.is_doubtful)
            .map(|(key, _)| key.clone())
            .collect();
        for key in doubtful {
            let owner = self.get(&key).await?;
            if owner.is_none_or(|owner| !changes.is_freed(&key, &owner.value)) {
                changes.removed.remove(&key);
            }
        }
        let unique = changes.added.iter().filter(|(_, added)| added.is_unique);
        let mut unfinished = Vec::new();
        for (key, added) in unique {
            let owner = self.get(key).await?;
            match owner {
                Some(owner) if owner.value == added.id.as_bytes() => {}
                Some(owner) if changes.is_freed(key, &owner.value) => {}
                Some(owner) => {
                    let owner = String::from_utf8_lossy(&owner.value).into_owned();
                    return Err(changes.violation(key, owner, &added.id));
                }
                None if added.is_building && !added.is_reindexed => {
                    unfinished.push((added.place, key.clone(), added.id.clone()));
                }
                None => {}
            }
        }
        for (place, key, id) in unfinished {
            if let Some(parts) = IndexEntryKey::parse(&key) {
                changes.unfinished.push((place, parts.fields.to_vec(), id));
            }
        }
        Ok(())
    }

    /// Looks for documents with the keys that a unique index does not know yet, as it is not complete (R34).
    async fn check_unfinished(
        &mut self,
        changes: &IndexChanges<'_>,
        documents: &[Pending<'a>],
    ) -> Result<(), Error> {
        let Some((place, _, id)) = changes.unfinished.first() else {
            return Ok(());
        };
        let index = changes.index_name(*place);
        let data_type = changes.data_type;
        if self.settings.unique_while_building == UniqueWhileBuilding::Refuse {
            return Err(Error::unavailable(format!(
                "unique index {index:?} of type {data_type:?} is not complete, so that it cannot be told whether the key of \
                 document {id:?} is taken"
            )));
        }
        let own: BTreeSet<&EntryKey> = documents.iter().map(|pending| pending.key).collect();
        let document_type = documents.first().map(|pending| pending.document_type);
        // All of it was looked at, so any write to the type would be a reason to look again: not in the committer.
        self.cost = Cost::Unbounded;
        let (low, high) = (raw_key(data_type, b""), type_end(data_type));
        self.basis.add_range(low.clone(), high.clone());
        let mut merge = self
            .before
            .view
            .merge(low.clone(), high.clone(), false)
            .without_caching();
        merge.add_newest(self.batch_entries(low, high));
        while let Some(found) = merge.next().await? {
            let Some(value) = found.value_at(self.before.time) else {
                continue;
            };
            if own.contains(&found.key) {
                continue;
            }
            self.basis.note_expiry(found.expires_at, self.before.time);
            let (Some((_, other)), Some(document_type)) = (split_key(&found.key), document_type)
            else {
                continue;
            };
            let other = String::from_utf8_lossy(other).into_owned();
            // One that cannot be decoded has no key.
            let Ok(keys) = document_type.keys_of(&other, value) else {
                continue;
            };
            for (place, fields, id) in &changes.unfinished {
                if keys.get(*place).is_some_and(|key| key.bytes == *fields) {
                    return Err(changes.violation_of(*place, fields, other, id));
                }
            }
        }
        Ok(())
    }

    /// The entry with this key, if it is there.
    async fn get(&mut self, key: &EntryKey) -> Result<Option<Present>, Error> {
        let points_max = self.settings.read_points_max;
        self.basis.add_point(key.clone(), points_max);
        let (value, expires_at) = match self.before.batch.and_then(|batch| batch.get(key)) {
            Some(write) => (write.value.clone(), write.expires_at),
            None => match self.before.view.get(key).await? {
                Some(entry) => (entry.value, entry.expires_at),
                None => return Ok(None),
            },
        };
        self.basis.note_expiry(expires_at, self.before.time);
        let is_expired = expires_at.is_some_and(|expires_at| expires_at <= self.before.time);
        let value = value.filter(|_| !is_expired);
        Ok(value.map(|value| Present { value, expires_at }))
    }

    async fn has_documents(&mut self, data_type: &str) -> Result<bool, Error> {
        let (low, high) = (raw_key(data_type, b""), type_end(data_type));
        let mut merge = self
            .before
            .view
            .merge(low.clone(), high.clone(), false)
            .without_caching();
        merge.add_newest(self.batch_entries(low.clone(), high.clone()));
        while let Some(found) = merge.next().await? {
            self.basis.note_expiry(found.expires_at, self.before.time);
            if found.value_at(self.before.time).is_some() {
                return Ok(true);
            }
        }
        self.basis.add_range(low, high);
        Ok(false)
    }

    fn batch_entries(&self, low: EntryKey, high: EntryKey) -> Vec<VersionedEntry> {
        let batch = self.before.batch;
        batch.map_or_else(Vec::new, |batch| batch.entries(low, high))
    }
}

/// A document that the transaction writes, or has indexed.
struct Pending<'a> {
    key: &'a EntryKey,
    write: &'a PendingWrite,
    document_type: &'a Arc<dyn DocumentType>,
    reindex: bool,
}

/// An index entry that goes.
struct Removed {
    /// The documents that have had this key: more than one only where an index is being built that cannot be unique.
    ids: Vec<String>,
    /// Whether the entry may be another document's.
    is_doubtful: bool,
}

/// An index entry that comes.
struct Added {
    value: Bytes,
    expires_at: Option<Timestamp>,
    id: String,
    /// The index, as the program counts them.
    place: usize,
    is_unique: bool,
    is_building: bool,
    is_reindexed: bool,
}

/// What happens to the indexes of one type.
struct IndexChanges<'a> {
    data_type: &'a str,
    indexes: Vec<MaintainedIndex<'a>>,
    removed: BTreeMap<EntryKey, Removed>,
    added: BTreeMap<EntryKey, Added>,
    /// Keys that a unique index cannot vouch for: place of the index, fields, and the id of the document.
    unfinished: Vec<(usize, Vec<u8>, String)>,
    /// What a key that was added twice has made the transaction fail with.
    failed: Option<Error>,
}

/// An index of the type, in the order in which the program declares them.
struct MaintainedIndex<'a> {
    name: &'a str,
    unique: bool,
    /// The build that is kept up to date; `None` if none is.
    build: Option<u32>,
    is_building: bool,
}

impl<'a> IndexChanges<'a> {
    fn new(
        data_type: &'a str,
        definition: &'a super::document_type::TypeDefinition,
        catalog: Option<TypeCatalog>,
    ) -> IndexChanges<'a> {
        let indexes = definition.indexes.iter().map(|index| {
            let found = catalog
                .as_ref()
                .and_then(|catalog| catalog.indexes.get(&index.name));
            let maintained = found.filter(|found| found.state.is_maintained());
            MaintainedIndex {
                name: &index.name,
                unique: index.unique,
                build: maintained.map(|found| found.build),
                is_building: maintained
                    .is_some_and(|found| found.state == super::catalog::IndexState::Building),
            }
        });
        IndexChanges {
            data_type,
            indexes: indexes.collect(),
            removed: BTreeMap::new(),
            added: BTreeMap::new(),
            unfinished: Vec::new(),
            failed: None,
        }
    }

    /// Whether the transaction takes `key` from the document `owner`.
    fn is_freed(&self, key: &[u8], owner: &[u8]) -> bool {
        let removed = self.removed.get(key);
        removed.is_some_and(|removed| removed.ids.iter().any(|id| id.as_bytes() == owner))
    }

    fn index_name(&self, place: usize) -> &str {
        self.indexes.get(place).map_or("", |index| index.name)
    }

    /// The entries of a document with these keys, each with the place of its index.
    fn entries(&self, keys: &[EncodedKey], id: &str) -> Vec<(usize, IndexEntry)> {
        let places = self.indexes.iter().zip(keys).enumerate();
        let entries = places.filter_map(|(place, (index, key))| {
            let build = index.build?;
            let entry = IndexEntry::new(self.data_type, index.name, index.unique, build, key, id);
            Some((place, entry))
        });
        entries.collect()
    }

    /// A document takes the place of what is stored, or goes.
    fn replace(
        &mut self,
        pending: &Pending<'_>,
        id: &str,
        old: Option<&Present>,
    ) -> Result<(), Error> {
        let old_keys = match old {
            Some(old) => pending
                .document_type
                .keys_of(id, &old.value)
                .map_err(|error| {
                    Error::invalid(format!(
                        "document {id:?} of type {:?} cannot be replaced, since it is not known which index entries the \
                         stored one has: delete it as raw bytes, and have the indexes marked stale",
                        self.data_type
                    ))
                    .with_source(error)
                })?,
            None => Vec::new(),
        };
        let new_keys = match &pending.write.value {
            Some(value) => pending.document_type.keys_of(id, value)?,
            None => Vec::new(),
        };
        self.note_unmaintained(&old_keys, &new_keys, id);
        let old_entries = self.entries(&old_keys, id);
        let new_entries = self.entries(&new_keys, id);
        let old_expiry = old.and_then(|old| old.expires_at);
        for (place, entry) in &old_entries {
            let stays = new_entries.iter().any(|(_, new)| new.key == entry.key);
            if !stays {
                let removed = self.removed.entry(entry.key.clone());
                let removed = removed.or_insert_with(|| Removed {
                    ids: Vec::new(),
                    is_doubtful: entry.is_unique && self.indexes[*place].is_building,
                });
                removed.ids.push(id.to_owned());
            }
        }
        for (place, entry) in new_entries {
            let is_there = old_expiry == pending.write.expires_at
                // Of an index that is being built it may be missing: then the document is yet to be reached.
                && old_entries.iter().any(|(_, old)| old.key == entry.key);
            if !is_there {
                self.add(place, entry, id, pending.write.expires_at, false);
            }
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// The document that is there gets its entries in the indexes that are being built.
    fn reindex(
        &mut self,
        document_type: &Arc<dyn DocumentType>,
        id: &str,
        stored: Option<&Present>,
    ) -> Result<(), Error> {
        let Some(stored) = stored else {
            return Ok(());
        };
        let keys = match document_type.keys_of(id, &stored.value) {
            Ok(keys) => keys,
            // It is counted by who builds the indexes, and is in none.
            Err(_) => return Ok(()),
        };
        for (place, entry) in self.entries(&keys, id) {
            if self.indexes[place].is_building {
                self.add(place, entry, id, stored.expires_at, true);
            }
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    fn add(
        &mut self,
        place: usize,
        entry: IndexEntry,
        id: &str,
        expires_at: Option<Timestamp>,
        is_reindexed: bool,
    ) {
        let other = self.added.get(&entry.key).filter(|other| other.id != id);
        if let Some(other) = other {
            let error = self.violation(&entry.key, other.id.clone(), id);
            self.failed.get_or_insert(error);
            return;
        }
        let added = Added {
            value: entry.value,
            expires_at,
            id: id.to_owned(),
            place,
            is_unique: entry.is_unique,
            is_building: self.indexes[place].is_building,
            is_reindexed,
        };
        self.added.insert(entry.key, added);
    }

    /// Notes new keys of unique indexes that could not be built, and so have no entries to tell who has a key.
    fn note_unmaintained(&mut self, old: &[EncodedKey], new: &[EncodedKey], id: &str) {
        for (place, (index, key)) in self.indexes.iter().zip(new).enumerate() {
            let is_new = old.get(place) != Some(key);
            if index.unique && index.build.is_none() && !key.has_none && is_new {
                self.unfinished
                    .push((place, key.bytes.clone(), id.to_owned()));
            }
        }
    }

    fn violation(&self, key: &[u8], owner: String, id: &str) -> Error {
        let (index, shown) = match IndexEntryKey::parse(key) {
            Some(parts) => (parts.index.to_owned(), parts.describe()),
            None => (String::new(), String::new()),
        };
        self.not_unique(index, shown, owner, id)
    }

    fn violation_of(&self, place: usize, fields: &[u8], owner: String, id: &str) -> Error {
        let index = self.index_name(place).to_owned();
        self.not_unique(index, describe_key_fields(fields), owner, id)
    }

    fn not_unique(&self, index: String, key: String, owner: String, id: &str) -> Error {
        Error::not_unique(UniqueViolation {
            data_type: self.data_type.to_owned(),
            index,
            key,
            owner,
            id: id.to_owned(),
        })
    }
}
