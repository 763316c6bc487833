//! `dm serve` as a process: started with arguments, read while it runs, stopped or killed.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gateway_client::Client;
use rustix::process::{Pid, Signal, kill_process};

/// How long a process may take to print what is waited for, and to end.
const DEADLINE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A `dm serve` that runs. Dropping it kills it, and a test that fails shows what it has printed.
pub(crate) struct Served {
    directory: PathBuf,
    child: Child,
    stdout: Printed,
    stderr: Printed,
}

impl Served {
    /// Starts it with these arguments in a directory, which its relative paths begin in.
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Served {
        Served::start_with(directory, arguments, &[])
    }

    /// Starts it with variables of the environment; it has none beside those and `PATH`.
    pub(crate) fn start_with(
        directory: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Served {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dm"));
        command
            .arg("serve")
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A key that ends the tests does not reach it.
            .process_group(0);
        let mut child = command.spawn().unwrap();
        Served {
            directory: directory.to_owned(),
            stdout: Printed::of(child.stdout.take().unwrap()),
            stderr: Printed::of(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Starts it without a file, on a free port, with its data in `data` below the directory, and waits until it serves.
    pub(crate) fn ready(directory: &Path) -> Served {
        let mut served = Served::start(directory, &["--listen", "127.0.0.1:0"]);
        served.url();
        served
    }

    /// The address that it has printed; waits until everything is printed.
    pub(crate) fn url(&mut self) -> String {
        // The last line of what is printed.
        self.wait_for("    cat ");
        self.line("Serving at ")
    }

    /// What stands behind the words with which a line begins that it prints; waits for it.
    pub(crate) fn line(&mut self, beginning: &str) -> String {
        self.wait_for(beginning);
        let printed = self.stdout.text();
        let mut lines = printed.lines();
        let rest = lines.find_map(|line| line.strip_prefix(beginning));
        rest.unwrap().trim().to_owned()
    }

    fn wait_for(&mut self, beginning: &str) {
        let has_line = |text: &str| text.lines().any(|line| line.starts_with(beginning));
        let deadline = Instant::now() + DEADLINE;
        while !has_line(&self.stdout.text()) {
            // It may have printed it and ended.
            let has_ended = self.child.try_wait().unwrap().is_some();
            if has_ended {
                self.stdout.wait_for_end();
            }
            assert!(
                has_line(&self.stdout.text()) || !has_ended && Instant::now() < deadline,
                "there is no line {beginning:?}"
            );
            self.stdout.wait_for_more();
        }
    }

    /// A file below the directory in which it was started.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// The token of the administrator, if the data directory is `data`.
    pub(crate) fn admin_token(&self) -> String {
        self.token("data/admin-token")
    }

    /// The token in a file.
    pub(crate) fn token(&self, path: &str) -> String {
        let token = std::fs::read_to_string(self.file(path)).unwrap();
        token.trim().to_owned()
    }

    /// A client with a token.
    pub(crate) fn client(&mut self, token: &str) -> Client {
        Client::builder(self.url()).token(token).build().unwrap()
    }

    /// Everything that it has printed to standard output.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Everything that it has printed to standard error.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Ends it without a warning (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end (SIGTERM) and waits until it has. Returns its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended. Returns its exit code, if it was not a signal that ended it.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.stdout.wait_for_end();
                self.stderr.wait_for_end();
                return status.code();
            }
            assert!(Instant::now() < deadline, "dm serve does not end");
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Waits until it has ended, and asserts that it has failed and has said so with all these parts.
    pub(crate) fn fails_with(mut self, code: i32, parts: &[&str]) {
        assert_eq!(self.wait(), Some(code));
        let stderr = self.stderr();
        let error = stderr.lines().find(|line| line.starts_with("dm: "));
        let error = error.unwrap_or(&stderr);
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "dm serve has printed:\n{}\nand to standard error:\n{}",
                self.stdout(),
                self.stderr()
            );
        }
    }
}

/// Addresses that nobody listens on.
pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses = listeners.iter().map(TcpListener::local_addr);
    addresses.map(Result::unwrap).collect()
}

/// Waits until the gateway at an address reaches the services behind it. The token is the administrator's.
pub(crate) async fn wait_until_ready(url: &str, admin_token: &str) {
    let builder = Client::builder(url).token(admin_token);
    let admin = builder.attempts_max(1).build().unwrap();
    let deadline = Instant::now() + DEADLINE;
    loop {
        match admin.stores().await {
            Ok(stores) if stores.iter().all(|store| store.error.is_none()) => return,
            told => assert!(Instant::now() < deadline, "{told:?}"),
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// What a process prints, read as it comes.
struct Printed {
    text: Arc<(Mutex<String>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Printed {
    fn of(pipe: impl Read + Send + 'static) -> Printed {
        let text = Arc::<(Mutex<String>, Condvar)>::default();
        let written = text.clone();
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                written
                    .0
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&line));
                written.1.notify_all();
                line.clear();
            }
        });
        Printed {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        self.text.0.lock().unwrap().clone()
    }

    /// Waits for the next line, for a moment.
    fn wait_for_more(&self) {
        let text = self.text.0.lock().unwrap();
        drop(self.text.1.wait_timeout(text, LOOK_INTERVAL).unwrap());
    }

    /// Waits until all is read that the process has printed.
    fn wait_for_end(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}
