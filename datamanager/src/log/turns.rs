//! Fairness between the processes that append to one log (R6).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::environment::Environment;
use crate::registry::Registry;

/// Appends won in a row after which a process lets others go first.
const WINS_IN_ROW_MAX: u32 = 8;
/// Appends lost in a row after which a process waits before the next.
const LOSSES_BEFORE_DELAY: u32 = 3;
/// How many appends, and how much time, pass before it is looked again who else is there.
const APPENDS_PER_LOOK: u32 = 64;
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How processes take turns at one kind of log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// For how many measured append times others go first: how long one that has lost takes until it appends again.
    pub(super) turn_append_times: u32,
    /// How long a process waits for others, at most.
    pub(super) delay_max: Duration,
}

/// Whose turn it is, as far as one process can tell.
///
/// Who has just won is the first to know where the next record goes, and so wins again: without a pause the others get no
/// turn at all.
pub(super) struct Turns {
    environment: Arc<dyn Environment>,
    registry: Arc<dyn Registry>,
    pace: Pace,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    won_in_row: u32,
    lost_in_row: u32,
    /// How long the last successful append took.
    append_time: Duration,
    others_registered: bool,
    looked_at: Option<Duration>,
    appends_since_look: u32,
}

impl Turns {
    pub(super) fn new(
        environment: Arc<dyn Environment>,
        registry: Arc<dyn Registry>,
        pace: Pace,
    ) -> Turns {
        Turns {
            environment,
            registry,
            pace,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits before an append, if it is somebody else's turn.
    pub(super) async fn wait(&self) {
        if self.state().won_in_row < WINS_IN_ROW_MAX {
            return;
        }
        let delay = self.delay_after_wins().await;
        if !delay.is_zero() {
            self.environment.sleep(delay).await;
        }
    }

    /// Waits after a lost append, before the process catches up: what it would append after a wait without having caught up
    /// again would be certain to be lost too. Returns whether it has waited.
    pub(super) async fn wait_after_loss(&self) -> bool {
        let delay = self.delay_after_losses(&self.state());
        if delay.is_zero() {
            return false;
        }
        self.environment.sleep(delay).await;
        true
    }

    fn delay_after_losses(&self, state: &State) -> Duration {
        let Some(times) = state.lost_in_row.checked_sub(LOSSES_BEFORE_DELAY) else {
            return Duration::ZERO;
        };
        let most = state
            .append_time
            .saturating_mul(1 << times.min(10))
            .min(self.pace.delay_max);
        let mut random = [0; 2];
        self.environment.fill_random(&mut random);
        most.mul_f64(f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX))
    }

    async fn delay_after_wins(&self) -> Duration {
        if self.look_is_due() {
            // Whoever cannot be seen now is seen next time.
            if let Ok(others) = self.registry.others_registered().await {
                let mut state = self.state();
                state.others_registered = others;
                state.looked_at = Some(self.environment.steady_time());
                state.appends_since_look = 0;
            }
        }
        let mut state = self.state();
        state.won_in_row = 0;
        if state.others_registered {
            let turn = state
                .append_time
                .saturating_mul(self.pace.turn_append_times);
            turn.min(self.pace.delay_max)
        } else {
            Duration::ZERO
        }
    }

    fn look_is_due(&self) -> bool {
        let state = self.state();
        let Some(looked_at) = state.looked_at else {
            return true;
        };
        let since = self.environment.steady_time().saturating_sub(looked_at);
        state.appends_since_look >= APPENDS_PER_LOOK && since >= LOOK_INTERVAL
    }

    pub(super) fn won(&self, append_time: Duration) {
        let mut state = self.state();
        state.won_in_row += 1;
        state.lost_in_row = 0;
        state.append_time = append_time;
        state.appends_since_look = state.appends_since_look.saturating_add(1);
    }

    pub(super) fn lost(&self, append_time: Duration) {
        let mut state = self.state();
        state.won_in_row = 0;
        state.lost_in_row = state.lost_in_row.saturating_add(1);
        state.append_time = append_time;
    }
}
