//! SlateDB.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use benches::{belongs_to, entry_id, entry_value};
use bytes::Bytes;
use object_store::ObjectStore;
use slatedb::{Db, ErrorKind, IsolationLevel, Settings, WriteBatch};

use super::LOAD_BATCH;
use crate::subject::Subject;

const FLUSH_INTERVAL: Duration = Duration::from_millis(1);

#[derive(Clone)]
pub(crate) struct SlateDb {
    db: Db,
}

impl SlateDb {
    /// A store on `objects`, with default settings except for how often it flushes.
    pub(crate) async fn open(objects: Arc<dyn ObjectStore>) -> anyhow::Result<SlateDb> {
        let settings = Settings {
            flush_interval: Some(FLUSH_INTERVAL),
            ..Settings::default()
        };
        let builder = Db::builder("db", objects).with_settings(settings);
        Ok(SlateDb {
            db: builder.build().await?,
        })
    }
}

impl Subject for SlateDb {
    const NAME: &'static str = "SlateDB";

    async fn commit(&self, id: &str, value: Bytes) -> anyhow::Result<()> {
        let written = self.db.put(id, value).await?;
        written.await_durable().await?;
        Ok(())
    }

    async fn load(&self, first: u64, end: u64, value_bytes: usize) -> anyhow::Result<()> {
        let mut next = first;
        while next < end {
            let batch_end = end.min(next + LOAD_BATCH);
            let mut batch = WriteBatch::new();
            for number in next..batch_end {
                batch.put(entry_id(number), entry_value(number, value_bytes));
            }
            self.db.write(batch).await?;
            next = batch_end;
        }
        self.db.flush().await?;
        Ok(())
    }

    async fn check(&self, id: &str) -> anyhow::Result<()> {
        let value = self.db.get(id).await?;
        let value = value.with_context(|| format!("{id:?} is not there"))?;
        ensure!(belongs_to(&value, id), "{id:?} has another's value");
        Ok(())
    }

    async fn scan(&self) -> anyhow::Result<u64> {
        let mut scan = self.db.scan::<std::ops::RangeFull>(..).await?;
        let mut count = 0;
        while let Some(entry) = scan.next().await? {
            let id = std::str::from_utf8(&entry.key)?;
            ensure!(belongs_to(&entry.value, id), "{id:?} has another's value");
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
        let transaction = self.db.begin(IsolationLevel::SerializableSnapshot)?;
        for id in reads {
            transaction.get(id).await?;
        }
        for id in writes {
            transaction.put(id, value)?;
        }
        match transaction.commit().await {
            Ok(Some(written)) => {
                written.await_durable().await?;
                Ok(true)
            }
            Ok(None) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Transaction => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn settle(&self) -> anyhow::Result<()> {
        // There is no way to ask for a compaction; it runs by itself.
        self.db.flush().await?;
        Ok(())
    }

    async fn close(&self) -> anyhow::Result<()> {
        self.db.close().await?;
        Ok(())
    }
}
