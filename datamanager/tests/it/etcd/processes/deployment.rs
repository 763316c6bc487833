//! An etcd, an object storage, and the workers that use them for one store.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use datamanager::testing::{ChildProcess, Etcd, EtcdOptions as Cluster};
use datamanager::{DataManager, Error};
use ost::testing::S3Server;
use tempfile::TempDir;

use super::super::place::run;
use super::progress::Progress;
use super::task::{File, TASK, Task, Tuning};

/// The longest that anything is waited for.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Lines of a worker's log that a failure shows.
const LOG_LINES_SHOWN: usize = 30;

/// What a scenario is played on. If it fails the directory with all histories and logs stays, and is named.
pub(super) struct Deployment {
    /// Killed before anything else goes.
    workers: Vec<Worker>,
    pub(super) etcd: Etcd,
    /// The task of the next worker, but for its name.
    pub(super) task: Task,
    environment: Vec<(&'static str, &'static str)>,
    /// Kept for as long as workers use it.
    pub(super) s3: Option<S3Server>,
    directory: TempDir,
}

/// A process of a deployment.
pub(super) struct Worker {
    pub(super) task: Task,
    pub(super) process: ChildProcess,
    pub(super) progress: Progress,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Ended,
    /// By force: what it had under way was never answered.
    Killed,
    /// The store has told it that it cannot be used.
    Refused,
}

impl Deployment {
    /// An etcd of one node and a directory for objects; `None`, which the test says, if there is no etcd.
    pub(super) fn start() -> Option<Deployment> {
        Deployment::start_with(Cluster::new())
    }

    pub(super) fn start_with(cluster: Cluster) -> Option<Deployment> {
        if !Etcd::can_run().unwrap() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let etcd = Etcd::start(cluster).unwrap();
        let task = Task {
            name: String::new(),
            directory: directory.path().to_owned(),
            url: format!("file://{}", directory.path().join("objects").display()),
            endpoints: etcd.endpoints().join(","),
            prefix: "/test/dm".to_owned(),
            clients: 2,
            pause: Duration::from_millis(10),
            value_bytes: 10,
            tuning: Tuning::default(),
        };
        Some(Deployment {
            workers: Vec::new(),
            etcd,
            task,
            environment: Vec::new(),
            s3: None,
            directory,
        })
    }

    /// Puts the objects on an S3 service instead.
    pub(super) fn use_s3(&mut self) {
        let server = S3Server::start().unwrap();
        self.task.url = server.url("base");
        self.environment = server.environment().to_vec();
        self.s3 = Some(server);
    }

    /// Starts workers, and waits until they have opened the store.
    pub(super) fn start_workers(&mut self, names: &[&str]) {
        for name in names {
            self.begin_worker(name, |_| {});
        }
        self.wait_until_open(names);
    }

    /// Starts a worker whose task is a little different.
    pub(super) fn begin_worker(&mut self, name: &str, change: impl FnOnce(&mut Task)) {
        let mut task = self.task.clone();
        task.name = name.to_owned();
        change(&mut task);
        let log = std::fs::File::create(task.path(File::Log)).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "etcd::processes::worker::worker_of_a_store_in_etcd",
            ])
            .arg("--nocapture")
            .env(TASK, serde_json::to_string(&task).unwrap())
            .envs(self.environment.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.workers.push(Worker {
            progress: Progress::of(&task.path(File::History)),
            process: ChildProcess::spawn(&mut command).unwrap(),
            task,
            state: State::Running,
        });
    }

    pub(super) fn wait_until_open(&mut self, names: &[&str]) {
        self.wait_until("the workers have opened the store", |deployment| {
            let mut names = names.iter();
            names.all(|name| deployment.worker(name).task.is_there(File::Open))
        });
    }

    /// A worker, with its progress as it is now.
    pub(super) fn worker(&mut self, name: &str) -> &mut Worker {
        let mut workers = self.workers.iter_mut();
        let worker = workers.find(|worker| worker.task.name == name).unwrap();
        worker.progress.update();
        worker
    }

    fn running(&self) -> Vec<String> {
        let running = self
            .workers
            .iter()
            .filter(|each| each.state == State::Running);
        running.map(|worker| worker.task.name.clone()).collect()
    }

    /// Waits until `condition` holds; no worker may end meanwhile by itself.
    pub(super) fn wait_until(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Deployment) -> bool,
    ) {
        let began = Instant::now();
        while !condition(self) {
            self.check_alive();
            if began.elapsed() > WAIT_MAX {
                let running = self.running().into_iter();
                let described: Vec<String> =
                    running.map(|name| self.worker(&name).describe()).collect();
                panic!("in vain: {what}\n{}", described.join("\n"));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits until each worker that runs has committed so many more transactions.
    pub(super) fn wait_for_commits(&mut self, more: u64) {
        let names = self.running();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.wait_for_commits_of(&names, more);
    }

    pub(super) fn wait_for_commits_of(&mut self, names: &[&str], more: u64) {
        let goals: Vec<u64> = names
            .iter()
            .map(|name| self.worker(name).progress.committed + more)
            .collect();
        let what = format!("{names:?} commit {more} transactions more");
        self.wait_until(&what, |deployment| {
            let mut goals = names.iter().zip(&goals);
            goals.all(|(name, goal)| deployment.worker(name).progress.committed >= *goal)
        });
    }

    /// Waits until each worker that runs is told so many times more that a commit cannot be made.
    pub(super) fn wait_for_refusals(&mut self, more: u64) {
        let names = self.running();
        let goals: Vec<u64> = names
            .iter()
            .map(|name| self.worker(name).progress.unavailable() + more)
            .collect();
        self.wait_until("commits are refused", |deployment| {
            let mut goals = names.iter().zip(&goals);
            goals.all(|(name, goal)| deployment.worker(name).progress.unavailable() >= *goal)
        });
    }

    fn check_alive(&mut self) {
        for worker in &mut self.workers {
            let is_well = worker.state != State::Running
                || (!worker.task.is_there(File::Refused)
                    && worker.process.exit_status().unwrap().is_none());
            assert!(is_well, "{}", worker.describe());
        }
    }

    pub(super) fn kill(&mut self, name: &str) {
        let worker = self.worker(name);
        worker.process.kill().unwrap();
        worker.state = State::Killed;
    }

    pub(super) fn pause(&mut self, name: &str) {
        let worker = self.worker(name);
        worker.process.pause().unwrap();
        worker.state = State::Paused;
    }

    pub(super) fn resume(&mut self, name: &str) {
        let worker = self.worker(name);
        worker.process.resume().unwrap();
        worker.state = State::Running;
    }

    /// Lets all workers that run come to their end.
    pub(super) fn end(&mut self) {
        for name in self.running() {
            self.worker(&name).task.leave(File::End, "");
        }
        for name in self.running() {
            let worker = self.worker(&name);
            let status = worker.process.wait(WAIT_MAX);
            let is_well = status.as_ref().is_ok_and(|status| status.success());
            assert!(is_well, "{status:?}: {}", worker.describe());
            worker.state = State::Ended;
        }
    }

    /// Waits until each worker that runs has committed in the epoch, and a little more.
    pub(super) fn wait_for_epoch(&mut self, epoch: u32) {
        let names = self.running();
        self.wait_until(&format!("all commit in epoch {epoch}"), |deployment| {
            let mut names = names.iter();
            names.all(|name| deployment.worker(name).progress.epoch >= epoch)
        });
        self.wait_for_commits(3);
    }

    /// Waits until a worker cannot use the store any more, and returns what it was told.
    pub(super) fn wait_until_refused(&mut self, name: &str) -> String {
        let worker = self.worker(name);
        worker.state = State::Refused;
        let status = worker.process.wait(WAIT_MAX);
        let told = worker.task.read(File::Refused);
        let is_well = status.is_ok_and(|status| status.success()) && !told.is_empty();
        assert!(is_well, "{}", worker.describe());
        told
    }

    /// Whether this is the process of a worker that has come to its end by itself, and so knows what became of its commits.
    pub(super) fn has_ended_well(&self, process: &str) -> bool {
        self.workers
            .iter()
            .any(|worker| worker.state == State::Ended && worker.task.read(File::Open) == process)
    }

    /// The store in this process.
    pub(super) fn builder(&self, task: &Task) -> datamanager::Builder {
        match &self.s3 {
            // Its credentials are not in this process's environment.
            Some(server) => task.builder_on(server.open("base")),
            None => task.builder(),
        }
    }

    /// Opens the store in this process, once.
    pub(super) fn open_once(&self, name: &str) -> Result<DataManager, Error> {
        let task = Task {
            name: name.to_owned(),
            ..self.task.clone()
        };
        run(self.builder(&task).open())
    }

    /// How many jobs have begun, as the log tells.
    pub(super) fn jobs_begun(&self) -> usize {
        use futures::TryStreamExt;
        let task = Task {
            name: "reader".to_owned(),
            ..self.task.clone()
        };
        let records: Vec<datamanager::RecordInfo> = run(async {
            let store = self.builder(&task).read_only().open().await.unwrap();
            let records = store.records(1).try_collect().await.unwrap();
            store.close().await.unwrap();
            records
        });
        let controls = records.iter().filter_map(|record| record.control.as_ref());
        let begun = controls.filter(|control| control.to_string().contains("job_begun"));
        begun.count()
    }

    /// The value of a key of the store in etcd, empty if it is not there.
    pub(super) fn value(&self, key: &str) -> String {
        let key = format!("{}/{key}", self.task.prefix);
        let value = self.etcd.etcdctl(&["get", &key, "--print-value-only"]);
        value.unwrap().trim_end().to_owned()
    }

    /// Removes keys of the store, by the beginning of their names.
    pub(super) fn remove_keys(&self, prefix: &str) {
        let prefix = format!("{}/{prefix}", self.task.prefix);
        self.etcd.etcdctl(&["del", "--prefix", &prefix]).unwrap();
    }

    /// The keys of all objects.
    pub(super) fn everything(&self) -> Vec<String> {
        self.objects("")
    }

    /// The keys of objects that begin so.
    pub(super) fn objects(&self, prefix: &str) -> Vec<String> {
        use futures::TryStreamExt;
        let ost = match &self.s3 {
            Some(server) => server.open("base"),
            None => ost::Ost::from_url(&self.task.url).unwrap(),
        };
        let metas: Vec<ost::ObjectMeta> =
            run(async { ost.list(prefix, None).try_collect().await.unwrap() });
        let names = metas.iter().map(|meta| meta.path.to_string());
        names.collect()
    }

    pub(super) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            let kept = format!(
                "histories, logs and objects of all processes are in {}\n",
                self.directory.path().display()
            );
            // There is nobody to tell if that fails.
            let _ = std::io::stderr().write_all(kept.as_bytes());
        }
    }
}

impl Worker {
    /// Lines that the worker has logged as errors or warnings.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self.task.read(File::Log);
        let lines = log.lines();
        let complaints =
            lines.filter(|line| line.starts_with("ERROR ") || line.starts_with("WARN "));
        complaints.map(str::to_owned).collect()
    }

    /// The messages of the errors that clients were told.
    pub(super) fn errors(&self) -> String {
        self.task.read(File::Errors)
    }

    /// How many threads (`task`) or open files (`fd`) the process has.
    ///
    /// Source: Linux, proc_pid_task(5) and proc_pid_fd(5).
    pub(super) fn count(&self, what: &str) -> usize {
        let path = format!("/proc/{}/{what}", self.process.pid());
        std::fs::read_dir(path).unwrap().count()
    }

    fn describe(&self) -> String {
        let log = self.task.read(File::Log);
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        format!(
            "{} is {:?} ({}): {:?}\n{}",
            self.task.name,
            self.state,
            self.task.read(File::Refused),
            self.progress,
            last.join("\n")
        )
    }
}
