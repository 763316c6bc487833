//! The figures of the executor in `/metrics`.

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use runservice::api::ExecutorTaskPhase;

use crate::Error;

#[derive(Debug)]
pub(super) struct Figures {
    registry: Registry,
    active: IntGauge,
    healthy: IntGauge,
    ended: IntCounterVec,
}

impl Figures {
    pub(super) fn new() -> Result<Figures, Error> {
        Figures::make().map_err(Error::internal)
    }

    fn make() -> Result<Figures, prometheus::Error> {
        let figures = Figures {
            registry: Registry::new(),
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
            figures.registry.register(collector)?;
        }
        Ok(figures)
    }

    pub(super) fn count_end(&self, phase: ExecutorTaskPhase) {
        self.ended.with_label_values(&[&phase.to_string()]).inc();
    }

    pub(super) fn render(&self, active: usize, is_healthy: bool) -> Result<String, Error> {
        self.active.set(i64::try_from(active).unwrap_or(i64::MAX));
        self.healthy.set(i64::from(is_healthy));
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.map_err(Error::internal)
    }
}
