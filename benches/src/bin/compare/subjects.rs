//! The stores that are measured.

mod datamanager;
mod redb;
mod slatedb;

pub(crate) use self::datamanager::{Datamanager, OURS};
pub(crate) use self::redb::Redb;
pub(crate) use self::slatedb::SlateDb;

/// What tables call the bare means.
pub(crate) const RAW: &str = "raw";
/// Bytes of a value in stores that are read.
pub(crate) const READ_VALUE_BYTES: usize = 400;
/// Entries of one transaction of a load.
const LOAD_BATCH: u64 = 1_000;
