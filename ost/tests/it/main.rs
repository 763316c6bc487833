//! What the object storage promises, on memory, on local directories and through the wrappers.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod field_cases;
mod local;
mod opening;
#[cfg(feature = "testing")]
mod s3;
#[cfg(feature = "testing")]
mod services;
mod suite;
#[cfg(feature = "testing")]
mod urls;
mod wrappers;
