//! The etcd of a run, and what goes wrong with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datamanager::environment::SeededRandom;
use datamanager::testing::history::Recorder;
use datamanager::testing::{
    EtcdFaults, SimulatedEnvironment, SimulatedEtcd, SimulatedEtcdSnapshot,
};
use datamanager::{Builder, EtcdOptions};

use super::machines::milliseconds;
use super::plan::Danger;
use crate::site::Site;

const PREFIX: &str = "/dm";
/// How old what etcd is put back to is, at least: every process has renewed its registration by then, and has seen more unless
/// it was cut off.
const SNAPSHOT_AGE_MIN: Duration = Duration::from_secs(12);

/// An etcd that all processes share, and its trouble with the time of its end.
#[derive(Clone)]
pub(super) struct Etcd {
    etcd: SimulatedEtcd,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    trouble: Option<(Duration, Trouble)>,
    /// What it held at some times.
    snapshots: VecDeque<(Duration, SimulatedEtcdSnapshot)>,
    losses: usize,
}

#[derive(Clone, Copy)]
enum Trouble {
    Frozen,
    /// Started again at the end, with or without what it held.
    Dead(Start),
}

#[derive(Clone, Copy)]
enum Start {
    AsItWas,
    Empty,
    FromSnapshot,
}

impl Etcd {
    pub(super) fn new(site: &Site) -> Option<Etcd> {
        Some(Etcd {
            etcd: SimulatedEtcd::new(&site.simulation),
            state: Arc::default(),
        })
    }

    fn options(&self, process: &Arc<SimulatedEnvironment>) -> EtcdOptions {
        self.etcd.options(process, PREFIX)
    }

    /// Has `process` use this etcd.
    pub(super) fn build(&self, builder: Builder, process: &Arc<SimulatedEnvironment>) -> Builder {
        builder.etcd(self.options(process))
    }

    pub(super) fn set_reachable(&self, name: &str, is_reachable: bool) {
        self.etcd.set_reachable(name, is_reachable);
    }

    /// How often it has lost what it held.
    pub(super) fn losses(&self) -> usize {
        self.state.lock().unwrap().losses
    }

    /// Lets other shares of requests fail.
    pub(super) fn begin_storm(&self, random: &mut SeededRandom) {
        let share = [0.0, 0.01, 0.03, 0.1][random.below(4)];
        self.etcd.set_faults(EtcdFaults {
            error_before: share,
            refused: share / 2.0,
            reply_lost: share,
            late: share,
            late_max: Duration::from_secs(2),
        });
    }

    /// Begins and ends troubles.
    pub(super) fn go_on(
        &self,
        now: Duration,
        danger: Danger,
        random: &mut SeededRandom,
        recorder: &Recorder,
    ) {
        let mut state = self.state.lock().unwrap();
        if random.below(100) == 0 {
            let snapshot = self.etcd.snapshot();
            state.snapshots.push_back((now, snapshot));
        }
        while state
            .snapshots
            .get(1)
            .is_some_and(|(at, _)| now - *at >= SNAPSHOT_AGE_MIN)
        {
            state.snapshots.pop_front();
        }
        match state.trouble {
            Some((ends, _)) if now >= ends => self.end(&mut state, now, recorder),
            None if random.below(80) == 0 => {
                let (trouble, most) = draw_trouble(danger, random);
                match trouble {
                    Trouble::Frozen => self.etcd.environment().pause(),
                    Trouble::Dead(_) => self.etcd.kill(),
                }
                state.trouble = Some((now + milliseconds(random, 1, most), trouble));
            }
            _ => {}
        }
    }

    fn end(&self, state: &mut State, now: Duration, recorder: &Recorder) {
        let Some((_, trouble)) = state.trouble.take() else {
            return;
        };
        match trouble {
            Trouble::Frozen => self.etcd.environment().resume(),
            Trouble::Dead(Start::AsItWas) => self.etcd.restart(),
            Trouble::Dead(start) => {
                state.losses += 1;
                match (start, state.snapshots.front()) {
                    (Start::FromSnapshot, Some((at, snapshot)))
                        if now - *at >= SNAPSHOT_AGE_MIN =>
                    {
                        self.etcd.restore(snapshot);
                        recorder.log_went_back();
                    }
                    _ => self.etcd.wipe(),
                }
            }
        }
    }

    pub(super) fn end_troubles(&self, now: Duration, recorder: &Recorder) {
        self.end(&mut self.state.lock().unwrap(), now, recorder);
        self.etcd.set_faults(EtcdFaults::default());
    }
}

fn draw_trouble(danger: Danger, random: &mut SeededRandom) -> (Trouble, usize) {
    match random.below(6) {
        0 => (Trouble::Frozen, 8_000),
        1 | 2 => (Trouble::Frozen, 500),
        3 => (Trouble::Dead(Start::AsItWas), 50),
        _ if danger != Danger::Losses => (Trouble::Dead(Start::AsItWas), 4_000),
        4 => (Trouble::Dead(Start::Empty), 2_000),
        _ => (Trouble::Dead(Start::FromSnapshot), 2_000),
    }
}
