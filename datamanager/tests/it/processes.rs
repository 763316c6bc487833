//! Real processes that share one store: this test binary runs itself again for each of them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use datamanager::environment::SeededRandom;
use datamanager::testing::ChildProcess;
use datamanager::{DataManager, ErrorKind, ImportOptions, LogKind, Outcome};
use ost::testing::S3Server;

/// The variables by which a worker is told what to do.
const URL: &str = "DM_TEST_WORKER_URL";
const NAME: &str = "DM_TEST_WORKER_NAME";
const FILE: &str = "DM_TEST_WORKER_FILE";
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

/// Not a test by itself: imports a file, where the variables ask for it, and says when it begins.
#[test]
fn worker_imports_a_file() {
    let (Ok(url), Ok(file)) = (std::env::var(URL), std::env::var(FILE)) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&url).name("importer").open().await.unwrap();
        let input = std::io::Cursor::new(std::fs::read(&file).unwrap());
        std::fs::write(format!("{file}.begun"), "").unwrap();
        store.import(input, ImportOptions::new()).await.unwrap();
        store.close().await.unwrap();
    });
}

/// The moments are drawn; whatever they are, the store holds the one or the other.
#[test]
fn an_import_killed_on_an_s3_service_leaves_the_old_or_the_new_data() {
    const ENTRIES: u64 = 300;
    const DELAY_MAX_MICROS: usize = 60_000;
    let rounds: u64 = std::env::var("DM_SOAK_ROUNDS").map_or(10, |value| value.parse().unwrap());
    let rounds = rounds.min(30);
    let seed = u64::from(std::process::id());
    let mut random = SeededRandom::new(seed);
    let server = S3Server::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut export = String::new();
    for number in 0..ENTRIES {
        let entry = format!("{{\"id\":\"{number:05}\",\"data_type\":\"new\",\"data\":\"eA==\"}}\n");
        export.push_str(&entry);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut old, mut new) = (0, 0);
    for round in 0..rounds {
        let base_path = format!("round{round}");
        let builder = || datamanager::Builder::from_ost(server.open(&base_path));
        runtime.block_on(async {
            let store = builder().open().await.unwrap();
            store.put_raw("old", "1", "x").await.unwrap();
            store.checkpoint().await.unwrap();
            store.put_raw("old", "2", "x").await.unwrap();
            store.maintenance_on().await.unwrap();
            store.close().await.unwrap();
        });
        let file = directory.path().join(&base_path);
        std::fs::write(&file, &export).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "processes::worker_imports_a_file"])
            .env(URL, server.url(&base_path))
            .env(FILE, &file)
            .envs(server.environment())
            .stdout(Stdio::null());
        let mut worker = ChildProcess::spawn(&mut command).unwrap();
        let begun = directory.path().join(format!("{base_path}.begun"));
        let started = Instant::now();
        while !begun.exists() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "it does not begin"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        let delay = random.below(DELAY_MAX_MICROS) as u64;
        std::thread::sleep(Duration::from_micros(delay));
        worker.kill().unwrap();
        runtime.block_on(async {
            let store = builder().read_only().open().await.unwrap();
            let counts = (
                store.count("old").await.unwrap(),
                store.count("new").await.unwrap(),
            );
            match counts {
                (2, 0) => old += 1,
                (0, ENTRIES) => new += 1,
                _ => panic!("seed {seed}, round {round}: {counts:?}"),
            }
            store.close().await.unwrap();
            let report = builder().verify().await.unwrap();
            assert!(report.is_sound(), "seed {seed}, round {round}: {report:?}");
        });
    }
    println!("seed {seed}: {old} old, {new} new");
}
