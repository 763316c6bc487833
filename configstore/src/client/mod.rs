//! A typed client of the service.
//!
//! A client sees its own writes on every instance. References may be ids, names or paths; they are escaped here.
//!
//! ```no_run
//! # async fn example() -> Result<(), service::Error> {
//! use configstore::api::CreateUserRequest;
//! use configstore::client::{Client, ListOptions};
//!
//! let client = Client::builder("http://127.0.0.1:4002").build()?;
//! let request = CreateUserRequest { user_name: "ann".to_owned(), ..Default::default() };
//! let user = client.create_user(&request).await?;
//! let group = client.project_group("user/ann").await?;
//! assert_eq!(group.place.owner_id, user.id);
//! for user in client.users(&ListOptions::default()).await? {
//!     println!("{}", user.name);
//! }
//! # Ok(())
//! # }
//! ```

mod organizations;
mod projects;
mod remote_sources;
mod users;
mod values;

use std::fmt;

use bytes::Bytes;
use futures::Stream;
use service::Error;
use service::api::{InstanceStatus, MaintenanceStatus};
use service::client::Path;
use service::position::Position;

pub use values::ValueParent;

/// Options of a [`Client`].
pub type Builder = service::client::Builder<Client>;

/// Requests to one configstore, or to several instances of it. Cheap to clone; clones see each other's writes.
///
/// All calls fail with what the service answers: `BadRequest` for a request that does not fit, a name that is taken, or
/// something in a change that is not there; `NotFound` for something that is asked for and is not there; `Unavailable` in
/// maintenance (code `maintenance`), or if the service does not answer; `Unknown` if a change may or may not have been made.
#[derive(Clone)]
pub struct Client {
    base: service::client::Client,
}

impl From<service::client::Client> for Client {
    fn from(base: service::client::Client) -> Client {
        Client { base }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.base.fmt(formatter)
    }
}

/// Which part of a list is asked for. The default is the last 10 names, falling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Begins behind this name.
    pub start: Option<String>,
    /// At most so many, and not more than 20; 0 for all.
    pub limit: Option<u32>,
    /// Rising instead of falling.
    pub ascending: bool,
}

impl ListOptions {
    /// All entries, rising.
    pub fn all() -> ListOptions {
        ListOptions {
            start: None,
            limit: Some(0),
            ascending: true,
        }
    }

    fn apply(&self, path: Path) -> Path {
        let limit = self.limit.map(|limit| limit.to_string());
        let path = path
            .optional("start", self.start.as_ref())
            .optional("limit", limit);
        match self.ascending {
            true => path.query("asc", ""),
            false => path,
        }
    }
}

impl Client {
    /// Options for the service at `base_url`, as `https://host:port`.
    pub fn builder(base_url: impl Into<String>) -> Builder {
        Builder::new(base_url)
    }

    /// A client that says for whom it asks, which the service notes in its log of changes. Shares connections and the
    /// position with this one.
    pub fn on_behalf_of(&self, caller: &str) -> Client {
        Client {
            base: self.base.on_behalf_of(caller),
        }
    }

    /// The routes that all services have. Shares connections and the position with this client.
    pub fn operations(&self) -> &service::client::Client {
        &self.base
    }

    /// The newest position that a reply has carried.
    pub fn position(&self) -> Option<Position> {
        self.base.position()
    }

    /// Has requests answered from a state that is at least as new as `position`, which another client may have seen.
    pub fn remember(&self, position: Position) {
        self.base.remember(position);
    }

    /// Whether the service can answer from the newest state.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn ready(&self) -> Result<(), Error> {
        self.base.ready().await
    }

    /// Whether the service is in maintenance.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn maintenance(&self) -> Result<MaintenanceStatus, Error> {
        self.base.maintenance().await
    }

    /// Has all instances refuse changes.
    ///
    /// # Errors
    /// `BadRequest` if they do already; see [`Client`].
    pub async fn enable_maintenance(&self) -> Result<(), Error> {
        self.base.enable_maintenance().await
    }

    /// Has all instances accept changes again.
    ///
    /// # Errors
    /// `BadRequest` if they do already, or while an import is under way; see [`Client`].
    pub async fn disable_maintenance(&self) -> Result<(), Error> {
        self.base.disable_maintenance().await
    }

    /// The live instances.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn instances(&self) -> Result<Vec<InstanceStatus>, Error> {
        self.base.instances().await
    }

    /// The content of the store, in format `agola` or `native`. It is whole if the stream ends without an error.
    ///
    /// # Errors
    /// See [`Client`]; in the stream, that it was cut off.
    pub async fn export(
        &self,
        format: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        self.base.export(format).await
    }

    /// Replaces the content of the store by an export, in all instances at once.
    ///
    /// # Errors
    /// `BadRequest` outside of maintenance and for what is no whole export, `Conflict` as long as an instance is not in
    /// maintenance: nothing has changed then. See [`Client`] otherwise.
    pub async fn import<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        &self,
        export: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<(), Error> {
        self.base.import(export).await
    }
}
