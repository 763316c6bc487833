//! The indexes that a program declares for a type.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::index_key::{EncodedKey, FieldKind, IndexKey};
use crate::entry_key::check_data_type;
use crate::{Document, Error};

/// Indexes of one type, at most.
const INDEXES_MAX: usize = 64;

/// The indexes of a type: their names, and how a document's keys are made.
///
/// The functions may only use what the document holds, and must always give the same key for the same document. Whoever
/// changes one gives its index another [`revision`](Indexes::revision) and the type another
/// [`generation`](Indexes::generation).
pub struct Indexes<T> {
    generation: u32,
    indexes: Vec<Index<T>>,
}

struct Index<T> {
    definition: IndexDefinition,
    key: Box<KeyFunction<T>>,
}

type KeyFunction<T> = dyn Fn(&T) -> EncodedKey + Send + Sync;

/// What is known of an index without the program that makes its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexDefinition {
    pub(crate) name: String,
    pub(crate) unique: bool,
    pub(crate) revision: u32,
    pub(crate) fields: Vec<FieldKind>,
}

impl<T: Document> Default for Indexes<T> {
    fn default() -> Indexes<T> {
        Indexes::new()
    }
}

impl<T: Document> Indexes<T> {
    /// No index, generation 1.
    pub fn new() -> Indexes<T> {
        Indexes {
            generation: 1,
            indexes: Vec::new(),
        }
    }

    /// Declares the set of indexes to be the `generation`-th of its type.
    ///
    /// Raise it with every change to the indexes. A program with a higher one than the store's changes the store's indexes
    /// to its own: new and changed ones are built from the documents that are there, dropped ones are removed. From then on
    /// a program with a lower generation can read documents, but is refused when it writes any.
    pub fn generation(mut self, generation: u32) -> Indexes<T> {
        self.generation = generation;
        self
    }

    /// An index in which no two documents have the same key. Documents whose key has a missing value (`None`) are exempt.
    pub fn unique<K: IndexKey>(
        self,
        name: &str,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Indexes<T> {
        self.add(name, true, key)
    }

    /// An index in which any number of documents may have the same key.
    pub fn index<K: IndexKey>(
        self,
        name: &str,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Indexes<T> {
        self.add(name, false, key)
    }

    /// Says that the index declared last makes its keys in another way than before; without it that is revision 1.
    ///
    /// To be raised when its function changes and neither its name nor the kinds of its values do. Goes with another
    /// [`generation`](Indexes::generation).
    pub fn revision(mut self, revision: u32) -> Indexes<T> {
        if let Some(index) = self.indexes.last_mut() {
            index.definition.revision = revision;
        }
        self
    }

    fn add<K: IndexKey>(
        mut self,
        name: &str,
        unique: bool,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Indexes<T> {
        self.indexes.push(Index {
            definition: IndexDefinition {
                name: name.to_owned(),
                unique,
                revision: 1,
                fields: K::fields(),
            },
            key: Box::new(move |document| EncodedKey::of(&key(document))),
        });
        self
    }

    pub(crate) fn generation_number(&self) -> u32 {
        self.generation
    }

    pub(crate) fn definitions(&self) -> Vec<IndexDefinition> {
        self.indexes
            .iter()
            .map(|index| index.definition.clone())
            .collect()
    }

    /// The key of `document` in each index.
    pub(crate) fn keys(&self, document: &T) -> Vec<EncodedKey> {
        self.indexes
            .iter()
            .map(|index| (index.key)(document))
            .collect()
    }

    /// Refuses what cannot be a set of indexes.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_data_type(T::TYPE)?;
        if self.indexes.len() > INDEXES_MAX {
            return Err(Error::invalid(format!(
                "type {:?} declares {} indexes: {INDEXES_MAX} are accepted",
                T::TYPE,
                self.indexes.len()
            )));
        }
        let mut names = BTreeSet::new();
        for index in &self.indexes {
            let name = &index.definition.name;
            check_data_type(name).map_err(|_| {
                Error::invalid(format!(
                    "index name {name:?} of type {:?} is not 1 to 64 of the characters a-z 0-9 _ -",
                    T::TYPE
                ))
            })?;
            if !names.insert(name) {
                return Err(Error::invalid(format!(
                    "type {:?} declares two indexes {name:?}",
                    T::TYPE
                )));
            }
        }
        Ok(())
    }
}

impl<T> std::fmt::Debug for Indexes<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Indexes")
            .field("generation", &self.generation)
            .field(
                "indexes",
                &self
                    .indexes
                    .iter()
                    .map(|index| &index.definition)
                    .collect::<Vec<_>>(),
            )
            .finish()
    }
}
