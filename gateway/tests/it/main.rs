//! Tests of the gateway in front of a configuration service and a run service, through its own client and by plain requests.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod authentication;
mod browser;
mod contract;
mod cors;
mod definitions;
mod description;
mod executor;
mod host;
mod latency;
mod page;
mod permissions;
mod references;
mod wire;
