//! What stores have logged.

use std::sync::{Mutex, Once};

use log::kv::Key;
use log::{Level, Log, Metadata, Record};

/// Keeps warnings and errors, with the name of the instance in front.
struct CapturedLog {
    lines: Mutex<Vec<String>>,
}

static CAPTURED: CapturedLog = CapturedLog {
    lines: Mutex::new(Vec::new()),
};

impl Log for CapturedLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata())
            && let Some(instance) = record.key_values().get(Key::from("instance"))
        {
            let line = format!("{instance}: {}", record.args());
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
        log::set_max_level(log::LevelFilter::Warn);
    });
}

/// What instances have logged whose names begin with `name`.
pub(crate) fn lines_of(name: &str) -> Vec<String> {
    let lines = CAPTURED.lines.lock().unwrap();
    let of_name = lines.iter().filter(|line| line.starts_with(name));
    of_name.cloned().collect()
}
