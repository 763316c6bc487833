//! What is removed when it is old.

use std::fs::{File, create_dir_all, write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use service::testing::wait_until;

use crate::host::{Server, count_from, settings, whole};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn put(path: &Path, age: Duration) {
    create_dir_all(path.parent().unwrap()).unwrap();
    write(path, b"content").unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// Field case CI-18: cleaners did not get behind their first page, or waited for each other.
#[tokio::test(flavor = "multi_thread")]
async fn old_caches_and_archives_are_removed_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    Server::start(&settings).await.stop().await;
    let objects = settings.server.data_dir.join("runobjects");
    let cache = |name: &str| objects.join(format!("caches/{name}.tar"));
    let archive = |task: &str| objects.join(format!("workspacearchives/{task}/data/1.tar"));
    let count = count_from("DM_SOAK_OLD_OBJECTS", 1_300);
    let mut old: Vec<PathBuf> = Vec::new();
    for number in 0..count {
        old.push(cache(&format!("p1-old{number:05}")));
        old.push(archive(&format!("old{number:05}")));
        old.push(objects.join(format!("workspacearchives/old{number:05}/runs/r")));
    }
    for path in &old {
        put(path, 8 * DAY);
    }
    let kept = [
        cache("p1-new"),
        archive("new"),
        objects.join("logs/t/data/setup.log"),
        objects.join("logs/t/data/steps/0.log"),
        objects.join("logs/t/runs/r"),
    ];
    put(&kept[0], 6 * DAY);
    put(&kept[1], 6 * DAY);
    for path in &kept[2..] {
        put(path, 1_000 * DAY);
    }
    let server = Server::start(&settings).await;
    wait_until("what is old is gone", async || {
        old.iter().all(|path| !path.exists())
    })
    .await;
    assert!(kept.iter().all(|path| path.exists()));
    let client = server.client();
    assert_eq!(
        whole(client.cache("p1-new").await.unwrap()).await,
        b"content"
    );
    assert!(!client.has_cache("p1-old00000").await.unwrap());
}
