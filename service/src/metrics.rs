//! The figures of `/metrics`.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use datamanager::Stats;
use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::Error;

/// Bounds of the histogram of durations, in seconds.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    store: IntGaugeVec,
}

/// A request that is being answered, until it is dropped.
pub(crate) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(crate) fn new(instance: &str) -> Result<Metrics, Error> {
        let registry = Registry::new();
        let metrics = Metrics::in_registry(registry, instance);
        metrics.map_err(Error::internal)
    }

    fn in_registry(registry: Registry, instance: &str) -> Result<Metrics, prometheus::Error> {
        let info = Opts::new("dm_instance_info", "Always 1; the labels say who this is.");
        let info = IntGaugeVec::new(info, &["instance", "version"])?;
        info.with_label_values(&[instance, env!("CARGO_PKG_VERSION")])
            .set(1);
        let requests = IntCounterVec::new(
            Opts::new("dm_http_requests_total", "Requests that were answered."),
            &["method", "route", "status"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "dm_http_request_seconds",
                "Time from the head of a request to that of its answer.",
            )
            .buckets(SECONDS.to_vec()),
            &["method", "route"],
        )?;
        let in_flight = IntGauge::new("dm_http_requests_in_flight", "Requests without an answer.")?;
        let store = IntGaugeVec::new(
            Opts::new("dm_store", "Figures of the store, by name."),
            &["figure"],
        )?;
        let collectors: [Box<dyn Collector>; 5] = [
            Box::new(info),
            Box::new(requests.clone()),
            Box::new(seconds.clone()),
            Box::new(in_flight.clone()),
            Box::new(store.clone()),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        Ok(Metrics {
            registry,
            requests,
            seconds,
            in_flight,
            store,
        })
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts a request; `route` is a template, so that there are few.
    pub(crate) fn observe(&self, method: &Method, route: &str, status: StatusCode, time: Duration) {
        let method = known(method);
        self.requests
            .with_label_values(&[method, route, status.as_str()])
            .inc();
        self.seconds
            .with_label_values(&[method, route])
            .observe(time.as_secs_f64());
    }

    /// All figures as text, with those of the store as they are now.
    pub(crate) fn render(&self, stats: Option<&Stats>) -> Result<String, Error> {
        if let Some(stats) = stats {
            self.set("epoch", u64::from(stats.epoch));
            self.set("position_seq", stats.position.seq);
            self.set("covered_seq", stats.covered.seq);
            self.set("flushed_seq", stats.flushed.seq);
            self.set("manifest", stats.manifest);
            self.set("runs", stats.runs.len() as u64);
            self.set("records_applied", stats.records_applied);
            self.set("memtable_versions", stats.memtable_versions);
            self.set("memtable_log_bytes", stats.memtable_log_bytes);
            self.set("block_cache_bytes", stats.block_cache_bytes);
            self.set("block_cache_hits", stats.block_cache_hits);
            self.set("block_cache_misses", stats.block_cache_misses);
        }
        let mut text = String::new();
        let encoded = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        encoded.map_err(Error::internal).map(|()| text)
    }

    fn set(&self, figure: &str, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.store.with_label_values(&[figure]).set(value);
    }
}

/// A client can send any word as a method; they are not all counted apart.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
