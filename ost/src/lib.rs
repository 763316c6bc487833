//! One object-storage type over [`object_store`]: local directory, memory, S3, GCS, Azure or a backend of your own.
//!
//! An [`Ost`] is opened from a URL, a directory, or an `object_store` backend, and works below a base path. Keys are
//! checked once, as [`ObjectPath`], and mean the same on every backend; [`ErrorKind`] tells the caller what to do.
//!
//! ```
//! use ost::{Create, ObjectPath, Ost};
//!
//! # futures::executor::block_on(async {
//! let ost = Ost::from_url("memory://")?;
//! let path = ObjectPath::parse("manifests/17.json")?;
//! assert_eq!(ost.create(&path, "first".into()).await?, Create::Created);
//! assert_eq!(ost.create(&path, "second".into()).await?, Create::Exists);
//! assert_eq!(ost.get(&path).await?, "first");
//! ost.delete(&path).await?;
//! ost.delete(&path).await?; // deleting what is not there is no error
//! # Ok::<(), ost::Error>(())
//! # }).unwrap();
//! ```

mod backend;
mod bucket;
pub mod conformance;
mod create;
mod error;
mod list;
mod meta;
mod ost;
mod ost_url;
mod path;
mod posix;
mod reader;
mod wrappers;
mod writer;

pub use error::{Error, ErrorKind};
pub use meta::{Create, Level, ObjectMeta};
pub use ost::Ost;
pub use ost_url::{OstOptions, OstUrl};
pub use path::ObjectPath;
pub use posix::PosixStore;
pub use reader::ObjectReader;
pub use wrappers::{
    CountingStore, Counts, Fault, FaultInjectingStore, Operation, Sleep, Throttle, ThrottlingStore,
};
pub use writer::ObjectWriter;
