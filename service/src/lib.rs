//! What the servers on `datamanager` have in common, so that it is written once.
//!
//! A server implements [`Service`] and calls [`run`]:
//!
//! ```no_run
//! # #[cfg(feature = "server")] mod example {
//! use actix_web::{HttpResponse, web};
//! use datamanager::DataManager;
//! use service::config::Sources;
//! use service::{Error, Json, Opened, Service};
//!
//! struct Notes;
//!
//! impl Service for Notes {
//!     /// What handlers work with once the store is open.
//!     type State = DataManager;
//!
//!     fn name(&self) -> &'static str {
//!         "configstore"
//!     }
//!
//!     async fn start(&self, store: DataManager) -> Result<DataManager, Error> {
//!         Ok(store)
//!     }
//!
//!     /// Below `/api/v1alpha`.
//!     fn routes(&self, routes: &mut web::ServiceConfig) {
//!         routes.route("/notes/{id}", web::put().to(put_note));
//!     }
//! }
//!
//! /// A change that others clash with belongs into `DataManager::update`, which tries it again.
//! async fn put_note(
//!     Opened(store): Opened<DataManager>,
//!     id: web::Path<String>,
//!     Json(note): Json<String>,
//! ) -> Result<HttpResponse, Error> {
//!     store.put_raw("note", &id, note).await?;
//!     Ok(HttpResponse::NoContent().finish())
//! }
//!
//! /// What the section has besides the keys that all servers have.
//! #[derive(Default, serde::Deserialize)]
//! #[serde(default)]
//! struct Own {}
//!
//! async fn serve() -> Result<(), Error> {
//!     let config = Sources::new()
//!         .default_value("configstore.dataDir", "./data/notes")
//!         .default_value("configstore.web.listenAddress", "127.0.0.1:4002")
//!         .file("config.yml")
//!         .process_environment()
//!         .load()?;
//!     let (section, Own {}) = config.server_section("configstore")?;
//!     service::logging::start(section.debug);
//!     let listener = service::bind("configstore", &section.web)?;
//!     let options = section.options("configstore", "notesdata")?;
//!     service::run(listener, Notes, options, service::stop_signal()?).await
//! }
//! # }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | one YAML file, the environment and flags; the sections that all servers have |
//! | [`error`] | why a request failed: a kind, a code, a message, a status |
//! | `store` | opening the store that the configuration describes, and waiting for it |
//! | `server` | sockets, TLS, limits, the graceful stop; what is done around each request |
//! | `relay` | bodies that are streams, in bounded memory |
//! | `database`, `reading` | transactions with a clear end; reading from a snapshot or in a transaction |
//! | `request`, [`openapi`] | parts of paths and queries; what all descriptions of routes have |
//! | `json` | bodies as Go programs read and write them |
//! | `operations` | health, metrics, maintenance, export, import, instances, the OpenAPI document |
//! | [`position`] | `X-Dm-Position`: a client sees its own writes on every instance |
//! | `audit`, `logging` | who changed what; lines that carry the instance's name |
//! | [`api`] | what the routes of `operations` answer |
//! | `client` | the base of typed clients (feature `client`) |
//! | `yaml` | YAML as a tree with lines (feature `yaml`) |
//! | `testing` | servers on free ports (feature `testing`) |
//!
//! Features: `server` (default), `client`, which needs neither actix-web nor datamanager, `etcd` for a log in etcd,
//! `yaml`, `testing`.

pub mod api;
pub mod error;
pub mod position;

#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod json;
#[cfg(feature = "server")]
pub mod logging;
#[cfg(feature = "server")]
pub mod openapi;
#[cfg(feature = "server")]
pub mod operations;
#[cfg(feature = "server")]
pub mod relay;

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "yaml")]
pub mod yaml;

#[cfg(feature = "server")]
mod audit;
#[cfg(feature = "server")]
mod auth;
#[cfg(feature = "server")]
mod context;
#[cfg(feature = "server")]
mod database;
#[cfg(feature = "server")]
mod metrics;
#[cfg(feature = "server")]
mod reading;
#[cfg(feature = "server")]
mod request;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod store;

pub use error::{Error, ErrorKind};

#[cfg(feature = "server")]
pub use audit::Audit;
#[cfg(feature = "server")]
pub use context::{Context, Opened};
#[cfg(feature = "server")]
pub use database::Database;
#[cfg(feature = "server")]
pub use json::Json;
#[cfg(feature = "server")]
pub use reading::Reading;
#[cfg(feature = "server")]
pub use request::{Parameters, RawSegment, Segment};
#[cfg(feature = "server")]
pub use server::{ExportStream, Options, Service, bind, run, stop_signal};
#[cfg(feature = "server")]
pub use store::StoreOptions;
