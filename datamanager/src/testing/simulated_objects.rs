//! An object storage in a simulation.

mod client;
mod content;
mod faults;
mod requests;
mod service;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ost::{Operation, Ost};

use self::client::Client;
pub use self::faults::ObjectFaults;
use self::requests::Requests;
use self::service::Service;
use super::{SimulatedEnvironment, Simulation};
use crate::environment::Environment;

/// An object storage that the processes of one [`Simulation`] share, empty at first. Clones share it.
///
/// # Requests
/// A request is sent when its future is first polled. It travels to the storage, takes effect there in one step, and
/// its reply travels back, each way for a time that the seed draws. From the moment it is sent it belongs to the
/// storage: if its future is dropped, or its process is killed, paused or cut off, it takes effect all the same,
/// maybe after requests that were sent later. A process that was killed before sends nothing.
///
/// # What is told of a failure
/// An [`Ost`] on a backend of the caller's own retries nothing, so each fault reaches the code under test: as
/// [`ost::ErrorKind::Unavailable`], and as [`ost::ErrorKind::Unknown`] from a create, even where nothing happened,
/// because [`Ost`] cannot tell. On a bucket it would first retry. [`Ost::get_range`] looks an object up when reading
/// it has failed, which is a request more.
///
/// # Keys
/// Here they are the storage's: with the base path, as in `base/log/17`.
///
/// ```
/// use datamanager::testing::{ObjectFaults, SimulatedObjects, Simulation};
/// use ost::{ErrorKind, ObjectPath, Operation};
///
/// let simulation = Simulation::new(7);
/// let objects = SimulatedObjects::new(&simulation);
/// let ost = objects.ost(&simulation.environment("a"), "base");
/// objects.set_faults(ObjectFaults { error_after: 1.0, ..ObjectFaults::default() });
/// let created = simulation.run_until(async {
///     ost.create(&ObjectPath::parse("log/1")?, "content".into()).await
/// })?;
/// assert_eq!(created.unwrap_err().kind(), ErrorKind::Unknown);
/// assert_eq!(objects.keys(), ["base/log/1"]);
/// assert_eq!(objects.request_count("a", Operation::Create, "base/log/"), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SimulatedObjects {
    service: Arc<Service>,
}

impl SimulatedObjects {
    /// An empty storage on the machine `objects` of `simulation`.
    pub fn new(simulation: &Simulation) -> SimulatedObjects {
        let service = Service::new(simulation.environment("objects"), simulation.random());
        SimulatedObjects {
            service: Arc::new(service),
        }
    }

    /// The objects below `base_path`, as `process` sees them.
    ///
    /// # Panics
    /// The base path is invalid.
    pub fn ost(&self, process: &Arc<SimulatedEnvironment>, base_path: &str) -> Ost {
        let client = Client::new(self.service.clone(), process.clone());
        Ost::from_object_store(Arc::new(client), base_path).expect("the test gives a valid path")
    }

    /// The storage's own process. Its wall clock dates the objects. While it is paused, nothing takes effect and
    /// nobody gets a reply.
    pub fn environment(&self) -> &Arc<SimulatedEnvironment> {
        self.service.environment()
    }

    /// Sets how long a request travels, each way. Default: 1 to 5 ms.
    pub fn set_delay(&self, delay: RangeInclusive<Duration>) {
        self.service.network().delay = delay;
    }

    /// Sets what goes wrong with the requests that are sent from now on.
    pub fn set_faults(&self, faults: ObjectFaults) {
        self.service.network().faults = faults;
    }

    /// Cuts the processes of the machine `name` off, or lets them through again. While they are cut off their
    /// requests fail without an effect; those that were sent before take effect, and fail if their reply comes
    /// meanwhile.
    pub fn set_reachable(&self, name: &str, is_reachable: bool) {
        let mut network = self.service.network();
        if is_reachable {
            network.cut_off.remove(name);
        } else {
            network.cut_off.insert(name.to_owned());
        }
    }

    /// Cuts all processes off, or lets those through again that are not cut off by
    /// [`SimulatedObjects::set_reachable`].
    pub fn set_reachable_for_all(&self, is_reachable: bool) {
        self.service.network().is_down = !is_reachable;
    }

    /// The requests that the processes of the machine `name` have sent since [`SimulatedObjects::reset_requests`],
    /// failed ones included: those of one kind, on keys that begin with `prefix`. The key of a list is its prefix
    /// with a slash behind it, or empty.
    pub fn request_count(&self, name: &str, operation: Operation, prefix: &str) -> usize {
        self.service.requests().count(name, operation, prefix)
    }

    /// Counts from zero again.
    pub fn reset_requests(&self) {
        *self.service.requests() = Requests::default();
    }

    /// The keys of the objects, in byte order. This is no request, and neither are the methods below.
    pub fn keys(&self) -> Vec<String> {
        self.service.content().keys()
    }

    /// An object as it is at this moment.
    pub fn content(&self, key: &str) -> Option<Bytes> {
        self.service.content().bytes(key)
    }

    /// Stores an object, replacing one that has the key.
    pub fn put_directly(&self, key: &str, bytes: impl Into<Bytes>) {
        let now = self.environment().wall_time();
        self.service.content().put(key, bytes.into(), now);
    }

    /// Removes an object, if it is there.
    pub fn remove_directly(&self, key: &str) {
        self.service.content().delete(key);
    }
}

impl fmt::Debug for SimulatedObjects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SimulatedObjects")
            .field("objects", &self.keys().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
