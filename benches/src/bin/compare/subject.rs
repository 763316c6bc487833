//! What every store that is measured can do.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use benches::{COMMITTED_VALUE_BYTES, entry_id, entry_value};

use crate::samples::percentile;

/// A store of entries.
///
/// Clones are the same store.
pub(crate) trait Subject: Clone + Send + Sync + 'static {
    /// What tables call it.
    const NAME: &'static str;

    /// Writes one entry; durable when this returns.
    fn commit(&self, id: &str, value: Bytes) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Writes the entries `first` to `end`, with values of `value_bytes`, in the fastest way that there is for many;
    /// durable when this returns.
    fn load(
        &self,
        first: u64,
        end: u64,
        value_bytes: usize,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Reads one entry of the newest state, and looks whether it is the right one.
    fn check(&self, id: &str) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Reads all entries in order; returns how many there are.
    fn scan(&self) -> impl Future<Output = anyhow::Result<u64>> + Send;

    /// Reads some entries and writes others in one serializable transaction; whether it was committed.
    fn transact(
        &self,
        reads: &[String],
        writes: &[String],
        value: &Bytes,
    ) -> impl Future<Output = anyhow::Result<bool>> + Send;

    /// Moves everything to where it is some time after the last write, if there is a way to ask for that.
    fn settle(&self) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Ends all work.
    fn close(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What writers have measured.
pub(crate) struct Commits {
    /// How long each took, in µs.
    micros: Vec<f64>,
    elapsed: Duration,
}

impl Commits {
    pub(crate) fn rate(&self) -> f64 {
        self.micros.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn percentile(&mut self, of_100: usize) -> f64 {
        percentile(&mut self.micros, of_100)
    }
}

/// Different ids that all writers write together.
const IDS: usize = 131_072;
/// A prime, so that an id gets another value each time it is written.
const VALUES: u64 = 251;

/// Lets so many writers commit values of 1 KiB for a while, each waiting until its last one is durable.
pub(crate) async fn commit_for<S: Subject>(
    store: &S,
    writers: usize,
    duration: Duration,
) -> anyhow::Result<Commits> {
    let values: Vec<Bytes> = (0..VALUES)
        .map(|number| entry_value(number, COMMITTED_VALUE_BYTES))
        .collect();
    let ids_each = IDS / writers;
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let (store, values) = (store.clone(), values.clone());
        tasks.spawn(async move {
            let mut micros = Vec::new();
            let mut commit = 0;
            while started.elapsed() < duration {
                let id = entry_id((writer * ids_each + commit % ids_each) as u64);
                let value = values[commit % values.len()].clone();
                let began = Instant::now();
                store.commit(&id, value).await?;
                micros.push(began.elapsed().as_secs_f64() * 1e6);
                commit += 1;
            }
            anyhow::Ok(micros)
        });
    }
    let mut micros = Vec::new();
    while let Some(task) = tasks.join_next().await {
        micros.extend(task??);
    }
    Ok(Commits {
        micros,
        elapsed: started.elapsed(),
    })
}
