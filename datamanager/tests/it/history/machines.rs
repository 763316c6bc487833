//! The machines of a run, and what goes wrong with them.

use std::time::Duration;

use datamanager::environment::{Environment, SeededRandom};
use datamanager::testing::{ObjectFaults, SimulatedEnvironment};

use super::plan::{Danger, Stage};
use super::world::{HEAD_CONFIRM_MAX, Life, TICK, World};
use crate::site::Site;

/// What goes wrong with a machine, until it ends.
#[derive(Clone, Copy)]
enum Trouble {
    Paused,
    CutOff(Services),
    /// Killed at some step; started again at the end.
    Killed,
}

/// What a machine cannot reach.
#[derive(Clone, Copy)]
struct Services {
    objects: bool,
    etcd: bool,
}

/// The machines, and their troubles with the time of their ends.
pub(super) struct Machines<'a> {
    pub(super) site: &'a Site,
    pub(super) world: World,
    pub(super) random: SeededRandom,
    pub(super) lives: Vec<Life>,
    troubles: Vec<Option<(Duration, Trouble)>>,
    /// What a kill takes from the disk of its machine.
    is_power_cut: bool,
    pub(super) kills: usize,
}

impl<'a> Machines<'a> {
    pub(super) fn new(
        site: &'a Site,
        world: World,
        random: SeededRandom,
        lives: Vec<Life>,
        is_power_cut: bool,
    ) -> Machines<'a> {
        Machines {
            site,
            world,
            random,
            troubles: lives.iter().map(|_| None).collect(),
            lives,
            is_power_cut,
            kills: 0,
        }
    }

    /// Lets clients work while things go wrong, and ends all troubles.
    pub(super) async fn work(&mut self, clock: &SimulatedEnvironment, stage: Stage) {
        let end = clock.steady_time() + stage.time;
        let mut storm_ends = clock.steady_time();
        while clock.steady_time() < end {
            clock.sleep(TICK).await;
            if stage.danger == Danger::Nothing {
                continue;
            }
            let now = clock.steady_time();
            if now >= storm_ends {
                storm_ends = now + milliseconds(&mut self.random, 200, 1_500);
                let faults = self.draw_faults(stage.danger);
                self.site.objects.set_faults(faults);
                if let Some(etcd) = &self.world.etcd {
                    etcd.begin_storm(&mut self.random);
                }
            }
            if let Some(etcd) = &self.world.etcd {
                etcd.go_on(now, stage.danger, &mut self.random, &self.world.recorder);
            }
            for machine in 0..self.lives.len() {
                match self.troubles[machine] {
                    Some((ends, trouble)) if now >= ends => self.end(machine, trouble),
                    None if self.random.below(60) == 0 => self.begin(machine, now, stage.danger),
                    _ => {}
                }
            }
        }
        self.site.objects.set_faults(ObjectFaults::default());
        if let Some(etcd) = &self.world.etcd {
            etcd.end_troubles(clock.steady_time(), &self.world.recorder);
        }
        for machine in 0..self.lives.len() {
            if let Some((_, trouble)) = self.troubles[machine] {
                self.end(machine, trouble);
            }
        }
    }

    fn draw_faults(&mut self, danger: Danger) -> ObjectFaults {
        let share = [0.0, 0.01, 0.03, 0.1][self.random.below(4)];
        let errors = match danger {
            Danger::Losses => 0.0,
            Danger::Deaths | Danger::Nothing => share,
        };
        ObjectFaults {
            error_before: errors,
            throttled: errors / 2.0,
            error_after: errors,
            late: share,
            late_max: HEAD_CONFIRM_MAX * 2,
        }
    }

    fn begin(&mut self, machine: usize, now: Duration, danger: Danger) {
        let process = self.lives[machine].process.clone();
        let choices = match danger {
            Danger::Losses => 3,
            Danger::Deaths | Danger::Nothing => 4,
        };
        let (trouble, most) = match self.random.below(choices) {
            0 => {
                process.pause();
                // Some stand still until the records that they would have read are gone.
                let is_short = danger == Danger::Losses || self.random.coin();
                (Trouble::Paused, if is_short { 500 } else { 5_000 })
            }
            1 => {
                let services = self.draw_services(danger);
                self.set_reachable(process.name(), services, false);
                (Trouble::CutOff(services), 2_000)
            }
            2 => {
                // A clock that jumps needs no end.
                let shift = self.random.below(4_000) as i64 - 2_000;
                process.shift_wall_clock(shift);
                return;
            }
            _ => {
                process.kill_after(self.random.below(2_000) as u64);
                (Trouble::Killed, 3_000)
            }
        };
        let ends = now + milliseconds(&mut self.random, 20, most);
        self.troubles[machine] = Some((ends, trouble));
    }

    fn draw_services(&mut self, danger: Danger) -> Services {
        if self.world.etcd.is_none() {
            return Services {
                objects: true,
                etcd: false,
            };
        }
        let choice = match danger {
            Danger::Losses => 0,
            Danger::Deaths | Danger::Nothing => self.random.below(3),
        };
        Services {
            objects: choice > 0,
            etcd: choice < 2,
        }
    }

    fn set_reachable(&self, name: &str, services: Services, is_reachable: bool) {
        if services.objects {
            self.site.objects.set_reachable(name, is_reachable);
        }
        if let Some(etcd) = self.world.etcd.as_ref().filter(|_| services.etcd) {
            etcd.set_reachable(name, is_reachable);
        }
    }

    fn end(&mut self, machine: usize, trouble: Trouble) {
        let process = self.lives[machine].process.clone();
        match trouble {
            Trouble::Paused => process.resume(),
            Trouble::CutOff(services) => self.set_reachable(process.name(), services, true),
            Trouble::Killed => {
                match self.is_power_cut {
                    true => process.cut_power(),
                    false => process.kill(),
                }
                self.kills += 1;
                let again = self.site.process(process.name());
                let is_reader = self.lives[machine].is_reader;
                self.lives[machine] = self.world.start(again, is_reader, &mut self.random);
            }
        }
        self.troubles[machine] = None;
    }
}

pub(super) fn milliseconds(random: &mut SeededRandom, least: usize, most: usize) -> Duration {
    Duration::from_millis((least + random.below(most - least)) as u64)
}
