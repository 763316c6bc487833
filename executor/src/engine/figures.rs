//! The figures of the executor in `/metrics`.

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use runservice::api::ExecutorTaskPhase;

use crate::Error;

#[derive(Debug)]
pub(super) struct Figures {
    active: IntGauge,
    healthy: IntGauge,
    ended: IntCounterVec,
}

impl Figures {
    pub(super) fn new(registry: &Registry) -> Result<Figures, Error> {
        Figures::registered(registry).map_err(Error::internal)
    }

    fn registered(registry: &Registry) -> Result<Figures, prometheus::Error> {
        let figures = Figures {
            active: IntGauge::new("dm_executor_tasks", "Tasks that are being executed.")?,
            healthy: IntGauge::new("dm_executor_healthy", "1 while tasks are taken, or else 0.")?,
            ended: IntCounterVec::new(
                Opts::new("dm_executor_tasks_ended_total", "Tasks that have ended."),
                &["phase"],
            )?,
        };
        let collectors: [Box<dyn Collector>; 3] = [
            Box::new(figures.active.clone()),
            Box::new(figures.healthy.clone()),
            Box::new(figures.ended.clone()),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        Ok(figures)
    }

    pub(super) fn begin(&self) {
        self.active.inc();
    }

    pub(super) fn end(&self) {
        self.active.dec();
    }

    pub(super) fn count_end(&self, phase: ExecutorTaskPhase) {
        self.ended.with_label_values(&[&phase.to_string()]).inc();
    }

    pub(super) fn tell_health(&self, is_healthy: bool) {
        self.healthy.set(i64::from(is_healthy));
    }
}
