//! Backends around backends: to count requests, to slow them down, to make them fail.
//!
//! Each is an [`ObjectStore`](object_store::ObjectStore) to be put under
//! [`Ost::from_object_store`](crate::Ost::from_object_store), and each clone shares its state, so that a test keeps
//! one and gives the other away:
//!
//! ```
//! use std::sync::Arc;
//! use object_store::memory::InMemory;
//! use ost::{CountingStore, Fault, FaultInjectingStore, ObjectPath, Operation, Ost};
//!
//! let faults = FaultInjectingStore::new(Arc::new(InMemory::new()), 17);
//! let counting = CountingStore::new(Arc::new(faults.clone()));
//! let ost = Ost::from_object_store(Arc::new(counting.clone()), "db")?;
//! faults.inject(Fault::on(Operation::Put).times(1));
//!
//! # futures::executor::block_on(async {
//! let path = ObjectPath::parse("a")?;
//! assert!(ost.put(&path, "1".into()).await.is_err());
//! ost.put(&path, "1".into()).await?;
//! assert_eq!(counting.counts().of(Operation::Put), 2);
//! # Ok::<(), ost::Error>(())
//! # })?;
//! # Ok::<(), ost::Error>(())
//! ```

mod counting;
mod fault;
mod faulty;
mod operation;
mod throttling;

pub use counting::{CountingStore, Counts};
pub use fault::Fault;
pub(crate) use fault::InjectedFault;
pub use faulty::FaultInjectingStore;
pub use operation::Operation;
pub use throttling::{Sleep, Throttle, ThrottlingStore};
