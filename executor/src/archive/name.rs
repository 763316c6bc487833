//! Names in archives, and where links lead.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::Error;

/// More directories in each other than this are refused: each one is kept open.
pub(super) const DEPTH_MAX: usize = 200;

/// A path below a directory, as its parts: rule 1 holds. Without parts it is the directory itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    parts: Vec<OsString>,
}

impl Name {
    /// Reads what stands in an archive.
    pub(super) fn parse(bytes: &[u8]) -> Result<Name, Error> {
        if bytes.starts_with(b"/") {
            return Err(refused("the absolute name", bytes));
        }
        let mut parts = Vec::new();
        for part in bytes.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(refused("a name with ..:", bytes)),
                part if part.contains(&0) => return Err(refused("a name with NUL:", bytes)),
                part => parts.push(OsString::from_vec(part.to_vec())),
            }
        }
        Name { parts }.check_depth()
    }

    /// Reads what a step says: there `/` at the beginning means the root of the archive.
    pub(super) fn of_destination(text: &str) -> Result<Name, Error> {
        Name::parse(text.trim_start_matches('/').as_bytes())
    }

    /// The path of another one below this.
    #[cfg(any(feature = "docker", test))]
    pub(super) fn below(&self, other: &Name) -> Result<Name, Error> {
        let joined = Name {
            parts: [&self.parts[..], &other.parts[..]].concat(),
        };
        joined.check_depth()
    }

    fn check_depth(self) -> Result<Name, Error> {
        match self.parts.len() > DEPTH_MAX {
            true => {
                let path = self.path();
                Err(refused("too deep a name:", path.as_os_str().as_bytes()))
            }
            false => Ok(self),
        }
    }

    pub(super) fn join(&self, part: &OsStr) -> Result<Name, Error> {
        let mut joined = self.clone();
        joined.parts.push(part.to_owned());
        joined.check_depth()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.parts.iter().collect()
    }

    /// The directories above, and the last part; none of the directory itself.
    pub(super) fn split(&self) -> Option<(&[OsString], &OsStr)> {
        let (last, parents) = self.parts.split_last()?;
        Some((parents, last))
    }

    pub(super) fn parts(&self) -> &[OsString] {
        &self.parts
    }

    /// Rule 3, for a symbolic link of this name.
    pub(super) fn check_link(&self, target: &Path) -> Result<(), Error> {
        let bytes = target.as_os_str().as_bytes();
        let depth = self.parts.len().saturating_sub(1);
        let mut ups = 0;
        let mut goes_down = false;
        let mut leaves = bytes.is_empty() || bytes.starts_with(b"/") || bytes.contains(&0);
        for part in bytes.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    ups += 1;
                    // Behind a name that may be a link itself nobody knows where it leads.
                    leaves |= goes_down || ups > depth;
                }
                _ => goes_down = true,
            }
        }
        match leaves {
            true => Err(Error::new(format!(
                "the link {:?} may lead out of the directory, to {target:?}",
                self.path()
            ))),
            false => Ok(()),
        }
    }
}

fn refused(what: &str, name: &[u8]) -> Error {
    let shown = &name[..name.len().min(200)];
    Error::new(format!(
        "there is {what} {:?}",
        String::from_utf8_lossy(shown)
    ))
}
