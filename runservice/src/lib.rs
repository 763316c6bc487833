//! The run service: runs, from their creation to their archived logs, with the HTTP API of agola v0.7.
//!
//! | module | what it is |
//! |---|---|
//! | [`api`] | requests and responses |
//! | [`client`] | a typed client (feature `client`) |
//! | [`graph`] | the graph of a run's tasks |

pub mod api;
#[cfg(feature = "client")]
pub mod client;
pub mod graph;
