//! Tests of the library through its public door.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod captured_log;
mod commit;
mod data_files;
mod disk_cache;
mod documents;
mod durability;
#[cfg(feature = "etcd")]
mod etcd;
mod failpoints;
mod fixtures;
mod follow;
mod fuzz;
mod history;
mod host;
mod model;
mod models;
mod opening;
mod pins;
mod place;
mod power_cuts;
mod processes;
mod services;
mod sharing;
mod simulation;
mod site;
mod stopped;
mod transactions;
mod transfer;
