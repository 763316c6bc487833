//! Objects as files of a local directory, durable when a write returns.
//!
//! A write goes to a file in a staging directory on the same mount, is synced, moves to its name, and the directory
//! is synced. `docs/decisions/0002-local-object-store.md` says why this is not `object_store`'s own backend.

mod directories;
mod error;
mod read;
mod staging;
mod store;
mod sync;
mod upload;
mod walk;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use error::PosixError;
pub(crate) use read::read_at;
pub use store::PosixStore;
pub(crate) use store::blocking;
