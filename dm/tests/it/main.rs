//! The command as a shell runs it: the real binary, on real directories.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

mod bad_input;
mod beside_a_writer;
mod completions;
mod crash;
mod damage;
mod entries;
#[cfg(feature = "etcd")]
mod etcd;
mod follow;
mod full_disk;
mod indexes;
mod load;
mod maintenance;
mod memory;
#[cfg(feature = "serve")]
mod remote;
mod transfer;
mod usage;
