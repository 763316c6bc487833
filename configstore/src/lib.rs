//! The configuration service: users, tokens, linked accounts, organizations and members, project groups, projects, secrets,
//! variables and remote sources, with the HTTP API of agola v0.7.
//!
//! ```no_run
//! # #[cfg(feature = "server")]
//! # async fn example() -> Result<(), configstore::Error> {
//! use configstore::Settings;
//!
//! // Everything in ./data/configstore, at 127.0.0.1:4002.
//! let settings = Settings::default();
//! let listener = service::bind("configstore", &settings.server.web)?;
//! configstore::run(listener, &settings, service::stop_signal()?).await
//! # }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`api`] | requests and responses |
//! | [`client`] | a typed client (feature `client`) |
//! | [`evaluation`] | which variables count, which secrets they mean, and when |
//! | `store` | what is stored, with its indexes; conversion at the border |
//! | `secrets` | encryption of values, hashes of tokens |
//! | `actions` | the rules; they know no HTTP |
//! | `transfer` | exports and imports in the format of agola |
//! | `handlers`, `server` | the routes, and running them |
//! | `config` | the section `configstore` of the configuration |
//!
//! Features: `server` (default), `client`, which needs neither actix-web nor datamanager, `etcd` for a log in etcd.

pub mod api;
#[cfg(feature = "client")]
pub mod client;
pub mod evaluation;

#[cfg(feature = "server")]
mod actions;
#[cfg(feature = "server")]
mod config;
#[cfg(feature = "server")]
mod handlers;
#[cfg(feature = "server")]
mod names;
#[cfg(feature = "server")]
mod secrets;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod store;
#[cfg(feature = "server")]
mod transfer;

#[cfg(any(feature = "client", feature = "server"))]
mod error;

#[cfg(feature = "server")]
pub use actions::RotationReport;
#[cfg(feature = "server")]
pub use config::Settings;
#[cfg(any(feature = "client", feature = "server"))]
pub use error::{Error, ErrorKind};
#[cfg(feature = "server")]
pub use secrets::SecretKeySettings;
#[cfg(feature = "server")]
pub use server::{rotate_keys, run};
