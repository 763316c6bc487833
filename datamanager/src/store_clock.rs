//! The object storage's clock, as far as a process can tell it without asking (R5).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Timestamp;
use crate::environment::Environment;

/// How far a clock may be ahead of the object storage's.
const AHEAD_MAX: Duration = Duration::from_secs(300);

/// One look at the storage's clock, and the steady clock since then.
#[derive(Debug, Default)]
pub(crate) struct StoreClock {
    seen: Mutex<Option<Seen>>,
    is_ahead: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    store_time: Timestamp,
    /// On the steady clock.
    at: Duration,
}

impl StoreClock {
    /// Notes that an object that was written at `at`, on the steady clock, has the time `store_time`.
    pub(crate) fn note(&self, store_time: Timestamp, at: Duration) {
        let seen = Seen { store_time, at };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    /// Whether the storage's clock is so far behind this machine's that this one's time may not stand in records. Logs a change of that. Where no
    /// object has told the storage's time it is not.
    pub(crate) fn runs_behind(&self, environment: &dyn Environment, instance: &str) -> bool {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = seen else {
            return false;
        };
        let since = environment.steady_time().saturating_sub(seen.at);
        let store_time = seen.store_time.saturating_add(since);
        let ahead = environment.wall_time().saturating_since(store_time);
        let is_ahead = ahead > AHEAD_MAX;
        let was_ahead = self.is_ahead.swap(is_ahead, Ordering::SeqCst);
        if is_ahead && !was_ahead {
            log::error!(
                instance, ahead_seconds = ahead.as_secs();
                "this machine's clock is ahead of the object storage's: records get the time of the one before them"
            );
        } else if was_ahead && !is_ahead {
            log::info!(instance; "this machine's clock agrees with the object storage's again");
        }
        is_ahead
    }
}
