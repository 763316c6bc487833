//! Tests of the service through its own client, with executors that do what a script says.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod caches;
mod dependencies;
mod executor;
mod executors;
mod host;
mod lifecycle;
mod load;
mod logs;
mod new_run;
mod restarts;
mod stopping;
