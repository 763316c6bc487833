//! The data directory that is used without a configuration file.
//!
//! ```text
//! <data directory>/
//!   lock               held by the `dm serve` that uses it
//!   services-token     the token that the services show each other
//!   admin-token        the administrator's token, made by the gateway
//!   demo-token         the token of the user that the first start makes
//!   first-start-done   is there once that user and the sample project have been made
//!   configstore/  runservice/  executor/
//! ```
//!
//! Files with tokens have the mode 0600 and appear whole.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const TOKEN_BYTES: usize = 20;
const FIRST_START_DONE: &str = "dm serve has made the user demo and the project user/demo/hello. \
Without this file it makes them again if they are not there.\n";

/// A data directory that nobody else serves.
#[derive(Debug)]
pub(super) struct DataDirectory {
    /// As it was given, for what is printed.
    shown: PathBuf,
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes or opens it, with the token of the services.
    pub(super) fn open(given: &Path) -> anyhow::Result<DataDirectory> {
        let unusable = || format!("the data directory {:?} cannot be used", given.display());
        let path = std::path::absolute(given).with_context(unusable)?;
        if path.to_str().is_none() {
            bail!("{}: its path is not Unicode", unusable());
        }
        make(&path).with_context(unusable)?;
        let lock = File::create(path.join("lock")).with_context(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another dm serve uses the data directory {:?}",
                    given.display()
                )
            }
            Err(TryLockError::Error(cause)) => return Err(cause).with_context(unusable),
        }
        let directory = DataDirectory {
            shown: given.to_owned(),
            path,
            _lock: lock,
        };
        if !directory.services_token().exists() {
            write_token(&directory.services_token(), &new_token()?).with_context(unusable)?;
        }
        Ok(directory)
    }

    /// As it was given.
    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Its whole path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file with the token that the services show each other.
    pub(super) fn services_token(&self) -> PathBuf {
        self.path.join("services-token")
    }

    /// The file with the token of the administrator, unless the configuration says otherwise.
    pub(super) fn admin_token(&self) -> PathBuf {
        self.path.join("admin-token")
    }

    /// The file with the token of the user that the first start makes, as it was given.
    pub(super) fn demo_token(&self) -> PathBuf {
        self.shown.join("demo-token")
    }

    /// Keeps the token of that user.
    pub(super) fn keep_demo_token(&self, token: &str) -> anyhow::Result<()> {
        let path = self.demo_token();
        write_token(&path, token)
            .with_context(|| format!("cannot write the token of user demo to {}", path.display()))
    }

    /// Whether the first start has made all that it makes.
    pub(super) fn first_start_is_done(&self) -> bool {
        self.first_start_done().exists()
    }

    /// Notes that it has.
    pub(super) fn note_first_start(&self) -> anyhow::Result<()> {
        let path = self.first_start_done();
        write_whole(&path, FIRST_START_DONE, 0o644)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn first_start_done(&self) -> PathBuf {
        self.path.join("first-start-done")
    }
}

/// The directory is for its owner alone, if it is made here.
fn make(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(_) => {}
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    DirBuilder::new().mode(0o700).create(path)
}

fn new_token() -> anyhow::Result<String> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes).context("cannot make a token")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_token(path: &Path, token: &str) -> io::Result<()> {
    write_whole(path, &format!("{token}\n"), 0o600)
}

/// Writes a file under another name first, so that it is there whole or not at all.
fn write_whole(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&unfinished)?;
    // One that was left behind has its own.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}
