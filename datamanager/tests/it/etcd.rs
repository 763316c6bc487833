//! Stores with a log in a real etcd.

mod begun_together;
mod commits;
mod epochs;
mod faults;
mod held_up;
mod lost;
mod place;
mod processes;
mod secured;
mod simulated;
