//! What an open store knows of the document types of its program.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use super::document;
use super::index_key::{EncodedKey, INDEX_KEY_BYTES_MAX, describe_key_fields};
use super::indexes::{IndexDefinition, Indexes};
use crate::{Document, Error, ErrorKind};

/// A document type as its program declares it.
pub(crate) struct TypedDocument<T> {
    definition: TypeDefinition,
    indexes: Indexes<T>,
}

/// What is known of a type without its Rust type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeDefinition {
    pub(crate) data_type: &'static str,
    pub(crate) generation: u32,
    pub(crate) indexes: Vec<IndexDefinition>,
    pub(crate) log_previous: bool,
}

impl TypeDefinition {
    /// The index of a name.
    ///
    /// # Errors
    /// `Invalid` if the program declares none.
    pub(crate) fn index(&self, name: &str) -> Result<&IndexDefinition, Error> {
        let found = self.indexes.iter().find(|index| index.name == name);
        found.ok_or_else(|| {
            Error::invalid(format!("type {:?} has no index {name:?}", self.data_type))
        })
    }

    /// Refuses a key that has other kinds of values than the index, or more of them.
    pub(crate) fn check_key(&self, index: &IndexDefinition, key: &EncodedKey) -> Result<(), Error> {
        if key.fits(&index.fields) {
            return Ok(());
        }
        let kinds = |fields: &[super::index_key::FieldKind]| {
            let kinds: Vec<String> = fields.iter().map(ToString::to_string).collect();
            kinds.join(", ")
        };
        Err(Error::invalid(format!(
            "index {:?} of type {:?} has keys of ({}), and is asked for one of ({})",
            index.name,
            self.data_type,
            kinds(&index.fields),
            kinds(&key.fields)
        )))
    }
}

/// A [`TypedDocument`] of any type.
pub(crate) trait DocumentType: Send + Sync {
    fn definition(&self) -> &TypeDefinition;

    /// The key of a stored document in each index of the definition.
    ///
    /// # Errors
    /// `Invalid`, naming the document, if it cannot be decoded or has a key that is too long.
    fn keys_of(&self, id: &str, value: &[u8]) -> Result<Vec<EncodedKey>, Error>;
}

impl std::fmt::Debug for dyn DocumentType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.definition().fmt(formatter)
    }
}

impl<T: Document> TypedDocument<T> {
    fn new() -> Result<TypedDocument<T>, Error> {
        let indexes = T::indexes();
        indexes.check()?;
        Ok(TypedDocument {
            definition: TypeDefinition {
                data_type: T::TYPE,
                generation: indexes.generation_number(),
                indexes: indexes.definitions(),
                log_previous: T::LOG_PREVIOUS,
            },
            indexes,
        })
    }

    /// The key of `document` in each index of the definition.
    ///
    /// # Errors
    /// `Invalid` if one is too long; `Internal` if the program's function panics.
    pub(crate) fn keys(&self, document: &T) -> Result<Vec<EncodedKey>, Error> {
        // The functions are the program's, and they may run on the task that all commits wait for.
        let keys = catch_unwind(AssertUnwindSafe(|| self.indexes.keys(document))).map_err(|_| {
            Error::new(
                ErrorKind::Internal,
                format!(
                    "a function that makes the index keys of type {:?} has panicked on document {:?}",
                    T::TYPE,
                    document.id()
                ),
            )
        })?;
        for (key, index) in keys.iter().zip(&self.definition.indexes) {
            if key.bytes.len() > INDEX_KEY_BYTES_MAX {
                let shown: String = describe_key_fields(&key.bytes).chars().take(80).collect();
                return Err(Error::invalid(format!(
                    "the key {shown}… of document {:?} of type {:?} in index {:?} has {} bytes: {INDEX_KEY_BYTES_MAX} are \
                     accepted",
                    document.id(),
                    T::TYPE,
                    index.name,
                    key.bytes.len()
                )));
            }
        }
        Ok(keys)
    }
}

impl<T: Document> DocumentType for TypedDocument<T> {
    fn definition(&self) -> &TypeDefinition {
        &self.definition
    }

    fn keys_of(&self, id: &str, value: &[u8]) -> Result<Vec<EncodedKey>, Error> {
        self.keys(&document::decode::<T>(id, value)?)
    }
}

/// The document types that a program has used with an open store.
#[derive(Default)]
pub(crate) struct DocumentTypes {
    known: RwLock<HashMap<TypeId, Known>>,
    /// Tells the indexer that another type is used.
    pub(crate) added: Notify,
}

impl std::fmt::Debug for DocumentTypes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.all()).finish()
    }
}

struct Known {
    /// An `Arc<TypedDocument<T>>`.
    typed: Arc<dyn Any + Send + Sync>,
    erased: Arc<dyn DocumentType>,
}

impl DocumentTypes {
    /// The type `T`.
    ///
    /// # Errors
    /// `Invalid` if it is declared in a way that cannot be.
    pub(crate) fn get<T: Document>(&self) -> Result<Arc<TypedDocument<T>>, Error> {
        let find = |known: &HashMap<TypeId, Known>| {
            let found = known.get(&TypeId::of::<T>())?;
            found.typed.clone().downcast::<TypedDocument<T>>().ok()
        };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find(&known) {
            return Ok(found);
        }
        drop(known);
        let made = Arc::new(TypedDocument::<T>::new()?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find(&known) {
            return Ok(found);
        }
        known.insert(
            TypeId::of::<T>(),
            Known {
                typed: made.clone(),
                erased: made.clone(),
            },
        );
        self.added.notify_one();
        Ok(made)
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<Arc<dyn DocumentType>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.values().map(|known| known.erased.clone()).collect();
        // An order of its own, so that a run repeats.
        all.sort_by_key(|document_type| document_type.definition().data_type);
        all
    }
}
