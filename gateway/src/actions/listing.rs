//! Which part of a list is asked for.

use configstore::client::ListOptions;

/// Entries of a page, at most.
const PAGE_MAX: u32 = 20;
/// Entries of a page for which 0 was asked.
const PAGE_OF_ZERO: u32 = 10;

/// A page of a list in the order of names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// Begins behind this name.
    pub(crate) start: String,
    /// So many entries at most.
    pub(crate) limit: Option<u64>,
    /// Rising instead of falling.
    pub(crate) ascending: bool,
}

impl Page {
    /// How many entries it has at most, which is never 0.
    pub(super) fn size(&self) -> u32 {
        match self.limit {
            None => PAGE_MAX,
            Some(0) => PAGE_OF_ZERO,
            Some(limit) => u32::try_from(limit).map_or(PAGE_MAX, |limit| limit.min(PAGE_MAX)),
        }
    }

    pub(super) fn options(&self) -> ListOptions {
        ListOptions {
            start: Some(self.start.clone()).filter(|start| !start.is_empty()),
            limit: Some(self.size()),
            ascending: self.ascending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_twenty_entries_at_most() {
        for (limit, size) in [
            (None, 20),
            (Some(0), 10),
            (Some(1), 1),
            (Some(20), 20),
            (Some(40), 20),
            (Some(u64::MAX), 20),
        ] {
            let page = Page {
                limit,
                ..Page::default()
            };
            assert_eq!(page.size(), size, "{limit:?}");
        }
    }
}
