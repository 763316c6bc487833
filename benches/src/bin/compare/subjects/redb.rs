//! redb.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use benches::{belongs_to, entry_id, entry_value};
use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::task::block_in_place;

use super::LOAD_BATCH;
use crate::subject::Subject;

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");
/// Batches of a load that are made durable together.
const BATCHES_PER_SYNC: u64 = 10;

#[derive(Clone)]
pub(crate) struct Redb {
    database: Arc<Database>,
}

impl Redb {
    /// A store in one file of `directory`, with default settings.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Redb> {
        let database = Database::create(directory.join("redb"))?;
        let write = database.begin_write()?;
        write.open_table(TABLE)?;
        write.commit()?;
        Ok(Redb {
            database: Arc::new(database),
        })
    }
}

impl Subject for Redb {
    const NAME: &'static str = "redb";

    async fn commit(&self, id: &str, value: Bytes) -> anyhow::Result<()> {
        block_in_place(|| {
            let write = self.database.begin_write()?;
            write.open_table(TABLE)?.insert(id, &value[..])?;
            write.commit()?;
            Ok(())
        })
    }

    async fn load(&self, first: u64, end: u64, value_bytes: usize) -> anyhow::Result<()> {
        block_in_place(|| {
            let mut next = first;
            while next < end {
                let batch_end = end.min(next + LOAD_BATCH);
                let mut write = self.database.begin_write()?;
                let is_synced =
                    batch_end == end || (next / LOAD_BATCH).is_multiple_of(BATCHES_PER_SYNC);
                if !is_synced {
                    write.set_durability(Durability::None)?;
                }
                {
                    let mut table = write.open_table(TABLE)?;
                    for number in next..batch_end {
                        let value = entry_value(number, value_bytes);
                        table.insert(entry_id(number).as_str(), &value[..])?;
                    }
                }
                write.commit()?;
                next = batch_end;
            }
            Ok(())
        })
    }

    async fn check(&self, id: &str) -> anyhow::Result<()> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let value = table
            .get(id)?
            .with_context(|| format!("{id:?} is not there"))?;
        ensure!(belongs_to(value.value(), id), "{id:?} has another's value");
        Ok(())
    }

    async fn scan(&self) -> anyhow::Result<u64> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let mut count = 0;
        for entry in table.iter()? {
            let (id, value) = entry?;
            ensure!(
                belongs_to(value.value(), id.value()),
                "{:?} has another's value",
                id.value()
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
        block_in_place(|| {
            let write = self.database.begin_write()?;
            {
                let mut table = write.open_table(TABLE)?;
                for id in reads {
                    table.get(id.as_str())?;
                }
                for id in writes {
                    table.insert(id.as_str(), &value[..])?;
                }
            }
            write.commit()?;
            Ok(true)
        })
    }

    async fn settle(&self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn close(&self) -> anyhow::Result<()> {
        Ok(())
    }
}
