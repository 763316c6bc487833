//! How many bytes of records etcd holds.

use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of inline records in etcd: those whose keys are there, and those that were removed so lately that etcd's history may
/// still hold them (R12).
#[derive(Debug, Default)]
pub(super) struct Budget {
    present: VecDeque<(u64, u64)>,
    removed: VecDeque<(Duration, u64)>,
    bytes: u64,
}

impl Budget {
    /// Counts the record `seq`, if it has not been counted.
    pub(super) fn add(&mut self, seq: u64, bytes: u64) {
        if self.present.back().is_none_or(|(last, _)| *last < seq) {
            self.present.push_back((seq, bytes));
            self.bytes += bytes;
        }
    }

    /// The keys of records up to `seq` were removed.
    pub(super) fn remove(&mut self, up_to: u64, now: Duration) {
        let mut bytes = 0;
        while let Some((seq, record_bytes)) = self.present.front()
            && *seq <= up_to
        {
            bytes += record_bytes;
            self.present.pop_front();
        }
        if bytes > 0 {
            self.removed.push_back((now, bytes));
        }
    }

    /// Bytes that etcd holds if its history goes back to `history` before `now`.
    pub(super) fn used(&mut self, now: Duration, history: Duration) -> u64 {
        while let Some((removed_at, bytes)) = self.removed.front()
            && now.saturating_sub(*removed_at) >= history
        {
            self.bytes = self.bytes.saturating_sub(*bytes);
            self.removed.pop_front();
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_history_has_forgotten_them() {
        let (history, second) = (Duration::from_secs(300), Duration::from_secs(1));
        let mut budget = Budget::default();
        for seq in [1, 2, 2, 1, 3] {
            budget.add(seq, 100);
        }
        assert_eq!(budget.used(second, history), 300);
        budget.remove(2, second);
        assert_eq!(budget.used(second * 300, history), 300);
        assert_eq!(budget.used(second * 301, history), 100);
    }
}
