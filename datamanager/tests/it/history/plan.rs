//! What a run consists of.

use std::time::Duration;

use datamanager::LogKind;
use datamanager::environment::SeededRandom;

/// Machines of a run.
pub(super) const MACHINES: [&str; 4] = ["a", "b", "c", "d"];

/// A part of a run, between two moves of the log.
pub(super) struct Phase {
    pub(super) log: LogKind,
    /// How many machines have a process that writes.
    pub(super) writers: usize,
    /// Whether one more only reads.
    pub(super) has_reader: bool,
    pub(super) stages: Vec<Stage>,
}

/// A part of a phase, in which the same things may go wrong.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    pub(super) danger: Danger,
    pub(super) time: Duration,
}

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Danger {
    /// Processes die, stand still or are cut off, requests fail, and an etcd is away for a while.
    Deaths,
    Nothing,
    /// etcd loses what it holds. Until the object storage has it, all processes live and reach the object storage, which is
    /// what the store asks for; none is there that only reads, as it may have read what nobody else has.
    Losses,
}

impl Danger {
    fn stage(self, seconds: u64) -> Stage {
        Stage {
            danger: self,
            time: Duration::from_secs(seconds),
        }
    }
}

impl Phase {
    fn draw(random: &mut SeededRandom, log: LogKind, stages: Vec<Stage>) -> Phase {
        let writers = 2 + random.below(3);
        let has_losses = stages.iter().any(|stage| stage.danger == Danger::Losses);
        Phase {
            log,
            writers,
            has_reader: writers < MACHINES.len() && !has_losses,
            stages,
        }
    }

    fn in_files() -> Phase {
        Phase {
            log: LogKind::File,
            writers: 1,
            has_reader: false,
            stages: vec![Danger::Deaths.stage(4)],
        }
    }

    /// A run on a log of objects: in one of three it moves to files and back.
    pub(super) fn draw_with_objects(random: &mut SeededRandom) -> Vec<Phase> {
        let mut shared =
            |seconds| Phase::draw(random, LogKind::Object, vec![Danger::Deaths.stage(seconds)]);
        let phases = [shared(9), shared(4), shared(4)];
        let [long, short, last] = phases;
        match random.below(3) {
            0 => vec![short, Phase::in_files(), last],
            _ => vec![long],
        }
    }

    /// A run on a log in etcd, which is lost at the end: in one of three it moves to objects or files before, and back.
    pub(super) fn draw_with_etcd(random: &mut SeededRandom) -> Vec<Phase> {
        let deaths = |seconds| vec![Danger::Deaths.stage(seconds)];
        // What only those knew that have died is on the object storage before something is lost.
        let losses = vec![
            Danger::Deaths.stage(6),
            Danger::Nothing.stage(6),
            Danger::Losses.stage(25),
        ];
        let first = Phase::draw(random, LogKind::Etcd, deaths(5));
        let between = match random.coin() {
            true => Phase::draw(random, LogKind::Object, deaths(3)),
            false => Phase::in_files(),
        };
        let last = Phase::draw(random, LogKind::Etcd, losses);
        match random.below(3) {
            0 => vec![first, between, last],
            _ => vec![last],
        }
    }
}
