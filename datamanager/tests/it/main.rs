//! Tests of the library through its public door.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod captured_log;
mod commit;
mod data_files;
mod documents;
mod durability;
#[cfg(feature = "etcd")]
mod etcd;
mod fixtures;
mod follow;
mod history;
mod host;
mod model;
mod opening;
mod processes;
mod sharing;
mod simulation;
mod site;
mod transactions;
mod transfer;
