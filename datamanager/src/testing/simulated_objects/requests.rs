//! Which requests were sent.

use std::collections::BTreeMap;

use ost::Operation;

/// Counts requests. It holds one entry for each machine, operation and key.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// By machine, and within it by key.
    machines: BTreeMap<String, BTreeMap<String, Vec<(Operation, usize)>>>,
}

impl Requests {
    pub(super) fn add(&mut self, machine: &str, operation: Operation, key: &str) {
        let keys = self.machines.entry(machine.to_owned()).or_default();
        let counts = keys.entry(key.to_owned()).or_default();
        match counts.iter_mut().find(|(kind, _)| *kind == operation) {
            Some((_, count)) => *count += 1,
            None => counts.push((operation, 1)),
        }
    }

    pub(super) fn count(&self, machine: &str, operation: Operation, prefix: &str) -> usize {
        let Some(keys) = self.machines.get(machine) else {
            return 0;
        };
        keys.range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .flat_map(|(_, counts)| counts)
            .filter(|(kind, _)| *kind == operation)
            .map(|(_, count)| count)
            .sum()
    }
}
