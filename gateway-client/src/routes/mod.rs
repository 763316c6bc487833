//! A function for each route.

mod about;
mod admin;
mod auth;
mod organizations;
mod project_groups;
mod projects;
mod remote_sources;
mod runs;
mod users;
mod values;

use crate::path::Path;

pub use runs::{LogStep, RunsFilter, RunsOf};
pub use values::{ListOptions, ValuesOf};

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// Begins behind the object with this name. Empty: at the begin.
    pub start: String,
    /// At most so many; the gateway has a bound of its own.
    pub limit: Option<u32>,
    /// Whether the names rise.
    pub ascending: bool,
}

impl Paging {
    fn of(&self, path: Path) -> Path {
        let start = Some(&self.start).filter(|start| !start.is_empty());
        path.optional("start", start)
            .optional("limit", self.limit)
            .flag("asc", self.ascending)
    }
}
