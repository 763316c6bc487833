//! Names and bytes of segment files.

use std::path::Path;

use bytes::Bytes;

use crate::Error;
use crate::environment::{FileSystem, OpenMode};

const SUFFIX: &str = ".wal";
const SEQ_DIGITS: usize = 20;

/// One segment file of an epoch's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    /// The number of its first record, present or to come.
    pub(super) first_seq: u64,
}

impl Segment {
    pub(super) fn file_name(self) -> String {
        format!("{:020}{SUFFIX}", self.first_seq)
    }

    fn parse(name: &str) -> Option<Segment> {
        let digits = name.strip_suffix(SUFFIX)?;
        let well_formed =
            digits.len() == SEQ_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        well_formed.then_some(())?;
        digits.parse().ok().map(|first_seq| Segment { first_seq })
    }
}

/// The epoch whose segments are in `directory`, which is named by it.
pub(super) fn epoch_of(directory: &Path) -> u32 {
    let name = directory.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or_default()
}

/// The segments in `directory`, in order; none if there is no such directory.
pub(super) fn list_segments(
    files: &dyn FileSystem,
    directory: &Path,
) -> Result<Vec<Segment>, Error> {
    match files.list(directory) {
        Ok(names) => {
            let mut segments: Vec<Segment> = names
                .iter()
                .filter_map(|name| Segment::parse(name))
                .collect();
            segments.sort_unstable();
            Ok(segments)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::unavailable(format!(
            "cannot list {:?}",
            directory.display().to_string()
        ))
        .with_source(error)),
    }
}

/// The bytes of a file from `offset` on.
///
/// # Errors
/// `Compacted` if it is not there, `Unavailable` if it cannot be read.
pub(super) fn read_file(files: &dyn FileSystem, path: &Path, offset: u64) -> Result<Bytes, Error> {
    let shown = path.display().to_string();
    let read = || -> std::io::Result<Vec<u8>> {
        let file = files.open(path, OpenMode::Read)?;
        let size = usize::try_from(file.size()?.saturating_sub(offset))
            .map_err(|_| std::io::ErrorKind::FileTooLarge)?;
        let mut buffer = vec![0; size];
        let mut filled = 0;
        while filled < size {
            let count = file.read_at(offset + filled as u64, &mut buffer[filled..])?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        buffer.truncate(filled);
        Ok(buffer)
    };
    match read() {
        Ok(buffer) => Ok(Bytes::from(buffer)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::new(
            crate::ErrorKind::Compacted,
            format!("{shown:?} is gone"),
        )
        .with_source(error)),
        Err(error) => Err(Error::unavailable(format!("cannot read {shown:?}")).with_source(error)),
    }
}
