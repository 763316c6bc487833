//! Lists that are read page by page.

use std::ops::Bound;

use datamanager::Query;

/// Entries of a page if nothing is said.
const LIMIT_DEFAULT: usize = 10;
/// Entries of a page, at most.
const LIMIT_MAX: usize = 20;

/// Which part of a list is meant. Lists are ordered by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Begins behind this name; empty for the beginning.
    pub(crate) start: String,
    /// At most so many; 0 for all.
    pub(crate) limit: usize,
    /// Rising instead of falling.
    pub(crate) ascending: bool,
}

impl Page {
    /// A page as a caller asks for it: without a number 10 entries, and not more than 20; 0 for all.
    pub(crate) fn new(start: String, limit: Option<usize>, ascending: bool) -> Page {
        let limit = limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
        Page {
            start,
            limit,
            ascending,
        }
    }

    /// By an index of names.
    pub(crate) fn query(&self, index: &str) -> Query {
        let query = Query::by(index);
        let start: Bound<&str> = match self.start.is_empty() {
            true => Bound::Unbounded,
            false => Bound::Excluded(self.start.as_str()),
        };
        let query = match self.ascending {
            true => query.range::<&str>((start, Bound::Unbounded)),
            false => query.range::<&str>((Bound::Unbounded, start)).descending(),
        };
        match self.limit {
            0 => query,
            limit => query.limit(limit),
        }
    }
}
