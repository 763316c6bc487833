//! The executor: runs the tasks that the run service hands out, in the protocol of agola v0.7.
//!
//! ```no_run
//! # async fn example() -> Result<(), executor::Error> {
//! use executor::{DriverKind, Settings};
//!
//! // First of all in `main`: the executor starts this program again to watch over processes.
//! executor::become_supervisor_if_asked();
//!
//! let mut settings = Settings::default();
//! settings.executor.driver.kind = DriverKind::Host;
//! let listener = service::bind("executor", &settings.server.web)?;
//! executor::run(listener, &settings, service::stop_signal()?).await
//! # }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `config` | the section `executor` of the configuration |
//! | `server`, `handlers` | the routes, and running them |
//! | `engine` | which tasks there are, what becomes of each, and what the run service is told |
//! | `task_directory`, `task_log` | what is kept of a task: its record, logs and archives |
//! | `driver` | where steps are executed: a trait, the driver `host`, and `docker` (cargo feature of that name) |
//! | `supervisor` | the process that watches over all processes of a step |
//! | `archive` | tar, with rules against hostile archives |
//! | `surroundings`, `template` | environment, directories and shell of steps; keys of caches |

mod archive;
mod config;
mod driver;
mod engine;
mod handlers;
mod server;
mod supervisor;
mod surroundings;
mod task_directory;
mod task_log;
mod template;

pub use config::{DriverKind, DriverSettings, ExecutorSettings, Settings};
pub use server::run;
pub use service::{Error, ErrorKind};
pub use supervisor::become_supervisor_if_asked;
