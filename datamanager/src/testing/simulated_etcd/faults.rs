//! What goes wrong between the processes and an etcd.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::environment::SeededRandom;
use crate::testing::draw::{duration_in, share};

/// What goes wrong with the requests to a [`SimulatedEtcd`](super::SimulatedEtcd), drawn for each by itself. The shares
/// are from 0 to 1. Default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EtcdFaults {
    /// The share that fails and does nothing, which the client cannot know.
    pub error_before: f64,
    /// The share that etcd refuses, as it has too much to do. Nothing happens.
    pub refused: f64,
    /// The share that takes effect and whose reply is lost: the client is told that the connection broke, or hears
    /// nothing more.
    pub reply_lost: f64,
    /// The share that is under way for up to `late_max` longer, before it takes effect.
    pub late: f64,
    /// The longest time by which a late request is late.
    pub late_max: Duration,
}

/// What was drawn for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journey {
    /// Until it takes effect.
    pub(super) there: Duration,
    pub(super) back: Duration,
    pub(super) fate: Fate,
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// It takes effect, and the client gets an error.
    Broken,
    /// It takes effect, and the client hears nothing.
    Unheard,
    /// Nothing happens, and the client gets an error.
    BrokenBefore,
    Refused,
}

impl Journey {
    /// Draws the same count of numbers whatever the faults are, so that setting one leaves the others as they were.
    pub(super) fn draw(
        random: &mut SeededRandom,
        delay: &RangeInclusive<Duration>,
        faults: &EtcdFaults,
    ) -> Journey {
        let (there, back) = (duration_in(random, delay), duration_in(random, delay));
        let late = duration_in(random, &(Duration::ZERO..=faults.late_max));
        let late = match share(random) < faults.late {
            true => late,
            false => Duration::ZERO,
        };
        let is_broken_before = share(random) < faults.error_before;
        let is_refused = share(random) < faults.refused;
        let is_lost = share(random) < faults.reply_lost;
        let is_told = random.coin();
        let fate = match (is_broken_before, is_refused, is_lost) {
            (true, ..) => Fate::BrokenBefore,
            (_, true, _) => Fate::Refused,
            (.., true) if is_told => Fate::Broken,
            (.., true) => Fate::Unheard,
            _ => Fate::Answered,
        };
        Journey {
            there: there + late,
            back,
            fate,
        }
    }
}
