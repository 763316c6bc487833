//! Which processes there are, by what `/proc` tells.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The processes that a process has begun, and those that they have begun, and so on.
pub(super) fn descendants(ancestor: u32) -> Vec<Pid> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (process, parent) in processes().filter_map(|process| Some((process, parent(process)?))) {
        children.entry(parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut left = vec![ancestor];
    while let Some(process) = left.pop() {
        for child in children.remove(&process).unwrap_or_default() {
            left.push(child);
            found.extend(pid(child));
        }
    }
    found
}

/// Sends a signal to each; those that are gone do not matter.
pub(super) fn signal_all(processes: &[Pid], signal: Signal) {
    for process in processes {
        // It may have ended.
        let _ = kill_process(*process, signal);
    }
}

/// Kills all processes that were begun with this variable in their environment, and those that they have begun. It is what is
/// left where a supervisor was killed.
pub(crate) fn kill_marked(name: &str, value: &str, timeout: Duration) {
    let deadline = Instant::now() + timeout;
    let marker = format!("{name}={value}");
    loop {
        let own = std::process::id();
        let marked: Vec<u32> = processes()
            .filter(|process| *process != own && has_variable(*process, marker.as_bytes()))
            .collect();
        if marked.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            log::warn!("{} processes of a task cannot be killed", marked.len());
            return;
        }
        for process in marked {
            signal_all(&descendants(process), Signal::KILL);
            signal_all(&pid(process).into_iter().collect::<Vec<_>>(), Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn pid(process: u32) -> Option<Pid> {
    i32::try_from(process).ok().and_then(Pid::from_raw)
}

/// The fourth field of `stat`; the second one is a name in brackets, which may have anything in it.
fn parent(process: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A process that has ended and was not waited for has no environment any more.
fn has_variable(process: u32, variable: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    variables.any(|other| other.starts_with(variable))
}
