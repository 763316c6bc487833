//! Servers on real stores and sockets.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod client;
#[cfg(feature = "etcd")]
mod etcd;
mod limits;
mod logs;
mod maintenance;
mod notes;
mod raw;
mod relay;
mod requests;
mod start;
mod stop;
mod storeless;
mod tls;
mod transfer;
