//! A real etcd of one node or more, for tests.

mod node;
mod options;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::node::Node;
pub use self::options::EtcdOptions;
use self::options::ROOT;
use super::ChildProcess;
use super::child_process::wait_a_little;

/// The directory in which the programs are looked for before the search path; for trying other versions of etcd.
const DIRECTORY_VARIABLE: &str = "DM_ETCD_DIRECTORY";
/// How often a start is tried on other ports when one was taken by somebody else.
const STARTS_MAX: usize = 5;
/// How often a node is asked whether it is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long a node may take to end when it is asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// An etcd on free ports of this machine, with its data in a temporary directory, until it is dropped.
///
/// It runs the programs `etcd`, `etcdctl` and, where there is one, `etcdutl`, of version 3.4 or newer, which it looks for
/// in the directory that the variable `DM_ETCD_DIRECTORY` names, then in the search path. Nodes are numbered from 0, and
/// keep their ports and, unless it is removed, their data.
///
/// Calls block, until what they say is done; in an asynchronous test they belong on a thread of their own.
///
/// ```no_run
/// use datamanager::testing::{Etcd, EtcdOptions};
///
/// let etcd = Etcd::start(EtcdOptions::new().nodes(3))?;
/// etcd.etcdctl(&["put", "key", "value"])?;
/// let leader = etcd.wait_for_leader()?;
/// etcd.kill(leader)?;
/// etcd.wait_for_leader()?;
/// assert_eq!(etcd.etcdctl(&["get", "key", "--print-value-only"])?, "value\n");
/// etcd.restart(leader)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Etcd {
    /// Dropped, and so killed, before the directory.
    nodes: Vec<Node>,
    options: EtcdOptions,
    directory: TempDir,
}

impl Etcd {
    /// Whether the programs are there. Without them [`Etcd::start`] fails.
    pub fn is_installed() -> bool {
        ["etcd", "etcdctl"].iter().all(|name| {
            let mut command = command(name);
            command.arg(if *name == "etcd" {
                "--version"
            } else {
                "version"
            });
            silent(&mut command).is_ok_and(|status| status.success())
        })
    }

    /// Whether a test that needs etcd can run. Where the programs are missing it says `NOT RUN` on standard error.
    ///
    /// # Errors
    /// They are missing, and the variable `CI` is `true`.
    pub fn can_run() -> io::Result<bool> {
        if Etcd::is_installed() {
            return Ok(true);
        }
        if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "etcd is not installed, and CI is true",
            ));
        }
        // Said past the test harness, which keeps to itself what a passing test prints.
        io::stderr().write_all(b"NOT RUN: there is no etcd; scripts/test installs it\n")?;
        Ok(false)
    }

    /// Starts all nodes; reads and writes work when this returns.
    ///
    /// # Errors
    /// A program is missing, or the cluster does not get ready in time; the message shows what a node said last.
    pub fn start(options: EtcdOptions) -> io::Result<Etcd> {
        let directory = tempfile::tempdir()?;
        let nodes = (0..options.nodes)
            .map(|number| Node::new(directory.path(), number))
            .collect::<io::Result<Vec<Node>>>()?;
        let mut etcd = Etcd {
            nodes,
            options,
            directory,
        };
        for _ in 1..STARTS_MAX {
            match etcd.start_empty() {
                Err(error) if error.to_string().contains("address already in use") => {
                    etcd.remove_data()?;
                    etcd.nodes.iter_mut().try_for_each(Node::move_ports)?;
                }
                result => return result.map(|()| etcd),
            }
        }
        etcd.start_empty().map(|()| etcd)
    }

    /// How many nodes there are, whether they run or not.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The URLs for clients of all nodes, in their order.
    pub fn endpoints(&self) -> Vec<String> {
        let url = |node: &Node| format!("http://{}", node.address());
        self.nodes.iter().map(url).collect()
    }

    /// Where a node listens for clients; also while it does not run.
    pub fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].address()
    }

    /// The number of a node's process.
    ///
    /// # Errors
    /// The node does not run.
    pub fn pid(&self, node: usize) -> io::Result<u32> {
        self.nodes[node].with_process(|process| Ok(process.pid()))
    }

    /// Ends a node with `SIGKILL`. Nothing happens if it does not run.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&self, node: usize) -> io::Result<()> {
        self.nodes[node].kill()
    }

    /// Lets a node end as an operator would.
    ///
    /// # Errors
    /// It has not ended within 20 seconds.
    pub fn stop(&self, node: usize) -> io::Result<()> {
        self.nodes[node].terminate(ENDS_WITHIN)
    }

    /// Stops a node's process with `SIGSTOP`: its connections stay, and nothing is answered.
    ///
    /// # Errors
    /// The node does not run.
    pub fn freeze(&self, node: usize) -> io::Result<()> {
        self.nodes[node].with_process(ChildProcess::pause)
    }

    /// Lets a node go on that [`Etcd::freeze`] stopped.
    ///
    /// # Errors
    /// The node does not run.
    pub fn thaw(&self, node: usize) -> io::Result<()> {
        self.nodes[node].with_process(ChildProcess::resume)
    }

    /// Starts a node that does not run on the data that it has left, and does not wait for it: alone it may have no leader.
    ///
    /// # Errors
    /// The node runs, or its program cannot be started.
    pub fn begin_start(&self, node: usize) -> io::Result<()> {
        self.nodes[node].start(&self.members(), &self.options)
    }

    /// As [`Etcd::begin_start`]; when this returns the node answers reads.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn restart(&self, node: usize) -> io::Result<()> {
        self.begin_start(node)?;
        self.nodes[node].wait_until_healthy(self.deadline())
    }

    /// Waits until all nodes that run answer reads.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn wait_until_ready(&self) -> io::Result<()> {
        let deadline = self.deadline();
        self.running()
            .try_for_each(|(_, node)| node.wait_until_healthy(deadline))
    }

    /// The node that leads. One that is frozen does not answer, and so leads nobody.
    pub fn leader(&self) -> Option<usize> {
        let mut leading = self.running().filter(|(_, node)| node.leads());
        leading.next().map(|(number, _)| number)
    }

    /// Waits until a node leads and answers reads.
    ///
    /// # Errors
    /// None does in time.
    pub fn wait_for_leader(&self) -> io::Result<usize> {
        let deadline = self.deadline();
        loop {
            if let Some(leader) = self.leader() {
                self.nodes[leader].wait_until_healthy(deadline)?;
                if self.nodes[leader].leads() {
                    return Ok(leader);
                }
            }
            wait_a_little(deadline, POLL_INTERVAL, || {
                "no node of etcd leads".to_owned()
            })?;
        }
    }

    /// Kills all nodes and starts them again with nothing stored. Ports, and the cluster's id, stay the same.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn wipe(&self) -> io::Result<()> {
        self.remove_data()?;
        self.start_empty()
    }

    /// Writes what is stored now to the file at `path`.
    ///
    /// # Errors
    /// No node answers, or the file cannot be written.
    pub fn save_snapshot(&self, path: &Path) -> io::Result<()> {
        // Any node will do, and exactly one is asked for.
        let (_, node) = self.running().next().ok_or_else(no_node_runs)?;
        let endpoint = format!("--endpoints=http://{}", node.address());
        let mut command = self.control(&endpoint);
        command.args(["snapshot", "save"]).arg(path);
        output(&mut command).map(drop)
    }

    /// Kills all nodes and starts them again with what [`Etcd::save_snapshot`] has written: revisions go back to what they
    /// were then.
    ///
    /// # Errors
    /// The file is no snapshot, or as [`Etcd::start`].
    pub fn restore_snapshot(&self, path: &Path) -> io::Result<()> {
        self.remove_data()?;
        let members = self.members();
        // Newer versions of etcd have a program of its own for this.
        let has_etcdutl = silent(command("etcdutl").arg("version")).is_ok();
        let restorer = if has_etcdutl { "etcdutl" } else { "etcdctl" };
        for node in &self.nodes {
            let mut command = command(restorer);
            command.args(["snapshot", "restore"]).arg(path);
            output(command.args(node.restore_arguments(&members)))?;
        }
        self.start_nodes()
    }

    /// Runs `etcdctl` against all nodes that run, as `root` if there are users, and returns what it prints.
    ///
    /// # Errors
    /// It fails; the message is what it said.
    pub fn etcdctl(&self, arguments: &[&str]) -> io::Result<String> {
        let endpoints: Vec<String> = self
            .running()
            .map(|(_, node)| format!("http://{}", node.address()))
            .collect();
        if endpoints.is_empty() {
            return Err(no_node_runs());
        }
        let endpoints = format!("--endpoints={}", endpoints.join(","));
        output(self.control(&endpoints).args(arguments))
    }

    /// All that a node has printed, in all its lives.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn log(&self, node: usize) -> io::Result<String> {
        self.nodes[node].log()
    }

    /// A directory that is removed with this, for snapshots and the like.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, node)| node.is_running())
    }

    fn members(&self) -> String {
        let members: Vec<String> = self.nodes.iter().map(Node::member).collect();
        members.join(",")
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.ready_within
    }

    fn start_empty(&self) -> io::Result<()> {
        self.start_nodes()?;
        self.make_users()
    }

    fn start_nodes(&self) -> io::Result<()> {
        for node in 0..self.nodes.len() {
            self.begin_start(node)?;
        }
        self.wait_until_ready()
    }

    fn remove_data(&self) -> io::Result<()> {
        self.nodes.iter().try_for_each(Node::kill)?;
        self.nodes.iter().try_for_each(Node::remove_data)
    }

    fn make_users(&self) -> io::Result<()> {
        let Some(users) = &self.options.users else {
            return Ok(());
        };
        let user = format!("{ROOT}:{}", users.root_password);
        let endpoint = format!("--endpoints=http://{}", self.nodes[0].address());
        for arguments in [
            ["user", "add", &user].as_slice(),
            &["user", "grant-role", ROOT, ROOT],
            &["auth", "enable"],
        ] {
            // Nobody has to say who he is yet.
            output(command("etcdctl").arg(&endpoint).args(arguments))?;
        }
        Ok(())
    }

    fn control(&self, endpoints: &str) -> Command {
        let mut command = command("etcdctl");
        command.arg(endpoints).arg("--command-timeout=20s");
        if let Some(users) = &self.options.users {
            command.arg(format!("--user={ROOT}:{}", users.root_password));
        }
        command
    }
}

fn no_node_runs() -> io::Error {
    io::Error::other("no node of etcd runs")
}

/// A command of etcd, by its path if a directory is named.
fn command(name: &str) -> Command {
    let mut command = match std::env::var_os(DIRECTORY_VARIABLE) {
        Some(directory) => Command::new(Path::new(&directory).join(name)),
        None => Command::new(name),
    };
    // A variable of the environment may contradict an argument.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ETCD") {
            command.env_remove(name);
        }
    }
    command
}

fn silent(command: &mut Command) -> io::Result<std::process::ExitStatus> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
}

/// What a command prints; its error output if it fails.
fn output(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let program = command.get_program().to_string_lossy().into_owned();
    Err(io::Error::other(format!(
        "{program} failed ({}): {}",
        output.status,
        said.trim()
    )))
}

#[cfg(test)]
mod tests;
