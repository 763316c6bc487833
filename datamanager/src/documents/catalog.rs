//! Which indexes each type has in the store, and how far they are.
//!
//! The catalog of a type is an entry of the internal type `!catalog`, changed in the same transactions as what it speaks of.
//! Every process keeps all of them in its control state, so that they cost no read.
//!
//! # Invariants
//! 1. A `Ready` index has exactly the entries that the documents of its type have keys for.
//! 2. A `Building` index has those of every document written since it became so, and of those that the rebuild has passed.
//! 3. A build number is used once in a type: entries of an abandoned build can be told from all others.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::document_type::TypeDefinition;
use super::index_entry::IndexEntryKey;
use super::indexes::IndexDefinition;
use crate::entry_key::{CATALOG_TYPE, EntryKey, raw_key, split_key};
use crate::record::Write;
use crate::{Error, ErrorKind};

/// The catalogs of all types at one position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Catalog {
    types: BTreeMap<String, TypeCatalog>,
    /// The number of the record that changed one last.
    pub(crate) changed_seq: u64,
}

impl Catalog {
    pub(crate) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    pub(crate) fn get(&self, data_type: &str) -> Option<&TypeCatalog> {
        self.types.get(data_type)
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = (&str, &TypeCatalog)> {
        let types = self.types.iter();
        types.map(|(data_type, catalog)| (data_type.as_str(), catalog))
    }

    /// Whether an index entry is of a build that one of the catalogs knows.
    pub(crate) fn names_entry(&self, key: &[u8]) -> bool {
        IndexEntryKey::parse(key).is_some_and(|entry| {
            let catalog = self.types.get(entry.data_type);
            catalog.is_some_and(|catalog| catalog.knows_build(entry.index, entry.build))
        })
    }

    /// Whether a write changes a catalog.
    pub(crate) fn is_changed_by(write: &Write) -> bool {
        is_catalog_key(&write.key)
    }

    /// Takes in a write that changes one.
    ///
    /// # Errors
    /// `Invalid` if it was written by a version that this one does not understand.
    pub(crate) fn apply(&mut self, seq: u64, write: &Write) -> Result<(), Error> {
        self.changed_seq = seq;
        self.set(&write.key, write.value.as_deref())
    }

    /// Takes in an entry as it is stored.
    pub(crate) fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        let data_type = split_key(key)
            .and_then(|(_, id)| std::str::from_utf8(id).ok())
            .ok_or_else(|| Error::corrupt("a catalog entry does not name its type"))?;
        match value {
            Some(value) => {
                let catalog = TypeCatalog::decode(data_type, value)?;
                self.types.insert(data_type.to_owned(), catalog);
            }
            None => {
                self.types.remove(data_type);
            }
        }
        Ok(())
    }
}

/// The key of the catalog entry of `data_type`.
pub(crate) fn catalog_key(data_type: &str) -> EntryKey {
    raw_key(CATALOG_TYPE, data_type.as_bytes())
}

pub(crate) fn is_catalog_key(key: &[u8]) -> bool {
    key.strip_prefix(CATALOG_TYPE.as_bytes())
        .is_some_and(|rest| rest.first() == Some(&0))
}

/// The indexes of one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TypeCatalog {
    format: u32,
    /// The generation of the program that declared them.
    pub(crate) generation: u32,
    /// The build number that the next index to be built gets.
    next_build: u32,
    /// By name.
    pub(crate) indexes: BTreeMap<String, CatalogIndex>,
    /// Builds whose entries are still to be removed, with the names of their indexes.
    pub(crate) retired: BTreeMap<u32, String>,
}

const CATALOG_FORMAT: u32 = 1;

/// One index in the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CatalogIndex {
    #[serde(flatten)]
    pub(crate) definition: IndexDefinition,
    /// Stands in the keys of its entries.
    pub(crate) build: u32,
    pub(crate) state: IndexState,
    /// Documents that could not be decoded when it was built, and so have no entry.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) skipped: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How far an index is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexState {
    /// It is complete: queries use it.
    Ready,
    /// It is being built from the documents that were there before it.
    Building,
    /// Documents were written past it; the next program that knows the type builds it anew.
    Stale,
    /// It is to be unique, and two documents have the same key.
    Failed {
        /// The key, as text.
        key: String,
        /// The ids of the two documents.
        ids: [String; 2],
    },
}

impl IndexState {
    /// Whether each write of a document keeps the index up to date.
    pub(crate) fn is_maintained(&self) -> bool {
        matches!(self, IndexState::Ready | IndexState::Building)
    }
}

/// What a program's declaration makes of a type's catalog.
pub(crate) struct Reconciled {
    pub(crate) catalog: TypeCatalog,
    /// Whether it is not what the store has.
    pub(crate) changed: bool,
    /// Whether an index has begun to be built.
    pub(crate) started: bool,
}

impl TypeCatalog {
    pub(crate) fn encode(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(data_type: &str, bytes: &[u8]) -> Result<TypeCatalog, Error> {
        #[derive(Deserialize)]
        struct Envelope {
            format: u32,
        }
        let corrupt = |error: serde_json::Error| {
            Error::corrupt(format!("the catalog of type {data_type:?} cannot be read"))
                .with_source(error)
        };
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(corrupt)?;
        if envelope.format != CATALOG_FORMAT {
            return Err(Error::invalid(format!(
                "the catalog of type {data_type:?} is of format {}: this version reads format {CATALOG_FORMAT}",
                envelope.format
            )));
        }
        serde_json::from_slice(bytes).map_err(corrupt)
    }

    /// The catalog when a program writes documents that declares `definition`; `None` if the type needs none.
    ///
    /// # Errors
    /// `Invalid` if the program must not write, since it would not keep the indexes as they are (R34).
    pub(crate) fn reconcile(
        current: Option<&TypeCatalog>,
        definition: &TypeDefinition,
    ) -> Result<Option<Reconciled>, Error> {
        let data_type = definition.data_type;
        let Some(current) = current else {
            if definition.indexes.is_empty() {
                return Ok(None);
            }
            let empty = TypeCatalog {
                format: CATALOG_FORMAT,
                generation: definition.generation,
                next_build: 1,
                indexes: BTreeMap::new(),
                retired: BTreeMap::new(),
            };
            return Ok(Some(empty.changed_to(definition)));
        };
        if definition.generation < current.generation {
            return Err(Error::invalid(format!(
                "type {data_type:?} has indexes of generation {} in this store and this program knows generation {}: it may \
                 read documents, and not write them",
                current.generation, definition.generation
            )));
        }
        if definition.generation == current.generation {
            let declared: BTreeMap<&str, &IndexDefinition> = definition
                .indexes
                .iter()
                .map(|index| (index.name.as_str(), index))
                .collect();
            let stored = current
                .indexes
                .iter()
                .map(|(name, index)| (name.as_str(), &index.definition))
                .collect();
            if declared != stored {
                return Err(Error::invalid(format!(
                    "type {data_type:?} has other indexes in this store ({}) than this program declares ({}): declare a \
                     higher generation than {} to change them",
                    names(stored.keys()),
                    names(declared.keys()),
                    current.generation
                )));
            }
        }
        Ok(Some(current.changed_to(definition)))
    }

    /// Keeps the indexes that are the same, begins those that are new or out of date, and retires the others.
    fn changed_to(&self, definition: &TypeDefinition) -> Reconciled {
        let mut catalog = self.clone();
        catalog.generation = definition.generation;
        let mut started = false;
        for declared in &definition.indexes {
            let kept = catalog.indexes.get(&declared.name).is_some_and(|index| {
                index.definition == *declared && index.state != IndexState::Stale
            });
            if !kept {
                started = true;
                catalog.begin(declared);
            }
        }
        let dropped = catalog.indexes.keys().filter(|name| {
            definition
                .indexes
                .iter()
                .all(|declared| declared.name != **name)
        });
        for name in dropped.cloned().collect::<Vec<_>>() {
            catalog.retire(&name);
        }
        Reconciled {
            changed: catalog != *self,
            catalog,
            started,
        }
    }

    fn begin(&mut self, definition: &IndexDefinition) {
        self.retire(&definition.name);
        let index = CatalogIndex {
            definition: definition.clone(),
            build: self.next_build,
            state: IndexState::Building,
            skipped: 0,
        };
        self.next_build += 1;
        self.indexes.insert(definition.name.clone(), index);
    }

    fn retire(&mut self, name: &str) {
        if let Some(index) = self.indexes.remove(name) {
            self.retired.insert(index.build, name.to_owned());
        }
    }

    fn knows_build(&self, index: &str, build: u32) -> bool {
        let found = self.indexes.get(index);
        found.is_some_and(|found| found.build == build)
            || self.retired.get(&build).is_some_and(|name| name == index)
    }

    /// The builds that are under way.
    pub(crate) fn building(&self) -> Vec<u32> {
        let building = self
            .indexes
            .values()
            .filter(|index| index.state == IndexState::Building);
        building.map(|index| index.build).collect()
    }

    /// The indexes with these builds are complete, save for documents that cannot be decoded. Returns whether that is a change.
    pub(crate) fn finish(&mut self, builds: &[u32], skipped: u64) -> bool {
        let mut changed = false;
        for index in self.indexes.values_mut() {
            if index.state == IndexState::Building && builds.contains(&index.build) {
                index.state = IndexState::Ready;
                index.skipped = skipped;
                changed = true;
            }
        }
        changed
    }

    /// An index that is being built cannot become unique.
    pub(crate) fn fail(&mut self, build: u32, key: &str, ids: &[String; 2]) -> bool {
        let mut indexes = self.indexes.values_mut();
        let found =
            indexes.find(|index| index.build == build && index.state == IndexState::Building);
        if let Some(index) = found {
            index.state = IndexState::Failed {
                key: key.to_owned(),
                ids: ids.clone(),
            };
            return true;
        }
        false
    }

    /// Documents were written past the indexes. Returns whether that is a change.
    pub(crate) fn mark_stale(&mut self) -> bool {
        let mut changed = false;
        for index in self.indexes.values_mut() {
            changed |= index.state != IndexState::Stale;
            index.state = IndexState::Stale;
        }
        changed
    }

    /// Whether a write that does not keep the indexes up to date would leave one of them wrong.
    pub(crate) fn has_maintained(&self) -> bool {
        self.indexes
            .values()
            .any(|index| index.state != IndexState::Stale)
    }

    /// The build of a program's index, if it can be queried.
    ///
    /// # Errors
    /// `Unavailable` while it is being built, or will be; `Invalid` if it never will.
    pub(crate) fn usable(
        &self,
        definition: &TypeDefinition,
        index: &IndexDefinition,
    ) -> Result<u32, Error> {
        let data_type = definition.data_type;
        let name = &index.name;
        let found = self.indexes.get(name);
        let Some(found) = found.filter(|found| found.definition == *index) else {
            return Err(if self.generation > definition.generation {
                Error::invalid(format!(
                    "index {name:?} of type {data_type:?} was changed or dropped with generation {} of the type's indexes; \
                     this program knows generation {}",
                    self.generation, definition.generation
                ))
            } else if self.generation == definition.generation {
                Error::invalid(format!(
                    "index {name:?} of type {data_type:?} is another one in this store under the same generation {}",
                    self.generation
                ))
            } else {
                not_ready(data_type, name, "is about to be built")
            });
        };
        match &found.state {
            IndexState::Ready => Ok(found.build),
            IndexState::Building => Err(not_ready(data_type, name, "is being built")),
            IndexState::Stale => Err(not_ready(
                data_type,
                name,
                "is out of date, since documents were written past it, and is about to be built anew",
            )),
            IndexState::Failed { key, ids } => Err(Error::invalid(format!(
                "index {name:?} of type {data_type:?} could not be built: documents {:?} and {:?} both have {key}; change one \
                 of them, then have the type indexed again",
                ids[0], ids[1]
            ))),
        }
    }
}

/// Why an index cannot be queried yet.
pub(crate) fn not_ready(data_type: &str, index: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("index {index:?} of type {data_type:?} {why}"),
    )
}

fn names<'a>(names: impl Iterator<Item = &'a &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}
