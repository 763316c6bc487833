//! A typed client of the service, for those who make and watch runs, and for executors.
//!
//! A client sees its own writes on every instance.
//!
//! ```no_run
//! # async fn example() -> Result<(), service::Error> {
//! use runservice::client::{Client, RunsQuery};
//!
//! let client = Client::builder("http://127.0.0.1:4000").build()?;
//! for run in client.runs(&RunsQuery::running()).await?.runs {
//!     println!("{} {}", run.id, run.name);
//! }
//! client.operations().ready().await
//! # }
//! ```

mod executors;
mod logs;
mod queries;
mod runs;

use std::fmt;

use service::Error;
use service::client::Path;

pub use logs::{LogStep, TaskLog};
pub use queries::{GroupRunsQuery, RunsQuery};

/// Options of a [`Client`].
pub type Builder = service::client::Builder<Client>;

/// Requests to one runservice, or to several instances of it. Cheap to clone; clones see each other's writes.
///
/// All calls fail with what the service answers: `BadRequest` for a request that does not fit, or that the state of a run
/// does not allow; `NotFound` for something that is not there; `Conflict` for a token whose change groups have changed;
/// `Unavailable` in maintenance (code `maintenance`), or if the service does not answer; `Unknown` if a change may or may not
/// have been made.
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

    /// The routes that all services have: whether it is ready, maintenance, instances, export and import. Shares connections
    /// and the position with this client.
    pub fn operations(&self) -> &service::client::Client {
        &self.base
    }

    /// A token for change groups as they are now, for a request that is to fail if one of them has changed.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn change_groups(&self, names: &[impl AsRef<str>]) -> Result<String, Error> {
        let path = with_change_groups(Path::of(["changegroups"]), names);
        self.base.get(&path).await
    }
}

fn with_change_groups(path: Path, names: &[impl AsRef<str>]) -> Path {
    names
        .iter()
        .fold(path, |path, name| path.query("changegroup", name))
}
