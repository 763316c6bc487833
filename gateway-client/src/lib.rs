//! A typed client of the gateway, the HTTP API of agola v0.7.
//!
//! It has types of its own, and shares none with the gateway: either can change without the other.
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use gateway_client::api::{CreateProjectRequest, DefinitionFormat, ProjectCreateRunRequest, RunDefinition, Visibility};
//! use gateway_client::{Client, LogStep, RunsOf};
//!
//! # async fn example() -> Result<(), gateway_client::Error> {
//! let client = Client::builder("http://127.0.0.1:8000").token("0123456789abcdef").build()?;
//! client
//!     .create_project(&CreateProjectRequest {
//!         name: "project01".to_owned(),
//!         visibility: Some(Visibility::Private),
//!         ..Default::default()
//!     })
//!     .await?;
//! let definition = RunDefinition {
//!     format: Some(DefinitionFormat::Yaml),
//!     content: "runs: [{name: build, tasks: []}]".to_owned(),
//! };
//! let request = ProjectCreateRunRequest {
//!     branch: "main".to_owned(),
//!     config: Some(definition),
//!     ..Default::default()
//! };
//! let created = client.project_create_run("user/ann/project01", &request).await?;
//! let owner = RunsOf::Project("user/ann/project01");
//! for run in created.runs {
//!     for id in client.run(owner, run.number).await?.tasks.keys() {
//!         let mut log = client.follow_log(owner, run.number, id, LogStep::Step(0)).await?;
//!         while let Some(bytes) = log.try_next().await? {
//!             println!("{}", String::from_utf8_lossy(&bytes));
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`api`] | requests and responses |
//! | `builder`, `client` | options; requests with deadlines and repetitions |
//! | `path` | paths whose parts may be any text |
//! | `routes` | a function for each route |
//! | `stream` | logs, events and exports |
//! | `error` | why a request failed |

pub mod api;

mod builder;
mod client;
mod error;
mod path;
mod routes;
mod stream;

pub use builder::Builder;
pub use client::Client;
pub use error::{Error, ErrorKind};
pub use routes::{ListOptions, LogStep, Paging, RunsFilter, RunsOf, ValuesOf};
