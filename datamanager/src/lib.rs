//! A transactional document database on object storage.
pub mod environment;
mod timestamp;
pub use timestamp::Timestamp;
