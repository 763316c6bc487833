//! Workloads and measurements.
//!
//! The criterion benches `commit`, `documents`, `etcd_commit`, `read` and `scan` share what is here: numbers from a fixed seed, the entries made of
//! them, and stores that hold such entries. The program `compare` measures the same beside other stores. `docs/performance.md` says how they are run and what they have shown.
//!
//! ```
//! let value = benches::entry_value(7, 400);
//! assert_eq!(value.len(), 400);
//! assert!(benches::belongs_to(&value, &benches::entry_id(7)));
//! ```

mod bench_store;
mod entries;
mod numbers;
#[cfg(feature = "etcd")]
mod raw_etcd;
mod scale;
mod writers;

pub use bench_store::{BenchStore, FILLED_VALUE_BYTES};
pub use entries::{DATA_TYPE, belongs_to, entry_id, entry_value};
pub use numbers::Numbers;
#[cfg(feature = "etcd")]
pub use raw_etcd::RawEtcd;
pub use scale::Scale;
pub use writers::{COMMITTED_VALUE_BYTES, WRITERS, Writers};
