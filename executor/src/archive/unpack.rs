//! Unpacking.

use std::io::{Read, Write};
use std::path::Path;

use super::input::{Item, Kind, bad_header, cut_off, each_entry};
use super::target::Target;
use super::{Error, Options, Summary};

const BUFFER_BYTES: usize = 128 * 1024;

/// Unpacks an archive into a directory, which is made if it is missing. Files that are there are replaced.
///
/// It returns once all is written; nothing is synced. After an error a part of the files is there.
///
/// # Errors
/// An archive that breaks a rule or is too large, a file that cannot be written, an input that fails or is cut off.
pub(crate) fn unpack(
    input: impl Read,
    directory: &Path,
    options: &Options,
) -> Result<Summary, Error> {
    let mut target = Target::open(directory)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let summary = each_entry(input, options, |item, entry| {
        unpack_entry(item, entry, &mut target, &mut buffer, options)
    })?;
    target.end()?;
    Ok(summary)
}

fn unpack_entry(
    item: Item,
    entry: &mut impl Read,
    target: &mut Target,
    buffer: &mut [u8],
    options: &Options,
) -> Result<(), Error> {
    let name = item.name;
    match item.kind {
        Kind::Directory => target.directory(name, item.attributes),
        Kind::SymbolicLink(to) => target.symbolic_link(&name, &to),
        Kind::HardLink(original) => target.hard_link(&name, &original),
        Kind::File => {
            let mut file = target.file(&name)?;
            let mut left = item.size;
            while left > 0 {
                options.check_cancelled()?;
                let count = entry.read(buffer).map_err(bad_header)?;
                if count == 0 {
                    return Err(cut_off());
                }
                let written = file.write_all(&buffer[..count]);
                written.map_err(|error| Error::io("write", &name.path(), error))?;
                left = left.saturating_sub(count as u64);
            }
            target.end_file(&name, &file, item.attributes)
        }
    }
}
