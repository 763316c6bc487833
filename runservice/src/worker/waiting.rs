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
    /// Notes what a run waits for now, instead of what was noted before; returns whether there is something that it does not
    /// wait for any more.
    pub(super) fn set(&mut self, run_id: &str, requirements: &[Requirements]) -> bool {
        let mut has_left = false;
        for (required, runs) in &mut self.runs {
            if !requirements.contains(required) {
                has_left |= runs.remove(run_id);
            }
        }
        for required in requirements {
            let runs = self.runs.entry(required.clone()).or_default();
            runs.insert(run_id.to_owned());
        }
        self.runs.retain(|_, runs| !runs.is_empty());
        has_left
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

#[cfg(test)]
mod tests {
    use super::*;

    fn required(arch: &str) -> Requirements {
        Requirements {
            arch: arch.to_owned(),
            ..Requirements::default()
        }
    }

    #[test]
    fn the_oldest_run_of_each_kind_is_first() {
        let mut waiting = Waiting::default();
        assert!(!waiting.set("b", &[required("amd64")]));
        assert!(!waiting.set("a", &[required("amd64")]));
        assert!(!waiting.set("c", &[required("amd64"), required("arm64")]));
        let first = |waiting: &Waiting| waiting.first().into_iter().collect::<Vec<_>>();
        assert_eq!(first(&waiting), ["a", "c"]);
        assert!(!waiting.set("a", &[required("amd64")]));
        assert!(waiting.set("a", &[]));
        assert_eq!(first(&waiting), ["b", "c"]);
        assert!(waiting.set("c", &[required("amd64")]));
        assert_eq!(first(&waiting), ["b"]);
        waiting.clear();
        assert!(waiting.first().is_empty());
    }
}
