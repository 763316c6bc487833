//! Stores with a log in a real etcd.

mod commits;
mod faults;
mod lost;
mod place;
mod processes;
mod secured;

pub(crate) use place::installed as is_installed;
