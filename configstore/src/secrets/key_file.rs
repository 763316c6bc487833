//! Files with keys.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::random::hexadecimal;
use crate::Error;

/// The bytes of a key, wiped from memory when they go.
pub(super) type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

const KEY_BYTES: usize = 32;
/// The key that is made where none is configured.
const OWN_KEY_FILE: &str = "secret-key";
/// Bytes of a key file, at most.
const FILE_BYTES_MAX: u64 = 1024;

/// One of `configstore.secretKeys`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeySettings {
    /// A name for the key, which stands in what it encrypts: 1 to 64 letters, digits, dashes and underscores.
    pub id: String,
    /// A file with 64 hexadecimal digits, as `openssl rand -hex 32` prints them.
    pub key_file: PathBuf,
}

/// The key in a file.
pub(super) fn load(path: &Path) -> Result<KeyBytes, Error> {
    let failed = |why: &str| {
        Error::bad_request(format!(
            "the key file {:?} {why}",
            path.display().to_string()
        ))
    };
    let about =
        std::fs::metadata(path).map_err(|error| failed("cannot be read").with_source(error))?;
    let expected =
        "is no key: 64 hexadecimal digits are expected, as `openssl rand -hex 32` prints them";
    if about.len() > FILE_BYTES_MAX {
        return Err(failed(expected));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| failed("cannot be read").with_source(error))?;
    parse(&Zeroizing::new(text)).ok_or_else(|| failed(expected))
}

fn parse(text: &str) -> Option<KeyBytes> {
    let digits = text.trim().as_bytes();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = KeyBytes::new([0; KEY_BYTES]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(key)
}

/// The key of the data directory, made on the first start. Its id is made from it, so that copies are known to be the same.
pub(super) fn load_or_make(data_dir: &Path) -> Result<(String, KeyBytes), Error> {
    let path = data_dir.join(OWN_KEY_FILE);
    if !path.exists() {
        make(data_dir, &path)?;
    }
    let key = load(&path)?;
    let hash = hexadecimal(&Sha256::digest(*key));
    Ok((format!("own-{}", hash.get(..8).unwrap_or(&hash)), key))
}

/// Makes the file whole or not at all; another process may make it at the same time.
fn make(data_dir: &Path, path: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        Error::bad_request(format!(
            "the key file {:?} cannot be made",
            path.display().to_string()
        ))
        .with_source(error)
    };
    std::fs::create_dir_all(data_dir).map_err(failed)?;
    let mut key = KeyBytes::new([0; KEY_BYTES]);
    getrandom::fill(&mut *key)
        .map_err(|error| Error::internal("there are no random numbers").with_source(error))?;
    let draft = data_dir.join(format!("{OWN_KEY_FILE}.{}", super::new_id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| {
        writeln!(file, "{}", *Zeroizing::new(hexadecimal(&*key)))?;
        file.sync_all()
    });
    // Unlike a rename, a link does not replace what another process has just made.
    let linked = written.and_then(|()| std::fs::hard_link(&draft, path));
    // What matters is the link; a draft that stays is only a copy with the same mode.
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => std::fs::File::open(data_dir)
            .and_then(|directory| directory.sync_all())
            .map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("new/data");
        let (id, key) = load_or_make(&data_dir).unwrap();
        let (again, same) = load_or_make(&data_dir).unwrap();
        assert_eq!((&id, &key), (&again, &same));
        let other = load_or_make(&directory.path().join("other")).unwrap();
        assert_ne!(id, other.0);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let about = std::fs::metadata(data_dir.join(OWN_KEY_FILE)).unwrap();
            assert_eq!(about.permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(&data_dir).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let long = "0".repeat(2000);
        for text in [
            "",
            "00",
            &"0".repeat(63),
            &"g".repeat(64),
            &"+1".repeat(32),
            &long,
            &"é".repeat(32),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = load(&path).unwrap_err();
            assert!(
                error.to_string().contains("64 hexadecimal digits"),
                "{error}"
            );
        }
        assert!(load(&directory.path().join("missing")).is_err());
    }
}
