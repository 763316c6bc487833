//! The process that dies.

use std::fs::OpenOptions;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use datamanager::{DataManager, Error, ErrorKind, ExportOptions, ImportOptions, LogKind, Outcome};

use super::{DIRECTORY, ETCD, LOG, Store};

/// A record that does not fit into etcd's keys, with the settings of these tests.
const LARGE: usize = 3_000;
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Not a test by itself: the work of the process that dies, where the variables ask for it.
#[test]
fn worker_does_everything_that_there_is() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let etcd = std::env::var(ETCD).ok().map(|etcd| {
        let (endpoint, prefix) = etcd.split_once(' ').unwrap();
        (endpoint.to_owned(), prefix.to_owned())
    });
    let store = Store {
        directory: PathBuf::from(directory),
        log: std::env::var(LOG).unwrap().parse().unwrap(),
        etcd,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(&store));
}

async fn work(place: &Store) {
    let store = place.open().await;
    let marks = async |store: &DataManager, name: &str, count: u32| {
        for number in 0..count {
            mark(store, place, &format!("{name}-{number}"), 10).await;
        }
    };
    marks(&store, "first", 3).await;
    mark(&store, place, "large", LARGE).await;
    for round in 0..4 {
        marks(&store, &format!("round{round}"), 2).await;
        store.checkpoint().await.unwrap();
    }
    store.compact().await.unwrap();
    store.pin("kept", None).await.unwrap();
    // The newest three manifests are kept, and what they name.
    for round in 0..3 {
        marks(&store, &format!("pinned{round}"), 1).await;
        store.checkpoint().await.unwrap();
    }
    store.unpin("kept").await.unwrap();
    collect(&store).await;
    replace(&store).await.unwrap();
    marks(&store, "imported", 3).await;
    store.close().await.unwrap();

    let (from, to) = match place.log {
        LogKind::Object => (LogKind::Object, LogKind::File),
        other => (other, LogKind::Object),
    };
    switch(place, to).await;
    let store = place.builder().log(to).open().await.unwrap();
    marks(&store, "moved", 3).await;
    store.close().await.unwrap();
    switch(place, from).await;
    let store = place.open().await;
    marks(&store, "back", 3).await;
    store.close().await.unwrap();
}

async fn switch(place: &Store, to: LogKind) {
    place
        .with_etcd(place.builder())
        .switch_log(to)
        .await
        .unwrap();
}

/// Collects until files of each kind have gone.
async fn collect(store: &DataManager) {
    let began = Instant::now();
    let (mut manifests, mut data_files, mut log_files) = (0, 0, 0);
    while manifests == 0 || data_files == 0 || log_files == 0 {
        assert!(began.elapsed() < WAIT_MAX, "nothing is garbage");
        let report = store.collect_garbage().await.unwrap();
        manifests += report.manifests.len();
        data_files += report.data_files.len();
        log_files += report.log_files;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Exports everything, and imports that.
async fn replace(store: &DataManager) -> Result<(), Error> {
    store.maintenance_on().await?;
    let mut export = store.export(ExportOptions::new()).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = export.next().await? {
        bytes.extend_from_slice(&piece);
    }
    store
        .import(Cursor::new(bytes), ImportOptions::new())
        .await?;
    store.maintenance_off(false).await.map(drop)
}

/// Adds 1 to the counter and leaves the mark `name` with its value, in one transaction, and writes down what is told. The
/// mark is `length` bytes long at least. Tried until it is committed.
pub(super) async fn mark(store: &DataManager, place: &Store, name: &str, length: usize) {
    let began = Instant::now();
    for attempt in 0.. {
        assert!(began.elapsed() < WAIT_MAX, "{name} cannot be committed");
        let mark = format!("{name}-{attempt}");
        note(place, &mark, "begun");
        let told = match commit(store, &mark, length).await {
            Ok(()) => "committed",
            Err(error) => match (error.kind(), error.commit_id()) {
                (ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Maintenance, _) => {
                    "refused"
                }
                (ErrorKind::Unknown, Some(id)) => match decided(store, id).await {
                    Outcome::Committed => "committed",
                    Outcome::NotCommitted => "refused",
                    _ => "begun",
                },
                _ => panic!("{error:?}"),
            },
        };
        note(place, &mark, told);
        if told == "committed" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn commit(store: &DataManager, mark: &str, length: usize) -> Result<(), Error> {
    let mut transaction = store.begin();
    let value = transaction.get_raw("counter", "it").await?;
    let value = value.map_or(0, |value| super::aftermath::number(&value)) + 1;
    transaction.put_raw("counter", "it", value.to_string())?;
    transaction.put_raw("mark", mark, format!("{value:0length$}"))?;
    transaction.commit().await.map(drop)
}

async fn decided(store: &DataManager, id: datamanager::CommitId) -> Outcome {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < WAIT_MAX, "{id} stays unknown");
        match store.outcome(id).await {
            Ok(Outcome::Undecided) | Err(_) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(outcome) => return outcome,
        }
    }
}

fn note(place: &Store, mark: &str, told: &str) {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).open(place.journal());
    writeln!(file.unwrap(), "{mark} {told}").unwrap();
}
