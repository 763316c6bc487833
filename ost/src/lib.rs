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
//!
//! # What it was tested with
//!
//! Everything below runs in `scripts/test`.
//!
//! | Backend | Tested with | Not tested |
//! |---|---|---|
//! | local directory, memory | the suite [`conformance`], crashes, full disks | network file systems |
//! | S3 | the suite by URL against `testing::S3Server` (`s3s` and `s3s-fs`, with signatures) and against moto, there without parallel creates, which it does not decide; answers of a scripted S3: conflicts, throttling, errors within success, lost answers, old signatures | Amazon's service and other products; virtual hosts, TLS, credentials from a metadata service |
//! | Azure | the suite by URL against Azurite | Azure itself; accounts with directories; pages of a list; broken connections and throttling |
//! | GCS | nothing but the code that it shares with the others | all of it; no service for tests was tried |
//!
//! Before others trust a store to a service that is not in this table, run [`conformance::run`] on it.

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
#[cfg(feature = "testing")]
pub mod testing;
mod wrappers;
mod writer;

pub use error::{Error, ErrorKind};
pub use meta::{Create, Level, ObjectMeta};
pub use ost::Ost;
pub use ost_url::{AccessKey, OstOptions, OstUrl};
pub use path::ObjectPath;
pub use posix::PosixStore;
pub use reader::ObjectReader;
pub use wrappers::{
    CountingStore, Counts, Fault, FaultInjectingStore, Operation, Sleep, Throttle, ThrottlingStore,
};
pub use writer::ObjectWriter;
