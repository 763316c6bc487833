//! When executors were heard of last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The part of the time until an executor is lost for which it is listened to once more, and its bound.
const DOUBT_PART: u32 = 4;
const DOUBT_MAX: Duration = Duration::from_secs(30);

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
    doubt: Doubt,
}

/// What is thought of an executor that has been silent for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    None,
    /// It was found silent. This process itself may have been stopped all the time, so it is listened to once more.
    Since(Instant),
    Lost,
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
            doubt: Doubt::None,
        };
        self.lock().insert(executor_id.to_owned(), heard);
    }

    /// The store tells of an executor whose last report is `age` old. What was heard stays.
    pub(crate) fn know(&self, executor_id: &str, age: Duration) {
        let heard = Heard {
            at: Instant::now(),
            age,
            doubt: Doubt::None,
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

    /// Looks whether an executor is lost: it has been listened to for `lost_after` in vain, and then for a quarter of that once
    /// more. Returns when to look again if it is not, and nothing if it is.
    pub(crate) fn look(&self, executor_id: &str, lost_after: Duration) -> Option<Duration> {
        let mut known = self.lock();
        let Some(heard) = known.get_mut(executor_id) else {
            return Some(lost_after);
        };
        let left = lost_after.saturating_sub(heard.at.elapsed());
        if !left.is_zero() {
            return Some(left);
        }
        let doubt_time = (lost_after / DOUBT_PART).min(DOUBT_MAX);
        match heard.doubt {
            Doubt::None => {
                heard.doubt = Doubt::Since(Instant::now());
                Some(doubt_time)
            }
            Doubt::Since(since) if since.elapsed() < doubt_time => {
                Some(doubt_time.saturating_sub(since.elapsed()))
            }
            Doubt::Since(_) | Doubt::Lost => {
                heard.doubt = Doubt::Lost;
                None
            }
        }
    }

    /// Whether an executor was found lost and has not been heard of since.
    pub(crate) fn is_lost(&self, executor_id: &str) -> bool {
        let known = self.lock();
        known
            .get(executor_id)
            .is_some_and(|heard| heard.doubt == Doubt::Lost)
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
                .look("a", MINUTE)
                .is_some_and(|left| left > MINUTE / 2)
        );
        liveness.hear("a");
        liveness.know("a", MINUTE * 2);
        assert!(
            liveness
                .silence("a")
                .is_some_and(|silence| silence < MINUTE)
        );
        liveness.forget("a");
        assert_eq!(liveness.silence("a"), None);
    }

    #[test]
    fn an_executor_is_lost_when_it_was_listened_to_twice_in_vain() {
        let liveness = Liveness::default();
        let lost_after = Duration::from_millis(8);
        liveness.hear("a");
        std::thread::sleep(lost_after);
        // As long as that this process may have been stopped.
        let again = liveness.look("a", lost_after).unwrap();
        assert!(again <= lost_after && !liveness.is_lost("a"));
        std::thread::sleep(again);
        assert_eq!(liveness.look("a", lost_after), None);
        assert!(liveness.is_lost("a"));
        liveness.hear("a");
        assert!(!liveness.is_lost("a"));
        assert!(liveness.look("a", Duration::from_secs(60)).is_some());
    }
}
