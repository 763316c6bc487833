//! Unpacking.

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use tar::{Archive, Entry, EntryType, Header};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::input::{Extensions, Input, bad_header, check_kind, cut_off};
use super::name::Name;
use super::target::{Attributes, Target};
use super::{Error, Options, Summary};

const BUFFER_BYTES: usize = 128 * 1024;
/// What stands behind the end mark: programs fill their last block up. More is not read.
const PADDING_BYTES_MAX: u64 = 1024 * 1024;

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
    let result = unpack_all(input, directory, options);
    // Then the input was cut off, which is not the reason.
    match options.cancelled.is_cancelled() {
        true => result.map_err(|_| Error::cancelled()),
        false => result,
    }
}

/// Unpacks an archive that comes as a stream, on a thread for blocking work. Ends soon if it is dropped.
///
/// # Errors
/// As [`unpack`].
pub(crate) async fn unpack_stream<E>(
    stream: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    directory: PathBuf,
    options: Options,
) -> Result<Summary, Error>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let options = Options {
        cancelled: options.cancelled.child_token(),
        ..options
    };
    let _ends_with_this = options.cancelled.clone().drop_guard();
    let until = options.cancelled.clone().cancelled_owned();
    let stream = stream.map_err(std::io::Error::other).take_until(until);
    let input = SyncIoBridge::new(StreamReader::new(Box::pin(stream)));
    let work = move || {
        unpack(
            BufReader::with_capacity(BUFFER_BYTES, input),
            &directory,
            &options,
        )
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::new(format!("unpacking was ended: {error}"))))
}

fn unpack_all(input: impl Read, directory: &Path, options: &Options) -> Result<Summary, Error> {
    let mut target = Target::open(directory)?;
    let mut summary = Summary::default();
    let input = Input::new(input);
    let is_at_end = input.is_at_end.clone();
    let mut archive = Archive::new(input);
    let mut extensions = Extensions::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    // The crate reads long names and the like into memory whole, however long they are; so they are read here.
    for entry in archive.entries().map_err(bad_header)?.raw(true) {
        let mut entry = entry.map_err(bad_header)?;
        options.check_cancelled()?;
        options.count_entry(&mut summary)?;
        if extensions.take(&mut entry)? {
            continue;
        }
        let mut extensions = std::mem::take(&mut extensions);
        unpack_entry(
            &mut entry,
            &mut extensions,
            &mut target,
            &mut buffer,
            &mut summary,
            options,
        )?;
    }
    if is_at_end.get() || !extensions.is_empty() {
        return Err(cut_off());
    }
    // An input that is cut off behind the end mark says so here.
    let mut rest = archive.into_inner().take(PADDING_BYTES_MAX);
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(bad_header)?;
    target.end()?;
    Ok(summary)
}

fn unpack_entry<R: Read>(
    entry: &mut Entry<'_, R>,
    extensions: &mut Extensions,
    target: &mut Target,
    buffer: &mut [u8],
    summary: &mut Summary,
    options: &Options,
) -> Result<(), Error> {
    let header = entry.header().clone();
    let kind = header.entry_type();
    check_kind(kind)?;
    extensions.check_size(&header)?;
    let name = extensions.name(&header);
    // So directories were written before there was a type for them.
    let is_directory = kind.is_dir() || (kind.is_file() && name.ends_with(b"/"));
    let name = Name::parse(&name)?;
    let size = header.entry_size().map_err(bad_header)?;
    let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous) && !is_directory;
    if size > 0 && !is_file {
        return Err(Error::new(format!(
            "{:?} has a content, and is no file",
            name.path()
        )));
    }
    options.count_bytes(summary, size)?;
    match kind {
        _ if is_directory => target.directory(name, attributes(&header)?),
        EntryType::Symlink => target.symbolic_link(&name, &extensions.link(&header)?),
        EntryType::Link => {
            let original = extensions.link(&header)?;
            let original = Name::parse(original.as_os_str().as_encoded_bytes())?;
            target.hard_link(&name, &original)
        }
        _ => {
            let mut file = target.file(&name)?;
            let mut left = size;
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
            target.end_file(&name, &file, attributes(&header)?)
        }
    }
}

fn attributes(header: &Header) -> Result<Attributes, Error> {
    Ok(Attributes {
        mode: header.mode().map_err(bad_header)?,
        modified: header.mtime().map_err(bad_header)?,
    })
}
