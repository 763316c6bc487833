//! Real processes that share one store: this test binary runs itself again for each of them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use datamanager::{DataManager, ErrorKind, LogKind, Outcome};
use ost::testing::S3Server;

/// The variables by which a worker is told what to do.
const URL: &str = "DM_TEST_WORKER_URL";
const NAME: &str = "DM_TEST_WORKER_NAME";
const INCREMENTS: &str = "DM_SOAK_INCREMENTS";

const PROCESSES: u64 = 4;

fn increments() -> u64 {
    std::env::var(INCREMENTS).map_or(20, |value| value.parse().unwrap())
}

fn open(url: &str) -> datamanager::Builder {
    DataManager::builder(url).unwrap().log(LogKind::Object)
}

/// Not a test by itself: the work of one process, where the variables ask for it.
#[test]
fn worker_increments_the_counter() {
    let (Ok(url), Ok(name)) = (std::env::var(URL), std::env::var(NAME)) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&url).name(&name).open().await.unwrap();
        for number in 0..increments() {
            while !increment(&store, &format!("{name}-{number}")).await {}
        }
        store.close().await.unwrap();
    });
}

/// One attempt to add 1 to the counter and to leave a mark in the same transaction; whether it was committed.
async fn increment(store: &DataManager, mark: &str) -> bool {
    let mut transaction = store.begin();
    let value = transaction.get_raw("counter", "1").await.unwrap();
    let value = value.map_or(0, |value| {
        std::str::from_utf8(&value).unwrap().parse::<u64>().unwrap()
    });
    transaction
        .put_raw("counter", "1", (value + 1).to_string())
        .unwrap();
    assert_eq!(transaction.get_raw("mark", mark).await.unwrap(), None);
    transaction
        .put_raw("mark", mark, (value + 1).to_string())
        .unwrap();
    let error = match transaction.commit().await {
        Ok(_) => return true,
        Err(error) => error,
    };
    match (error.kind(), error.commit_id()) {
        (ErrorKind::Conflict | ErrorKind::Unavailable, _) => false,
        (ErrorKind::Unknown, Some(id)) => loop {
            match store.outcome(id).await.unwrap() {
                Outcome::Committed => return true,
                Outcome::NotCommitted => return false,
                Outcome::Undecided => tokio::time::sleep(Duration::from_millis(20)).await,
                Outcome::TooOld => panic!("the log keeps what is so young"),
            }
        },
        _ => panic!("{error:?}"),
    }
}

fn start_worker(url: &str, name: &str, environment: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::worker_increments_the_counter"])
        .env(URL, url)
        .env(NAME, name)
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the processes at once, the first start among them, and looks at what they have left.
fn run(url: &str, environment: &[(&str, &str)], check: impl AsyncFnOnce() -> DataManager) {
    let names: Vec<String> = (0..PROCESSES).map(|number| format!("w{number}")).collect();
    let workers: Vec<Child> = names
        .iter()
        .map(|name| start_worker(url, name, environment))
        .collect();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = check().await;
        let counter = store.get_raw("counter", "1").await.unwrap().unwrap();
        let expected = PROCESSES * increments();
        assert_eq!(counter, expected.to_string());
        assert_eq!(store.count("mark").await.unwrap(), expected);
        store.close().await.unwrap();
    });
}

/// Field case DM-15, with processes of the operating system: of two updates made from the same read the last won silently.
#[test]
fn four_processes_on_one_directory_lose_and_double_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().display());
    run(&url, &[], async || open(&url).open().await.unwrap());
}

#[test]
fn four_processes_on_an_s3_service_lose_and_double_nothing() {
    let server = S3Server::start().unwrap();
    let url = server.url("shared");
    run(&url, &server.environment(), async || {
        let ost = server.open("shared");
        datamanager::Builder::from_ost(ost).open().await.unwrap()
    });
}
