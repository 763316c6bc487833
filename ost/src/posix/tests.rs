//! What reaches the disk, when, and what happens when it does not.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use object_store::path::Path as StorePath;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode};

use super::PosixStore;
use super::sync::SyncCalls;
use crate::backend::{Backend, BackendKind};
use crate::ost::UploadLimits;
use crate::path::BasePath;
use crate::{Create, Error, ErrorKind, ObjectPath, Ost};

/// Notes every sync, with whether the object had its name then, and fails those it is told to.
#[derive(Debug, Default)]
struct Disk {
    target: PathBuf,
    calls: Mutex<Vec<(PathBuf, bool)>>,
    failure: Mutex<Option<(Step, io::ErrorKind)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    File,
    DirectoryOfNamed,
}

impl Disk {
    fn note(&self, path: &Path) -> bool {
        let is_named = self.target.exists();
        self.calls.lock().unwrap().push((path.to_owned(), is_named));
        is_named
    }

    fn answer(&self, step: Step) -> io::Result<()> {
        match *self.failure.lock().unwrap() {
            Some((failing, kind)) if failing == step => Err(kind.into()),
            _ => Ok(()),
        }
    }

    fn fail(&self, step: Step, kind: io::ErrorKind) {
        *self.failure.lock().unwrap() = Some((step, kind));
    }
}

impl SyncCalls for Disk {
    fn sync_file(&self, path: &Path, _file: &File) -> io::Result<()> {
        self.note(path);
        self.answer(Step::File)
    }

    fn sync_directory(&self, path: &Path, _directory: &File) -> io::Result<()> {
        if self.note(path) {
            self.answer(Step::DirectoryOfNamed)
        } else {
            Ok(())
        }
    }
}

struct Fixture {
    directory: tempfile::TempDir,
    disk: Arc<Disk>,
    ost: Ost,
}

/// A store in a directory that is not there yet, whose disk watches the object `a/b/x`.
fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("made/later");
    let disk = Arc::new(Disk {
        target: root.join("a/b/x"),
        ..Disk::default()
    });
    let ost = ost_over(&root, disk.clone());
    Fixture {
        directory,
        disk,
        ost,
    }
}

fn ost_over(root: &Path, calls: Arc<dyn SyncCalls>) -> Ost {
    let store = PosixStore::with_sync(root, calls).unwrap();
    let location = format!("file://{}", root.display());
    let backend = Backend {
        store: Arc::new(store.clone()),
        kind: BackendKind::Local(store),
    };
    let limits = UploadLimits {
        part_bytes_min: 1000,
        parts_max: 100,
    };
    Ost::from_parts(
        backend,
        BasePath::default(),
        location,
        Some(root.to_owned()),
        limits,
    )
}

fn path(key: &str) -> ObjectPath {
    ObjectPath::parse(key).unwrap()
}

type Write = fn(&Ost) -> Result<(), Error>;

/// Every way to write the object `a/b/x`.
const WRITES: [Write; 3] = [
    |ost| block_on(ost.put(&path("a/b/x"), "new".into())),
    |ost| {
        block_on(ost.create(&path("a/b/x"), "new".into()))
            .map(|created| assert_eq!(created, Create::Created))
    },
    |ost| {
        block_on(async {
            let mut writer = ost.writer(&path("a/b/x")).await?;
            writer.write(vec![7; 5000].into()).await?;
            writer.finish().await.map(drop)
        })
    },
];

fn staged(root: &Path) -> Vec<PathBuf> {
    match fs::read_dir(root.join(".ost-staging")) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

#[test]
fn os_12_durable_write_syncs_the_file_before_and_the_directories_before_the_reply() {
    for write in WRITES {
        let fixture = fixture();
        let base = fixture.directory.path();
        write(&fixture.ost).unwrap();
        let calls = fixture.disk.calls.lock().unwrap().clone();

        let of_file = calls
            .iter()
            .position(|(path, _)| path.to_string_lossy().contains(".ost-staging/"));
        assert!(
            !calls[of_file.unwrap()].1,
            "the file is synced before it has its name: {calls:?}"
        );
        for parent in ["", "made", "made/later", "made/later/a"] {
            let parent = if parent.is_empty() {
                base.to_owned()
            } else {
                base.join(parent)
            };
            assert!(
                calls.iter().any(|(path, _)| *path == parent),
                "{parent:?} gained a directory: {calls:?}"
            );
        }
        let last = calls.last().unwrap();
        assert_eq!(
            *last,
            (base.join("made/later/a/b"), true),
            "the name is synced last: {calls:?}"
        );
    }
}

#[test]
fn os_12_directory_made_by_another_handle_is_synced_too() {
    let fixture = fixture();
    fs::create_dir_all(fixture.directory.path().join("made/later/a/b")).unwrap();
    WRITES[0](&fixture.ost).unwrap();
    let calls = fixture.disk.calls.lock().unwrap().clone();
    let parent = fixture.directory.path().join("made/later/a");
    assert!(calls.iter().any(|(path, _)| *path == parent), "{calls:?}");

    fixture.disk.calls.lock().unwrap().clear();
    WRITES[0](&fixture.ost).unwrap();
    assert_eq!(
        fixture.disk.calls.lock().unwrap().len(),
        2,
        "a second write syncs the file and its directory"
    );
}

#[test]
fn os_12_delete_syncs_the_directory() {
    let fixture = fixture();
    WRITES[0](&fixture.ost).unwrap();
    fixture.disk.calls.lock().unwrap().clear();
    block_on(fixture.ost.delete(&path("a/b/x"))).unwrap();
    let expected = (fixture.directory.path().join("made/later/a/b"), false);
    assert_eq!(*fixture.disk.calls.lock().unwrap(), [expected]);
}

#[test]
fn failed_sync_closes_the_handle_and_its_clones_and_a_new_one_works() {
    for write in WRITES {
        for (step, kind_of_create) in [
            (Step::File, ErrorKind::Unavailable),
            (Step::DirectoryOfNamed, ErrorKind::Unknown),
        ] {
            let fixture = fixture();
            let root = fixture.disk.target.ancestors().nth(3).unwrap();
            block_on(fixture.ost.put(&path("old"), "old".into())).unwrap();
            let clone = fixture.ost.with_base_path("a").unwrap();
            fixture.disk.fail(step, io::ErrorKind::Other);
            let kind = write(&fixture.ost).unwrap_err().kind();
            assert!(
                kind == kind_of_create || kind == ErrorKind::Unavailable,
                "{step:?} gives {kind:?}"
            );
            assert_eq!(fixture.disk.target.exists(), step == Step::DirectoryOfNamed);
            assert!(staged(root).is_empty());

            *fixture.disk.failure.lock().unwrap() = None;
            for error in [
                block_on(fixture.ost.get(&path("old"))).unwrap_err(),
                block_on(fixture.ost.put(&path("other"), "".into())).unwrap_err(),
                block_on(fixture.ost.delete(&path("old"))).unwrap_err(),
                block_on(fixture.ost.list_level("")).unwrap_err(),
                block_on(clone.create(&path("other"), "".into())).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                let cause = std::error::Error::source(&error).unwrap().to_string();
                assert!(
                    cause.contains("sync failed") && cause.contains("reopen"),
                    "{cause}"
                );
            }
            let reopened = ost_over(root, fixture.disk.clone());
            assert_eq!(block_on(reopened.get(&path("old"))).unwrap(), "old");
            block_on(reopened.put(&path("other"), "".into())).unwrap();
        }
    }
}

#[test]
fn create_whose_name_may_not_be_on_the_disk_is_unknown() {
    let fixture = fixture();
    fixture
        .disk
        .fail(Step::DirectoryOfNamed, io::ErrorKind::Other);
    assert_eq!(
        WRITES[1](&fixture.ost).unwrap_err().kind(),
        ErrorKind::Unknown
    );
    let fixture = self::fixture();
    fixture.disk.fail(Step::File, io::ErrorKind::Other);
    assert_eq!(
        WRITES[1](&fixture.ost).unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}

#[test]
fn os_16_full_disk_at_the_sync_does_not_close_the_handle() {
    for write in WRITES {
        for full in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let fixture = fixture();
            fixture.disk.fail(Step::File, full);
            assert_eq!(
                write(&fixture.ost).unwrap_err().kind(),
                ErrorKind::Unavailable
            );
            assert!(!fixture.disk.target.exists());
            *fixture.disk.failure.lock().unwrap() = None;
            write(&fixture.ost).unwrap();
        }
    }
}

#[test]
fn os_14_put_beside_deletes_of_siblings_never_fails() {
    let fixture = fixture();
    let ost = &fixture.ost;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..5000 {
                block_on(ost.put(&path("d/y"), "y".into())).unwrap();
                block_on(ost.delete(&path("d/y"))).unwrap();
            }
        });
        for _ in 0..5000 {
            block_on(ost.put(&path("d/x"), "x".into())).unwrap();
            assert_eq!(block_on(ost.get(&path("d/x"))).unwrap(), "x");
            block_on(ost.delete(&path("d/x"))).unwrap();
        }
    });
}

#[test]
fn os_14_put_makes_a_directory_again_that_someone_removed() {
    let fixture = fixture();
    for write in WRITES {
        write(&fixture.ost).unwrap();
        fs::remove_dir_all(fixture.directory.path().join("made")).unwrap();
        write(&fixture.ost).unwrap();
        assert!(fixture.disk.target.exists());
        fs::remove_dir_all(fixture.directory.path().join("made")).unwrap();
    }
}

#[test]
fn sweep_removes_files_of_dead_writers_and_no_others() {
    let fixture = fixture();
    let root = fixture.disk.target.ancestors().nth(3).unwrap();
    WRITES[0](&fixture.ost).unwrap();
    let store = PosixStore::with_sync(root, fixture.disk.clone()).unwrap();
    let mut running = block_on(store.put_multipart(&StorePath::from("running"))).unwrap();
    block_on(running.put_part("part".into())).unwrap();
    fs::write(root.join(".ost-staging/dead"), "half an obj").unwrap();

    assert_eq!(block_on(fixture.ost.sweep()).unwrap(), 1);
    assert_eq!(staged(root).len(), 1, "the running writer's file stays");
    block_on(running.complete()).unwrap();
    assert_eq!(block_on(fixture.ost.get(&path("running"))).unwrap(), "part");
    assert!(staged(root).is_empty());
}

#[test]
fn first_write_sweeps() {
    let fixture = fixture();
    let root = fixture.disk.target.ancestors().nth(3).unwrap();
    fs::create_dir_all(root.join(".ost-staging")).unwrap();
    fs::write(root.join(".ost-staging/dead"), "half an obj").unwrap();
    assert!(
        block_on(fixture.ost.list_level(""))
            .unwrap()
            .prefixes
            .is_empty()
    );
    assert_eq!(staged(root).len(), 1, "reading removes nothing");
    WRITES[0](&fixture.ost).unwrap();
    assert!(staged(root).is_empty());
}

#[test]
fn upload_lacking_a_part_is_refused() {
    let fixture = fixture();
    let root = fixture.disk.target.ancestors().nth(3).unwrap();
    let store = PosixStore::with_sync(root, fixture.disk.clone()).unwrap();
    let mut upload = block_on(store.put_multipart(&StorePath::from("a/b/x"))).unwrap();
    block_on(upload.put_part("first".into())).unwrap();
    drop(upload.put_part("never sent".into()));
    assert!(block_on(upload.complete()).is_err());
    assert!(!fixture.disk.target.exists());
    drop(upload);
    assert!(staged(root).is_empty());
}

#[test]
fn staging_directory_is_no_place_for_objects() {
    let fixture = fixture();
    let root = fixture.disk.target.ancestors().nth(3).unwrap();
    let store = PosixStore::with_sync(root, fixture.disk.clone()).unwrap();
    for key in [".ost-staging/x", "a/.ost-staging", ""] {
        let location = StorePath::from(key);
        assert!(
            block_on(store.put_opts(&location, "x".into(), PutMode::Create.into())).is_err(),
            "{key}"
        );
        assert!(block_on(store.get(&location)).is_err(), "{key}");
        assert!(block_on(store.delete(&location)).is_err(), "{key}");
    }
}
