//! Entries of an archive as they are read: with the long names and other extensions that stand before them.

use std::io::{self, Read};
use std::path::PathBuf;

use tar::{Entry, EntryType, Header, PaxExtensions};

use super::Error;

/// A name, or a target of a link, is not longer.
const LONG_NAME_BYTES_MAX: u64 = 64 * 1024;
/// All that a PAX header tells about one entry.
const EXTENSIONS_BYTES_MAX: u64 = 1024 * 1024;

/// What stands before an entry and belongs to it.
#[derive(Default)]
pub(super) struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    has_pax: bool,
}

impl Extensions {
    /// Takes an entry that only describes the next one. Returns whether it was one.
    pub(super) fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<bool, Error> {
        match entry.header().entry_type() {
            EntryType::GNULongName => set_once(&mut self.name, long_name(entry)?)?,
            EntryType::GNULongLink => set_once(&mut self.link, long_name(entry)?)?,
            EntryType::XHeader => {
                if std::mem::replace(&mut self.has_pax, true) {
                    return Err(twice());
                }
                self.take_pax(&read(entry, EXTENSIONS_BYTES_MAX)?)?;
            }
            // It describes all entries that follow; nothing in it matters here.
            EntryType::XGlobalHeader => drop(read(entry, EXTENSIONS_BYTES_MAX)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_pax(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for extension in PaxExtensions::new(bytes) {
            let malformed =
                |error| Error::of_source("the archive has a bad PAX header".to_owned(), error);
            let extension = extension.map_err(malformed)?;
            let value = extension.value_bytes();
            match extension.key_bytes() {
                b"path" => set_once(&mut self.name, value.to_vec())?,
                b"linkpath" => set_once(&mut self.link, value.to_vec())?,
                b"size" => {
                    let number = str::from_utf8(value)
                        .ok()
                        .and_then(|value| value.parse().ok());
                    let number = number.ok_or_else(|| Error::new("the archive has a bad size"))?;
                    set_once(&mut self.size, number)?;
                }
                key if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.size.is_none() && !self.has_pax
    }

    /// The name of the entry that follows.
    pub(super) fn name(&mut self, header: &Header) -> Vec<u8> {
        let name = self.name.take();
        name.unwrap_or_else(|| header.path_bytes().into_owned())
    }

    /// Where the entry that follows leads, if it is a link.
    pub(super) fn link(&mut self, header: &Header) -> Result<PathBuf, Error> {
        use std::os::unix::ffi::OsStringExt;
        let link = self.link.take();
        let link = link.or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
        let link = link.ok_or_else(|| Error::new("the archive has a link without a target"))?;
        Ok(std::ffi::OsString::from_vec(link).into())
    }

    /// Two sizes that differ make programs see different archives in the same bytes, so the archive is refused.
    pub(super) fn check_size(&self, header: &Header) -> Result<(), Error> {
        let size = header.entry_size().map_err(bad_header)?;
        match self.size.is_some_and(|told| told != size) {
            true => Err(Error::new("the archive has an entry with two sizes")),
            false => Ok(()),
        }
    }
}

/// What is not a file, a directory or a link: rule 2.
pub(super) fn check_kind(kind: EntryType) -> Result<(), Error> {
    match kind {
        EntryType::Regular
        | EntryType::Continuous
        | EntryType::Directory
        | EntryType::Symlink
        | EntryType::Link => Ok(()),
        EntryType::GNUSparse => Err(sparse()),
        EntryType::Char | EntryType::Block => Err(Error::new("there is a device in the archive")),
        EntryType::Fifo => Err(Error::new("there is a pipe in the archive")),
        other => Err(Error::new(format!(
            "there is something unknown in the archive: {:?}",
            char::from(other.as_byte())
        ))),
    }
}

fn sparse() -> Error {
    Error::new("there is a sparse file in the archive")
}

fn twice() -> Error {
    Error::new("the archive describes an entry twice")
}

pub(super) fn bad_header(error: io::Error) -> Error {
    Error::of_source("the archive cannot be read".to_owned(), error)
}

fn set_once<T>(place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        Some(_) => Err(twice()),
        None => Ok(()),
    }
}

fn long_name<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, Error> {
    let mut name = read(entry, LONG_NAME_BYTES_MAX)?;
    let end = name.iter().position(|byte| *byte == 0);
    name.truncate(end.unwrap_or(name.len()));
    Ok(name)
}

fn read<R: Read>(entry: &mut Entry<'_, R>, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let size = entry.header().entry_size().map_err(bad_header)?;
    if size > bytes_max {
        return Err(Error::new("the archive has a header that is too long"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(bad_header)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(cut_off()),
    }
}

pub(super) fn cut_off() -> Error {
    Error::new("the archive is cut off")
}

/// Notes whether the end of the input was met.
pub(super) struct Input<R> {
    input: R,
    pub(super) is_at_end: std::rc::Rc<std::cell::Cell<bool>>,
}

impl<R> Input<R> {
    pub(super) fn new(input: R) -> Input<R> {
        Input {
            input,
            is_at_end: std::rc::Rc::default(),
        }
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            self.is_at_end.set(true);
        }
        Ok(count)
    }
}
