//! What is kept of a task: its record, its logs and archives, and the place where it works.
//!
//! ```text
//! <data directory>/
//!   id               the executor's id, a UUID
//!   lock             held by the executor that uses the directory
//!   tasks/<task id>/
//!     task.json      the record, replaced as a whole
//!     logs/setup.log, logs/<step>.log
//!     archives/<step>.tar
//!     place/         where the task works; removed when it has ended
//!   trash/           what is being removed
//! ```
//!
//! A record is there, and synced, before the first process of its task starts. So a task that has a record is never begun
//! again. The record of a task that has ended is synced, too; what is in between is only written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use runservice::api::ExecutorTaskStatus;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Others may pass through to the place of a task, and read nothing.
const PASSABLE: u32 = 0o711;
const PRIVATE: u32 = 0o700;
const RECORD: &str = "task.json";
const RECORD_VERSION: u32 = 1;
const TASK_ID_BYTES_MAX: usize = 128;

/// A part of a task that has a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LogPart {
    Setup,
    Step(usize),
}

/// What is to be known of a task after a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) version: u32,
    pub(crate) id: String,
    pub(crate) run_id: String,
    /// Whether it was asked to stop.
    #[serde(default)]
    pub(crate) stop: bool,
    pub(crate) status: ExecutorTaskStatus,
}

impl Record {
    pub(crate) fn new(id: &str, run_id: &str, stop: bool, status: ExecutorTaskStatus) -> Record {
        Record {
            version: RECORD_VERSION,
            id: id.to_owned(),
            run_id: run_id.to_owned(),
            stop,
            status,
        }
    }
}

/// Whether a task can be called so: the name of a directory is made of it.
pub(crate) fn check_task_id(id: &str) -> Result<(), Error> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let accepted = (1..=TASK_ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(is_good)
        && !id.starts_with('.');
    match accepted {
        true => Ok(()),
        false => {
            let shown: String = id.chars().take(64).collect();
            Err(Error::bad_request(format!(
                "{shown:?} cannot be the id of a task"
            )))
        }
    }
}

/// The data directory of an executor, which no other one uses.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    id: String,
    _lock: File,
}

impl DataDirectory {
    /// Opens or makes it, and removes what was being removed.
    ///
    /// # Errors
    /// It cannot be used, or another executor uses it.
    pub(crate) fn open(path: &Path) -> Result<DataDirectory, Error> {
        let unusable = |cause: io::Error| {
            let message = format!("executor.dataDir {:?} cannot be used", path.display());
            Error::bad_request(message).with_source(cause)
        };
        let path = std::path::absolute(path).map_err(unusable)?;
        make_directory(&path, PASSABLE).map_err(unusable)?;
        let lock = File::create(path.join("lock")).map_err(unusable)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let message = format!(
                "another executor uses executor.dataDir {:?}",
                path.display()
            );
            Error::bad_request(message)
        })?;
        make_directory(&path.join("tasks"), PASSABLE).map_err(unusable)?;
        let trash = path.join("trash");
        make_directory(&trash, PRIVATE).map_err(unusable)?;
        for entry in fs::read_dir(&trash).map_err(unusable)? {
            remove_tree(&entry.map_err(unusable)?.path()).map_err(unusable)?;
        }
        let id = read_or_make_id(&path).map_err(unusable)?;
        Ok(DataDirectory {
            path,
            id,
            _lock: lock,
        })
    }

    /// The executor's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Bytes that are free for files.
    ///
    /// # Errors
    /// The system does not say.
    pub(crate) fn bytes_free(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.path)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// The directory of a task, be it there or not.
    pub(crate) fn task(&self, id: &str) -> TaskDirectory {
        TaskDirectory {
            path: self.path.join("tasks").join(id),
            trash: self.path.join("trash"),
            id: id.to_owned(),
        }
    }

    /// The records of all tasks. What has no record that can be read has not begun, and is removed.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn records(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(self.path.join("tasks"))? {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let directory = self.task(&id);
            match directory.read() {
                Ok(record) if record.id == id && record.version == RECORD_VERSION => {
                    records.push(record);
                }
                Ok(_) => log::warn!(
                    "{} is no record of this executor's",
                    directory.path.display()
                ),
                Err(cause) => {
                    log::warn!("{} is removed: {cause}", directory.path.display());
                    directory.remove()?;
                }
            }
        }
        Ok(records)
    }
}

fn read_or_make_id(path: &Path) -> io::Result<String> {
    let file = path.join("id");
    match fs::read_to_string(&file) {
        Ok(text) => match uuid::Uuid::parse_str(text.trim()) {
            Ok(id) => Ok(id.to_string()),
            Err(cause) => Err(io::Error::other(format!(
                "{} does not have a UUID: {cause}",
                file.display()
            ))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = uuid::Uuid::new_v4().to_string();
            replace(path, "id", id.as_bytes(), true)?;
            Ok(id)
        }
        Err(error) => Err(error),
    }
}

/// The directory of a task.
#[derive(Clone, Debug)]
pub(crate) struct TaskDirectory {
    path: PathBuf,
    trash: PathBuf,
    id: String,
}

impl TaskDirectory {
    /// Makes it with its first record. After `Ok` the task is known to have begun whatever happens.
    ///
    /// # Errors
    /// It is there already, or cannot be written.
    pub(crate) fn begin(&self, record: &Record) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.mode(PASSABLE).create(&self.path)?;
        make_directory(&self.path.join("logs"), PRIVATE)?;
        make_directory(&self.path.join("archives"), PRIVATE)?;
        self.write(record, true)?;
        match self.path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Replaces the record; `is_synced`: it survives a crash of the machine.
    ///
    /// # Errors
    /// It cannot be written; the old one stays.
    pub(crate) fn write(&self, record: &Record, is_synced: bool) -> io::Result<()> {
        let bytes = serde_json::to_vec(record)?;
        replace(&self.path, RECORD, &bytes, is_synced)
    }

    fn read(&self) -> io::Result<Record> {
        let bytes = fs::read(self.path.join(RECORD))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Where a log is.
    pub(crate) fn log(&self, part: LogPart) -> PathBuf {
        let logs = self.path.join("logs");
        match part {
            LogPart::Setup => logs.join("setup.log"),
            LogPart::Step(step) => logs.join(format!("{step}.log")),
        }
    }

    /// Where the workspace archive of a step is.
    pub(crate) fn archive(&self, step: usize) -> PathBuf {
        self.path.join("archives").join(format!("{step}.tar"))
    }

    /// A file for something on its way, which whoever makes it removes.
    pub(crate) fn transfer(&self, step: usize) -> PathBuf {
        self.path.join("archives").join(format!("{step}.part"))
    }

    /// Where the task works.
    pub(crate) fn place(&self) -> PathBuf {
        self.path.join("place")
    }

    /// Removes all of it; it is gone at once for whoever looks.
    ///
    /// # Errors
    /// It cannot be removed; what is left is removed at the next start.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let mut number = 0_u32;
        let trash = loop {
            let trash = self.trash.join(format!("{}-{number}", self.id));
            match fs::rename(&self.path, &trash) {
                Ok(()) => break trash,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) if number < 100 && trash.exists() => {
                    log::debug!("{} is still there: {error}", trash.display());
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        };
        remove_tree(&trash)
    }
}

/// Makes a directory with these rights, if there is none.
pub(crate) fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new()
        .mode(mode)
        .recursive(true)
        .create(path)
}

/// Removes a directory and all that is in it, also where steps have taken rights away. Links are not followed.
///
/// # Errors
/// Something cannot be removed.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let first = match fs::remove_dir_all(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return fs::remove_file(path),
        Err(error) => error,
    };
    if first.kind() != io::ErrorKind::PermissionDenied {
        return Err(first);
    }
    open_up(path)?;
    fs::remove_dir_all(path)
}

fn open_up(path: &Path) -> io::Result<()> {
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        fs::set_permissions(&path, fs::Permissions::from_mode(PRIVATE))?;
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                left.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Replaces a file of the directory as a whole.
fn replace(directory: &Path, name: &str, content: &[u8], is_synced: bool) -> io::Result<()> {
    let next = directory.join(format!("{name}.next"));
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&next)?;
    file.write_all(content)?;
    if is_synced {
        file.sync_all()?;
    }
    fs::rename(&next, directory.join(name))?;
    match is_synced {
        true => File::open(directory)?.sync_all(),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> Record {
        Record::new(id, "run", false, ExecutorTaskStatus::default())
    }

    #[test]
    fn a_task_begins_once_and_is_known_until_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(directory.path()).unwrap();
        let task = data.task("t1");
        task.begin(&record("t1")).unwrap();
        assert!(task.begin(&record("t1")).is_err());
        let id = data.id().to_owned();
        drop(data);
        let data = DataDirectory::open(directory.path()).unwrap();
        assert_eq!(data.id(), id);
        let records = data.records().unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].id, "t1");
        data.task("t1").remove().unwrap();
        assert!(data.records().unwrap().is_empty());
        data.task("t1").remove().unwrap();
    }

    #[test]
    fn what_has_no_record_has_not_begun() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(directory.path()).unwrap();
        fs::create_dir(directory.path().join("tasks/t1")).unwrap();
        fs::create_dir(directory.path().join("tasks/t2")).unwrap();
        fs::write(directory.path().join("tasks/t2/task.json"), "{").unwrap();
        assert!(data.records().unwrap().is_empty());
        data.task("t1").begin(&record("t1")).unwrap();
    }

    #[test]
    fn a_directory_has_one_executor() {
        let directory = tempfile::tempdir().unwrap();
        let _data = DataDirectory::open(directory.path()).unwrap();
        let error = DataDirectory::open(directory.path()).unwrap_err();
        assert!(error.to_string().contains("another executor"), "{error}");
    }

    #[test]
    fn ids_that_are_no_names_are_refused() {
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            "a\0",
            "ä",
            ".hidden",
            &"x".repeat(129),
        ] {
            assert!(check_task_id(id).is_err(), "{id:?}");
        }
        for id in ["a", "0000-1", "t_1.x", &"x".repeat(128)] {
            assert!(check_task_id(id).is_ok(), "{id:?}");
        }
    }

    #[test]
    fn trees_without_rights_are_removed_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (tree, outside) = (
            directory.path().join("tree"),
            directory.path().join("outside"),
        );
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "kept").unwrap();
        std::os::unix::fs::symlink(&outside, tree.join("a/link")).unwrap();
        fs::set_permissions(tree.join("a/b"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(tree.join("a"), fs::Permissions::from_mode(0o500)).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && outside.join("file").exists());
        remove_tree(&tree).unwrap();
    }
}
