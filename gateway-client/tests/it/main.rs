//! The client against servers that do as the tests say.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod dependencies;
mod requests;
mod server;
