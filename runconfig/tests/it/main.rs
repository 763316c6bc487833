//! Programs that make definitions, in processes of their own.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod programs;
