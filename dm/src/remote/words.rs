//! Times, durations and states, in words for people.

use clap::ValueEnum;
use gateway_client::api::{RunPhase, RunResult, Visibility};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time where the reader is.
pub(super) fn time(time: Option<Timestamp>) -> String {
    let Some(time) = time else {
        return String::new();
    };
    let time = time.to_zoned_datetime(TimeZone::system());
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// How long something has taken, or takes by now.
pub(super) fn took(start: Option<Timestamp>, end: Option<Timestamp>) -> String {
    let Some(start) = start else {
        return String::new();
    };
    let end = end.unwrap_or_else(Timestamp::now);
    duration(end.duration_since(start).as_millis().max(0))
}

fn duration(millis: i128) -> String {
    let seconds = millis / 1_000;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match seconds {
        0..10 => format!("{seconds}.{}s", millis % 1_000 / 100),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m{:02}s", seconds % 60),
        _ => format!("{hours}h{:02}m", minutes % 60),
    }
}

/// How a run stands: where it is on its way or, at the end, what has become of it.
pub(super) fn state(phase: &RunPhase, result: &RunResult, waits: bool) -> String {
    match phase {
        RunPhase::Finished => result.to_string(),
        RunPhase::SetupError => "setup error".to_owned(),
        RunPhase::Running if waits => "waits for approval".to_owned(),
        phase => phase.to_string(),
    }
}

/// Whether nothing more becomes of a run.
pub(super) fn is_over(phase: &RunPhase) -> bool {
    matches!(
        phase,
        RunPhase::SetupError | RunPhase::Cancelled | RunPhase::Finished
    )
}

/// Who can see something, on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum VisibilityArg {
    Public,
    Private,
}

impl From<VisibilityArg> for Visibility {
    fn from(visibility: VisibilityArg) -> Visibility {
        match visibility {
            VisibilityArg::Public => Visibility::Public,
            VisibilityArg::Private => Visibility::Private,
        }
    }
}

pub(super) fn visibility(visibility: &Option<Visibility>) -> String {
    let visibility = visibility.as_ref().map(ToString::to_string);
    visibility.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_places_that_matter() {
        for (millis, words) in [
            (0, "0.0s"),
            (1_250, "1.2s"),
            (9_999, "9.9s"),
            (10_000, "10s"),
            (61_000, "1m01s"),
            (3_599_999, "59m59s"),
            (3_600_000, "1h00m"),
            (100 * 3_600_000, "100h00m"),
        ] {
            assert_eq!(duration(millis), words);
        }
    }
}
