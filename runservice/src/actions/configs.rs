//! What runs are made of, kept in memory: it never changes, and may be large.

use std::sync::Arc;

use datamanager::Snapshot;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Actions;
use crate::api::RunConfig;
use crate::store::{Reading, RunConfigDocument};
use crate::{Error, error};

/// Bytes of configurations that are kept, about, at most.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// About how many configurations that is, for sizing.
const ITEMS_ESTIMATED: usize = 4_096;

/// The newest ones that were asked for.
pub(crate) struct ConfigCache {
    /// By the epoch of the store, which an import changes, and the id.
    cache: Cache<(u32, String), Entry, EntryWeighter>,
}

#[derive(Clone)]
struct Entry {
    config: Arc<RunConfig>,
    bytes: u64,
}

#[derive(Clone)]
struct EntryWeighter;

impl Weighter<(u32, String), Entry> for EntryWeighter {
    fn weight(&self, _key: &(u32, String), entry: &Entry) -> u64 {
        entry.bytes.max(1)
    }
}

impl ConfigCache {
    pub(super) fn new() -> ConfigCache {
        ConfigCache {
            cache: Cache::with_weighter(ITEMS_ESTIMATED, BYTES_MAX, EntryWeighter),
        }
    }
}

impl Actions {
    /// What a run is made of.
    pub(crate) async fn run_config(
        &self,
        snapshot: &mut Snapshot,
        run_id: &str,
    ) -> Result<Arc<RunConfig>, Error> {
        let key = (snapshot.position().epoch, run_id.to_owned());
        let cache = &self.configs().cache;
        if let Some(entry) = cache.get(&key) {
            return Ok(entry.config);
        }
        let document = Reading::get::<RunConfigDocument>(snapshot, run_id).await?;
        let document = document.ok_or_else(|| error::no_run(run_id))?;
        let bytes = weight(&document.config);
        let config = Arc::new(document.config);
        let entry = Entry {
            config: config.clone(),
            bytes,
        };
        cache.insert(key, entry);
        Ok(config)
    }
}

/// Bytes of memory, about.
fn weight(config: &RunConfig) -> u64 {
    struct Counter(u64);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // What cannot be written counts for what was.
    let _ = serde_json::to_writer(&mut counter, config);
    counter.0 * 2
}
