//! The token of the administrator.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use service::config::invalid;
use subtle::ConstantTimeEq;

use super::{TokenHash, hash};
use crate::Error;
use crate::config::Settings;

/// Bytes of a token that is made.
const MADE_BYTES: usize = 20;
/// Bytes of a file with a token, at most.
const FILE_BYTES_MAX: usize = 4 * 1024;

/// The token of the administrator, as its hash.
pub(crate) struct AdminToken {
    hash: TokenHash,
}

impl AdminToken {
    /// That of the configuration, or that of the file, which is made with mode 0600 if it is not there.
    ///
    /// # Errors
    /// A file that cannot be read or made, or has no token: the key is named.
    pub(crate) fn load(settings: &Settings) -> Result<AdminToken, Error> {
        let token = match settings.admin_token.is_empty() {
            false => settings.admin_token.clone(),
            true => read_or_make(&settings.admin_token_path())?,
        };
        Ok(AdminToken { hash: hash(&token) })
    }

    /// In a time that does not depend on the token.
    pub(super) fn is(&self, shown: &TokenHash) -> bool {
        self.hash.ct_eq(shown).into()
    }
}

fn refused(path: &Path, what: &str) -> Error {
    invalid("gateway.adminTokenFile", &path.display().to_string(), what)
}

fn read_or_make(path: &Path) -> Result<String, Error> {
    match read(path) {
        Err(cause) if cause.kind() == IoErrorKind::NotFound => make(path),
        Err(cause) => Err(refused(path, &format!("it cannot be read: {cause}"))),
        Ok(text) => {
            let token = text.trim();
            let is_token = !token.is_empty()
                && token.len() <= FILE_BYTES_MAX
                && token.bytes().all(|byte| byte.is_ascii_graphic());
            match is_token {
                true => Ok(token.to_owned()),
                false => Err(refused(path, "the file must hold one token without spaces")),
            }
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        log::warn!(
            "the file with the token of the administrator, {}, can be read by others (mode {:o})",
            path.display(),
            mode & 0o777
        );
    }
    fs::read_to_string(path)
}

/// Makes a token. Another instance may do so at the same time: the file of one of them counts for both.
fn make(path: &Path) -> Result<String, Error> {
    let cannot = |cause: std::io::Error| refused(path, &format!("it cannot be made: {cause}"));
    let mut bytes = [0_u8; MADE_BYTES];
    getrandom::fill(&mut bytes).map_err(|cause| Error::internal(cause.to_string()))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(cannot)?;
    }
    // Written whole under another name first, so that nobody reads half of it.
    let unfinished = path.with_extension(format!("new-{}", std::process::id()));
    let written = write(&unfinished, &token).and_then(|()| fs::hard_link(&unfinished, path));
    // It is there under its name, or is not needed.
    let _ = fs::remove_file(&unfinished);
    match written {
        Ok(()) => {
            log::info!("the token of the administrator is in {}", path.display());
            Ok(token)
        }
        Err(cause) if cause.kind() == IoErrorKind::AlreadyExists => read_or_make(path),
        Err(cause) => Err(cannot(cause)),
    }
}

fn write(path: &Path, token: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    writeln!(file, "{token}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            data_dir: directory.path().join("a/b"),
            ..Settings::default()
        };
        let made = AdminToken::load(&settings).unwrap();
        let path = settings.data_dir.join("admin-token");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), 2 * MADE_BYTES);
        assert!(made.is(&hash(text.trim())));
        let again = AdminToken::load(&settings).unwrap();
        assert!(again.is(&hash(text.trim())));
        assert_eq!(fs::read_dir(&settings.data_dir).unwrap().count(), 1);
        for wrong in ["", "\n", "two words"] {
            fs::write(&path, wrong).unwrap();
            let error = AdminToken::load(&settings).err().unwrap();
            assert!(
                error.to_string().contains("gateway.adminTokenFile"),
                "{error}"
            );
        }
        settings.admin_token = "admintoken".to_owned();
        let given = AdminToken::load(&settings).unwrap();
        assert!(given.is(&hash("admintoken")));
        assert!(!given.is(&hash("admintokeN")));
    }
}
