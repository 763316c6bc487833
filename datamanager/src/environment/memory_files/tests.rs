use std::collections::BTreeSet;

use super::*;
use crate::environment::PosixFiles;

const SEEDS: u64 = 400;

fn path(text: &str) -> &Path {
    Path::new(text)
}

fn files() -> MemoryFiles {
    let files = MemoryFiles::new();
    files.create_dir_all(path("/store/wal")).unwrap();
    files
}

/// The bytes of a file, or `None` if there is none.
fn bytes_of(files: &MemoryFiles, name: &str) -> Option<Vec<u8>> {
    let file = files.open(path(name), OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap() + 1];
    let read = file.read_at(0, &mut bytes).unwrap();
    bytes.truncate(read);
    Some(bytes)
}

/// All that power cuts of many seeds leave of "/store/a", after `script` has run on a fresh file system.
fn outcomes(script: impl Fn(&MemoryFiles)) -> BTreeSet<Option<Vec<u8>>> {
    let crash = |seed| {
        let files = files();
        script(&files);
        files.crash(&mut SeededRandom::new(seed));
        bytes_of(&files, "/store/a")
    };
    (0..SEEDS).map(crash).collect()
}

fn some(text: &[u8]) -> Option<Vec<u8>> {
    Some(text.to_owned())
}

/// A file "/store/a" that holds `bytes`, synced under a synced name.
fn synced_file(files: &MemoryFiles, bytes: &[u8]) -> Arc<dyn File> {
    let file = files.open(path("/store/a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(0, bytes).unwrap();
    file.sync_data().unwrap();
    files.sync_dir(path("/store")).unwrap();
    file
}

#[test]
fn files_behave_as_files_of_the_operating_system_do() {
    let real = tempfile::tempdir().unwrap();
    let memory = MemoryFiles::new();
    memory.create_dir_all(real.path()).unwrap();
    let transcript = |files: &dyn FileSystem| {
        let at = |name: &str| real.path().join(name);
        let mut seen = Vec::new();
        let mut see = |what: io::Result<String>| seen.push(what.map_err(|error| error.kind()));
        let done = |result: io::Result<()>| result.map(|()| String::new());
        see(files
            .open(&at("x/a"), OpenMode::CreateNew)
            .map(|_| String::new()));
        see(done(files.create_dir_all(&at("x/y"))));
        see(done(files.create_dir_all(&at("x/y"))));
        see(files
            .open(&at("x/a"), OpenMode::ReadWrite)
            .map(|_| String::new()));
        let file = files.open(&at("x/a"), OpenMode::CreateNew).unwrap();
        see(files
            .open(&at("x/a"), OpenMode::CreateNew)
            .map(|_| String::new()));
        see(files
            .open(&at("x/y"), OpenMode::ReadWrite)
            .map(|_| String::new()));
        see(done(files.create_dir_all(&at("x/a/b"))));
        see(done(file.write_all_at(2, b"abc")));
        see(done(file.set_size(4)));
        let mut buffer = [7; 6];
        see(file
            .read_at(1, &mut buffer)
            .map(|read| format!("{read} {buffer:?}")));
        see(file.read_at(9, &mut buffer).map(|read| read.to_string()));
        see(files.list(&at("x")).map(|names| names.join(" ")));
        see(files.list(&at("z")).map(|names| names.join(" ")));
        see(done(files.rename(&at("x/a"), &at("x/y/b"))));
        see(done(files.rename(&at("x/a"), &at("x/y/b"))));
        see(done(file.write_all_at(0, b"moved")));
        see(file.size().map(|size| size.to_string()));
        see(done(files.sync_dir(&at("x/y"))));
        see(done(files.sync_dir(&at("z"))));
        see(files
            .try_lock(&at("x/lock"))
            .map(|lock| lock.is_some().to_string()));
        see(files.list(&at("x")).map(|names| names.join(" ")));
        see(done(files.remove(&at("x/y/b"))));
        see(done(files.remove(&at("x/y/b"))));
        see(file.size().map(|size| size.to_string()));
        seen
    };
    assert_eq!(transcript(&memory), transcript(&PosixFiles::new()));
}

#[test]
fn synced_bytes_under_a_synced_name_survive_every_power_cut() {
    let left = outcomes(|files| {
        synced_file(files, b"kept");
    });
    assert_eq!(left, BTreeSet::from([some(b"kept")]));
}

#[test]
fn unsynced_bytes_may_survive_or_be_lost_or_leave_zeros() {
    let left = outcomes(|files| {
        let file = synced_file(files, b"ab");
        file.write_all_at(2, b"cd").unwrap();
        file.write_all_at(4, b"ef").unwrap();
    });
    for expected in [b"ab".as_slice(), b"abcd", b"abcdef", b"ab\0\0", b"abcd\0\0"] {
        assert!(
            left.contains(&some(expected)),
            "{expected:?} is not among {left:?}"
        );
    }
    assert!(
        left.iter()
            .all(|bytes| bytes.as_ref().is_some_and(|bytes| bytes.starts_with(b"ab")))
    );
}

#[test]
fn one_unsynced_write_is_torn_only_between_sectors() {
    let left = outcomes(|files| {
        let file = synced_file(files, &[1; 1536]);
        file.write_all_at(100, &[2; 1400]).unwrap();
    });
    let mut mixed = 0;
    for bytes in left.into_iter().flatten() {
        let sectors = [&bytes[100..512], &bytes[512..1024], &bytes[1024..1500]];
        assert!(
            sectors
                .iter()
                .all(|sector| sector.iter().all(|byte| *byte == sector[0]))
        );
        mixed += usize::from(sectors[0][0] != sectors[1][0]);
        assert_eq!((bytes.len(), bytes[99], bytes[1500]), (1536, 1, 1));
    }
    assert!(mixed > 0, "no power cut tore the write");
}

#[test]
fn unsynced_cut_may_come_back() {
    let left = outcomes(|files| {
        synced_file(files, b"abcd").set_size(1).unwrap();
    });
    assert!(
        left.contains(&some(b"a")) && left.contains(&some(b"abcd")),
        "{left:?}"
    );
}

#[test]
fn unsynced_names_may_be_lost() {
    let left = outcomes(|files| {
        let file = files.open(path("/store/a"), OpenMode::CreateNew).unwrap();
        file.write_all_at(0, b"ab").unwrap();
        file.sync_data().unwrap();
    });
    assert_eq!(left, BTreeSet::from([None, some(b"ab")]));
}

#[test]
fn later_name_may_survive_where_an_earlier_one_is_lost() {
    let survivors = |seed| {
        let files = files();
        files.open(path("/store/a"), OpenMode::CreateNew).unwrap();
        files.open(path("/store/b"), OpenMode::CreateNew).unwrap();
        files.crash(&mut SeededRandom::new(seed));
        files.list(path("/store")).unwrap().concat()
    };
    let left: BTreeSet<String> = (0..SEEDS).map(survivors).collect();
    assert_eq!(left, ["", "a", "ab", "b"].map(str::to_owned).into());
}

#[test]
fn unsynced_rename_leaves_the_old_file_or_the_new_one() {
    let left = outcomes(|files| {
        synced_file(files, b"old");
        let file = files.open(path("/store/b"), OpenMode::CreateNew).unwrap();
        file.write_all_at(0, b"new").unwrap();
        file.sync_data().unwrap();
        files.rename(path("/store/b"), path("/store/a")).unwrap();
    });
    assert_eq!(left, BTreeSet::from([some(b"new"), some(b"old")]));
}

#[test]
fn unsynced_removal_may_be_undone() {
    let left = outcomes(|files| {
        synced_file(files, b"old");
        files.remove(path("/store/a")).unwrap();
    });
    assert_eq!(left, BTreeSet::from([None, some(b"old")]));
}

#[test]
fn power_cut_of_the_same_seed_leaves_the_same() {
    let crash = |seed| {
        let files = files();
        let file = synced_file(&files, b"start");
        for number in 0..50 {
            file.write_all_at(number * 300, &[u8::try_from(number).unwrap(); 700])
                .unwrap();
        }
        files.crash(&mut SeededRandom::new(seed));
        bytes_of(&files, "/store/a")
    };
    assert_eq!(crash(5), crash(5));
    assert!((0..20).map(crash).collect::<BTreeSet<_>>().len() > 3);
}

#[test]
fn handles_and_locks_of_before_a_power_cut_are_dead() {
    let files = files();
    let file = synced_file(&files, b"a");
    let lock = files.try_lock(path("/store/lock")).unwrap();
    assert!(lock.is_some());
    assert!(files.try_lock(path("/store/lock")).unwrap().is_none());
    files.crash(&mut SeededRandom::new(1));
    assert!(
        file.size().is_err() && file.write_all_at(0, b"b").is_err() && file.sync_data().is_err()
    );
    let later = files.try_lock(path("/store/lock")).unwrap();
    assert!(later.is_some());
    drop(lock);
    assert!(files.try_lock(path("/store/lock")).unwrap().is_none());
    drop(later);
    assert!(files.try_lock(path("/store/lock")).unwrap().is_some());
}

#[test]
fn killed_process_loses_its_locks_and_handles_and_no_bytes() {
    let files = files();
    let other = files.new_process();
    let file = synced_file(&other, b"a");
    file.write_all_at(1, b"b").unwrap();
    let lock = other.try_lock(path("/store/lock")).unwrap();
    assert!(lock.is_some() && files.try_lock(path("/store/lock")).unwrap().is_none());
    other.kill_process();
    assert!(file.write_all_at(0, b"c").is_err() && file.sync_data().is_err());
    assert!(other.list(path("/store")).is_err());
    assert_eq!(bytes_of(&files, "/store/a"), some(b"ab"));
    assert!(files.try_lock(path("/store/lock")).unwrap().is_some());
}

#[test]
fn failing_write_leaves_half_of_its_bytes() {
    let files = files();
    let file = synced_file(&files, b"");
    files.fail_write(2);
    file.write_all_at(0, b"ab").unwrap();
    assert_eq!(
        file.write_all_at(2, b"cdef").unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    assert_eq!(bytes_of(&files, "/store/a"), some(b"abcd"));
    file.write_all_at(2, b"cdef").unwrap();
    assert_eq!(bytes_of(&files, "/store/a"), some(b"abcdef"));
}

#[test]
fn bytes_of_a_failed_sync_are_read_until_a_power_cut_and_no_later_sync_saves_them() {
    let left = outcomes(|files| {
        let file = synced_file(files, b"a");
        file.write_all_at(1, b"b").unwrap();
        files.fail_sync_data(1);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        assert_eq!(bytes_of(files, "/store/a"), some(b"ab"));
        file.write_all_at(2, b"c").unwrap();
        file.sync_data().unwrap();
    });
    assert_eq!(left, BTreeSet::from([some(b"a\0c")]));
}

#[test]
fn read_only_file_system_refuses_every_change() {
    let files = files();
    let file = synced_file(&files, b"a");
    files.remount_read_only();
    let refused = [
        file.write_all_at(0, b"b"),
        file.set_size(0),
        files.create_dir_all(path("/other")),
        files.rename(path("/store/a"), path("/store/b")),
        files.remove(path("/store/a")),
        files
            .open(path("/store/b"), OpenMode::CreateNew)
            .map(|_| ()),
        files
            .open(path("/store/a"), OpenMode::ReadWrite)
            .map(|_| ()),
        files.try_lock(path("/store/lock")).map(|_| ()),
    ];
    for result in refused {
        assert_eq!(
            result.unwrap_err().kind(),
            io::ErrorKind::ReadOnlyFilesystem
        );
    }
    assert_eq!(bytes_of(&files, "/store/a"), some(b"a"));
    files.remount_writable();
    file.write_all_at(0, b"b").unwrap();
}

#[test]
fn calls_are_counted() {
    let files = files();
    synced_file(&files, b"a");
    bytes_of(&files, "/store/a");
    let expected = FileCounters {
        opens: 2,
        reads: 1,
        writes: 1,
        sync_data: 1,
        sync_dir: 1,
    };
    assert_eq!(files.counters(), expected);
}

#[test]
fn parent_components_are_refused() {
    let error = MemoryFiles::new().list(path("/store/../wal")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
