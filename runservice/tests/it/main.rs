//! Tests of the service through its own client, with executors that do what a script says.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod caches;
mod dependencies;
mod events;
mod executor;
mod executors;
mod groups;
mod host;
mod large;
mod lifecycle;
mod load;
mod logs;
mod new_run;
mod outages;
mod process;
mod processes;
mod queries;
mod restarts;
mod retention;
mod several;
mod stopping;
mod transfer;
mod wire;
