//! Processes of the operating system that share a store over a real etcd, while something goes wrong. What their clients do and
//! are told is recorded by each of them and checked as one history.
//!
//! A scenario is a [`Deployment`](deployment::Deployment): it starts workers, which are this test binary again, does something
//! to them or to what they use, waits until that shows in what they have recorded, and has everything checked at the end.

mod deployment;
mod progress;
mod task;
mod verdict;
mod worker;

mod lost;
mod storage;
mod troubled;

/// How often a scenario does what it is about.
const OUTAGES: &str = "DM_SOAK_OUTAGES";

/// As often as [`OUTAGES`] says, `default` times without it.
fn outages(default: u32) -> u32 {
    std::env::var(OUTAGES).map_or(default, |value| value.parse().unwrap())
}
