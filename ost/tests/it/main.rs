//! What the object storage promises, on memory and on local directories.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
