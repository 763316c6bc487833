//! This store.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use benches::{DATA_TYPE, belongs_to, entry_id, entry_value};
use bytes::Bytes;
use datamanager::{Builder, DataManager, ErrorKind, LogKind, ScanOptions};
use object_store::ObjectStore;
use ost::Ost;

use super::LOAD_BATCH;
use crate::subject::Subject;

/// What tables call this store.
pub(crate) const OURS: &str = "datamanager";
/// Transactions of a load that are on their way at once.
const LOADS_AT_ONCE: usize = 4;

#[derive(Clone)]
pub(crate) struct Datamanager {
    pub(crate) store: DataManager,
}

impl Datamanager {
    /// A store in a directory, with its log in files.
    pub(crate) async fn in_files(directory: &Path) -> anyhow::Result<Datamanager> {
        let directory = directory
            .to_str()
            .context("the directory's name is no UTF-8")?;
        Datamanager::open(DataManager::builder(directory)?).await
    }

    /// A store on `objects`, with its log there.
    pub(crate) async fn in_objects(objects: Arc<dyn ObjectStore>) -> anyhow::Result<Datamanager> {
        let ost = Ost::from_object_store(objects, "")?;
        Datamanager::open(Builder::from_ost(ost).log(LogKind::Object)).await
    }

    pub(crate) async fn open(builder: Builder) -> anyhow::Result<Datamanager> {
        let store = builder.open().await?;
        Ok(Datamanager { store })
    }

    async fn load_batch(self, first: u64, end: u64, value_bytes: usize) -> anyhow::Result<()> {
        let mut transaction = self.store.begin();
        for number in first..end {
            transaction.put_raw(
                DATA_TYPE,
                &entry_id(number),
                entry_value(number, value_bytes),
            )?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

impl Subject for Datamanager {
    const NAME: &'static str = OURS;

    async fn commit(&self, id: &str, value: Bytes) -> anyhow::Result<()> {
        self.store.put_raw(DATA_TYPE, id, value).await?;
        Ok(())
    }

    async fn load(&self, first: u64, end: u64, value_bytes: usize) -> anyhow::Result<()> {
        let mut tasks = tokio::task::JoinSet::new();
        let mut next = first;
        while next < end {
            if tasks.len() == LOADS_AT_ONCE
                && let Some(task) = tasks.join_next().await
            {
                task??;
            }
            let batch_end = end.min(next + LOAD_BATCH);
            tasks.spawn(self.clone().load_batch(next, batch_end, value_bytes));
            next = batch_end;
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        Ok(())
    }

    async fn check(&self, id: &str) -> anyhow::Result<()> {
        let value = self.store.get_raw(DATA_TYPE, id).await?;
        let value = value.with_context(|| format!("{id:?} is not there"))?;
        ensure!(belongs_to(&value, id), "{id:?} has another's value");
        Ok(())
    }

    async fn scan(&self) -> anyhow::Result<u64> {
        let mut scan = self.store.scan_raw(DATA_TYPE, &ScanOptions::new())?;
        let mut count = 0;
        while let Some(entry) = scan.next().await? {
            ensure!(
                belongs_to(&entry.value, &entry.id),
                "{:?} has another's value",
                entry.id
            );
            count += 1;
        }
        Ok(count)
    }

    async fn transact(
        &self,
        reads: &[String],
        writes: &[String],
        value: &Bytes,
    ) -> anyhow::Result<bool> {
        let mut transaction = self.store.begin();
        for id in reads {
            transaction.get_raw(DATA_TYPE, id).await?;
        }
        for id in writes {
            transaction.put_raw(DATA_TYPE, id, value.clone())?;
        }
        match transaction.commit().await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn settle(&self) -> anyhow::Result<()> {
        self.store.checkpoint().await?;
        self.store.compact().await?;
        Ok(())
    }

    async fn close(&self) -> anyhow::Result<()> {
        self.store.close().await?;
        Ok(())
    }
}
