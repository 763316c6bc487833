//! Building indexes from the documents that are there, in the background and in bounded steps.
//!
//! Any process that knows the type does it, and several may: each step is a transaction that has read how far the one before
//! it came, so that of two that try the same step one wins. What a step does is worked out by the committer on top of the
//! newest state, so it never clashes with those who write the documents. How far it came is an entry, and so a rebuild goes
//! on where it was when a process dies.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::catalog::{IndexState, TypeCatalog};
use super::collection::Collection;
use super::document_type::DocumentType;
use super::index_entry::index_prefix;
use super::intent::{CatalogChange, WriteKind};
use crate::data_manager::Inner;
use crate::entry_key::{
    EntryKey, REBUILD_TYPE, check_data_type, prefix_end, raw_key, successor, type_end,
};
use crate::{DataManager, Document, Error, ErrorKind, Snapshot, Transaction};

/// Documents that one step has indexed, at most.
const STEP_DOCUMENTS_MAX: usize = 500;
/// Bytes of them, at most, unless a single one has more.
const STEP_BYTES_MAX: usize = 1024 * 1024;
/// Entries of a retired index that are removed in one step.
const STEP_REMOVALS_MAX: usize = 1_000;
/// How long a process that has lost a step to another leaves the work to it.
const OTHERS_TURN: Duration = Duration::from_secs(1);
/// A pause after a failure.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Documents after which the log says how far a rebuild is.
const LOGGED_DOCUMENTS: u64 = 100_000;

/// How far a rebuild has come; stored as JSON under the internal type `!rebuild` and the type's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// The builds that are under way; another set begins from the start.
    builds: Vec<u32>,
    /// The id of the last document that has been indexed.
    after: String,
    /// Documents that have been indexed.
    documents: u64,
    /// Documents that cannot be decoded.
    #[serde(default)]
    skipped: u64,
}

/// One index of a type in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IndexStatus {
    /// The index's name.
    pub name: String,
    /// Whether a key may be there once.
    pub unique: bool,
    /// How far it is.
    pub state: IndexState,
    /// Documents indexed so far, while it is being built.
    pub documents: Option<u64>,
}

/// A type that has indexes in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IndexedType {
    /// The type.
    pub data_type: String,
    /// The newest [`generation`](crate::Indexes::generation) of which a program has written: those that know an older one may
    /// not write documents of the type.
    pub generation: u32,
    /// Its indexes, by name.
    pub indexes: Vec<IndexStatus>,
}

impl DataManager {
    /// The indexes that a type has in the store, by name; none for a type without.
    ///
    /// # Errors
    /// `Invalid` for a type outside the limits; `Unavailable` when the storage failed.
    pub async fn indexes(&self, data_type: &str) -> Result<Vec<IndexStatus>, Error> {
        check_data_type(data_type)?;
        let snapshot = self.snapshot();
        match snapshot.view().control.catalog.get(data_type) {
            Some(catalog) => index_statuses(&snapshot, data_type, catalog).await,
            None => Ok(Vec::new()),
        }
    }

    /// The types that have indexes in the store, by name.
    ///
    /// # Errors
    /// `Unavailable` when the storage failed.
    pub async fn indexed_types(&self) -> Result<Vec<IndexedType>, Error> {
        let snapshot = self.snapshot();
        let mut types = Vec::new();
        for (data_type, catalog) in snapshot.view().control.catalog.types() {
            types.push(IndexedType {
                data_type: data_type.to_owned(),
                generation: catalog.generation,
                indexes: index_statuses(&snapshot, data_type, catalog).await?,
            });
        }
        Ok(types)
    }

    /// Marks all indexes of a type as out of date, so that the next program that knows the type builds them anew.
    ///
    /// # Errors
    /// `NotFound` if the type has no indexes; `Invalid` for a type outside the limits; as
    /// [`Transaction::commit`](crate::Transaction::commit).
    pub async fn mark_indexes_stale(&self, data_type: &str) -> Result<(), Error> {
        check_data_type(data_type)?;
        if self.indexes(data_type).await?.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("type {data_type:?} has no indexes"),
            ));
        }
        let data_type = data_type.to_owned();
        let mut transaction = self.begin();
        transaction.change_catalog(CatalogChange::MarkStale { data_type });
        transaction.commit().await.map(drop)
    }
}

impl<T: Document> Collection<T> {
    /// Waits until every index of the type can be queried.
    ///
    /// # Errors
    /// `Invalid` if one cannot be built, or if this program's indexes are not the store's; `Unavailable` if it takes longer
    /// than `timeout`.
    pub async fn wait_for_indexes(&self, timeout: Duration) -> Result<(), Error> {
        let inner = &self.store().inner;
        let document_type = inner.types.get::<T>()?;
        let definition = document_type.definition();
        let mut control = inner.shared.watch_control();
        let mut timeout = inner.environment.sleep(timeout).fuse();
        loop {
            control.borrow_and_update();
            let snapshot = self.store().snapshot();
            let mut missing = None;
            for index in &definition.indexes {
                let mut reader = super::reader::Reader::Snapshot(snapshot.clone());
                if let Err(error) = reader.usable_build(definition, index).await {
                    missing = Some(error);
                    break;
                }
            }
            let Some(error) = missing.take() else {
                return Ok(());
            };
            if error.kind() != ErrorKind::Unavailable || inner.shared.is_stopping() {
                return Err(error);
            }
            let changed = control.changed().fuse();
            futures::pin_mut!(changed);
            futures::select! {
                _ = changed => {}
                () = timeout => return Err(error),
            }
        }
    }
}

/// Builds what is to be built, as long as the store is open.
pub(crate) async fn keep_indexes_built(store: Weak<Inner>) {
    let Some((shared, types, environment)) = store.upgrade().map(|inner| {
        (
            inner.shared.clone(),
            inner.types.clone(),
            inner.environment.clone(),
        )
    }) else {
        return;
    };
    let mut control = shared.watch_control();
    while !shared.is_stopping() {
        control.borrow_and_update();
        let mut again = None;
        for document_type in types.all() {
            match Build::run(&store, document_type).await {
                Ok(BuildEnd::Done) => {}
                Ok(BuildEnd::OthersTurn) => again = Some(OTHERS_TURN),
                Err(error) if shared.is_stopping() => {
                    log::debug!(instance = shared.instance; "indexing ends: {}", error.chain());
                }
                Err(error) => {
                    log::warn!(instance = shared.instance; "indexes are built later: {}", error.chain());
                    again = Some(RETRY_DELAY);
                }
            }
        }
        let pause = async {
            match again {
                Some(delay) => environment.sleep(delay).await,
                None => std::future::pending().await,
            }
        }
        .fuse();
        let (added, changed) = (types.added.notified().fuse(), control.changed().fuse());
        futures::pin_mut!(pause, added, changed);
        futures::select_biased! {
            () = added => {}
            _ = changed => {}
            () = pause => {}
        }
    }
}

/// How a round of work on a type has ended.
enum BuildEnd {
    /// Nothing is left to be done.
    Done,
    /// Another process is at it.
    OthersTurn,
}

/// The work on the indexes of one type.
struct Build {
    /// Not held while nothing is done, so that the store can be dropped.
    store: DataManager,
    document_type: Arc<dyn DocumentType>,
}

impl Build {
    async fn run(
        store: &Weak<Inner>,
        document_type: Arc<dyn DocumentType>,
    ) -> Result<BuildEnd, Error> {
        loop {
            let Some(inner) = store.upgrade() else {
                return Ok(BuildEnd::Done);
            };
            let build = Build {
                store: DataManager { inner },
                document_type: document_type.clone(),
            };
            match build.step().await {
                Ok(Step::Done) => return Ok(BuildEnd::Done),
                Ok(Step::More) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    return Ok(BuildEnd::OthersTurn);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn data_type(&self) -> &'static str {
        self.document_type.definition().data_type
    }

    /// Does the next thing that is to be done, in one transaction.
    async fn step(&self) -> Result<Step, Error> {
        let transaction = self.store.begin();
        let definition = self.document_type.definition();
        let view = transaction.snapshot().view();
        if view.control.maintenance.is_some() || view.control.sealed.is_some() {
            return Ok(Step::Done);
        }
        let current = view.control.catalog.get(self.data_type()).cloned();
        let reconciled = match TypeCatalog::reconcile(current.as_ref(), definition) {
            Ok(Some(reconciled)) => reconciled,
            Ok(None) => return Ok(Step::Done),
            // This program may not write documents of the type, and is told so when it does.
            Err(_) => return Ok(Step::Done),
        };
        if reconciled.changed {
            let is_unused = current.is_none() && self.is_empty(transaction.snapshot()).await?;
            return match is_unused {
                // The first document brings the catalog with it.
                true => Ok(Step::Done),
                false => self.declare(transaction).await,
            };
        }
        let catalog = reconciled.catalog;
        let builds = catalog.building();
        if !builds.is_empty() {
            return self.index_documents(transaction, &catalog, builds).await;
        }
        match catalog.retired.first_key_value() {
            Some((build, index)) => self.remove_entries(transaction, *build, index).await,
            None => Ok(Step::Done),
        }
    }

    async fn declare(&self, mut transaction: Transaction) -> Result<Step, Error> {
        transaction.change_catalog(CatalogChange::Declare(self.document_type.clone()));
        transaction.commit().await?;
        log::info!(
            instance = self.store.instance(), data_type = self.data_type();
            "the type's indexes are about to be built"
        );
        Ok(Step::More)
    }

    /// Indexes the next documents, and ends the builds behind the last.
    async fn index_documents(
        &self,
        mut transaction: Transaction,
        catalog: &TypeCatalog,
        builds: Vec<u32>,
    ) -> Result<Step, Error> {
        let key = progress_key(self.data_type());
        let stored = transaction.get_key(&key).await?;
        let mut progress = progress_of(stored.as_deref(), &builds);
        let batch = self
            .next_batch(transaction.snapshot(), &progress.after)
            .await?;
        for document in &batch.keys {
            let kind = WriteKind::Reindex(self.document_type.clone());
            transaction.write(document.clone(), None, None, kind)?;
        }
        let before = progress.documents / LOGGED_DOCUMENTS;
        progress.documents += batch.keys.len() as u64;
        progress.skipped += batch.skipped;
        let value = match batch.is_last {
            true => {
                transaction.change_catalog(CatalogChange::Finish {
                    data_type: self.data_type().to_owned(),
                    builds,
                    skipped: progress.skipped,
                });
                None
            }
            false => {
                let last = batch.keys.last();
                let id = last.and_then(|key| key.get(self.data_type().len() + 1..));
                progress.after = String::from_utf8_lossy(id.unwrap_or_default()).into_owned();
                Some(Bytes::from(
                    serde_json::to_vec(&progress).unwrap_or_default(),
                ))
            }
        };
        transaction.write(key, value, None, WriteKind::Raw)?;
        match transaction.commit().await {
            Ok(_) => {
                if batch.is_last || progress.documents / LOGGED_DOCUMENTS > before {
                    log::info!(
                        instance = self.store.instance(), data_type = self.data_type(), documents = progress.documents,
                        complete = batch.is_last;
                        "documents indexed"
                    );
                }
                Ok(Step::More)
            }
            Err(error) => self.give_up_unique(catalog, error).await,
        }
    }

    /// The documents behind `after`, as many as one step indexes.
    async fn next_batch(&self, snapshot: &Snapshot, after: &str) -> Result<Batch, Error> {
        let low = match after.is_empty() {
            true => raw_key(self.data_type(), b""),
            false => successor(&raw_key(self.data_type(), after.as_bytes())),
        };
        let mut merge = snapshot
            .view()
            .merge(low, type_end(self.data_type()), false)
            .without_caching();
        let mut batch = Batch::default();
        let mut bytes = 0;
        while batch.keys.len() < STEP_DOCUMENTS_MAX && bytes < STEP_BYTES_MAX {
            let Some(found) = merge.next().await? else {
                batch.is_last = true;
                break;
            };
            let Some(value) = found.value_at(snapshot.time()) else {
                continue;
            };
            bytes += value.len();
            let id = found.key.get(self.data_type().len() + 1..);
            let id = String::from_utf8_lossy(id.unwrap_or_default());
            if let Err(error) = self.document_type.keys_of(&id, value) {
                batch.skipped += 1;
                log::warn!(
                    instance = self.store.instance();
                    "a document is in no index: {}", error.chain()
                );
            }
            batch.keys.push(found.key);
        }
        Ok(batch)
    }

    async fn is_empty(&self, snapshot: &Snapshot) -> Result<bool, Error> {
        let low = raw_key(self.data_type(), b"");
        let mut merge = snapshot
            .view()
            .merge(low, type_end(self.data_type()), false);
        while let Some(found) = merge.next().await? {
            if found.value_at(snapshot.time()).is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// If two documents have a key that was to be unique, the index has failed.
    async fn give_up_unique(&self, catalog: &TypeCatalog, error: Error) -> Result<Step, Error> {
        let Some(violation) = error.violation().cloned() else {
            return Err(error);
        };
        let Some(index) = catalog.indexes.get(&violation.index) else {
            return Err(error);
        };
        log::error!(
            instance = self.store.instance(), data_type = self.data_type(), index = violation.index;
            "an index cannot be built: {}", error.chain()
        );
        let mut transaction = self.store.begin();
        transaction.change_catalog(CatalogChange::Fail {
            data_type: self.data_type().to_owned(),
            build: index.build,
            key: violation.key,
            ids: [violation.owner, violation.id],
        });
        transaction.commit().await?;
        Ok(Step::More)
    }

    /// Removes the next entries of an index that is no longer there.
    async fn remove_entries(
        &self,
        mut transaction: Transaction,
        build: u32,
        index: &str,
    ) -> Result<Step, Error> {
        let prefix = EntryKey::from(index_prefix(self.data_type(), index, build));
        let end = prefix_end(&prefix).unwrap_or_default();
        let mut merge = transaction
            .snapshot()
            .view()
            .merge(prefix, end, false)
            .without_caching();
        let mut keys = Vec::new();
        while keys.len() < STEP_REMOVALS_MAX
            && let Some(found) = merge.next().await?
        {
            if found.value.is_some() {
                keys.push(found.key);
            }
        }
        let is_last = keys.len() < STEP_REMOVALS_MAX;
        for key in keys {
            transaction.write(key, None, None, WriteKind::Raw)?;
        }
        if is_last {
            let data_type = self.data_type().to_owned();
            transaction.change_catalog(CatalogChange::Forget { data_type, build });
        }
        transaction.commit().await?;
        Ok(Step::More)
    }
}

/// Whether there is more to be done behind a step.
enum Step {
    Done,
    More,
}

/// The keys of documents that are indexed in one step.
#[derive(Default)]
struct Batch {
    keys: Vec<EntryKey>,
    /// How many of them cannot be decoded.
    skipped: u64,
    /// Whether there are none behind them.
    is_last: bool,
}

async fn index_statuses(
    snapshot: &Snapshot,
    data_type: &str,
    catalog: &TypeCatalog,
) -> Result<Vec<IndexStatus>, Error> {
    let found = snapshot.view().get(&progress_key(data_type)).await?;
    let stored = found.and_then(|entry| entry.value);
    let progress = progress_of(stored.as_deref(), &catalog.building());
    let indexes = catalog.indexes.values().map(|index| IndexStatus {
        name: index.definition.name.clone(),
        unique: index.definition.unique,
        state: index.state.clone(),
        documents: (index.state == IndexState::Building).then_some(progress.documents),
    });
    Ok(indexes.collect())
}

fn progress_key(data_type: &str) -> EntryKey {
    raw_key(REBUILD_TYPE, data_type.as_bytes())
}

/// What is stored, if it is of these builds; else the start.
fn progress_of(stored: Option<&[u8]>, builds: &[u32]) -> Progress {
    let stored = stored.and_then(|bytes| serde_json::from_slice::<Progress>(bytes).ok());
    stored
        .filter(|progress| progress.builds == builds)
        .unwrap_or_else(|| Progress {
            builds: builds.to_vec(),
            ..Progress::default()
        })
}
