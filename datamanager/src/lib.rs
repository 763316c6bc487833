//! A transactional document database on object storage.
pub mod data_file;
pub mod environment;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod timestamp;
pub use timestamp::Timestamp;
