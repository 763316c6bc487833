//! Processes of the operating system that a test starts, stops and kills.

use std::io;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// How long a process may take to stand still after `SIGSTOP`.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
/// How often a state is looked at that nobody tells of.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A process that the test has started. It is killed when this is dropped, and also when the test itself is killed.
///
/// Calls block; in an asynchronous test they belong on a thread of their own.
///
/// ```
/// use std::process::Command;
/// use datamanager::testing::ChildProcess;
///
/// let mut child = ChildProcess::spawn(Command::new("sleep").arg("1000"))?;
/// child.pause()?;
/// child.resume()?;
/// child.kill()?;
/// assert!(!child.exit_status()?.expect("it has ended").success());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ChildProcess {
    child: Child,
    /// A shell that kills the child once the other end of its standard input is gone, which is when the test is.
    guard: Option<Child>,
}

impl ChildProcess {
    /// Starts what `command` says.
    ///
    /// # Errors
    /// The program, or the shell that guards it, cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<ChildProcess> {
        let mut started = ChildProcess {
            child: command.spawn()?,
            guard: None,
        };
        let guard = Command::new("sh")
            .args(["-c", "read -r line; kill -9 \"$1\"", "guard"])
            .arg(started.pid().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        started.guard = Some(guard);
        Ok(started)
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the process prints, if its command says `Stdio::piped()`, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// As [`ChildProcess::take_stdout`], for the error output.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Stops the process with `SIGSTOP`, as a suspended machine would; it stands still when this returns.
    ///
    /// # Errors
    /// The process has ended, or does not stop within 10 seconds.
    pub fn pause(&mut self) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        let deadline = Instant::now() + STOPS_WITHIN;
        let id = WaitId::Pid(self.rustix_pid()?);
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while waitid(id.clone(), stopped)?.is_none() {
            if let Some(status) = self.exit_status()? {
                return Err(io::Error::other(format!(
                    "process {} has ended: {status}",
                    self.pid()
                )));
            }
            wait_a_little(deadline, POLL_INTERVAL, || {
                format!("process {} does not stop", self.pid())
            })?;
        }
        Ok(())
    }

    /// Lets a process go on that [`ChildProcess::pause`] stopped.
    ///
    /// # Errors
    /// The process has ended.
    pub fn resume(&mut self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends the process with `SIGKILL`, which it cannot notice; it is gone when this returns. Killing what has ended is
    /// fine.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.end()
    }

    /// Asks the process to end with `SIGTERM`, and waits for that.
    ///
    /// # Errors
    /// `TimedOut` when it has not ended within `limit`; it goes on then.
    pub fn terminate(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        if self.exit_status()?.is_none() {
            self.signal(Signal::TERM)?;
        }
        self.wait(limit)
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Errors
    /// `TimedOut` when it has not ended within `limit`; it goes on then.
    pub fn wait(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        while self.exit_status()?.is_none() {
            wait_a_little(deadline, POLL_INTERVAL, || {
                format!("process {} does not end within {limit:?}", self.pid())
            })?;
        }
        self.end()
    }

    /// How the process ended, `None` while it runs or is stopped.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// As [`cpu_time`], of this process.
    ///
    /// # Errors
    /// As [`cpu_time`].
    pub fn cpu_time(&self) -> io::Result<Duration> {
        cpu_time(self.pid())
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if let Some(status) = self.exit_status()? {
            let pid = self.pid();
            return Err(io::Error::other(format!(
                "process {pid} has ended: {status}"
            )));
        }
        Ok(kill_process(self.rustix_pid()?, signal)?)
    }

    fn rustix_pid(&self) -> io::Result<Pid> {
        let pid = i32::try_from(self.pid()).map_err(io::Error::other)?;
        Pid::from_raw(pid).ok_or_else(|| io::Error::other("the process has the number 0"))
    }

    /// Takes the exit status of a process that ends. The guard goes first, so that it does not kill another one that
    /// gets the number.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(mut guard) = self.guard.take() {
            guard.kill()?;
            guard.wait()?;
        }
        self.child.wait()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // What cannot be killed has ended.
        let _ = self.kill();
    }
}

/// The processor time that a running process has used so far, in user and kernel mode, in steps of about 10 ms.
///
/// # Errors
/// There is no such process, or the operating system has no `/proc`.
///
/// Source: Linux, proc_pid_stat(5).
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path)?;
    let strange = || io::Error::new(io::ErrorKind::InvalidData, format!("strange {path}"));
    // The second field is the program's name in brackets, which may hold spaces and brackets.
    let (_, fields) = stat.rsplit_once(") ").ok_or_else(strange)?;
    let mut fields = fields.split(' ').skip(11).map(str::parse::<u64>);
    let mut next = || fields.next().and_then(Result::ok).ok_or_else(strange);
    let ticks = next()?.saturating_add(next()?);
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let millis = ticks.saturating_mul(1000) / ticks_per_second;
    Ok(Duration::from_millis(millis))
}

/// Waits until a state is worth another look; `what` says what did not happen until the deadline.
pub(super) fn wait_a_little(
    deadline: Instant,
    interval: Duration,
    what: impl FnOnce() -> String,
) -> io::Result<()> {
    if Instant::now() >= deadline {
        return Err(io::Error::new(io::ErrorKind::TimedOut, what()));
    }
    std::thread::sleep(interval);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// A shell that counts without end, and prints `counting` before.
    fn counting() -> (ChildProcess, BufReader<ChildStdout>) {
        let mut command = Command::new("sh");
        command.args(["-c", "echo counting; while :; do :; done"]);
        let mut child = ChildProcess::spawn(command.stdout(Stdio::piped())).unwrap();
        let mut output = BufReader::new(child.take_stdout().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "counting\n");
        (child, output)
    }

    fn wait_until(mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + SOON;
        while !done() {
            wait_a_little(deadline, POLL_INTERVAL, || "nothing happens".to_owned()).unwrap();
        }
    }

    fn is_there(pid: u32) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        state.is_ok_and(|state| !state.contains(") Z "))
    }

    #[test]
    fn a_paused_process_uses_no_processor_time_until_it_is_resumed() {
        let (mut child, _output) = counting();
        wait_until(|| child.cpu_time().unwrap() > Duration::from_millis(50));
        child.pause().unwrap();
        let used = child.cpu_time().unwrap();
        // Something else uses as much time meanwhile as the child would have.
        let (other, _output) = counting();
        wait_until(|| other.cpu_time().unwrap() > Duration::from_millis(100));
        assert_eq!(child.cpu_time().unwrap(), used);
        child.resume().unwrap();
        wait_until(|| child.cpu_time().unwrap() > used);
        child.pause().unwrap();
        child.kill().unwrap();
    }

    #[test]
    fn a_killed_process_is_gone_and_its_signals_are_errors() {
        let (mut child, mut output) = counting();
        assert_eq!(child.exit_status().unwrap(), None);
        let status = child.kill().unwrap();
        assert_eq!(status.code(), None);
        assert_eq!(child.kill().unwrap(), status);
        assert_eq!(child.wait(SOON).unwrap(), status);
        assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0);
        assert!(child.pause().is_err() && child.resume().is_err());
        assert!(cpu_time(child.pid()).is_err());
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let (child, _output) = counting();
        let pid = child.pid();
        assert!(is_there(pid));
        drop(child);
        assert!(!is_there(pid));
    }

    #[test]
    fn a_process_is_asked_to_end_and_may_refuse() {
        let mut willing = ChildProcess::spawn(Command::new("sleep").arg("1000")).unwrap();
        assert!(!willing.terminate(SOON).unwrap().success());
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo; while :; do sleep 1; done"]);
        let mut deaf = ChildProcess::spawn(command.stdout(Stdio::piped())).unwrap();
        let mut output = BufReader::new(deaf.take_stdout().unwrap());
        output.read_line(&mut String::new()).unwrap();
        let refused = deaf.terminate(Duration::from_millis(50)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        assert_eq!(deaf.exit_status().unwrap(), None);
    }

    /// Not a test by itself: starts a process and waits to be killed, where the variable asks for it.
    #[test]
    fn helper_that_is_killed_with_a_child() {
        if std::env::var_os("DM_TEST_KILLED_WITH_A_CHILD").is_some() {
            let (child, mut output) = counting();
            println!("child {}", child.pid());
            output.read_to_end(&mut Vec::new()).unwrap();
        }
    }

    #[test]
    fn the_child_of_a_killed_test_is_gone_too() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "--nocapture"])
            .arg("testing::child_process::tests::helper_that_is_killed_with_a_child")
            .env("DM_TEST_KILLED_WITH_A_CHILD", "1")
            .stdout(Stdio::piped());
        let mut test = ChildProcess::spawn(&mut command).unwrap();
        let mut lines = BufReader::new(test.take_stdout().unwrap()).lines();
        let pid = lines
            .find_map(|line| Some(line.unwrap().split_once("child ")?.1.to_owned()))
            .unwrap();
        let pid = pid.parse().unwrap();
        assert!(is_there(pid));
        test.kill().unwrap();
        wait_until(|| !is_there(pid));
    }
}
