//! What the figures were taken on.

use std::fs;

/// Lines that say which machine and which versions.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let versions: Vec<String> = ["datamanager", "slatedb", "redb"]
        .map(|name| format!("{name} {}", locked_version(name)))
        .into();
    format!(
        "{cores} cores ({processor}), memory {memory}, Linux {}; {}; load at the end {}\n",
        kernel.trim(),
        versions.join(", "),
        load.trim()
    )
}

fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(
        || "not known".to_owned(),
        |(_, value)| value.trim().to_owned(),
    )
}

/// The version of a crate that this program was built with.
fn locked_version(name: &str) -> &'static str {
    const LOCK: &str = include_str!("../../../../Cargo.lock");
    let head = format!("name = \"{name}\"\nversion = \"");
    let version = LOCK
        .split_once(&head)
        .and_then(|(_, rest)| rest.split_once('"'));
    version.map_or("not known", |(version, _)| version)
}
