//! Runs whose tasks no executor can take now.

use std::collections::{BTreeMap, BTreeSet};

use crate::scheduler::Requirements;

/// Which runs wait for an executor, by what their tasks require of one. Of those that require the same the oldest run goes
/// first: if there is nothing for it, there is nothing for the others.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    runs: BTreeMap<Requirements, BTreeSet<String>>,
}

impl Waiting {
    /// Notes what a run waits for now, instead of what was noted before.
    pub(super) fn set(&mut self, run_id: &str, requirements: &[Requirements]) {
        for runs in self.runs.values_mut() {
            runs.remove(run_id);
        }
        for required in requirements {
            let runs = self.runs.entry(required.clone()).or_default();
            runs.insert(run_id.to_owned());
        }
        self.runs.retain(|_, runs| !runs.is_empty());
    }

    /// The runs that get the next place.
    pub(super) fn first(&self) -> BTreeSet<String> {
        let first = self.runs.values().filter_map(BTreeSet::first);
        first.cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
    }
}
