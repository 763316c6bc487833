//! What is to be done when.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use tokio::time::Instant;

/// Duties with the time from which on each is due. Each is in it once, at the earliest time that was asked for.
#[derive(Debug)]
pub(super) struct Agenda<D> {
    by_time: BTreeSet<(Instant, D)>,
    times: HashMap<D, Instant>,
}

impl<D: Clone + Ord + Hash> Agenda<D> {
    pub(super) fn new() -> Agenda<D> {
        Agenda {
            by_time: BTreeSet::new(),
            times: HashMap::new(),
        }
    }

    /// Sees to it that a duty is done at `at`, or earlier if that was asked for.
    pub(super) fn add(&mut self, duty: D, at: Instant) {
        match self.times.get(&duty) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => {
                self.by_time.remove(&(*later, duty.clone()));
            }
            None => {}
        }
        self.times.insert(duty.clone(), at);
        self.by_time.insert((at, duty));
    }

    /// Takes out the duty that has been due for longest.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<D> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, duty) = self.by_time.pop_first()?;
        self.times.remove(&duty);
        Some(duty)
    }

    /// When the next duty is due.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_duty_is_due_once_at_the_earliest_time_that_was_asked_for() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut agenda = Agenda::new();
        agenda.add("a", now + second * 2);
        agenda.add("b", now + second * 3);
        agenda.add("b", now + second);
        agenda.add("b", now + second * 4);
        assert_eq!(agenda.next_time(), Some(now + second));
        assert_eq!(agenda.take_due(now), None);
        assert_eq!(agenda.take_due(now + second * 9), Some("b"));
        assert_eq!(agenda.take_due(now + second * 9), Some("a"));
        assert_eq!(agenda.take_due(now + second * 9), None);
        assert_eq!(agenda.next_time(), None);
    }
}
