//! Keys of objects, checked once.

use std::fmt;

use crate::{Error, ErrorKind};

/// The directory, at any depth, in which a local backend keeps unfinished files. No key may name it.
pub(crate) const STAGING_DIRECTORY: &str = ".ost-staging";

/// The bytes of a key and its base path together; S3's limit.
pub(crate) const KEY_BYTES_MAX: usize = 1024;

/// The bytes of one segment; what local file systems can name.
pub(crate) const SEGMENT_BYTES_MAX: usize = 255;

/// The key of an object, below the base path.
///
/// # Shape
/// One or more segments joined by `/`: `wal/0000000001/00000000000000000001.wal`. UTF-8; a segment has 1 to 255
/// bytes, a key at most 1024 together with the base path. Refused, alike for every backend, is what one of them
/// would store under another name or hide:
/// - a slash at the begin, at the end or doubled, and the segments `.` and `..`;
/// - control characters, backslash, and the code points U+FFFE and U+FFFF;
/// - a segment that ends in a dot, and a key that begins or ends with a space;
/// - a last segment with `#` and only digits after its first `#`;
/// - the segment `.ost-staging`.
///
/// Everything else is kept byte for byte: `%`, space, `[`, `#`, `?`, `+`, any script. Two keys that differ only in
/// case are two keys, as long as the local file system tells them apart.
///
/// ```
/// use ost::ObjectPath;
/// assert_eq!(ObjectPath::parse("a/50%25 [ü]?").unwrap().as_str(), "a/50%25 [ü]?");
/// for refused in ["", "/a", "a/", "a//b", "a/../b", "a#1", "a\0"] {
///     assert!(ObjectPath::parse(refused).is_err());
/// }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPath(String);

impl ObjectPath {
    /// Checks a key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the key and what is wrong with it.
    pub fn parse(key: &str) -> Result<ObjectPath, Error> {
        match fault_of(key) {
            None => Ok(ObjectPath(key.to_owned())),
            Some(fault) => Err(Error::new(
                ErrorKind::Invalid,
                format!("invalid object key {key:?}: {fault}"),
            )),
        }
    }

    /// Checks a prefix of whole segments, without its last slash. Any name may go on behind it, so the rules for the
    /// end of a key do not bind it.
    pub(crate) fn parse_directory(prefix: &str) -> Result<(), Error> {
        ObjectPath::parse(&format!("{prefix}/x")).map(drop)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What keeps `key` from being a key; `None` if it is one.
fn fault_of(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it is empty");
    }
    if key.len() > KEY_BYTES_MAX {
        return Some("it has more than 1024 bytes");
    }
    if key.starts_with(' ') || key.ends_with(' ') {
        return Some("it begins or ends with a space");
    }
    if let Some(fault) = key.chars().find_map(fault_of_character) {
        return Some(fault);
    }
    if let Some(fault) = key.split('/').find_map(fault_of_segment) {
        return Some(fault);
    }
    let name = key.rsplit('/').next().unwrap_or(key);
    match name.split_once('#') {
        Some((_, digits))
            if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            Some("it ends in '#' and digits, which some backends hide")
        }
        _ => None,
    }
}

fn fault_of_character(character: char) -> Option<&'static str> {
    match character {
        '\\' => Some("it holds a backslash"),
        '\u{fffe}' | '\u{ffff}' => Some("it holds a code point that XML cannot carry"),
        control if control.is_control() => Some("it holds a control character"),
        _ => None,
    }
}

fn fault_of_segment(segment: &str) -> Option<&'static str> {
    match segment {
        "" => Some("it has a slash at the begin, at the end or doubled"),
        "." | ".." => Some("it has the segment '.' or '..'"),
        STAGING_DIRECTORY => {
            Some("it has the segment '.ost-staging', where unfinished files are kept")
        }
        long if long.len() > SEGMENT_BYTES_MAX => Some("a segment has more than 255 bytes"),
        dotted if dotted.ends_with('.') => Some("a segment ends in a dot"),
        _ => None,
    }
}

impl AsRef<str> for ObjectPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ObjectPath({:?})", self.0)
    }
}

impl std::str::FromStr for ObjectPath {
    type Err = Error;

    fn from_str(key: &str) -> Result<ObjectPath, Error> {
        ObjectPath::parse(key)
    }
}

/// Where the keys of a handle stand in its backend: nothing, or segments without a slash around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BasePath(String);

impl BasePath {
    /// Checks a base path; `p`, `/p` and `p/` are the same one.
    pub(crate) fn parse(base_path: &str) -> Result<BasePath, Error> {
        let trimmed = base_path.strip_prefix('/').unwrap_or(base_path);
        let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
        if trimmed.is_empty() {
            return Ok(BasePath::default());
        }
        match fault_of(trimmed) {
            None => Ok(BasePath(trimmed.to_owned())),
            Some(fault) => Err(Error::new(
                ErrorKind::Invalid,
                format!("invalid base path {base_path:?}: {fault}"),
            )),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This base path and `below`.
    pub(crate) fn join(&self, below: &BasePath) -> Result<BasePath, Error> {
        match (self.is_empty(), below.is_empty()) {
            (_, true) => Ok(self.clone()),
            (true, false) => Ok(below.clone()),
            (false, false) => BasePath::parse(&format!("{}/{}", self.0, below.0)),
        }
    }

    /// The backend's key of `key`.
    pub(crate) fn full(&self, key: &str) -> String {
        match (self.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.0.clone(),
            (false, false) => format!("{}/{key}", self.0),
        }
    }

    /// The key below this base path of the backend's key `full`.
    pub(crate) fn strip<'key>(&self, full: &'key str) -> Option<&'key str> {
        if self.is_empty() {
            return Some(full);
        }
        full.strip_prefix(&self.0)?.strip_prefix('/')
    }
}
