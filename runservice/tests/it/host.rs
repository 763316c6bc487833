//! Services in the test's own process, and what tests ask of them.

use std::path::Path;

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use runservice::api::{Run, RunConfig, RunPhase, RunResponse, RunTask};
use runservice::client::Client;
use runservice::{Error, ErrorKind, Settings};
use service::testing::TestServer;
use tempfile::TempDir;

pub(crate) use service::testing::wait_until;

/// A service that runs until it is stopped or dropped.
pub(crate) struct Server {
    server: TestServer,
    /// Removed at the end, if the server has made it.
    _directory: Option<TempDir>,
}

impl Server {
    /// A service with a store of its own, ready.
    pub(crate) async fn new() -> Server {
        Server::with(|_| {}).await
    }

    /// A service with a store of its own and changed settings, ready.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(directory.path());
        change(&mut settings);
        let mut server = Server::start(&settings).await;
        server._directory = Some(directory);
        server
    }

    /// A service with these settings, ready.
    pub(crate) async fn start(settings: &Settings) -> Server {
        let settings = settings.clone();
        let server = TestServer::run(false, |listener, stopped| async move {
            runservice::run(listener, &settings, stopped).await
        });
        server.wait_until_ready().await;
        Server {
            server,
            _directory: None,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// A client that has seen nothing yet.
    pub(crate) fn client(&self) -> Client {
        Client::builder(self.url()).build().unwrap()
    }

    /// Stops the service.
    pub(crate) async fn stop(self) {
        self.server.stop().await.unwrap();
    }
}

/// Settings for a service with all that it has in one directory.
pub(crate) fn settings(directory: &Path) -> Settings {
    let mut settings = Settings::default();
    settings.server.data_dir = directory.join("data");
    settings.server.workers = 2;
    settings
}

/// A number from the environment, for more than tests do by themselves.
pub(crate) fn count_from(name: &str, default: usize) -> usize {
    let count = std::env::var(name).ok();
    count.map_or(default, |count| count.parse().unwrap())
}

/// All bytes of a log, an archive or a cache.
pub(crate) async fn whole(stream: impl Stream<Item = Result<Bytes, Error>>) -> Vec<u8> {
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    pieces.concat()
}

pub(crate) fn assert_kind<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{}", error.chain());
    assert!(!error.to_string().is_empty());
}

pub(crate) fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert_kind(result, ErrorKind::BadRequest);
}

pub(crate) fn assert_not_found<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert_kind(result, ErrorKind::NotFound);
}

/// What tests look at in runs.
pub(crate) trait Look {
    async fn look(&self, id: &str) -> Seen;
    /// Waits until a run is as it should be.
    async fn wait_for(&self, id: &str, what: &str, condition: impl Fn(&Seen) -> bool) -> Seen;
    /// Waits until a run has ended and all of it is collected.
    async fn wait_for_end(&self, id: &str) -> Seen;
}

impl Look for Client {
    async fn look(&self, id: &str) -> Seen {
        Seen::from(self.run(id, &[]).await.unwrap())
    }

    async fn wait_for(&self, id: &str, what: &str, condition: impl Fn(&Seen) -> bool) -> Seen {
        let last = std::sync::Mutex::new(None);
        let waited = tokio::time::timeout(
            std::time::Duration::from_secs(45),
            wait_until(what, async || {
                // The service may be about to start.
                let Ok(response) = self.run(id, &[]).await else {
                    return false;
                };
                let seen = Seen::from(response);
                let is_so = condition(&seen);
                *last.lock().unwrap() = Some(seen);
                is_so
            }),
        );
        let waited = waited.await;
        let last = last.into_inner().unwrap();
        assert!(waited.is_ok(), "in vain: {what}: {last:#?}");
        last.unwrap()
    }

    async fn wait_for_end(&self, id: &str) -> Seen {
        let has_ended = |seen: &Seen| seen.run.phase.is_finished() && seen.run.archived;
        self.wait_for(id, "the run has ended", has_ended).await
    }
}

/// A run as it was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) run: Run,
    pub(crate) config: RunConfig,
}

impl From<RunResponse> for Seen {
    fn from(response: RunResponse) -> Seen {
        Seen {
            run: response.run.unwrap(),
            config: response.run_config.unwrap(),
        }
    }
}

impl Seen {
    /// The task with this name.
    pub(crate) fn task(&self, name: &str) -> &RunTask {
        &self.run.tasks[&self.task_id(name)]
    }

    pub(crate) fn task_id(&self, name: &str) -> String {
        let mut tasks = self.config.tasks.values();
        let task = tasks.find(|task| task.name == name);
        task.unwrap_or_else(|| panic!("there is no task {name}"))
            .id
            .clone()
    }

    /// Names and statuses of all tasks: `a:success b:skipped`, in the order of their names.
    pub(crate) fn statuses(&self) -> String {
        let mut shown: Vec<String> = self
            .config
            .tasks
            .values()
            .map(|task| format!("{}:{}", task.name, self.run.tasks[&task.id].status))
            .collect();
        shown.sort();
        shown.join(" ")
    }

    /// Phase, result and statuses.
    pub(crate) fn outcome(&self) -> String {
        format!("{} {} {}", self.run.phase, self.run.result, self.statuses())
    }

    pub(crate) fn is_in(&self, phase: RunPhase) -> bool {
        self.run.phase == phase
    }
}
