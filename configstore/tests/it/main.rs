//! Tests of the service through its own client.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod captured_log;
mod cluster;
mod configuration;
mod contract;
mod deletion;
mod dependencies;
mod host;
mod keys;
mod operations;
mod organizations;
mod processes;
mod project_groups;
mod projects;
mod references;
mod remote_sources;
mod several;
mod stored;
mod transfer;
mod users;
mod values;
mod wire;
