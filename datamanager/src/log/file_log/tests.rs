//! Tests of the log that one process has to itself, below the committer.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::BoxFuture;

use super::*;
use crate::environment::MemoryFiles;
use crate::record::tests::sample_record;
use crate::{RecordId, Timestamp};

/// Files whose next write, once armed, writes everything and then reports a full disk.
#[derive(Clone, Debug)]
struct LateFailure {
    files: MemoryFiles,
    armed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct LateFailureFile {
    file: Arc<dyn File>,
    armed: Arc<AtomicBool>,
}

impl FileSystem for LateFailure {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.files.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.files.list(directory)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.files.open(path, mode)?;
        Ok(Arc::new(LateFailureFile {
            file,
            armed: self.armed.clone(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.files.sync_dir(directory)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.files.try_lock(path)
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        self.files.network_file_system(path)
    }
}

impl File for LateFailureFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(offset, bytes)?;
        if self.armed.swap(false, Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_size(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.file.allocate(bytes)
    }
}

/// An environment of which only the files are used.
#[derive(Debug)]
struct FilesAlone(LateFailure);

impl Environment for FilesAlone {
    fn wall_time(&self) -> Timestamp {
        Timestamp::default()
    }

    fn steady_time(&self) -> Duration {
        Duration::ZERO
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(1);
    }

    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, _name: &str, _task: BoxFuture<'static, ()>) {}

    fn spawn_thread(&self, _name: &str, _task: BoxFuture<'static, ()>) -> io::Result<()> {
        Ok(())
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        work();
        Box::pin(std::future::ready(()))
    }

    fn files(&self) -> Arc<dyn FileSystem> {
        Arc::new(self.0.clone())
    }
}

fn options_of(store: StoreId) -> FileLogOptions {
    FileLogOptions {
        instance: "test".to_owned(),
        directory: "/store".into(),
        store,
        epoch: 1,
        base: Position::START,
        covered: Position::START,
        segment_records_max: 1_000,
        segment_bytes_max: 1 << 20,
    }
}

/// A caller that is told that nothing was committed must not find it there after the next opening.
#[test]
fn a_write_that_fails_at_its_very_end_leaves_no_record() {
    let files = LateFailure {
        files: MemoryFiles::new(),
        armed: Arc::default(),
    };
    let environment = Arc::new(FilesAlone(files.clone()));
    let mut record = sample_record(1);
    record.predecessor = RecordId::NONE;
    let options = options_of(record.store);
    FileLog::create(&files, Path::new("/store"), 1, Position::START).unwrap();
    let log = FileLog::open(environment.clone(), options.clone()).unwrap();
    let encoded = record.encode().unwrap();

    files.armed.store(true, Ordering::SeqCst);
    let refused = block_on(log.append(Position::START, record.position, encoded.clone(), &()));
    assert!(matches!(refused, Append::Refused(_)), "{refused:?}");
    let reopened = FileLog::open(environment.clone(), options.clone()).unwrap();
    assert_eq!(reopened.state().head, Position::START);

    let appended = block_on(reopened.append(Position::START, record.position, encoded, &()));
    assert!(matches!(appended, Append::Appended), "{appended:?}");
    let again = FileLog::open(environment, options).unwrap();
    assert_eq!(again.state().head, record.position);
}

/// A process that dies leaves the zeros behind the last record where they are.
#[test]
fn room_that_was_set_aside_is_no_part_of_the_log_and_no_tear() {
    let files = MemoryFiles::new();
    let environment = Arc::new(FilesAlone(LateFailure {
        files: files.clone(),
        armed: Arc::default(),
    }));
    let mut first = sample_record(1);
    first.predecessor = RecordId::NONE;
    let options = options_of(first.store);
    let directory = Path::new("/store/wal/0000000001");
    let path = directory.join("00000000000000000001.wal");
    let size = || {
        let file = files.open(&path, OpenMode::Read).unwrap();
        file.size().unwrap()
    };
    FileLog::create(&files, Path::new("/store"), 1, Position::START).unwrap();
    let log = FileLog::open(environment.clone(), options.clone()).unwrap();
    let encoded = first.encode().unwrap();
    let end = (WAL_FILE_HEADER_BYTES + encoded.len()) as u64;
    let appended = block_on(log.append(Position::START, first.position, encoded.clone(), &()));
    assert!(matches!(appended, Append::Appended), "{appended:?}");
    block_on(log.tidy());
    assert!(size() > end);

    let reopened = FileLog::open(environment.clone(), options.clone()).unwrap();
    assert_eq!(reopened.state().head, first.position);
    assert_eq!(size(), end);
    assert_eq!(files.list(directory).unwrap().len(), 1);

    block_on(reopened.tidy());
    let file = files.open(&path, OpenMode::ReadWrite).unwrap();
    let half = &encoded[..encoded.len() / 2];
    file.write_all_at(end, half).unwrap();
    let again = FileLog::open(environment, options).unwrap();
    assert_eq!(again.state().head, first.position);
    let torn = directory.join(format!("00000000000000000001.wal.torn-{end}-0"));
    let torn = files.open(&torn, OpenMode::Read).unwrap();
    let mut kept = vec![0; encoded.len()];
    let length = torn.read_at(0, &mut kept).unwrap();
    let last = half.iter().rposition(|byte| *byte != 0).unwrap();
    assert_eq!(kept[..length], half[..=last]);

    block_on(again.tidy());
    assert!(size() > end);
    block_on(again.close());
    assert_eq!(size(), end);
}
