//! An etcd in a simulation.

mod content;
mod endpoint;
mod faults;
mod service;
mod watches;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use self::content::Content;
pub(crate) use self::endpoint::SimulatedEndpoint;
pub use self::faults::EtcdFaults;
use self::service::Service;
pub(crate) use self::watches::SimulatedWatch;
use super::{SimulatedEnvironment, Simulation};
use crate::EtcdOptions;

/// An etcd of one node that the processes of one [`Simulation`] share, empty at first. Clones share it.
///
/// It does what a log in etcd asks for: transactions with compares, ranges, deletions, leases that run out, compaction, and
/// watches with requests for progress. A test runs the same calls on this one and on a real etcd, and compares the answers.
///
/// # Requests
/// A request is sent when its future is first polled; from then on it belongs to etcd, and takes effect even if its future is
/// dropped or its process is killed. Of a process that is cut off, and while [`SimulatedEtcd::environment`] is paused, no
/// request is answered: clients find out by their own time-outs.
///
/// ```
/// use datamanager::testing::{SimulatedEtcd, SimulatedObjects, Simulation};
/// use datamanager::Builder;
///
/// let simulation = Simulation::new(7);
/// let objects = SimulatedObjects::new(&simulation);
/// let etcd = SimulatedEtcd::new(&simulation);
/// simulation.run_until(async {
///     let process = simulation.environment("a");
///     let store = Builder::from_ost(objects.ost(&process, "base"))
///         .environment(process.clone())
///         .etcd(etcd.options(&process, "/dm"))
///         .open()
///         .await?;
///     store.put_raw("user", "ann", "{}").await?;
///     store.close().await
/// })??;
/// assert!(etcd.keys().contains(&"/dm/head".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SimulatedEtcd {
    service: Arc<Service>,
}

/// All that a [`SimulatedEtcd`] held at some time.
#[derive(Clone)]
pub struct SimulatedEtcdSnapshot(Content);

impl SimulatedEtcd {
    /// An empty etcd on the machine `etcd` of `simulation`.
    pub fn new(simulation: &Simulation) -> SimulatedEtcd {
        SimulatedEtcd::on_machine(simulation, "etcd")
    }

    /// An empty etcd on a machine of another name.
    pub fn on_machine(simulation: &Simulation, name: &str) -> SimulatedEtcd {
        SimulatedEtcd {
            service: Service::start(simulation.environment(name), simulation.random()),
        }
    }

    /// This etcd, as `process` reaches it, with the keys of a store under `prefix`.
    ///
    /// # Panics
    /// The prefix is invalid.
    pub fn options(&self, process: &Arc<SimulatedEnvironment>, prefix: &str) -> EtcdOptions {
        let options = EtcdOptions::new("http://etcd", prefix);
        let mut options = options.expect("the test gives a valid prefix");
        options.simulated = Some(SimulatedEndpoint::new(
            self.service.clone(),
            process.clone(),
        ));
        options
    }

    /// The process of etcd. While it is paused, nothing takes effect and nobody gets a reply.
    pub fn environment(&self) -> &Arc<SimulatedEnvironment> {
        self.service.environment()
    }

    /// Sets how long a request travels, each way. Default: 0.3 to 3 ms.
    pub fn set_delay(&self, delay: RangeInclusive<Duration>) {
        self.service.state().delay = delay;
    }

    /// Sets what goes wrong with the requests that are sent from now on.
    pub fn set_faults(&self, faults: EtcdFaults) {
        self.service.state().faults = faults;
    }

    /// Cuts the processes of the machine `name` off, or lets them through again.
    pub fn set_reachable(&self, name: &str, is_reachable: bool) {
        let mut state = self.service.state();
        if is_reachable {
            state.cut_off.remove(name);
        } else {
            state.cut_off.insert(name.to_owned());
        }
    }

    /// Ends the process. Connections to it are refused until one of the methods below starts it again.
    pub fn kill(&self) {
        self.service.state().is_down = true;
        self.service.note_change();
    }

    /// Starts it again with what it holds. Leases begin anew.
    pub fn restart(&self) {
        self.service.restart(|_| {});
    }

    /// Starts it again with nothing stored. The cluster's id stays the same.
    pub fn wipe(&self) {
        self.service
            .restart(|content| *content = Content::new(content.cluster()));
    }

    /// All that it holds now.
    pub fn snapshot(&self) -> SimulatedEtcdSnapshot {
        SimulatedEtcdSnapshot(self.service.state().content.clone())
    }

    /// Starts it again with what it held when `snapshot` was taken: revisions go back too.
    pub fn restore(&self, snapshot: &SimulatedEtcdSnapshot) {
        self.service
            .restart(|content| *content = snapshot.0.clone());
    }

    /// The revision of the last change.
    pub fn revision(&self) -> i64 {
        self.service.state().content.revision()
    }

    /// All keys, in byte order.
    pub fn keys(&self) -> Vec<String> {
        let state = self.service.state();
        let keys = state.content.keys();
        keys.map(|(key, _)| String::from_utf8_lossy(key).into_owned())
            .collect()
    }

    /// The value of a key, if it is there.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        let state = self.service.state();
        let mut keys = state.content.keys();
        keys.find(|(found, _)| *found == key.as_bytes())
            .map(|(_, value)| value.to_vec())
    }
}

impl fmt::Debug for SimulatedEtcd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SimulatedEtcd")
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SimulatedEtcdSnapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SimulatedEtcdSnapshot")
            .field("revision", &self.0.revision())
            .finish_non_exhaustive()
    }
}
