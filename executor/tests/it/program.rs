//! The executor as a process.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::host::wait_until;
use crate::service_process::free_address;

/// How long a process may take to end by itself.
const DEADLINE: Duration = Duration::from_secs(30);

/// An executor that is killed and started again at the same place.
pub(crate) struct Executor {
    directory: TempDir,
    data_dir: PathBuf,
    address: String,
    settings: Vec<(String, String)>,
    child: Option<Child>,
}

impl Executor {
    /// One with the driver `host` and no limit of tasks, which speaks to the service at a URL.
    pub(crate) async fn start(service_url: &str) -> Executor {
        Executor::with(service_url, &[]).await
    }

    /// One with more settings, below `executor`.
    pub(crate) async fn with(service_url: &str, settings: &[(&str, &str)]) -> Executor {
        let mut executor = Executor::new(service_url, settings);
        executor.rise().await;
        executor
    }

    /// One that is not started yet.
    pub(crate) fn new(service_url: &str, settings: &[(&str, &str)]) -> Executor {
        let directory = tempfile::tempdir().unwrap();
        let address = free_address();
        let first = [
            ("runserviceURL", service_url),
            ("web.listenAddress", &address),
            ("driver.type", "host"),
            ("activeTasksLimit", "0"),
        ];
        let settings = first.iter().chain(settings);
        let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Executor {
            data_dir: directory.path().join("data"),
            settings: settings.collect(),
            directory,
            address,
            child: None,
        }
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn rise(&mut self) {
        self.rise_with(|command| command).await;
    }

    /// Starts it with what is done to the command before.
    pub(crate) async fn rise_with(&mut self, change: impl FnOnce(Command) -> Command) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_executor"));
        let data_dir = self.data_dir.to_str().unwrap();
        command.args(["--set", &format!("executor.dataDir={data_dir}")]);
        for (key, value) in &self.settings {
            command.args(["--set", &format!("executor.{key}={value}")]);
        }
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.log())
            .unwrap();
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("DM_TEST_SECRET_OF_THE_EXECUTOR", "secret")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            // A key that ends the tests does not end it, as with a service.
            .process_group(0);
        self.child = Some(change(command).spawn().unwrap());
        let ready = format!("{}/readyz", self.url());
        wait_until("the executor is ready", async || {
            let answer = reqwest::get(&ready).await;
            answer.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let pid = i32::try_from(child.id()).unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
        }
    }

    /// Ends it without a warning.
    pub(crate) fn die(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        let mut child = self.child.take().unwrap();
        let deadline = Instant::now() + DEADLINE;
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the executor does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// It does nothing until it is thawed.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.signal(if frozen { Signal::STOP } else { Signal::CONT });
    }

    /// All that it has in its data directory, but for what is there without any task.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut left = vec![self.data_dir.clone()];
        while let Some(directory) = left.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    left.push(path.clone());
                }
                found.push(path.display().to_string());
            }
        }
        found.sort();
        found
    }

    /// Waits until it has no more in its data directory than it had.
    pub(crate) async fn assert_tidied_to(&self, before: &[String]) {
        let added = || {
            self.files()
                .into_iter()
                .filter(|file| !before.contains(file))
        };
        let deadline = Instant::now() + DEADLINE;
        while added().next().is_some() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(added().collect::<Vec<_>>(), Vec::<String>::new(), "is left");
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.die();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            eprintln!("the log of the executor:\n{log}");
        }
    }
}

/// The processes that have inherited an environment with this text, and still live.
pub(crate) fn processes_with(mark: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // One that has ended and was not waited for has none.
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .windows(mark.len())
            .any(|window| window == mark.as_bytes())
        {
            found.push(pid);
        }
    }
    found
}

/// Waits until none of them lives any more, and asserts that it did not take longer.
pub(crate) async fn assert_gone_within(mark: &str, limit: Duration) {
    let began = Instant::now();
    wait_until("all processes of the task have ended", async || {
        processes_with(mark).is_empty()
    })
    .await;
    assert!(began.elapsed() <= limit, "it took {:?}", began.elapsed());
}
