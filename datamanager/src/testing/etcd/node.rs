//! One process of etcd.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::options::EtcdOptions;
use super::{POLL_INTERVAL, command};
use crate::testing::ChildProcess;
use crate::testing::child_process::wait_a_little;
use crate::testing::ports::{free_port, local};

/// How long a node may take for an answer about itself.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Bytes of such an answer, at most.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of a node's output that an error shows, at most.
const SHOWN_BYTES_MAX: usize = 2_000;

/// A node, whether its process runs or not.
#[derive(Debug)]
pub(super) struct Node {
    name: String,
    directory: PathBuf,
    ports: Ports,
    process: Mutex<Option<ChildProcess>>,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    client: u16,
    peer: u16,
    metrics: u16,
}

impl Node {
    /// A node that has not been started, with files of its own in `directory`.
    pub(super) fn new(directory: &Path, number: usize) -> io::Result<Node> {
        let name = format!("node{number}");
        let directory = directory.join(&name);
        fs::create_dir_all(&directory)?;
        Ok(Node {
            name,
            directory,
            ports: Ports::free()?,
            process: Mutex::new(None),
        })
    }

    /// Takes other ports, for one that was free is no longer, and forgets what was said about that.
    pub(super) fn move_ports(&mut self) -> io::Result<()> {
        self.ports = Ports::free()?;
        fs::remove_file(self.log_path())
    }

    pub(super) fn address(&self) -> SocketAddr {
        local(self.ports.client)
    }

    /// How the node is named among those of its cluster.
    pub(super) fn member(&self) -> String {
        format!("{}={}", self.name, url(self.ports.peer))
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("log")
    }

    pub(super) fn log(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.log_path())?).into_owned())
    }

    /// Starts the process on the data that is there. Nothing answers yet when this returns.
    pub(super) fn start(&self, members: &str, options: &EtcdOptions) -> io::Result<()> {
        let mut process = self.process();
        if process.is_some() {
            return Err(io::Error::other(format!("{} runs already", self.name)));
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let mut command = command("etcd");
        command
            .arg("--name")
            .arg(&self.name)
            .arg("--data-dir")
            .arg(self.data())
            .args(["--listen-client-urls", &url(self.ports.client)])
            .args(["--advertise-client-urls", &url(self.ports.client)])
            .args(["--listen-peer-urls", &url(self.ports.peer)])
            .args(["--initial-advertise-peer-urls", &url(self.ports.peer)])
            .args(["--listen-metrics-urls", &url(self.ports.metrics)])
            .args(["--initial-cluster", members])
            .args(["--initial-cluster-state", "new"])
            .args(["--logger", "zap", "--log-level", "warn"]);
        if let Some(quota_bytes) = options.quota_bytes {
            command.arg(format!("--quota-backend-bytes={quota_bytes}"));
        }
        if let Some(users) = &options.users {
            let seconds = users.token_ttl.as_secs().max(1);
            command.arg(format!("--auth-token-ttl={seconds}"));
        }
        command
            .args(&options.flags)
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        *process = Some(ChildProcess::spawn(&mut command)?);
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        self.process().is_some()
    }

    /// The process, for signals to it.
    pub(super) fn with_process<T>(
        &self,
        action: impl FnOnce(&mut ChildProcess) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.process().as_mut() {
            Some(process) => action(process),
            None => Err(io::Error::other(format!("{} does not run", self.name))),
        }
    }

    /// Ends the process, whatever it does.
    pub(super) fn kill(&self) -> io::Result<()> {
        match self.process().take() {
            Some(mut process) => process.kill().map(drop),
            None => Ok(()),
        }
    }

    /// Lets the process end by itself.
    pub(super) fn terminate(&self, limit: Duration) -> io::Result<()> {
        let mut process = self.process();
        if let Some(running) = process.as_mut() {
            running.terminate(limit)?;
        }
        *process = None;
        Ok(())
    }

    /// Removes the data of a node that does not run.
    pub(super) fn remove_data(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.data()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The arguments with which a snapshot becomes the data of this node.
    pub(super) fn restore_arguments(&self, members: &str) -> Vec<String> {
        vec![
            format!("--name={}", self.name),
            format!("--data-dir={}", self.data().display()),
            format!("--initial-cluster={members}"),
            format!("--initial-advertise-peer-urls={}", url(self.ports.peer)),
        ]
    }

    /// Waits until the node answers reads, for which its cluster needs a leader.
    pub(super) fn wait_until_healthy(&self, deadline: Instant) -> io::Result<()> {
        loop {
            let ended = self.with_process(ChildProcess::exit_status)?;
            if let Some(status) = ended {
                return Err(self.error(&format!("has ended: {status}"), io::ErrorKind::Other));
            }
            if self.answer("/health").is_ok() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.error("does not get ready", io::ErrorKind::TimedOut));
            }
            wait_a_little(deadline, POLL_INTERVAL, || {
                format!("{} does not get ready", self.name)
            })?;
        }
    }

    fn error(&self, what: &str, kind: io::ErrorKind) -> io::Error {
        let log = self.log().unwrap_or_default();
        let shown = log.len().saturating_sub(SHOWN_BYTES_MAX);
        let shown = String::from_utf8_lossy(&log.as_bytes()[shown..]).into_owned();
        io::Error::new(
            kind,
            format!("{} {what}; its last words: {shown}", self.name),
        )
    }

    /// Whether the node takes itself for the leader; false if it does not answer.
    pub(super) fn leads(&self) -> bool {
        self.is_running()
            && self
                .answer("/metrics")
                .is_ok_and(|metrics| metrics.contains("\netcd_server_is_leader 1\n"))
    }

    /// What the node answers to a request on its port for operators.
    fn answer(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&local(self.ports.metrics), ANSWERS_WITHIN)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        match answer.split_once(' ') {
            Some((_, rest)) if rest.starts_with("200 ") => Ok(answer),
            _ => Err(io::Error::other(answer)),
        }
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<ChildProcess>> {
        self.process
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Ports {
    fn free() -> io::Result<Ports> {
        Ok(Ports {
            client: free_port()?,
            peer: free_port()?,
            metrics: free_port()?,
        })
    }
}

fn url(port: u16) -> String {
    format!("http://{}", local(port))
}
