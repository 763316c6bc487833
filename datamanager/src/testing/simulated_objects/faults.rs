//! How requests travel, and what goes wrong with them.

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::environment::SeededRandom;
use crate::testing::draw::{duration_in, share};

/// What goes wrong with the requests to [`SimulatedObjects`](super::SimulatedObjects), drawn for each by itself. The
/// shares are from 0 to 1. Default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ObjectFaults {
    /// The share that fails and does nothing.
    pub error_before: f64,
    /// The share that the storage refuses for a while, with the status 429 or 503. Nothing happens.
    pub throttled: f64,
    /// The share that takes effect and whose reply is lost: the client gets an error at the time at which a reply
    /// would be due. The effect of one that is late too comes after that error.
    pub error_after: f64,
    /// The share that is under way for up to `late_max` longer, before it takes effect.
    pub late: f64,
    /// The longest time by which a late request is late.
    pub late_max: Duration,
}

/// What was drawn for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journey {
    pub(super) there: Duration,
    pub(super) late: Duration,
    pub(super) back: Duration,
    pub(super) fate: Fate,
}

/// How a request ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It takes effect, and the client gets the reply.
    Answered,
    /// It takes effect, and the client gets an error.
    ReplyLost,
    /// Nothing happens, and the client gets the error.
    Refused(RequestError),
}

impl Journey {
    /// Draws the same count of numbers whatever the faults are, so that setting one leaves the others as they were.
    pub(super) fn draw(
        random: &mut SeededRandom,
        delay: &RangeInclusive<Duration>,
        faults: &ObjectFaults,
    ) -> Journey {
        let (there, back) = (duration_in(random, delay), duration_in(random, delay));
        let late = duration_in(random, &(Duration::ZERO..=faults.late_max));
        let is_late = share(random) < faults.late;
        let throttled = if random.coin() {
            RequestError::TooManyRequests
        } else {
            RequestError::SlowDown
        };
        let is_error_before = share(random) < faults.error_before;
        let is_throttled = share(random) < faults.throttled;
        let is_reply_lost = share(random) < faults.error_after;
        let fate = if is_error_before {
            Fate::Refused(RequestError::Failed)
        } else if is_throttled {
            Fate::Refused(throttled)
        } else if is_reply_lost {
            Fate::ReplyLost
        } else {
            Fate::Answered
        };
        Journey {
            there,
            late: if is_late { late } else { Duration::ZERO },
            back,
            fate,
        }
    }

    pub(super) fn with_fate(self, fate: Fate) -> Journey {
        Journey { fate, ..self }
    }
}

/// Why a request failed that nothing was wrong with.
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestError {
    Failed,
    TooManyRequests,
    SlowDown,
    Lost,
    Unreachable,
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            RequestError::Failed => "the request failed before it had an effect",
            // The words are those in which `object_store` tells of a status, and from which `ost` reads it.
            RequestError::TooManyRequests => "returned non-2xx status code: 429 Too Many Requests",
            RequestError::SlowDown => "returned non-2xx status code: 503 Slow Down",
            RequestError::Lost => "the reply was lost",
            RequestError::Unreachable => "the object storage cannot be reached",
        })
    }
}

impl Error for RequestError {}

impl From<RequestError> for object_store::Error {
    fn from(error: RequestError) -> object_store::Error {
        object_store::Error::Generic {
            store: "SimulatedObjects",
            source: error.into(),
        }
    }
}
