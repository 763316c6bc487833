//! What stands for the etcd of a run where the crate is built without one: there is none.

use std::sync::Arc;
use std::time::Duration;

use datamanager::Builder;
use datamanager::environment::SeededRandom;
use datamanager::testing::SimulatedEnvironment;
use datamanager::testing::history::Recorder;

use super::plan::Danger;
use crate::site::Site;

#[derive(Clone)]
pub(super) enum Etcd {}

impl Etcd {
    pub(super) fn new(_: &Site) -> Option<Etcd> {
        None
    }

    pub(super) fn build(&self, _: Builder, _: &Arc<SimulatedEnvironment>) -> Builder {
        match *self {}
    }

    pub(super) fn set_reachable(&self, _: &str, _: bool) {
        match *self {}
    }

    pub(super) fn losses(&self) -> usize {
        match *self {}
    }

    pub(super) fn begin_storm(&self, _: &mut SeededRandom) {
        match *self {}
    }

    pub(super) fn go_on(&self, _: Duration, _: Danger, _: &mut SeededRandom, _: &Recorder) {
        match *self {}
    }

    pub(super) fn end_troubles(&self, _: Duration, _: &Recorder) {
        match *self {}
    }
}
