//! A control group (version 2) for the processes of a command, where one may be made: then all of them are killed in one go,
//! however fast they multiply.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PROCESSES: &str = "cgroup.procs";
const KILL: &str = "cgroup.kill";
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// A group that was made for one command.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
    parent: PathBuf,
    /// Whether this process has not come out of it again: then nobody can be killed by it.
    holds_this: Cell<bool>,
}

impl Cgroup {
    /// Makes a group whose processes can be killed in one go, if the system lets this process.
    pub(super) fn make(path: &Path) -> Option<Cgroup> {
        let parent = path.parent()?.to_owned();
        fs::create_dir(path).ok()?;
        if !path.join(KILL).exists() {
            // What is left is an empty directory, which is removed at the next start at the latest.
            let _ = fs::remove_dir(path);
            return None;
        }
        Some(Cgroup {
            path: path.to_owned(),
            parent,
            holds_this: Cell::new(false),
        })
    }

    /// Starts something within the group: this process enters it for so long, since a process is born where its parent is.
    /// Where that is not allowed, its processes are found in another way.
    pub(super) fn within<T>(&self, start: impl FnOnce() -> T) -> T {
        let entered = fs::write(self.path.join(PROCESSES), "0").is_ok();
        let started = start();
        let left = !entered || fs::write(self.parent.join(PROCESSES), "0").is_ok();
        self.holds_this.set(!left);
        started
    }

    pub(super) fn kill(&self) {
        if !self.holds_this.get() {
            // What cannot be killed so is killed one by one.
            let _ = fs::write(self.path.join(KILL), "1");
        }
    }

    pub(super) fn remove(self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while !self.holds_this.get()
            && fs::remove_dir(&self.path).is_err()
            && Instant::now() < deadline
        {
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
}

/// Where groups of this process's commands can be made: below its own group.
pub(crate) fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(place))
    })?;
    let path = mount.join(own.trim_start_matches('/'));
    path.join(PROCESSES).exists().then_some(path)
}

/// Kills and removes the groups that an executor which has died has left: those whose names begin so.
pub(crate) fn remove_stale(prefix: &str) {
    let Some(own) = own_group() else { return };
    let entries = fs::read_dir(own).into_iter().flatten().flatten();
    for entry in entries {
        let is_stale = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(prefix));
        if is_stale {
            let _ = fs::write(entry.path().join(KILL), "1");
            let deadline = Instant::now() + Duration::from_secs(1);
            while fs::remove_dir(entry.path()).is_err() && Instant::now() < deadline {
                std::thread::sleep(LOOK_INTERVAL);
            }
        }
    }
}
