//! Recorded histories of stores, and what the checker says of them.

use datamanager::testing::history::{Client, Event, History, MARKER_TYPE, Range, Recorder};
use datamanager::{DataManager, ErrorKind, ExportOptions, ImportOptions};

use crate::host::Host;

mod actors;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(not(feature = "etcd"))]
#[path = "history/no_etcd.rs"]
mod etcd;
mod machines;
mod plan;
mod runs;
mod world;

async fn put(client: &Client, id: &str, value: &str) {
    let mut transaction = client.begin();
    transaction.put_raw("note", id, value.to_owned()).unwrap();
    transaction.commit().await.unwrap();
}

#[test]
fn everything_that_clients_do_with_a_store_is_recorded_and_right() {
    let recorder = Recorder::in_memory();
    let inner = recorder.clone();
    Host::new(1).run(async |store: DataManager| {
        let client = inner.client(&store, "one");
        let mut listener = client.follow_new();
        for number in 0..6 {
            put(&client, &number.to_string(), "x").await;
        }
        // All kinds of reads, with own writes among them.
        let mut transaction = client.begin();
        transaction.put_raw("note", "15", "own").unwrap();
        transaction.delete_raw("note", "2").unwrap();
        assert_eq!(transaction.get_raw("note", "2").await.unwrap(), None);
        let range = Range::all("note").start("1").end("4");
        let ids = |entries: Vec<datamanager::Entry>| -> Vec<String> {
            entries.into_iter().map(|entry| entry.id).collect()
        };
        let found = transaction.scan(&range, 10).await.unwrap();
        assert_eq!(ids(found), ["1", "15", "3"]);
        let range = Range::all("note").start("4").end("1").reverse();
        let found = transaction.scan(&range, 2).await.unwrap();
        assert_eq!(ids(found), ["4", "3"]);
        let range = Range::all("note").prefix("1");
        let found = transaction.scan(&range, 10).await.unwrap();
        assert_eq!(ids(found), ["1", "15"]);
        transaction.commit().await.unwrap();

        // A token, and the conflict that it brings the second time.
        let token = client.token(["group"]).unwrap();
        for is_first in [true, false] {
            let mut transaction = client.begin();
            transaction.check_token(token.clone()).unwrap();
            transaction.touch_group("other").unwrap();
            let result = transaction.commit().await;
            let kind = result.map(drop).map_err(|error| error.kind());
            assert_eq!(
                kind,
                if is_first {
                    Ok(())
                } else {
                    Err(ErrorKind::Conflict)
                }
            );
        }
        // One that is given up, and one that writes nothing.
        let mut given_up = client.begin();
        given_up.get_raw("note", "1").await.unwrap();
        given_up.put_raw("note", "1", "given up").unwrap();
        drop(given_up);
        let mut reading = client.begin();
        reading.get_raw("note", "1").await.unwrap();
        reading.commit().await.unwrap();

        let position = store.position();
        let mut snapshot = client.snapshot_at_least(position).await.unwrap();
        assert_eq!(snapshot.position(), position);
        assert_eq!(snapshot.get_raw("note", "1").await.unwrap().unwrap(), "x");
        let all = Range::all("note").reverse();
        assert_eq!(snapshot.scan(&all, 2).await.unwrap().len(), 2);
        drop(snapshot);
        for _ in 0..8 {
            listener.next().await.unwrap();
        }
        drop(listener);

        let bytes = client.export(ExportOptions::new()).await.unwrap();
        put(&client, "lost", "by the import").await;
        store.maintenance_on().await.unwrap();
        client.import(bytes, ImportOptions::new()).await.unwrap();
        store.maintenance_off(false).await.unwrap();
        put(&client, "new", "x").await;
        let mut snapshot = client.latest_snapshot().await.unwrap();
        assert!(snapshot.read_everything().await.unwrap() > 10);
        drop(snapshot);
        client.record_epochs().await.unwrap();
    });
    let report = recorder.history().check().unwrap();
    assert_eq!((report.committed, report.refused), (10, 1), "{report:?}");
    assert_eq!((report.views, report.imports), (5, 1), "{report:?}");
    assert_eq!((report.reads, report.deliveries), (10, 8), "{report:?}");
}

#[test]
fn a_transaction_that_was_cut_off_is_recorded_without_an_answer() {
    for steps in 0..60 {
        let recorder = Recorder::in_memory();
        let host = Host::new(2);
        let process = host.process();
        let run = async {
            let store = host.open(&process).await.unwrap();
            let client = recorder.client(&store, "one");
            put(&client, "1", "before").await;
            let client = recorder.client(&store, "two");
            let write = process.run("write", async move { put(&client, "1", "after").await });
            process.kill_after(steps);
            write.await
        };
        let written = host.simulation.run_until(run).unwrap();
        host.run(async |store| {
            let client = recorder.client(&store, "after");
            let mut snapshot = client.latest_snapshot().await.unwrap();
            snapshot.read_everything().await.unwrap();
        });
        let report = recorder.history().check().unwrap();
        let answered = usize::from(written.is_some());
        assert_eq!(report.committed - report.found, 1 + answered);
        assert!(
            report.unanswered + answered <= 1,
            "step {steps}: {report:?}"
        );
    }
}

/// The clock of the machine orders what several recorders write down.
#[test]
fn files_of_several_recorders_make_one_history() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}/store", directory.path().display());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let paths = [1, 2].map(|number| directory.path().join(format!("{number}.ndjson")));
    runtime.block_on(async {
        for path in &paths {
            let recorder = Recorder::to_file(path).unwrap();
            assert!(Recorder::to_file(path).is_err(), "it is there");
            let store = DataManager::open(&url).await.unwrap();
            let client = recorder.client(&store, "one");
            for number in 0..5 {
                put(&client, &number.to_string(), "x").await;
            }
            let mut snapshot = client.latest_snapshot().await.unwrap();
            snapshot.read_everything().await.unwrap();
            drop(snapshot);
            store.close().await.unwrap();
        }
    });
    let mut history = History::new();
    for path in &paths {
        let file = std::fs::File::open(path).unwrap();
        history.read(std::io::BufReader::new(file)).unwrap();
    }
    assert_eq!(history.check().unwrap().committed, 10);
    // As if the clocks had nothing to do with each other.
    let turned = history.events().iter().cloned().map(|mut event| {
        if let Event::Submitted { start, opened, .. } = &mut event {
            (*start, *opened) = (u64::MAX, u64::MAX);
        }
        event
    });
    let turned: History = turned.collect();
    assert!(turned.check().is_err());
    let markers = history.events().iter().filter(|event| match event {
        Event::Submitted { steps, .. } => format!("{steps:?}").contains(MARKER_TYPE),
        _ => false,
    });
    assert_eq!(markers.count(), 10);
}
