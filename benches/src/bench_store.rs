//! Stores to measure.

use std::path::Path;

use anyhow::{Context, ensure};
use datamanager::{Builder, DataManager};
use tempfile::TempDir;

use crate::entries::{DATA_TYPE, entry_id, entry_value};

/// Bytes of each value in a store that is filled.
pub const FILLED_VALUE_BYTES: usize = 400;
const PUTS_PER_TRANSACTION: u64 = 1_000;

/// A store with default settings, its log in files unless said otherwise, in a temporary directory that is removed on drop.
#[derive(Debug)]
pub struct BenchStore {
    store: DataManager,
    _directory: TempDir,
}

impl BenchStore {
    /// A new store without entries, on the file system that holds `parent`.
    ///
    /// # Errors
    /// When the directory or the store cannot be made.
    pub async fn empty(parent: &Path) -> anyhow::Result<BenchStore> {
        BenchStore::open(parent, |builder| builder).await
    }

    /// A new store without entries whose log is in etcd.
    ///
    /// # Errors
    /// When the directory or the store cannot be made.
    #[cfg(feature = "etcd")]
    pub async fn in_etcd(
        parent: &Path,
        etcd: datamanager::EtcdOptions,
    ) -> anyhow::Result<BenchStore> {
        BenchStore::open(parent, |builder| builder.etcd(etcd)).await
    }

    async fn open(
        parent: &Path,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> anyhow::Result<BenchStore> {
        let directory = tempfile::tempdir_in(parent)
            .with_context(|| format!("cannot make a directory in {parent:?}"))?;
        let path = directory
            .path()
            .to_str()
            .context("the directory's name is no UTF-8")?;
        let store = configure(DataManager::builder(path)?).open().await?;
        Ok(BenchStore {
            store,
            _directory: directory,
        })
    }

    /// A store of the entries 0 to `entries`, each with a value of [`FILLED_VALUE_BYTES`].
    ///
    /// All entries are in data files of one run, as they are some time after the last write, and the block cache is empty
    /// except for what the merge has left in it.
    ///
    /// # Errors
    /// When a commit fails, or not all entries are there at the end.
    pub async fn filled(parent: &Path, entries: u64) -> anyhow::Result<BenchStore> {
        let bench_store = BenchStore::empty(parent).await?;
        let store = bench_store.store();
        let mut first = 0;
        while first < entries {
            let end = entries.min(first + PUTS_PER_TRANSACTION);
            let mut transaction = store.begin();
            for number in first..end {
                let value = entry_value(number, FILLED_VALUE_BYTES);
                transaction.put_raw(DATA_TYPE, &entry_id(number), value)?;
            }
            transaction.commit().await?;
            first = end;
        }
        bench_store.settle().await?;
        let count = store.count(DATA_TYPE).await?;
        ensure!(count == entries, "{count} entries are there, not {entries}");
        Ok(bench_store)
    }

    /// Moves everything to data files of one run, as it is some time after the last write.
    ///
    /// # Errors
    /// When a job fails, or something is elsewhere at the end.
    pub async fn settle(&self) -> anyhow::Result<()> {
        self.store.checkpoint().await?;
        self.store.compact().await?;
        let stats = self.store.stats();
        ensure!(
            stats.memtable_versions == 0 && stats.runs.len() == 1,
            "{} versions are in memory and {} runs of data files beside them, not one run alone",
            stats.memtable_versions,
            stats.runs.len()
        );
        Ok(())
    }

    /// The open store.
    pub fn store(&self) -> &DataManager {
        &self.store
    }

    /// Closes the store and removes its directory.
    ///
    /// # Errors
    /// As [`DataManager::close`].
    pub async fn close(self) -> anyhow::Result<()> {
        self.store.close().await?;
        Ok(())
    }
}
