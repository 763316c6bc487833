//! What tests need: processes that a seed runs on one thread, the object storage that they share, and files that count
//! their calls; and of the real world an etcd, a proxy in front of it, and child processes that can be stopped.
//!
//! ```
//! use std::time::Duration;
//!
//! use datamanager::environment::Environment;
//! use datamanager::testing::Simulation;
//!
//! let simulation = Simulation::new(7);
//! let machine = simulation.environment("a");
//! let slept = simulation.run_until(async {
//!     let before = machine.steady_time();
//!     machine.sleep(Duration::from_secs(3600)).await;
//!     machine.steady_time() - before
//! });
//! assert_eq!(slept?, Duration::from_secs(3600));
//! # Ok::<(), datamanager::testing::SimulationError>(())
//! ```

pub mod fuzz;
pub mod history;

mod child_process;
mod counting_files;
mod draw;
mod etcd;
mod executor;
mod ports;
mod simulated_environment;
#[cfg(feature = "etcd")]
mod simulated_etcd;
mod simulated_objects;
mod simulation;
mod tcp_proxy;

pub use self::child_process::{ChildProcess, cpu_time};
pub use self::counting_files::CountingFiles;
pub use self::etcd::{Etcd, EtcdOptions};
pub use self::simulated_environment::SimulatedEnvironment;
#[cfg(feature = "etcd")]
pub use self::simulated_etcd::{EtcdFaults, SimulatedEtcd, SimulatedEtcdSnapshot};
#[cfg(feature = "etcd")]
pub(crate) use self::simulated_etcd::{SimulatedEndpoint, SimulatedWatch};
pub use self::simulated_objects::{ObjectFaults, SimulatedObjects};
pub use self::simulation::{Simulation, SimulationError};
pub use self::tcp_proxy::{Loss, LostReplies, ProxyCounts, ProxyFaults, Reply, TcpProxy};
pub use crate::failpoint::{FAILPOINT_VARIABLE, FAILPOINTS};
