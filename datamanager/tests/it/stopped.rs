//! A real process that is stopped by a signal, while the log goes on without it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use datamanager::testing::ChildProcess;
use datamanager::{
    Builder, CommitId, DataManager, Error, ErrorKind, ExportOptions, ImportOptions, LogKind,
    Outcome, ScanOptions, Settings,
};
use futures::TryStreamExt;
use ost::Ost;
use ost::testing::S3Server;
use tempfile::NamedTempFile;

/// The variables by which the worker is told what to do.
const URL: &str = "DM_TEST_STOPPED_URL";
const JOURNAL: &str = "DM_TEST_STOPPED_JOURNAL";
/// How often it is stopped.
const STOPS: &str = "DM_SOAK_STOPS";

/// The longest that anything is waited for.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Nothing is kept that is not needed, and little time is enough to know too little.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.maintain = false;
    settings.head_confirm_max = Duration::from_millis(200);
    settings.probe_interval_max = Duration::from_millis(50);
    settings.file_retention = Duration::ZERO;
    settings.wal_retention = Duration::ZERO;
    settings
}

/// Not a test by itself: the work of the process that is stopped, where the variables ask for it. It raises the counter until
/// there is an entry that tells it to end, and writes down what it was told.
#[test]
fn worker_raises_the_counter_and_keeps_a_journal() {
    let (Ok(url), Ok(journal)) = (std::env::var(URL), std::env::var(JOURNAL)) else {
        return;
    };
    let mut journal = OpenOptions::new().append(true).open(journal).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let builder = DataManager::builder(&url).unwrap().name("worker");
        let store = builder.settings(settings()).open().await.unwrap();
        for number in 0.. {
            if matches!(store.get_raw("control", "end").await, Ok(Some(_))) {
                break;
            }
            let mark = format!("worker-{number}");
            let told = match raise(&store, &mark).await {
                Ok(()) => "committed".to_owned(),
                Err(error) => match (error.kind(), error.commit_id()) {
                    (ErrorKind::Unknown, Some(id)) => format!("unknown {id}"),
                    (
                        ErrorKind::Conflict
                        | ErrorKind::Unavailable
                        | ErrorKind::Maintenance
                        | ErrorKind::Expired,
                        _,
                    ) => "refused".to_owned(),
                    _ => format!("failed {error:?}"),
                },
            };
            writeln!(journal, "{mark} {told}").unwrap();
        }
        store.close().await.unwrap();
    });
}

/// Raises the counter by one, and leaves a mark with its value in the same transaction.
async fn raise(store: &DataManager, mark: &str) -> Result<(), Error> {
    let mut transaction = store.begin();
    let value = transaction.get_raw("counter", "it").await?;
    let value = value.map_or(0, |value| number(&value)) + 1;
    transaction.put_raw("counter", "it", value.to_string())?;
    transaction.put_raw("mark", mark, value.to_string())?;
    transaction.commit().await.map(drop)
}

fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// The process beside the one that is stopped, and all that it sees of it.
struct Beside {
    store: DataManager,
    ost: Ost,
    worker: ChildProcess,
    journal: NamedTempFile,
    raised: u64,
    /// Stops after which the worker had stored a record where another one had been removed.
    strays: usize,
}

impl Beside {
    async fn start(builder: Builder, ost: Ost, url: &str, credentials: &[(&str, &str)]) -> Beside {
        let store = builder
            .log(LogKind::Object)
            .settings(settings())
            .open()
            .await
            .unwrap();
        let journal = NamedTempFile::new().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "stopped::worker_raises_the_counter_and_keeps_a_journal",
            ])
            .env(URL, url)
            .env(JOURNAL, journal.path())
            .envs(credentials.iter().copied())
            .stdout(Stdio::null());
        Beside {
            store,
            ost,
            worker: ChildProcess::spawn(&mut command).unwrap(),
            journal,
            raised: 0,
            strays: 0,
        }
    }

    /// What the worker was told of each mark.
    fn journal(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.journal.path()).unwrap();
        // A line may be being written.
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let entries = lines.map(|line| line.trim_end().split_once(' ').unwrap());
        entries
            .map(|(mark, told)| (mark.to_owned(), told.to_owned()))
            .collect()
    }

    async fn wait_until(&mut self, what: &str, mut condition: impl AsyncFnMut(&Beside) -> bool) {
        let began = Instant::now();
        while !condition(self).await {
            assert!(began.elapsed() < WAIT_MAX, "in vain: {what}");
            if let Some(status) = self.worker.exit_status().unwrap() {
                panic!(
                    "the worker has ended: {status}: {:?}",
                    self.journal().last_key_value()
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the worker has committed something that it had not committed yet.
    async fn wait_for_commit(&mut self) {
        let count = |beside: &Beside| {
            let journal = beside.journal();
            journal.values().filter(|told| *told == "committed").count()
        };
        let before = count(self);
        self.wait_until("a commit of the worker", async |beside| {
            count(beside) > before
        })
        .await;
    }

    /// Raises the counter once, whatever gets in between.
    async fn raise(&mut self) {
        self.raised += 1;
        let mark = format!("beside-{}", self.raised);
        let began = Instant::now();
        while let Err(error) = raise(&self.store, &mark).await {
            let in_vain = [ErrorKind::Conflict, ErrorKind::Unavailable];
            assert!(in_vain.contains(&error.kind()), "{error:?}");
            assert!(began.elapsed() < WAIT_MAX, "in vain: {error:?}");
        }
    }

    /// Goes on without the worker until the log is gone up to where it would append.
    async fn go_on_past_retention(&mut self) {
        self.store.latest_snapshot().await.unwrap();
        let epoch = self.store.stats().epoch;
        let next_seq = self.store.position().seq + 1;
        for _ in 0..2 {
            self.raise().await;
        }
        // The newest three manifests are kept, so all of them have to cover what is to go.
        for _ in 0..4 {
            self.raise().await;
            self.store.checkpoint().await.unwrap();
        }
        let first_kept = format!("wal/{epoch:010}/{:020}.wal", next_seq + 1);
        self.wait_until("the log is collected", async |beside| {
            beside.store.collect_garbage().await.unwrap();
            beside.first_wal().await >= first_kept
        })
        .await;
    }

    async fn first_wal(&self) -> String {
        let first = self.ost.list("wal/", None).try_next().await.unwrap();
        first.map_or_else(String::new, |meta| meta.path.to_string())
    }

    /// Brings in an import of what is there, and takes the old log away.
    async fn replace_everything(&mut self) {
        let store = &self.store;
        store.maintenance_on().await.unwrap();
        let mut export = store.export(ExportOptions::new()).await.unwrap();
        let mut exported = Vec::new();
        while let Some(piece) = export.next().await.unwrap() {
            exported.extend_from_slice(&piece);
        }
        let input = std::io::Cursor::new(exported);
        // It does not wait for the worker, which says nothing.
        let options = ImportOptions::new().force(true);
        store.import(input, options).await.unwrap();
        store.maintenance_off(false).await.unwrap();
        self.go_on_past_retention().await;
    }

    /// Stops the worker, lets `meanwhile` happen, and waits until it has found its way back.
    async fn stop(&mut self, meanwhile: impl AsyncFnOnce(&mut Beside)) {
        self.wait_for_commit().await;
        self.worker.pause().unwrap();
        meanwhile(self).await;
        let before = self.first_wal().await;
        self.worker.resume().unwrap();
        self.wait_for_commit().await;
        self.strays += usize::from(self.first_wal().await < before);
        self.check().await;
    }

    /// Compares what the worker was told with what is there.
    async fn check(&self) {
        let told = self.journal();
        let snapshot = self.store.latest_snapshot().await.unwrap();
        let scan = snapshot.scan_raw("mark", &ScanOptions::new()).unwrap();
        let marks = scan.collect().await.unwrap();
        let marks: BTreeMap<String, u64> = marks
            .into_iter()
            .map(|entry| (entry.id, number(&entry.value)))
            .collect();
        for (mark, told) in told {
            let is_there = marks.contains_key(&mark);
            match told.split_once(' ') {
                None if told == "committed" => assert!(is_there, "{mark} is lost"),
                None if told == "refused" => assert!(!is_there, "{mark} is there"),
                Some(("unknown", id)) => {
                    let id: CommitId = id.parse().unwrap();
                    match self.store.outcome(id).await.unwrap() {
                        Outcome::Committed => assert!(is_there, "{mark} is lost"),
                        Outcome::NotCommitted => assert!(!is_there, "{mark} is there"),
                        outcome => assert_eq!(outcome, Outcome::TooOld, "{mark}"),
                    }
                }
                _ => panic!("{mark} {told}"),
            }
        }
        for number in 1..=self.raised {
            let mark = format!("beside-{number}");
            assert!(marks.contains_key(&mark), "{mark} is lost");
        }
        // Each transaction has counted on from the one before it, once.
        let mut values: Vec<u64> = marks.values().copied().collect();
        values.sort_unstable();
        assert_eq!(values, Vec::from_iter(1..=marks.len() as u64));
        let counter = snapshot.get_raw("counter", "it").await.unwrap().unwrap();
        assert_eq!(number(&counter), marks.len() as u64);
    }

    /// Ends the worker, and returns after how many stops it had left a stray.
    async fn end(mut self) -> usize {
        self.store.put_raw("control", "end", "").await.unwrap();
        assert!(self.worker.wait(WAIT_MAX).unwrap().success());
        self.check().await;
        self.store.close().await.unwrap();
        self.strays
    }
}

#[expect(
    clippy::print_stdout,
    reason = "how often it came to that is drawn by the moment of each stop"
)]
async fn stop_again_and_again(mut beside: Beside) {
    let stops = std::env::var(STOPS).map_or(4, |value| value.parse().unwrap());
    for _ in 0..stops {
        beside.stop(Beside::go_on_past_retention).await;
    }
    beside.stop(Beside::replace_everything).await;
    let ost = beside.ost.clone();
    let strays = beside.end().await;
    println!("{stops} stops, {strays} records where others had been removed");
    let report = Builder::from_ost(ost).verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(test);
}

#[test]
fn a_writer_stopped_past_the_retention_and_past_an_epoch_acknowledges_nothing_falsely() {
    let directory = tempfile::tempdir().unwrap();
    run(in_directory(directory.path()));
}

async fn in_directory(directory: &Path) {
    let ost = Ost::local(directory).unwrap();
    let builder = Builder::from_ost(ost.clone());
    let url = format!("file://{}", directory.display());
    stop_again_and_again(Beside::start(builder, ost, &url, &[]).await).await;
}

#[test]
fn a_writer_on_an_s3_service_stopped_past_the_retention_and_past_an_epoch_acknowledges_nothing_falsely()
 {
    let server = S3Server::start().unwrap();
    run(async {
        let ost = server.open("base");
        let builder = Builder::from_ost(ost.clone());
        let (url, credentials) = (server.url("base"), server.environment());
        stop_again_and_again(Beside::start(builder, ost, &url, &credentials).await).await;
    });
}
