//! Listing in byte order of the whole key.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use object_store::path::Path as StorePath;
use object_store::{ListResult, ObjectMeta, Result};

use super::PosixError;
use super::read::meta;
use super::store::Shared;
use super::write::is_absence;
use crate::path::STAGING_DIRECTORY;

/// A name in a directory that holds, or may hold, objects.
#[derive(Debug)]
struct Entry {
    /// The key; a directory's ends in `/`, which is what sorts `a-b` before `a/b` before `a0`.
    key: String,
    is_directory: bool,
}

/// A walk over the files below a prefix. It holds the names of one directory for each level it is down.
#[derive(Debug)]
pub(super) struct Walk {
    shared: Arc<Shared>,
    /// Directories not yet left, each with what is to come in it, last first.
    levels: Vec<Vec<Entry>>,
    after: Option<String>,
    start: Option<String>,
}

impl Walk {
    /// A walk over the keys below `prefix` that are greater than `after`. Touches no file yet.
    pub(super) fn new(
        shared: Arc<Shared>,
        prefix: Option<&StorePath>,
        after: Option<&StorePath>,
    ) -> Walk {
        let start = directory_key(prefix);
        let after = after.map(|after| after.as_ref().to_owned());
        Walk {
            shared,
            levels: Vec::new(),
            after,
            start: Some(start),
        }
    }

    /// The next object in order.
    pub(super) fn next_object(&mut self) -> Result<Option<ObjectMeta>> {
        self.shared.check()?;
        if let Some(start) = self.start.take() {
            self.enter(&start)?;
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.pop() else {
                self.levels.pop();
                continue;
            };
            if self.is_passed(&entry) {
                continue;
            }
            if entry.is_directory {
                self.enter(&entry.key)?;
            } else if let Some(meta) = look_up(&self.shared, &entry.key)? {
                return Ok(Some(meta));
            }
        }
        Ok(None)
    }

    fn enter(&mut self, key: &str) -> Result<()> {
        let mut entries = read_directory(&self.shared.root, key)?;
        entries.reverse();
        self.levels.push(entries);
        Ok(())
    }

    /// Whether the key, or every key below it, is not greater than the start.
    fn is_passed(&self, entry: &Entry) -> bool {
        let Some(after) = &self.after else {
            return false;
        };
        if entry.is_directory {
            entry.key.as_str() < after.as_str() && !after.starts_with(&entry.key)
        } else {
            entry.key.as_str() <= after.as_str()
        }
    }
}

/// The objects in the directory of `prefix`, and the directories in it that hold objects.
pub(super) fn level(shared: &Arc<Shared>, prefix: Option<&StorePath>) -> Result<ListResult> {
    shared.check()?;
    let mut result = ListResult {
        common_prefixes: Vec::new(),
        objects: Vec::new(),
        extensions: Default::default(),
    };
    for entry in read_directory(&shared.root, &directory_key(prefix))? {
        if !entry.is_directory {
            result.objects.extend(look_up(shared, &entry.key)?);
        } else if let Ok(path) = StorePath::parse(&entry.key)
            // Directories outlive their objects, but a prefix is only there with an object below it.
            && Walk::new(Arc::clone(shared), Some(&path), None).next_object()?.is_some()
        {
            result.common_prefixes.push(path);
        }
    }
    Ok(result)
}

/// What the keys below `prefix` begin with.
fn directory_key(prefix: Option<&StorePath>) -> String {
    match prefix {
        Some(prefix) if !prefix.is_root() => format!("{prefix}/"),
        _ => String::new(),
    }
}

/// The names in a directory, in the order of their keys. A directory that is not there has none.
fn read_directory(root: &Path, key: &str) -> Result<Vec<Entry>, PosixError> {
    let path = root.join(key);
    let names = match fs::read_dir(&path) {
        Ok(names) => names,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        // Every file system of its own has one; only root may look into it.
        Err(error)
            if error.kind() == io::ErrorKind::PermissionDenied && key.ends_with("lost+found/") =>
        {
            return Ok(Vec::new());
        }
        Err(source) => return Err(PosixError::step("list", &path, source)),
    };
    let mut entries = Vec::new();
    for name in names {
        let name = name.map_err(|source| PosixError::step("list", &path, source))?;
        entries.extend(
            entry(&path, key, &name)
                .map_err(|source| PosixError::step("look at", &path, source))?,
        );
    }
    entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    Ok(entries)
}

/// What a name means for a list: nothing, if it is not UTF-8, reserved, or neither file nor directory.
fn entry(directory: &Path, key: &str, name: &fs::DirEntry) -> io::Result<Option<Entry>> {
    let file_name = name.file_name();
    let Some(text) = file_name.to_str() else {
        return Ok(None);
    };
    if text == STAGING_DIRECTORY {
        return Ok(None);
    }
    let mut kind = name.file_type()?;
    if kind.is_symlink() {
        match fs::metadata(name.path()) {
            Ok(metadata) => kind = metadata.file_type(),
            Err(_) => return Ok(None),
        }
        if kind.is_dir() && leads_back(directory, &name.path())? {
            return Ok(None);
        }
    }
    Ok(match (kind.is_dir(), kind.is_file()) {
        (true, _) => Some(Entry {
            key: format!("{key}{text}/"),
            is_directory: true,
        }),
        (_, true) => Some(Entry {
            key: format!("{key}{text}"),
            is_directory: false,
        }),
        _ => None,
    })
}

/// Whether a link in `directory` leads to it or to a directory above it, which would be walked for ever.
fn leads_back(directory: &Path, link: &Path) -> io::Result<bool> {
    Ok(fs::canonicalize(directory)?.starts_with(fs::canonicalize(link)?))
}

/// The object of a listed key; `None` if it went since, or if its name can be no key.
fn look_up(shared: &Shared, key: &str) -> Result<Option<ObjectMeta>> {
    let Ok(location) = StorePath::parse(key) else {
        return Ok(None);
    };
    let path = shared.root.join(key);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(meta(location, &metadata))),
        Ok(_) => Ok(None),
        Err(error) if is_absence(&error) => Ok(None),
        Err(source) => Err(PosixError::step("look at", &path, source).into()),
    }
}
