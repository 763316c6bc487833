//! The disk cache: what it saves, and that nothing in it or about it makes a read fail.

use std::path::Path;
use std::sync::Arc;

use datamanager::environment::{FileSystem, MemoryFiles, OpenMode};
use datamanager::testing::SimulatedEnvironment;
use datamanager::{DataManager, ScanOptions, Settings};
use object_store::memory::InMemory;
use ost::{CountingStore, Operation};

use crate::captured_log;
use crate::host::Host;

const ENTRIES: usize = 600;
const VALUE_BYTES: usize = 4_000;
const DIRECTORY: &str = "/cache";
const MIB: u64 = 1024 * 1024;

/// A host with a store on objects, about 2.4 MB of data files, and a disk cache.
struct Site {
    host: Host,
    objects: CountingStore,
    name: &'static str,
}

impl Site {
    fn new(seed: u64, name: &'static str) -> Site {
        captured_log::start();
        let mut host = Host::new(seed);
        host.settings.maintain = false;
        host.settings.data_file_bytes_max = MIB;
        host.settings.disk_cache_directory = Some(DIRECTORY.into());
        // Every read asks for its block again.
        host.settings.block_cache_bytes = 0;
        let objects = CountingStore::new(Arc::new(InMemory::new()));
        host.use_objects(Arc::new(objects.clone()));
        Site {
            host,
            objects,
            name,
        }
    }

    /// Runs `test` beside a store with entries in data files, which is closed.
    fn run(&self, test: impl AsyncFnOnce(&Arc<SimulatedEnvironment>)) {
        let process = self.host.process();
        let run = async {
            let store = self.open(&process).await;
            let mut random = self.host.simulation.random();
            for first in (0..ENTRIES).step_by(100) {
                let mut transaction = store.begin();
                for number in first..first + 100 {
                    // Values that do not compress.
                    let mut value = vec![0; VALUE_BYTES];
                    random.fill(&mut value);
                    value.splice(..4, format!("{number:04}").into_bytes());
                    transaction.put_raw("item", &id(number), value).unwrap();
                }
                transaction.commit().await.unwrap();
            }
            store.checkpoint().await.unwrap();
            store.close().await.unwrap();
            test(&process).await;
        };
        self.host.simulation.run_until(run).unwrap();
    }

    async fn open(&self, process: &Arc<SimulatedEnvironment>) -> DataManager {
        let builder = self.host.builder(process).name(self.name);
        builder.open().await.unwrap()
    }

    /// Opens the store, runs `test`, closes it, and returns how many objects were read in between.
    async fn count_reads(
        &self,
        process: &Arc<SimulatedEnvironment>,
        test: impl AsyncFnOnce(&DataManager),
    ) -> u64 {
        let store = self.open(process).await;
        let before = self.objects.counts();
        test(&store).await;
        let counts = self.objects.counts().since(&before);
        store.close().await.unwrap();
        counts.of(Operation::Get) + counts.of(Operation::Head)
    }
}

fn id(number: usize) -> String {
    format!("{number:04}")
}

async fn scan_all(store: &DataManager) {
    let scan = store.scan_raw("item", &ScanOptions::new()).unwrap();
    let entries = scan.collect().await.unwrap();
    assert_eq!(entries.len(), ENTRIES);
    for entry in entries {
        assert_eq!(entry.value.len(), VALUE_BYTES);
        assert_eq!(&entry.value[..4], entry.id.as_bytes());
    }
}

async fn get(store: &DataManager, number: usize) {
    let value = store.get_raw("item", &id(number)).await.unwrap().unwrap();
    assert_eq!(&value[..4], id(number).as_bytes());
}

/// The names of the cache's files, and how long they are.
fn parts(files: &MemoryFiles) -> Vec<(String, u64)> {
    let directory = Path::new(DIRECTORY);
    let names = files.list(directory).unwrap().into_iter();
    names
        .filter(|name| name.ends_with(".part"))
        .map(|name| {
            let file = files.open(&directory.join(&name), OpenMode::Read).unwrap();
            (name, file.size().unwrap())
        })
        .collect()
}

#[test]
fn what_was_read_once_is_read_from_the_disk_after_a_restart() {
    let site = Site::new(1, "warm");
    site.run(async |process| {
        let cold = site.count_reads(process, scan_all).await;
        assert!(cold >= 6, "{cold}");
        let warm = async |store: &DataManager| {
            scan_all(store).await;
            for number in (0..ENTRIES).step_by(7) {
                get(store, number).await;
            }
            let reverse = ScanOptions::new().reverse().limit(50);
            let scan = store.scan_raw("item", &reverse).unwrap();
            assert_eq!(scan.collect().await.unwrap()[0].id, id(ENTRIES - 1));
        };
        assert_eq!(site.count_reads(process, warm).await, 0);
    });
}

#[test]
fn one_entry_brings_its_neighbours() {
    let site = Site::new(2, "neighbours");
    site.run(async |process| {
        let cold = site.count_reads(process, async |store| get(store, 300).await);
        let cold = cold.await;
        assert!((1..=3).contains(&cold), "{cold}");
        let warm = site.count_reads(process, async |store| {
            get(store, 300).await;
            get(store, 299).await;
        });
        assert_eq!(warm.await, 0);
    });
}

#[test]
fn a_damaged_or_truncated_part_is_read_anew() {
    let site = Site::new(3, "damage");
    site.run(async |process| {
        site.count_reads(process, scan_all).await;
        let files = process.memory_files();
        let directory = Path::new(DIRECTORY);
        let open = |name: &str| {
            files
                .open(&directory.join(name), OpenMode::ReadWrite)
                .unwrap()
        };
        let names = parts(files);
        assert!(names.len() >= 8);
        let flip = |name: &str, at: u64| {
            let mut byte = [0];
            open(name).read_at(at, &mut byte).unwrap();
            open(name).write_all_at(at, &[byte[0] ^ 1]).unwrap();
        };
        for round in 0..9 {
            for (place, (name, bytes)) in names.iter().enumerate() {
                match round {
                    0 => flip(name, 0),
                    1 => flip(name, 20),
                    2 => flip(name, 45),
                    3 => flip(name, 512),
                    4 => flip(name, bytes - 1),
                    5 => open(name).set_size(0).unwrap(),
                    6 => open(name).set_size(bytes / 2).unwrap(),
                    7 => open(name).set_size(bytes - 1).unwrap(),
                    // What stands in another part, as a whole.
                    _ => {
                        let (other, bytes) = &names[(place + 1) % names.len()];
                        let mut content = vec![0; usize::try_from(*bytes).unwrap()];
                        open(other).read_at(0, &mut content).unwrap();
                        open(name).write_all_at(0, &content).unwrap();
                    }
                }
            }
            let read = site.count_reads(process, scan_all).await;
            assert!(read > 0, "round {round}");
            assert_eq!(parts(files), names, "round {round}");
            let read = site.count_reads(process, scan_all).await;
            assert_eq!(read, 0, "round {round}");
        }
        let warnings = captured_log::lines_of("damage");
        assert!(warnings.iter().any(|line| line.contains("is damaged")));
    });
}

#[test]
fn it_takes_no_more_bytes_than_it_may() {
    let mut site = Site::new(4, "limit");
    site.host.settings.disk_cache_bytes = MIB;
    site.run(async |process| {
        let files = process.memory_files().clone();
        let check = |store: &DataManager| {
            let taken: u64 = parts(&files).iter().map(|(_, bytes)| bytes).sum();
            assert_eq!(store.stats().disk_cache_bytes, Some(taken));
            assert!(taken <= MIB, "{taken}");
            taken
        };
        let read = async |store: &DataManager| {
            for step in 0..ENTRIES {
                get(store, step * 77 % ENTRIES).await;
                check(store);
            }
            scan_all(store).await;
            assert!(check(store) > MIB / 2);
        };
        site.count_reads(process, read).await;
        let look = async |store: &DataManager| {
            check(store);
        };
        site.count_reads(process, look).await;
    });
    // A limit that has become smaller counts at the next opening.
    let mut smaller = Site::new(4, "smaller");
    smaller.host.settings.disk_cache_bytes = 4 * MIB;
    smaller.run(async |process| {
        smaller.count_reads(process, scan_all).await;
        assert!(parts(process.memory_files()).len() >= 8);
        let mut settings = smaller.host.settings.clone();
        settings.disk_cache_bytes = MIB;
        let store = smaller.host.builder(process).settings(settings);
        let store = store.open().await.unwrap();
        let bytes = store.stats().disk_cache_bytes.unwrap();
        let taken: u64 = parts(process.memory_files())
            .iter()
            .map(|(_, bytes)| bytes)
            .sum();
        assert!(bytes == taken && taken <= MIB, "{bytes} {taken}");
        store.close().await.unwrap();
    });
}

#[test]
fn a_disk_that_is_full_or_read_only_turns_it_off() {
    for (name, is_full) in [("full-disk", true), ("read-only-disk", false)] {
        let site = Site::new(5, name);
        site.run(async |process| {
            let files = process.memory_files().clone();
            let read = async |store: &DataManager| {
                assert!(store.stats().disk_cache_bytes.is_some());
                match is_full {
                    true => files.fail_write(2),
                    false => files.remount_read_only(),
                }
                scan_all(store).await;
                get(store, 5).await;
                assert_eq!(store.stats().disk_cache_bytes, None);
            };
            let store = site.open(process).await;
            read(&store).await;
            files.remount_writable();
            store.close().await.unwrap();
            let warnings = captured_log::lines_of(name);
            let off = warnings.iter().filter(|line| line.contains("is off"));
            assert_eq!(off.count(), 1, "{warnings:?}");
            // Whatever is left there does no harm.
            site.count_reads(process, scan_all).await;
            assert_eq!(site.count_reads(process, scan_all).await, 0);
        });
    }
}

#[test]
fn two_open_stores_do_not_share_a_directory_and_a_dead_one_lets_go_of_it() {
    let site = Site::new(6, "shared-directory");
    site.run(async |process| {
        let first = site.open(process).await;
        scan_all(&first).await;
        let bytes = first.stats().disk_cache_bytes.unwrap();
        assert!(bytes > MIB);
        let reader = site.host.process();
        let builder = site.host.builder(&reader).name("second-store");
        let second = builder.read_only().open().await.unwrap();
        assert_eq!(second.stats().disk_cache_bytes, None);
        scan_all(&second).await;
        second.close().await.unwrap();
        let warnings = captured_log::lines_of("second-store");
        assert!(warnings[0].contains("another open store"), "{warnings:?}");

        process.kill();
        let process = site.host.process();
        let warm = site.count_reads(&process, scan_all).await;
        assert_eq!(warm, 0, "what a dead process has left is used");
    });
}

#[test]
fn files_of_others_in_the_directory_stay() {
    let mut site = Site::new(7, "others");
    site.host.settings.disk_cache_bytes = MIB;
    site.run(async |process| {
        let files = process.memory_files();
        let others = ["notes.txt", "x.part", "a.data.00001x.part"];
        for name in others {
            let path = Path::new(DIRECTORY).join(name);
            files.open(&path, OpenMode::CreateNew).unwrap();
        }
        site.count_reads(process, scan_all).await;
        site.count_reads(process, scan_all).await;
        let names = files.list(Path::new(DIRECTORY)).unwrap();
        for name in others {
            assert!(names.iter().any(|found| found == name), "{name}");
        }
    });
}

#[tokio::test]
async fn a_store_in_a_local_directory_needs_none() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let mut settings = Settings::default();
    settings.disk_cache_directory = Some(cache.clone());
    let store = directory.path().join("store");
    let builder = DataManager::builder(store.to_str().unwrap()).unwrap();
    let store = builder.settings(settings).open().await.unwrap();
    assert_eq!(store.stats().disk_cache_bytes, None);
    store.close().await.unwrap();
    assert!(!cache.exists());
}
