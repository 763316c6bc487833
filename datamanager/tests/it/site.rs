//! Several simulated processes and the object storage that they share.

use std::sync::Arc;
use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::testing::{SimulatedEnvironment, SimulatedObjects, Simulation};
use datamanager::{Builder, DataManager, ErrorKind, Settings};

/// Processes of a simulation, one on each machine, and the object storage that they share.
pub(crate) struct Site {
    pub(crate) seed: u64,
    pub(crate) simulation: Simulation,
    pub(crate) objects: SimulatedObjects,
    pub(crate) settings: Settings,
}

pub(crate) const HEAD_CONFIRM_MAX: Duration = Duration::from_secs(1);

impl Site {
    /// An empty object storage. What a process knows of the log's end is believed for a second only.
    pub(crate) fn new(seed: u64) -> Site {
        let simulation = Simulation::new(seed);
        let mut settings = Settings::default();
        settings.head_confirm_max = HEAD_CONFIRM_MAX;
        settings.probe_interval_max = Duration::from_millis(250);
        Site {
            seed,
            objects: SimulatedObjects::new(&simulation),
            simulation,
            settings,
        }
    }

    /// Jobs run all the time, and nothing that is no longer needed is kept.
    pub(crate) fn with_busy_jobs(mut self) -> Site {
        self.settings.checkpoint_records = 12;
        self.settings.level0_runs_max = 2;
        self.settings.gc_interval = Duration::from_millis(400);
        self.keep_nothing();
        self
    }

    pub(crate) fn keep_nothing(&mut self) {
        self.settings.file_retention = Duration::ZERO;
        self.settings.wal_retention = Duration::ZERO;
    }

    pub(crate) fn process(&self, name: &str) -> Arc<SimulatedEnvironment> {
        self.simulation.environment(name)
    }

    pub(crate) fn builder(&self, process: &Arc<SimulatedEnvironment>) -> Builder {
        Builder::from_ost(self.objects.ost(process, "base"))
            .environment(process.clone())
            .settings(self.settings.clone())
    }

    /// Opens the store, and tries again while the storage fails.
    pub(crate) async fn open(&self, process: &Arc<SimulatedEnvironment>) -> DataManager {
        for _ in 0..200 {
            match self.builder(process).open().await {
                Ok(store) => return store,
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    process.sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("seed {}: {error:?}", self.seed),
            }
        }
        panic!("seed {}: the store cannot be opened", self.seed);
    }

    pub(crate) fn run<T>(&self, test: impl AsyncFnOnce() -> T) -> T {
        self.simulation.run_until(test()).unwrap()
    }
}
