//! What a commit does to the disk.

use std::sync::Arc;

use datamanager::environment::{Environment, TokioEnvironment};
use datamanager::testing::CountingFiles;
use datamanager::{Builder, DataManager};
use ost::Ost;

fn counting_environment() -> (CountingFiles, Arc<dyn Environment>) {
    let environment = TokioEnvironment::current().unwrap();
    let files = CountingFiles::new(environment.files());
    let environment = environment.with_files(Arc::new(files.clone()));
    (files, Arc::new(environment))
}

async fn open(directory: &tempfile::TempDir, environment: Arc<dyn Environment>) -> DataManager {
    Builder::from_ost(Ost::local(directory.path()).unwrap())
        .environment(environment)
        .open()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_write_and_one_sync_and_nothing_else_stand_before_an_acknowledgement() {
    let directory = tempfile::tempdir().unwrap();
    let (files, environment) = counting_environment();
    let store = open(&directory, environment).await;
    store.put_raw("item", "warm", "up").await.unwrap();
    for number in 0..20 {
        let before = files.counters();
        store
            .put_raw("item", &number.to_string(), "x")
            .await
            .unwrap();
        let after = files.counters();
        let calls = (
            after.writes - before.writes,
            after.sync_data - before.sync_data,
        );
        let others = (
            after.sync_dir - before.sync_dir,
            after.opens - before.opens,
            after.reads - before.reads,
        );
        assert_eq!((calls, others), ((1, 1), (0, 0, 0)));
    }
    store.close().await.unwrap();
}

/// Field case DM-20: file handles ran out with many WALs in one pass, uploads and exports.
#[tokio::test(flavor = "multi_thread")]
async fn many_segments_leave_no_open_files() {
    let directory = tempfile::tempdir().unwrap();
    let open_files = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let settings = {
        let mut settings = datamanager::Settings::default();
        settings.segment_records_max = 1;
        settings.data_file_bytes_max = 2_000;
        settings.wal_retention = std::time::Duration::ZERO;
        settings.file_retention = std::time::Duration::ZERO;
        settings
    };
    let builder =
        || Builder::from_ost(Ost::local(directory.path()).unwrap()).settings(settings.clone());
    let store = builder().open().await.unwrap();
    store.put_raw("item", "first", "x").await.unwrap();
    let base_line = open_files();
    for number in 0..300 {
        store
            .put_raw("item", &number.to_string(), "x")
            .await
            .unwrap();
    }
    store.close().await.unwrap();
    let store = builder().open().await.unwrap();
    assert_eq!(store.count("item").await.unwrap(), 301);
    for _ in 0..3 {
        let report = store.checkpoint().await.unwrap();
        assert!(report.files > 1 || report.entries == 1, "{report:?}");
        store.compact().await.unwrap();
        store.collect_garbage().await.unwrap();
        store.put_raw("item", "first", "y").await.unwrap();
    }
    assert_eq!(store.count("item").await.unwrap(), 301);
    store.close().await.unwrap();
    // Other tests of this binary open files too; three hundred leaked ones would show all the same.
    assert!(
        open_files() < base_line + 150,
        "{base_line} files were open, now {}",
        open_files()
    );
}
