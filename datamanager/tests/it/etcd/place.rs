//! An etcd, an object storage, and processes of one store that use both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datamanager::testing::{Etcd, EtcdOptions as Cluster};
use datamanager::{Builder, DataManager, ErrorKind, EtcdOptions, Outcome, ScanOptions, Settings};
use object_store::memory::InMemory;
use ost::{CountingStore, FaultInjectingStore, Ost};

/// How long a condition is waited for.
const WAIT_MAX: Duration = Duration::from_secs(18);

pub(super) struct Place {
    pub(super) etcd: Etcd,
    pub(super) ost: Ost,
    pub(super) objects: Arc<CountingStore>,
    pub(super) faults: FaultInjectingStore,
    pub(super) settings: Settings,
    pub(super) prefix: String,
}

impl Place {
    /// An etcd of one node; `None`, which the test says, if there is no etcd.
    pub(super) fn new() -> Option<Place> {
        Place::with(Cluster::new())
    }

    pub(super) fn with(cluster: Cluster) -> Option<Place> {
        if !Etcd::can_run().unwrap() {
            return None;
        }
        let objects = Arc::new(CountingStore::new(Arc::new(InMemory::new())));
        let faults = FaultInjectingStore::new(objects.clone(), 1);
        let mut settings = Settings::default();
        settings.etcd_recovery_wait = Duration::from_secs(1);
        Some(Place {
            etcd: Etcd::start(cluster).unwrap(),
            ost: Ost::from_object_store(Arc::new(faults.clone()), "base").unwrap(),
            objects,
            faults,
            settings,
            prefix: "/test/dm".to_owned(),
        })
    }

    pub(super) fn options(&self) -> EtcdOptions {
        EtcdOptions::new(&self.etcd.endpoints().join(","), &self.prefix).unwrap()
    }

    pub(super) fn builder(&self, name: &str) -> Builder {
        Builder::from_ost(self.ost.clone())
            .name(name)
            .settings(self.settings.clone())
            .etcd(self.options())
    }

    /// A store of other objects, or under another prefix of this etcd.
    pub(super) fn builder_at(&self, prefix: &str, ost: Ost) -> Builder {
        let etcd = EtcdOptions::new(&self.etcd.endpoints().join(","), prefix).unwrap();
        Builder::from_ost(ost)
            .settings(self.settings.clone())
            .etcd(etcd)
    }

    pub(super) async fn open(&self, name: &str) -> DataManager {
        self.builder(name).open().await.unwrap()
    }

    /// The keys under the prefix, without it.
    pub(super) fn keys(&self) -> Vec<String> {
        let prefix = format!("{}/", self.prefix);
        let listed = self
            .etcd
            .etcdctl(&["get", "--prefix", &prefix, "--keys-only"])
            .unwrap();
        let keys = listed.lines().filter_map(|line| line.strip_prefix(&prefix));
        keys.map(str::to_owned).collect()
    }

    /// The value of a key, empty if it is not there.
    pub(super) fn value(&self, key: &str) -> String {
        let key = format!("{}/{key}", self.prefix);
        self.etcd
            .etcdctl(&["get", &key, "--print-value-only"])
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Removes all keys under the prefix.
    pub(super) fn wipe_keys(&self) {
        let prefix = format!("{}/", self.prefix);
        self.etcd.etcdctl(&["del", "--prefix", &prefix]).unwrap();
    }
}

/// The newest revision of etcd.
pub(super) fn revision(etcd: &Etcd) -> String {
    let answer = etcd.etcdctl(&["get", "x", "-w", "json"]).unwrap();
    let behind = answer.split("\"revision\":").nth(1).unwrap();
    behind.split([',', '}']).next().unwrap().to_owned()
}

/// Makes etcd forget everything but what it holds now.
pub(super) fn compact_history(etcd: &Etcd) {
    // Otherwise it is done some time after the answer, and would free nothing for a defragmentation that follows.
    let compact = ["compact", "--physical", &revision(etcd)];
    etcd.etcdctl(&compact).unwrap();
}

/// How many objects there are whose keys begin so.
pub(super) async fn count_objects(ost: &Ost, prefix: &str) -> usize {
    use futures::TryStreamExt;
    let metas: Vec<_> = ost.list(prefix, None).try_collect().await.unwrap();
    metas.len()
}

/// Commits one entry, and again while the log cannot be written; looks an unclear commit up. Returns how often it was told
/// that it is not available.
pub(super) async fn put_surely(store: &DataManager, id: &str) -> u32 {
    let began = Instant::now();
    let mut unavailable = 0;
    loop {
        assert!(began.elapsed() < WAIT_MAX, "{id} cannot be committed");
        let error = match store.put_raw("t", id, "x").await {
            Ok(_) => return unavailable,
            Err(error) => error,
        };
        match (error.kind(), error.commit_id()) {
            (ErrorKind::Unavailable | ErrorKind::Conflict, _) => {
                unavailable += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (ErrorKind::Unknown, Some(commit)) => loop {
                assert!(began.elapsed() < WAIT_MAX, "{id} stays unknown");
                match store.outcome(commit).await {
                    Ok(Outcome::Committed) => return unavailable,
                    Ok(Outcome::NotCommitted) => break,
                    _ => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            },
            _ => panic!("{error:?}"),
        }
    }
}

/// The ids of all entries, as the store has them now.
pub(super) async fn ids(store: &DataManager) -> Vec<String> {
    let snapshot = store.latest_snapshot().await.unwrap();
    let mut scan = snapshot.scan_raw("t", &ScanOptions::new()).unwrap();
    let mut ids = Vec::new();
    while let Some(entry) = scan.next().await.unwrap() {
        ids.push(entry.id);
    }
    ids
}

/// Waits until `condition` holds.
pub(super) async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < WAIT_MAX, "{what} has not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a test with several threads, as a program would.
pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test)
}
