//! The command as a shell runs it: the real binary, on real directories.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stderr, reason = "it is said why a test failed")]

#[cfg(feature = "serve")]
mod end_to_end;
#[cfg(feature = "serve")]
mod served;
mod support;

mod bad_input;
mod beside_a_writer;
mod completions;
mod crash;
mod damage;
#[cfg(all(feature = "etcd", feature = "serve"))]
mod distributed;
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
mod page;
#[cfg(feature = "serve")]
mod remote;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod serve_file;
#[cfg(feature = "serve")]
mod tour;
mod transfer;
mod usage;
