//! When executors were heard of last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When each executor was heard of last, by this process or, through the store, by another one.
///
/// It is measured with this process's steady clock: what clocks of executors or other machines say has no part in it. Silence
/// counts only from when this process began to listen, so nobody is lost because the service was down.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    heard: Mutex<HashMap<String, Heard>>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    at: Instant,
    /// How old the last report was at that time: what is known of an executor that only the store tells of.
    age: Duration,
}

impl Liveness {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An executor has reported.
    pub(crate) fn hear(&self, executor_id: &str) {
        let heard = Heard {
            at: Instant::now(),
            age: Duration::ZERO,
        };
        self.lock().insert(executor_id.to_owned(), heard);
    }

    /// The store tells of an executor whose last report is `age` old. What was heard stays.
    pub(crate) fn know(&self, executor_id: &str, age: Duration) {
        let heard = Heard {
            at: Instant::now(),
            age,
        };
        self.lock().entry(executor_id.to_owned()).or_insert(heard);
    }

    pub(crate) fn forget(&self, executor_id: &str) {
        self.lock().remove(executor_id);
    }

    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }

    /// How long an executor has been silent, as far as is known; nothing for one that is not known.
    pub(crate) fn silence(&self, executor_id: &str) -> Option<Duration> {
        let heard = self.lock().get(executor_id).copied()?;
        Some(heard.at.elapsed().saturating_add(heard.age))
    }

    /// For how long this process has listened to an executor in vain.
    pub(crate) fn silence_here(&self, executor_id: &str) -> Option<Duration> {
        let heard = self.lock().get(executor_id).copied()?;
        Some(heard.at.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_before_the_start_counts_for_choosing_alone() {
        const MINUTE: Duration = Duration::from_secs(60);
        let liveness = Liveness::default();
        assert_eq!(liveness.silence("a"), None);
        liveness.know("a", MINUTE * 2);
        assert!(
            liveness
                .silence("a")
                .is_some_and(|silence| silence >= MINUTE * 2)
        );
        assert!(
            liveness
                .silence_here("a")
                .is_some_and(|silence| silence < MINUTE)
        );
        liveness.hear("a");
        liveness.know("a", MINUTE * 2);
        assert!(
            liveness
                .silence("a")
                .is_some_and(|silence| silence < MINUTE)
        );
        liveness.forget("a");
        assert_eq!(liveness.silence_here("a"), None);
    }
}
