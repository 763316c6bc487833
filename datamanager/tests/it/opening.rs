//! Opening a store: first starts, damage, other places.

use std::path::Path;
use std::sync::Arc;

use datamanager::environment::{Environment, File, OpenMode};
use datamanager::testing::SimulatedEnvironment;
use datamanager::{Builder, DataManager, Error, ErrorKind, LogKind, Settings};
use futures::TryStreamExt;
use ost::{ObjectPath, Ost};

use crate::host::Host;

const SEGMENT: &str = "/store/wal/0000000001/00000000000000000001.wal";

fn segment(process: &Arc<SimulatedEnvironment>) -> Arc<dyn File> {
    process
        .files()
        .open(Path::new(SEGMENT), OpenMode::ReadWrite)
        .unwrap()
}

fn flip(file: &dyn File, offset: u64) {
    let mut byte = [0];
    file.read_at(offset, &mut byte).unwrap();
    file.write_all_at(offset, &[byte[0] ^ 0x10]).unwrap();
}

/// A store with three commits, closed; returns where each record ends.
async fn three_commits(host: &Host, process: &Arc<SimulatedEnvironment>) -> Vec<u64> {
    let mut ends = Vec::new();
    for id in ["a", "b", "c"] {
        let store = host.open(process).await.unwrap();
        store.put_raw("item", id, "some value").await.unwrap();
        // Only then the file ends with the record.
        store.close().await.unwrap();
        ends.push(segment(process).size().unwrap());
    }
    ends
}

async fn ids(store: &DataManager) -> Vec<String> {
    let entries = store
        .scan_raw("item", &Default::default())
        .unwrap()
        .collect()
        .await
        .unwrap();
    entries.into_iter().map(|entry| entry.id).collect()
}

#[test]
fn a_torn_append_is_cut_and_kept_aside_wherever_it_was_torn() {
    let host = Host::new(1);
    let process = host.process();
    let ends = host
        .simulation
        .run_until(three_commits(&host, &process))
        .unwrap();
    for size in ends[1] + 1..ends[2] {
        let host = Host::new(size);
        let process = host.process();
        host.simulation
            .run_until(async {
                let ends = three_commits(&host, &process).await;
                segment(&process).set_size(size).unwrap();

                let reader = host.builder(&process).read_only().open().await.unwrap();
                assert_eq!(ids(&reader).await, ["a", "b"]);
                assert_eq!(
                    segment(&process).size().unwrap(),
                    size,
                    "a reader never cuts"
                );
                reader.close().await.unwrap();

                let store = host.open(&process).await.unwrap();
                assert_eq!(ids(&store).await, ["a", "b"]);
                let names = process
                    .files()
                    .list(Path::new("/store/wal/0000000001"))
                    .unwrap();
                assert!(
                    names.iter().any(|name| name.contains(".torn-")),
                    "{names:?}"
                );
                store.put_raw("item", "d", "x").await.unwrap();
                store.close().await.unwrap();
                let store = host.open(&process).await.unwrap();
                assert_eq!(ids(&store).await, ["a", "b", "d"]);
                store.close().await.unwrap();
                assert!(ends[2] > size);
            })
            .unwrap();
    }
}

#[test]
fn a_record_altered_before_others_is_damage_with_path_and_offset() {
    let host = Host::new(2);
    let process = host.process();
    let ends = host
        .simulation
        .run_until(three_commits(&host, &process))
        .unwrap();
    for offset in (0..ends[1]).step_by(3) {
        let host = Host::new(offset);
        let process = host.process();
        host.simulation
            .run_until(async {
                let ends = three_commits(&host, &process).await;
                flip(segment(&process).as_ref(), offset);
                let begin = if offset < 32 {
                    0
                } else if offset < ends[0] {
                    32
                } else {
                    ends[0]
                };
                for builder in [host.builder(&process), host.builder(&process).read_only()] {
                    let error = builder.open().await.unwrap_err();
                    let message = error.chain();
                    assert!(
                        message.contains(SEGMENT) && message.contains(&format!("offset {begin}")),
                        "{message}"
                    );
                }
                let verification = host.builder(&process).verify().await.unwrap();
                assert!(!verification.is_sound(), "{offset}");
            })
            .unwrap();
    }
}

/// All objects of one place, put to another.
async fn copy(from: &Ost, to: &Ost, prefix: &str) {
    let metas: Vec<ost::ObjectMeta> = from.list(prefix, None).try_collect().await.unwrap();
    for meta in metas {
        let content = from.get(&meta.path).await.unwrap();
        to.put(&meta.path, content).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_branch_is_damage_and_named() {
    let (here, there) = (Ost::memory(), Ost::memory());
    let open = async |ost: &Ost| {
        let mut settings = Settings::default();
        settings.maintain = false;
        let builder = Builder::from_ost(ost.clone()).log(LogKind::Object);
        builder.settings(settings).open().await
    };
    let store = open(&here).await.unwrap();
    store.put_raw("t", "1", "x").await.unwrap();
    store.close().await.unwrap();
    copy(&here, &there, "").await;
    for ost in [&here, &there] {
        let store = open(ost).await.unwrap();
        store.put_raw("t", "2", "x").await.unwrap();
        store.put_raw("t", "3", "x").await.unwrap();
        store.close().await.unwrap();
    }
    copy(&there, &here, "wal/0000000001/00000000000000000003").await;
    let error = open(&here).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert!(error.to_string().contains("record 3 follows"), "{error}");
    open(&there).await.unwrap().close().await.unwrap();
}

#[test]
fn a_missing_segment_is_damage_and_nothing_is_served() {
    let mut host = Host::new(3);
    host.settings.segment_records_max = 1;
    for missing in 1..=3u64 {
        let process = host.process();
        host.use_objects(Arc::new(object_store::memory::InMemory::new()));
        process.cut_power();
        let process = host
            .simulation
            .environment(["x", "y", "z"][usize::try_from(missing).unwrap() - 1]);
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                for id in ["a", "b", "c", "d"] {
                    store.put_raw("item", id, "1").await.unwrap();
                }
                store.close().await.unwrap();
                let path = format!("/store/wal/0000000001/{missing:020}.wal");
                process.files().remove(Path::new(&path)).unwrap();
                let error = host.open(&process).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
                assert!(!host.builder(&process).verify().await.unwrap().is_sound());
            })
            .unwrap();
    }
}

/// A store whose log was removed served what the data files hold, without a word.
#[test]
fn a_log_that_is_gone_or_ends_early_is_damage() {
    for (checkpoint, removed) in [(false, "all"), (true, "all"), (true, "last")] {
        let mut host = Host::new(30);
        host.settings.segment_records_max = 2;
        host.settings.maintain = false;
        let process = host.process();
        host.simulation
            .run_until(async {
                let store = host.open(&process).await.unwrap();
                for id in ["a", "b", "c", "d"] {
                    store.put_raw("item", id, "1").await.unwrap();
                }
                if checkpoint {
                    store.checkpoint().await.unwrap();
                }
                store.close().await.unwrap();
                let directory = Path::new("/store/wal/0000000001");
                let names = process.files().list(directory).unwrap();
                let kept = if removed == "all" { 0 } else { 2 };
                for name in &names[kept..] {
                    process.files().remove(&directory.join(name)).unwrap();
                }
                for builder in [host.builder(&process), host.builder(&process).read_only()] {
                    let opened = builder.open().await;
                    let error = opened.expect_err(removed);
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
                }
                assert!(!host.builder(&process).verify().await.unwrap().is_sound());
            })
            .unwrap();
    }
}

/// A value may hold what looks like a record: that must not turn a torn append into damage.
#[test]
fn a_torn_append_whose_value_is_a_copy_of_a_log_is_still_torn() {
    let host = Host::new(4);
    let process = host.process();
    host.simulation
        .run_until(async {
            three_commits(&host, &process).await;
            let mut copy = vec![0; usize::try_from(segment(&process).size().unwrap()).unwrap()];
            segment(&process).read_at(0, &mut copy).unwrap();
            let store = host.open(&process).await.unwrap();
            store.put_raw("backup", "log", copy).await.unwrap();
            store.close().await.unwrap();
            let size = segment(&process).size().unwrap();
            segment(&process).set_size(size - 1).unwrap();
            let store = host.open(&process).await.unwrap();
            assert_eq!(store.count("backup").await.unwrap(), 0);
            assert_eq!(ids(&store).await, ["a", "b", "c"]);
        })
        .unwrap();
}

/// Field case OP-09: an old binary misread newer data or swept it away.
#[test]
fn a_store_of_a_newer_format_is_refused_and_left_as_it_is() {
    for key in [
        "store.json",
        "epochs/0000000001.json",
        "manifests/0000000001/00000000000000000001.json",
    ] {
        let host = Host::new(5);
        let process = host.process();
        host.simulation
            .run_until(async {
                three_commits(&host, &process).await;
                let path = ObjectPath::parse(key).unwrap();
                let content = host.ost.get(&path).await.unwrap();
                let text = String::from_utf8(content.to_vec()).unwrap();
                let json = text
                    .lines()
                    .next()
                    .unwrap()
                    .replacen("\"format\":1", "\"format\":7", 1)
                    + "\n";
                let newer = format!("{json}crc32c={:08x}\n", crc32c::crc32c(json.as_bytes()));
                host.ost.put(&path, newer.clone().into()).await.unwrap();
                let error = host.open(&process).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid);
                let message = error.chain();
                assert!(
                    message.contains(key) && message.contains("format 7") && message.contains('1'),
                    "{message}"
                );
                assert_eq!(host.ost.get(&path).await.unwrap(), newer);
            })
            .unwrap();
    }
}

#[test]
fn a_damaged_description_of_the_store_is_named() {
    for key in [
        "store.json",
        "epochs/0000000001.json",
        "manifests/0000000001/00000000000000000001.json",
    ] {
        let host = Host::new(6);
        let process = host.process();
        host.simulation
            .run_until(async {
                three_commits(&host, &process).await;
                let path = ObjectPath::parse(key).unwrap();
                let whole = host.ost.get(&path).await.unwrap();
                for damaged in [whole.slice(..0), whole.slice(..whole.len() / 2)] {
                    host.ost.put(&path, damaged).await.unwrap();
                    let error = host.open(&process).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    assert!(error.chain().contains(key), "{error:?}");
                }
                host.ost.delete(&path).await.unwrap();
                assert_eq!(
                    host.open(&process).await.unwrap_err().kind(),
                    ErrorKind::Corrupt,
                    "{key}"
                );
            })
            .unwrap();
    }
}

/// Field case DM-21: several new instances each thought they were first.
#[tokio::test(flavor = "multi_thread")]
async fn of_four_first_starts_at_once_one_makes_the_store_and_the_others_are_told() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let starts = (0..4).map(|_| {
            let ost = Ost::local(directory.path()).unwrap();
            tokio::spawn(async move { Builder::from_ost(ost).open().await })
        });
        let results: Vec<Result<DataManager, Error>> = futures::future::join_all(starts)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let mut opened = 0;
        for result in &results {
            match result {
                Ok(store) => {
                    opened += 1;
                    store.close().await.unwrap();
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                    assert!(error.to_string().contains("log=object"), "{error:?}");
                }
            }
        }
        assert!(opened >= 1);
        let later = Builder::from_ost(Ost::local(directory.path()).unwrap())
            .open()
            .await
            .unwrap();
        let id = later.stats().store;
        for store in results.into_iter().flatten() {
            assert_eq!(store.stats().store, id);
        }
        later.close().await.unwrap();
        let epochs = std::fs::read_dir(directory.path().join("epochs"))
            .unwrap()
            .count();
        assert_eq!(epochs, 1);
    }
}

/// Field case OP-10: the base path was used in some calls only.
#[tokio::test(flavor = "multi_thread")]
async fn two_stores_under_neighbouring_base_paths_do_not_meet() {
    let directory = tempfile::tempdir().unwrap();
    let open = async |base: &str| {
        let place = directory.path().join(base);
        Builder::from_ost(Ost::local(place).unwrap())
            .open()
            .await
            .unwrap()
    };
    let (first, second) = (open("p").await, open("pp").await);
    first.put_raw("item", "a", "p").await.unwrap();
    second.put_raw("item", "a", "pp").await.unwrap();
    first.close().await.unwrap();
    let same = open("p/").await;
    assert_eq!(same.get_raw("item", "a").await.unwrap().unwrap(), "p");
    assert_eq!(second.get_raw("item", "a").await.unwrap().unwrap(), "pp");
    same.close().await.unwrap();
    second.close().await.unwrap();
    let mut names: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["p", "pp"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_with_other_things_in_it_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("letter.txt"), "dear").unwrap();
    let url = format!("file://{}", directory.path().display());
    let error = DataManager::open(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("letter.txt"), "{error:?}");
    let missing = DataManager::builder(&format!("{url}/none"))
        .unwrap()
        .read_only()
        .open()
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn urls_and_settings_that_cannot_work_are_named() {
    for (url, part) in [
        ("file:///x?log=stone", "stone"),
        ("gopher://x", "gopher"),
        ("file:///x?colour=red", "colour"),
    ] {
        let error = Builder::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.chain().contains(part), "{}", error.chain());
    }
    let mut settings = Settings::default();
    settings.batch_transactions_max = 0;
    let error = settings.validate().unwrap_err();
    assert!(
        error.to_string().contains("batch_transactions_max is 0"),
        "{error}"
    );
}
