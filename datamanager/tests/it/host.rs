//! A simulated machine with a store on its disk.

use std::sync::Arc;
use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::testing::{SimulatedEnvironment, Simulation};
use datamanager::{Builder, DataManager, Error, Settings};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use ost::{Ost, Throttle, ThrottlingStore};

/// One machine of a simulation, and the objects that it can reach.
pub(crate) struct Host {
    pub(crate) simulation: Simulation,
    pub(crate) name: &'static str,
    pub(crate) ost: Ost,
    pub(crate) settings: Settings,
}

impl Host {
    /// A machine with an empty disk, and an empty object storage in which each request takes a millisecond, so that
    /// other tasks run meanwhile.
    pub(crate) fn new(seed: u64) -> Host {
        let mut host = Host {
            simulation: Simulation::new(seed),
            name: "a",
            ost: Ost::memory(),
            settings: Settings::default(),
        };
        host.use_objects(Arc::new(InMemory::new()));
        host
    }

    /// Uses `store` as the object storage, a millisecond away.
    pub(crate) fn use_objects(&mut self, store: Arc<dyn ObjectStore>) {
        let network = self.simulation.environment("network");
        let throttle = Throttle {
            per_request: Duration::from_millis(1),
            ..Throttle::default()
        };
        let sleep = Arc::new(move |duration| network.sleep(duration));
        let slow = ThrottlingStore::new(store, throttle, sleep);
        self.ost = Ost::from_object_store(Arc::new(slow), "base").unwrap();
    }

    /// A new process on the machine; the disk is the same each time.
    pub(crate) fn process(&self) -> Arc<SimulatedEnvironment> {
        self.simulation.environment(self.name)
    }

    pub(crate) fn builder(&self, process: &Arc<SimulatedEnvironment>) -> Builder {
        Builder::from_ost(self.ost.clone())
            .environment(process.clone())
            .log_directory("/store")
            .settings(self.settings.clone())
    }

    pub(crate) async fn open(
        &self,
        process: &Arc<SimulatedEnvironment>,
    ) -> Result<DataManager, Error> {
        self.builder(process).open().await
    }

    /// Runs `test` with an open store in a new process.
    pub(crate) fn run<T>(&self, test: impl AsyncFnOnce(DataManager) -> T) -> T {
        let process = self.process();
        self.simulation
            .run_until(async {
                let store = self.open(&process).await.unwrap();
                let result = test(store.clone()).await;
                store.close().await.unwrap();
                result
            })
            .unwrap()
    }
}
