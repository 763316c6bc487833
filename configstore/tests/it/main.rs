//! Tests of the service through its own client.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod contract;
mod deletion;
mod host;
mod organizations;
mod project_groups;
mod projects;
mod references;
mod remote_sources;
mod stored;
mod transfer;
mod users;
mod values;
mod wire;
