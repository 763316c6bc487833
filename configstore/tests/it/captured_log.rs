//! What the services and their stores have logged in this process.

use std::fmt::Write;
use std::sync::{Mutex, Once};

use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};

/// The targets of lines that are ours.
const OURS: [&str; 6] = [
    "configstore",
    "service",
    "datamanager",
    "ost",
    "audit",
    "access",
];

struct CapturedLog {
    lines: Mutex<Vec<String>>,
}

static CAPTURED: CapturedLog = CapturedLog {
    lines: Mutex::new(Vec::new()),
};

struct Pairs(String);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let _ = write!(self.0, " {key}={value}");
        Ok(())
    }
}

impl Log for CapturedLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let root = metadata.target().split("::").next();
        OURS.iter().any(|own| root == Some(own))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut pairs = Pairs(String::new());
            record.key_values().visit(&mut pairs).unwrap();
            let line = format!(
                "{} {}: {}{}",
                record.level(),
                record.target(),
                record.args(),
                pairs.0
            );
            self.lines.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

/// Keeps what is logged from now on.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        log::set_logger(&CAPTURED).unwrap();
        log::set_max_level(LevelFilter::Debug);
    });
}

/// All lines so far.
pub(crate) fn lines() -> Vec<String> {
    CAPTURED.lines.lock().unwrap().clone()
}
