//! The supervisor's own work.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, set_child_subreaper, setrlimit,
    setsid, wait,
};

use super::cgroup::Cgroup;
use super::processes::{descendants, signal_all};
use super::{Ended, Limits, Order, STOP};

/// How long processes may take to be gone once they were killed. One that waits for a device can take any time.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(2);
/// An order has at most so many bytes.
const ORDER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Set once the command has ended, so that nobody is asked to stop any more.
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// Does what the standard input asks for; returns the exit status of the supervisor.
pub(super) fn supervise() -> i32 {
    let ended = match run() {
        Ok(ended) => ended,
        Err(cause) => Ended::NotStarted(cause.to_string()),
    };
    let told = serde_json::to_writer(io::stdout(), &ended).is_ok() && io::stdout().flush().is_ok();
    match told {
        true => 0,
        // The executor is gone.
        false => 1,
    }
}

fn run() -> io::Result<Ended> {
    // A signal to a group or terminal of the executor is not meant for its steps.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))?;
    let mut line = Vec::new();
    // What comes behind the line stays in the buffer that all readers of the standard input share.
    let read = io::stdin()
        .lock()
        .take(ORDER_BYTES_MAX)
        .read_until(b'\n', &mut line);
    read?;
    let order: Order = serde_json::from_slice(&line)?;
    let grace = Duration::from_millis(order.grace_ms);
    let cgroup = order.cgroup.as_deref().and_then(Cgroup::make);
    let started = start(&order, cgroup.as_ref());
    let ended = match started {
        Ok(command) => {
            std::thread::spawn(move || obey(grace));
            wait_for(command)?
        }
        Err(cause) => {
            let program = order.command.first().map_or("", String::as_str);
            Ended::NotStarted(format!(
                "cannot start {program:?} in {:?}: {cause}",
                order.directory
            ))
        }
    };
    HAS_ENDED.store(true, Ordering::SeqCst);
    if let Some(cgroup) = &cgroup {
        cgroup.kill();
    }
    kill_all();
    if let Some(cgroup) = cgroup {
        cgroup.remove(KILL_TIMEOUT);
    }
    Ok(ended)
}

fn start(order: &Order, cgroup: Option<&Cgroup>) -> io::Result<Pid> {
    limit(&order.limits)?;
    let (program, arguments) = order
        .command
        .split_first()
        .ok_or_else(|| io::Error::other("there is no command"))?;
    let output = || io::stderr().as_fd().try_clone_to_owned();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&order.environment)
        .current_dir(&order.directory)
        // A step that signals its group does not mean the supervisor.
        .process_group(0)
        .stdin(match &order.input {
            Some(path) => Stdio::from(File::open(path)?),
            None => Stdio::null(),
        })
        .stdout(match &order.output {
            Some(path) => Stdio::from(File::options().write(true).open(path)?),
            None => Stdio::from(output()?),
        })
        .stderr(Stdio::from(output()?));
    if let Some((user, group)) = order.user {
        command.uid(user).gid(group);
    }
    let child = match cgroup {
        Some(cgroup) => cgroup.within(|| command.spawn()),
        None => command.spawn(),
    };
    Ok(Pid::from_child(&child?))
}

fn limit(limits: &Limits) -> io::Result<()> {
    for (resource, limit) in [
        (Resource::As, limits.memory_bytes),
        (Resource::Nproc, limits.processes),
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Cpu, limits.cpu_seconds),
    ] {
        if limit.is_some() {
            setrlimit(
                resource,
                Rlimit {
                    current: limit,
                    maximum: limit,
                },
            )?;
        }
    }
    Ok(())
}

/// Waits until the command has ended; others that end meanwhile are let go.
fn wait_for(command: Pid) -> io::Result<Ended> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((process, status))) if process == command => return Ok(ended(status)),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
}

fn ended(status: WaitStatus) -> Ended {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => Ended::Exited(status),
        (None, Some(signal)) => Ended::Killed(signal),
        (None, None) => Ended::Killed(0),
    }
}

/// Waits for the executor to ask for a stop, or to be gone.
fn obey(grace: Duration) {
    let mut byte = [0];
    let asked = matches!(io::stdin().read(&mut byte), Ok(1) if byte[0] == STOP);
    if asked {
        signal_all(&descendants(std::process::id()), Signal::TERM);
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline && !HAS_ENDED.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
    // From the end of the command on the first thread does it.
    while !HAS_ENDED.load(Ordering::SeqCst) {
        signal_all(&descendants(std::process::id()), Signal::KILL);
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Kills all that is left, and waits until it is gone.
fn kill_all() {
    let deadline = Instant::now() + KILL_TIMEOUT;
    loop {
        match wait(WaitOptions::NOHANG) {
            // All descendants of a subreaper have an ancestor among its children.
            Err(rustix::io::Errno::CHILD) => return,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) if Instant::now() > deadline => return,
            Ok(None) | Err(_) => {
                signal_all(&descendants(std::process::id()), Signal::KILL);
                std::thread::sleep(LOOK_INTERVAL);
            }
        }
    }
}
