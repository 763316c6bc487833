//! Which parts a disk cache has, and which of them goes next.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The name of a part's file.
pub(super) type PartName = Arc<str>;

/// The parts on the disk, and those that are being written.
///
/// Invariants:
/// 1. `bytes` is the sum of all parts' bytes.
/// 2. A part is in `by_use` exactly if it can be read; one that is being written is not taken away.
#[derive(Debug, Default)]
pub(super) struct Parts {
    by_name: HashMap<PartName, Part>,
    /// The one that was used longest ago first.
    by_use: BTreeMap<u64, PartName>,
    bytes: u64,
    /// How many uses there have been.
    uses: u64,
}

#[derive(Debug)]
struct Part {
    bytes: u64,
    /// When it was used last; `None` while it is being written.
    used: Option<u64>,
}

impl Parts {
    /// Bytes that all files take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a part can be read, which counts as using it.
    pub(super) fn touch(&mut self, name: &str) -> bool {
        let Some((name, part)) = self.by_name.get_key_value(name) else {
            return false;
        };
        let Some(used) = part.used else {
            return false;
        };
        let name = name.clone();
        self.by_use.remove(&used);
        self.make_readable(&name);
        true
    }

    /// Whether a part is there or being written.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Takes in a part that is being written.
    pub(super) fn begin(&mut self, name: PartName, bytes: u64) {
        self.remove(&name);
        self.bytes += bytes;
        self.by_name.insert(name, Part { bytes, used: None });
    }

    /// A part that is being written is there.
    pub(super) fn make_readable(&mut self, name: &PartName) {
        if let Some(part) = self.by_name.get_mut(name) {
            self.uses += 1;
            part.used = Some(self.uses);
            self.by_use.insert(self.uses, name.clone());
        }
    }

    /// Forgets a part; whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let Some(part) = self.by_name.remove(name) else {
            return false;
        };
        self.bytes -= part.bytes;
        if let Some(used) = part.used {
            self.by_use.remove(&used);
        }
        true
    }

    /// Forgets the parts that were used longest ago until all of them take at most `bytes_max`, or none is left that can be
    /// taken away. Their files are to be removed.
    pub(super) fn shrink_to(&mut self, bytes_max: u64) -> Vec<PartName> {
        let mut gone = Vec::new();
        while self.bytes > bytes_max
            && let Some((_, name)) = self.by_use.pop_first()
        {
            self.remove(&name);
            gone.push(name);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(names: &[&str]) -> Parts {
        let mut parts = Parts::default();
        for name in names {
            let name = PartName::from(*name);
            parts.begin(name.clone(), 10);
            parts.make_readable(&name);
        }
        parts
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut parts = parts(&["a", "b", "c"]);
        assert!(parts.touch("a"));
        assert_eq!(parts.shrink_to(25), [PartName::from("b")]);
        assert_eq!(parts.bytes(), 20);
        assert!(!parts.touch("b"));
        assert_eq!(parts.shrink_to(0).len(), 2);
        assert_eq!(parts.bytes(), 0);
    }

    #[test]
    fn a_part_that_is_being_written_is_neither_read_nor_taken_away() {
        let mut parts = parts(&["a"]);
        let written = PartName::from("w");
        parts.begin(written.clone(), 10);
        assert!(parts.contains("w") && !parts.touch("w"));
        assert_eq!(parts.shrink_to(0), [PartName::from("a")]);
        assert_eq!(parts.bytes(), 10);
        parts.make_readable(&written);
        assert!(parts.touch("w"));
        assert!(parts.remove("w") && !parts.remove("w"));
        assert_eq!(parts.bytes(), 0);
    }
}
