//! The run service: runs, from their creation to their archived logs, the executors that do their tasks, and caches, with the
//! HTTP API of agola v0.7.
//!
//! ```no_run
//! # #[cfg(feature = "server")]
//! # async fn example() -> Result<(), runservice::Error> {
//! use runservice::Settings;
//!
//! // Everything in ./data/runservice, at 127.0.0.1:4000.
//! let settings = Settings::default();
//! let listener = service::bind("runservice", &settings.server.web)?;
//! runservice::run(listener, &settings, service::stop_signal()?).await
//! # }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`api`] | requests and responses, of clients and of executors |
//! | [`client`] | a typed client (feature `client`) |
//! | [`graph`] | what follows from tasks depending on each other |
//! | `store` | what is stored, with its indexes |
//! | `scheduler` | what becomes of a run: a function that knows neither store nor clock |
//! | `actions` | the rules; they know no HTTP |
//! | `worker` | what goes on without being asked for |
//! | `objects`, `executor_client` | names of logs, archives and caches; requests to executors |
//! | `transfer` | exports and imports in the format of agola |
//! | `handlers`, `server` | the routes, and running them |
//! | `config` | the section `runservice` of the configuration |
//!
//! Features: `server` (default), `client`, which needs neither actix-web nor datamanager, `etcd` for a log in etcd.

pub mod api;
#[cfg(feature = "client")]
pub mod client;
pub mod graph;

#[cfg(feature = "server")]
mod actions;
#[cfg(feature = "server")]
mod config;
#[cfg(feature = "server")]
mod executor_client;
#[cfg(feature = "server")]
mod handlers;
#[cfg(feature = "server")]
mod objects;
#[cfg(feature = "server")]
mod scheduler;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod store;
#[cfg(feature = "server")]
mod transfer;
#[cfg(feature = "server")]
mod worker;

mod error;

#[cfg(feature = "server")]
pub use config::{RunSettings, Settings};
pub use error::{Error, ErrorKind};
#[cfg(feature = "server")]
pub use server::run;
