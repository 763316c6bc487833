//! The gateway: the one API that people, programs and browsers use, with the HTTP API of agola v0.7.
//!
//! It authenticates who asks, sees to what they may do, and makes one answer of what configstore and runservice say. It keeps
//! no state of its own.
//!
//! ```no_run
//! # #[cfg(feature = "server")]
//! # async fn example() -> Result<(), gateway::Error> {
//! use gateway::Settings;
//!
//! // At 127.0.0.1:8000, in front of a configstore at 127.0.0.1:4002 and a runservice at 127.0.0.1:4000.
//! let settings = Settings::default();
//! let listener = service::bind("gateway", &settings.web)?;
//! gateway::run(listener, &settings, service::stop_signal()?).await
//! # }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`api`] | requests and responses |
//! | `convert` | from what the services say to the types of the API, and back |
//! | `auth` | who asks: tokens, and how often somebody may fail with one |
//! | `actions` | the rules: permissions and composition; they know no HTTP |
//! | `definitions` | from run definitions to runs |
//! | `handlers`, `cors`, `server` | the routes, which pages may call them, and running them |
//! | `config` | the section `gateway` of the configuration |
//! | `testing` | all servers in the test's own process (cargo feature of that name) |

pub mod api;

#[cfg(feature = "server")]
mod actions;
#[cfg(feature = "server")]
mod auth;
#[cfg(feature = "server")]
mod config;
#[cfg(feature = "server")]
mod convert;
#[cfg(feature = "server")]
mod cors;
#[cfg(feature = "server")]
mod definitions;
#[cfg(feature = "server")]
mod error;
#[cfg(feature = "server")]
mod handlers;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "server")]
pub use config::{AuthenticationFailures, RunDefinitions, Settings, TokenSigning};
#[cfg(feature = "server")]
pub use error::{Error, ErrorKind};
#[cfg(feature = "server")]
pub use server::run;
