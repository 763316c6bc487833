//! Stores written by earlier versions, which every later one must read.
//!
//! `tests/fixtures/store-v1` is a store as the first version of every format makes it. To make one anew, after a format
//! has got a new version, run the test `the_fixture_of_this_version_can_be_made` with `DM_FIXTURE_OUT` set to a
//! directory that does not exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datamanager::environment::{Environment, OpenMode};
use datamanager::testing::SimulatedEnvironment;
use datamanager::{Builder, DataManager, Error, ScanOptions, Settings, Timestamp};
use ost::{ObjectPath, Ost};

use crate::host::Host;

const FAR_FUTURE: Timestamp = Timestamp::from_millis(32_503_680_000_000);

/// Writes what the fixture holds.
async fn fill(directory: &Path) {
    let mut settings = Settings::default();
    settings.maintain = false;
    settings.segment_records_max = 4;
    settings.data_file_bytes_max = 400;
    settings.block_bytes = Some(128);
    let store = Builder::from_ost(Ost::local(directory).unwrap())
        .settings(settings)
        .open()
        .await
        .unwrap();
    for number in 0..12 {
        store
            .put_raw(
                "city",
                &format!("{number:02}"),
                format!("city {number} of the fixture"),
            )
            .await
            .unwrap();
    }
    store.checkpoint().await.unwrap();
    store.delete_raw("city", "03").await.unwrap();
    let mut transaction = store.begin();
    transaction
        .put_raw(
            "größe".replace(['ö', 'ß'], "o").as_str(),
            "Ωμέγα",
            "παράδειγμα",
        )
        .unwrap();
    transaction
        .put_raw_expiring("session", "s", "soon gone", Timestamp::from_millis(1))
        .unwrap();
    transaction
        .put_raw_expiring("session", "t", "gone in the year 3000", FAR_FUTURE)
        .unwrap();
    transaction
        .check_token(store.token(["a/x", "b/x"]).unwrap())
        .unwrap();
    transaction.commit().await.unwrap();
    store.checkpoint().await.unwrap();
    store.pin("fixture", None).await.unwrap();
    store.compact().await.unwrap();
    store
        .put_raw("city", "04", "changed behind the last checkpoint")
        .await
        .unwrap();
    store
        .put_raw("city", "99", "the last record")
        .await
        .unwrap();
    store.close().await.unwrap();
}

type Content = BTreeMap<(String, String), Vec<u8>>;

fn expected() -> Content {
    let mut content = Content::new();
    let mut put = |data_type: &str, id: &str, value: &str| {
        content.insert(
            (data_type.to_owned(), id.to_owned()),
            value.as_bytes().to_vec(),
        );
    };
    for number in (0..12).filter(|number| *number != 3) {
        put(
            "city",
            &format!("{number:02}"),
            &format!("city {number} of the fixture"),
        );
    }
    put("city", "04", "changed behind the last checkpoint");
    put("city", "99", "the last record");
    put("grooe", "Ωμέγα", "παράδειγμα");
    put("session", "t", "gone in the year 3000");
    content
}

async fn content(store: &DataManager) -> Result<Content, Error> {
    let snapshot = store.snapshot();
    let mut content = Content::new();
    for data_type in snapshot.types().await? {
        for entry in snapshot
            .scan_raw(&data_type, &ScanOptions::new())?
            .collect()
            .await?
        {
            content.insert((data_type.clone(), entry.id), entry.value.to_vec());
        }
    }
    Ok(content)
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-v1")
}

/// All files below `directory`, by their path in it.
fn files_below(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path
                    .strip_prefix(directory)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

/// Puts the files of a store where a simulated process finds them.
async fn place(
    host: &Host,
    process: &Arc<SimulatedEnvironment>,
    files: &BTreeMap<String, Vec<u8>>,
) {
    let disk = process.files();
    for (name, bytes) in files {
        if name.starts_with("wal/") {
            let path = Path::new("/store").join(name);
            disk.create_dir_all(path.parent().unwrap()).unwrap();
            disk.open(&path, OpenMode::CreateNew)
                .unwrap()
                .write_all_at(0, bytes)
                .unwrap();
        } else if name != "lock" {
            host.ost
                .put(&ObjectPath::parse(name).unwrap(), bytes.clone().into())
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn the_fixture_of_this_version_can_be_made() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = match std::env::var_os("DM_FIXTURE_OUT") {
        Some(directory) => PathBuf::from(directory),
        None => scratch.path().join("store"),
    };
    fill(&directory).await;
    let url = directory.display().to_string();
    let store = DataManager::builder(&url)
        .unwrap()
        .read_only()
        .open()
        .await
        .unwrap();
    assert_eq!(content(&store).await.unwrap(), expected());
    store.close().await.unwrap();
}

#[test]
fn a_store_of_the_first_version_reads_back_whole() {
    let host = Host::new(1);
    let process = host.process();
    host.simulation
        .run_until(async {
            place(&host, &process, &files_below(&fixture())).await;
            assert!(host.builder(&process).verify().await.unwrap().is_sound());
            let store = host.open(&process).await.unwrap();
            assert_eq!(content(&store).await.unwrap(), expected());
            assert_eq!(store.pins().await.unwrap()[0].name, "fixture");
            store.put_raw("city", "new", "x").await.unwrap();
            store.checkpoint().await.unwrap();
            store.compact().await.unwrap();
            store.close().await.unwrap();
            assert!(host.builder(&process).verify().await.unwrap().is_sound());
        })
        .unwrap();
}

/// Whatever is altered, there is an error, or damage that `verify` finds, or nothing but the last record is missing and
/// its bytes are kept aside; never a panic and never other data.
#[test]
fn no_altered_or_cut_file_of_a_store_goes_unnoticed_or_panics() {
    let files = files_below(&fixture());
    let mut number = 0;
    for (name, bytes) in files.iter().filter(|(name, _)| *name != "lock") {
        let flips = (0..bytes.len()).step_by(23).map(|offset| {
            let mut altered = bytes.clone();
            altered[offset] ^= 1 << (offset % 8);
            altered
        });
        let cuts = (0..bytes.len())
            .step_by(97)
            .map(|size| bytes[..size].to_vec());
        for altered in flips.chain(cuts) {
            number += 1;
            let host = Host::new(number);
            let process = host.process();
            let mut files = files.clone();
            files.insert(name.clone(), altered);
            host.simulation
                .run_until(async {
                    place(&host, &process, &files).await;
                    let found = host.builder(&process).verify().await;
                    let read = async {
                        let store = host.open(&process).await?;
                        let content = content(&store).await;
                        store.close().await?;
                        content
                    };
                    let read = read.await;
                    let noticed = found.is_err() || !found.unwrap().is_sound() || read.is_err();
                    if let Ok(content) = read
                        && content != expected()
                    {
                        let mut without_last = expected();
                        without_last.remove(&("city".to_owned(), "99".to_owned()));
                        assert_eq!(content, without_last, "{name}");
                        let kept = process
                            .files()
                            .list(Path::new("/store/wal/0000000001"))
                            .unwrap();
                        assert!(
                            kept.iter().any(|name| name.contains(".torn-")),
                            "{name}: {kept:?}"
                        );
                    } else {
                        assert!(noticed || name.starts_with("wal/"), "{name}");
                    }
                })
                .unwrap();
        }
    }
    assert!(number > 200, "{number} alterations");
}
