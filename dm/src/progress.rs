//! What is shown while something takes long. Where standard error is no terminal nothing is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TICK_INTERVAL: Duration = Duration::from_millis(100);

/// Shows how many of something are done, whose number is not known before: `what` says what they are.
pub(crate) fn counter(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    let bar = match ProgressStyle::with_template("{spinner} {human_pos} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    // It goes on turning behind the last of them.
    bar.enable_steady_tick(TICK_INTERVAL);
    bar
}

/// Shows that `work` is under way.
pub(crate) async fn with_spinner<T>(message: &'static str, work: impl Future<Output = T>) -> T {
    let bar = ProgressBar::new_spinner().with_message(message);
    bar.enable_steady_tick(TICK_INTERVAL);
    let result = work.await;
    bar.finish_and_clear();
    result
}
