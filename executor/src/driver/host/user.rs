//! Who executes steps.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::Error;

const PASSWD: &str = "/etc/passwd";

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl User {
    /// The user with this name, or with these numbers (`uid:gid`).
    ///
    /// # Errors
    /// There is none, or this process may not become one.
    pub(super) fn find(text: &str) -> Result<User, Error> {
        let passwd = fs::read_to_string(PASSWD).unwrap_or_default();
        let accepted = "a name in /etc/passwd or uid:gid is expected";
        let user = User::among(text, &passwd)
            .ok_or_else(|| service::config::invalid("executor.driver.user", text, accepted))?;
        let own = rustix::process::geteuid();
        if !own.is_root() && own.as_raw() != user.uid {
            let accepted = "only root can execute steps as another user";
            return Err(service::config::invalid(
                "executor.driver.user",
                text,
                accepted,
            ));
        }
        Ok(user)
    }

    fn among(text: &str, passwd: &str) -> Option<User> {
        if let Some((uid, gid)) = text.split_once(':') {
            let uid = uid.parse().ok()?;
            return Some(User {
                name: name_of(uid, passwd).unwrap_or_else(|| uid.to_string()),
                uid,
                gid: gid.parse().ok()?,
            });
        }
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| *name == text)?;
            let (_, uid, gid) = (fields.next()?, fields.next()?, fields.next()?);
            Some(User {
                name: name.to_owned(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
            })
        })
    }
}

fn name_of(uid: u32, passwd: &str) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// The name of who executes this process.
pub(super) fn own_name() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let passwd = fs::read_to_string(PASSWD).unwrap_or_default();
    name_of(uid, &passwd).unwrap_or_else(|| uid.to_string())
}

/// Reads a regular file that the user of the task could have read: another user's is refused, since this process may be able
/// to read more than that user.
pub(super) fn read_file(
    path: &Path,
    bytes_max: u64,
    user: Option<(u32, u32)>,
) -> io::Result<Vec<u8>> {
    // A pipe does not make it wait.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let is_public = metadata.mode() & 0o004 != 0;
    if user.is_some_and(|(uid, _)| uid != metadata.uid() && !is_public) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut content = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/sh\nci:x:1000:1001::/home/ci:/bin/sh\nbad:x:a:b\n";

    #[test]
    fn users_are_found_by_name_or_numbers() {
        let ci = User {
            name: "ci".to_owned(),
            uid: 1000,
            gid: 1001,
        };
        assert_eq!(User::among("ci", USERS), Some(ci.clone()));
        assert_eq!(User::among("1000:1001", USERS), Some(ci));
        assert_eq!(User::among("7:8", USERS).unwrap().name, "7");
        for text in ["", "c", "bad", "1000", "1000:", "a:b", "-1:0"] {
            assert_eq!(User::among(text, USERS), None, "{text:?}");
        }
    }

    #[test]
    fn only_files_are_read_and_no_more_than_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "content").unwrap();
        assert_eq!(read_file(&path, 3, None).unwrap(), b"cont");
        assert_eq!(read_file(&path, 100, None).unwrap(), b"content");
        assert!(read_file(directory.path(), 3, None).is_err());
        let missing = read_file(&directory.path().join("none"), 3, None);
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
