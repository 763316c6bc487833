//! Writers that commit side by side.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use datamanager::DataManager;
use tokio::task::JoinSet;

use crate::entries::{DATA_TYPE, entry_id, entry_value};

/// How many writers are measured together.
pub const WRITERS: [usize; 3] = [1, 64, 1024];
/// Bytes of each value that is committed.
pub const COMMITTED_VALUE_BYTES: usize = 1024;
/// A prime, so that an id gets another value each time it is written.
const VALUES: u64 = 251;

/// All writers, between two runs. Each commits its own ids in turn, one put a commit, and waits until it is durable.
#[derive(Debug)]
pub struct Writers {
    writers: Vec<Writer>,
}

#[derive(Debug)]
struct Writer {
    store: DataManager,
    ids: Vec<String>,
    values: Arc<[Bytes]>,
    commits: usize,
}

impl Writers {
    /// So many writers, with ids that no other of them has.
    pub fn new(store: &DataManager, count: usize, ids_per_writer: usize) -> Writers {
        let values: Arc<[Bytes]> = (0..VALUES)
            .map(|number| entry_value(number, COMMITTED_VALUE_BYTES))
            .collect();
        let mut ids = (0..).map(entry_id);
        let writers = (0..count)
            .map(|_| Writer {
                store: store.clone(),
                ids: ids.by_ref().take(ids_per_writer).collect(),
                values: values.clone(),
                commits: 0,
            })
            .collect();
        Writers { writers }
    }

    /// How long it takes until every writer has committed `rounds` times.
    pub async fn commit(&mut self, rounds: u64) -> Duration {
        let started = Instant::now();
        let mut tasks: JoinSet<Writer> = self
            .writers
            .drain(..)
            .map(|writer| writer.commit(rounds))
            .collect();
        while let Some(writer) = tasks.join_next().await {
            self.writers.push(writer.expect("writers do not panic"));
        }
        started.elapsed()
    }

    /// Looks whether the last commit of each writer is there.
    ///
    /// # Errors
    /// When it is not, or a read fails.
    pub async fn check(&self, store: &DataManager) -> anyhow::Result<()> {
        for writer in &self.writers {
            let Some(last) = writer.commits.checked_sub(1) else {
                continue; // the bench was not asked for
            };
            let found = store.get_raw(DATA_TYPE, writer.id(last)).await?;
            anyhow::ensure!(
                found.as_ref() == Some(writer.value(last)),
                "entry {:?} is not what commit {last} wrote",
                writer.id(last)
            );
        }
        Ok(())
    }
}

impl Writer {
    async fn commit(mut self, commits: u64) -> Writer {
        for _ in 0..commits {
            let value = self.value(self.commits).clone();
            let committed = self
                .store
                .put_raw(DATA_TYPE, self.id(self.commits), value)
                .await
                .expect("a write without reads is committed");
            black_box(committed);
            self.commits += 1;
        }
        self
    }

    fn id(&self, commit: usize) -> &str {
        &self.ids[commit % self.ids.len()]
    }

    fn value(&self, commit: usize) -> &Bytes {
        &self.values[commit % self.values.len()]
    }
}
