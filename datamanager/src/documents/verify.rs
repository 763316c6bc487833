//! Checking indexes against the documents.
//!
//! Each document has exactly one entry in each index of its type, save those that could not be decoded when the index was
//! built. So without knowing how keys are made, much can be told: each entry names a document that is there and expires with
//! it, and the ids named, taken together, are those of the documents. Whoever knows the type checks the keys too.

use xxhash_rust::xxh3::xxh3_128;

use super::catalog::{Catalog, IndexState, TypeCatalog};
use super::collection::Collection;
use super::document_type::DocumentType;
use super::index_entry::{IndexEntry, IndexEntryKey, index_prefix};
use crate::entry_key::{EntryKey, INDEX_TYPE, prefix_end, raw_key, type_end};
use crate::verify::Damage;
use crate::{Document, Error, Snapshot};

/// Damage that is told of one index, at most.
const DAMAGE_MAX: usize = 100;

/// What has been checked of indexes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct IndexVerification {
    /// Entries of indexes read.
    pub entries: u64,
    /// Empty if the indexes are what the documents make of them, as far as that was checked.
    pub damage: Vec<Damage>,
}

impl<T: Document> Collection<T> {
    /// Reads all documents and every index of the type, and checks that these are exactly what the documents make of them.
    ///
    /// # Errors
    /// `Unavailable` when something could not be read; damage is no error but is reported. Indexes that are not ready are
    /// left out.
    pub async fn verify_indexes(&self) -> Result<IndexVerification, Error> {
        let snapshot = self.store().snapshot();
        let document_type = snapshot.document_types().get::<T>()?;
        let mut verification = IndexVerification::default();
        let view = snapshot.view();
        if let Some(catalog) = view.control.catalog.get(T::TYPE) {
            verify_type(&snapshot, T::TYPE, catalog, &mut verification).await?;
            let of_type = document_type.as_ref();
            verify_keys(&snapshot, of_type, catalog, &mut verification).await?;
        }
        Ok(verification)
    }
}

/// Checks all indexes of a store against the documents, as far as that goes without knowing how keys are made.
pub(crate) async fn verify_indexes(snapshot: &Snapshot) -> Result<IndexVerification, Error> {
    let mut verification = IndexVerification::default();
    let catalog = &snapshot.view().control.catalog;
    for (data_type, of_type) in catalog.types() {
        verify_type(snapshot, data_type, of_type, &mut verification).await?;
    }
    verify_builds(snapshot, catalog, &mut verification).await?;
    Ok(verification)
}

/// Ids, taken together: how many there are, and a sum of their hashes, in which a missing one shows and a doubled one does.
#[derive(Default, PartialEq, Eq)]
struct Ids {
    count: u64,
    sum: u128,
}

impl Ids {
    fn add(&mut self, id: &[u8]) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(xxh3_128(id));
    }
}

async fn verify_type(
    snapshot: &Snapshot,
    data_type: &str,
    catalog: &TypeCatalog,
    verification: &mut IndexVerification,
) -> Result<(), Error> {
    let view = snapshot.view();
    let mut documents = Ids::default();
    let (low, high) = (raw_key(data_type, b""), type_end(data_type));
    let mut merge = view.merge(low, high, false).without_caching();
    while let Some(found) = merge.next().await? {
        if found.value_at(snapshot.time()).is_some() {
            documents.add(&found.key[data_type.len() + 1..]);
        }
    }
    for (name, index) in &catalog.indexes {
        if index.state != IndexState::Ready {
            continue;
        }
        let mut damage = Vec::new();
        let mut named = Ids::default();
        let low = EntryKey::from(index_prefix(data_type, name, index.build));
        let high = prefix_end(&low).unwrap_or_default();
        let mut merge = view.merge(low, high, false).without_caching();
        while let Some(found) = merge.next().await? {
            let Some(value) = found.value_at(snapshot.time()) else {
                continue;
            };
            verification.entries += 1;
            let parts = IndexEntryKey::parse(&found.key);
            let Some(id) = parts.as_ref().and_then(|parts| parts.document_id(value)) else {
                damage.push(format!("an entry cannot be read: {:?}", found.key));
                continue;
            };
            named.add(id.as_bytes());
            let document = view.get(&raw_key(data_type, id.as_bytes())).await?;
            let document = document.filter(|found| found.value_at(snapshot.time()).is_some());
            match document {
                None => damage.push(format!("it names document {id:?}, which is not there")),
                Some(document) if document.expires_at != found.expires_at => damage.push(format!(
                    "its entry for document {id:?} expires at another time than that"
                )),
                Some(_) => {}
            }
        }
        let missing = documents.count.saturating_sub(named.count);
        if documents.count < named.count || missing > index.skipped {
            damage.push(format!(
                "it has {} entries for {} documents, {} of which could not be read when it was built",
                named.count, documents.count, index.skipped
            ));
        } else if missing == 0 && named != documents {
            damage.push("it names some documents twice, and others not at all".to_owned());
        }
        report(data_type, name, damage, verification);
    }
    Ok(())
}

/// Checks that each document has the entries that its keys ask for.
async fn verify_keys(
    snapshot: &Snapshot,
    document_type: &dyn DocumentType,
    catalog: &TypeCatalog,
    verification: &mut IndexVerification,
) -> Result<(), Error> {
    let view = snapshot.view();
    let definition = document_type.definition();
    let data_type = definition.data_type;
    let mut damage = vec![Vec::new(); definition.indexes.len()];
    let (low, high) = (raw_key(data_type, b""), type_end(data_type));
    let mut merge = view.merge(low, high, false).without_caching();
    while let Some(found) = merge.next().await? {
        let Some(value) = found.value_at(snapshot.time()) else {
            continue;
        };
        let id = String::from_utf8_lossy(&found.key[data_type.len() + 1..]).into_owned();
        // One that cannot be decoded has no keys.
        let Ok(keys) = document_type.keys_of(&id, value) else {
            continue;
        };
        let indexes = definition.indexes.iter().zip(&keys).zip(&mut damage);
        for ((index, key), damage) in indexes {
            let Ok(build) = catalog.usable(definition, index) else {
                continue;
            };
            let unique = index.unique;
            let expected = IndexEntry::new(data_type, &index.name, unique, build, key, &id);
            let entry = view.get(&expected.key).await?;
            let stored = entry.and_then(|entry| entry.value_at(snapshot.time()).cloned());
            if stored.as_ref() != Some(&expected.value) {
                damage.push(format!("it lacks the entry of document {id:?}"));
            }
        }
    }
    for (index, damage) in definition.indexes.iter().zip(damage) {
        report(data_type, &index.name, damage, verification);
    }
    Ok(())
}

/// Checks that every entry is of a build that a catalog knows.
async fn verify_builds(
    snapshot: &Snapshot,
    catalog: &Catalog,
    verification: &mut IndexVerification,
) -> Result<(), Error> {
    let mut low = raw_key(INDEX_TYPE, b"");
    let high = type_end(INDEX_TYPE);
    loop {
        let view = snapshot.view();
        let mut merge = view
            .merge(low.clone(), high.clone(), false)
            .without_caching();
        let found = loop {
            match merge.next().await? {
                Some(found) if found.value_at(snapshot.time()).is_some() => break Some(found),
                Some(_) => {}
                None => break None,
            }
        };
        let Some(found) = found else {
            return Ok(());
        };
        let Some(parts) = IndexEntryKey::parse(&found.key) else {
            let what = format!("an index entry cannot be read: {:?}", found.key);
            verification.damage.push(Damage::new(what));
            return Ok(());
        };
        if !catalog.names_entry(&found.key) {
            verification.damage.push(Damage::new(format!(
                "there are entries of build {} of index {:?} of type {:?}, which no catalog names",
                parts.build, parts.index, parts.data_type
            )));
        }
        let prefix = index_prefix(parts.data_type, parts.index, parts.build);
        low = prefix_end(&prefix).unwrap_or_else(|| high.clone());
    }
}

fn report(
    data_type: &str,
    index: &str,
    mut damage: Vec<String>,
    verification: &mut IndexVerification,
) {
    let more = damage.len().saturating_sub(DAMAGE_MAX);
    if more > 0 {
        damage.truncate(DAMAGE_MAX);
        damage.push(format!("and {more} more"));
    }
    let damage = damage
        .into_iter()
        .map(|what| Damage::new(format!("index {index:?} of type {data_type:?}: {what}")));
    verification.damage.extend(damage);
}
