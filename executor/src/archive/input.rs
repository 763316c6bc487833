//! Entries of an archive as they are read: with the long names and other extensions that stand before them.

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::rc::Rc;

use tar::{Archive, Entry, EntryType, Header, PaxExtensions};

use super::name::Name;
use super::{Error, Options, Summary};

/// What stands behind the end mark: programs fill their last block up. More is not read.
const PADDING_BYTES_MAX: u64 = 1024 * 1024;
/// A name, or a target of a link, is not longer.
const LONG_NAME_BYTES_MAX: u64 = 64 * 1024;
/// All that a PAX header tells about one entry.
const EXTENSIONS_BYTES_MAX: u64 = 1024 * 1024;

/// An entry, but for its content. Rules 1 and 2 hold.
pub(super) struct Item {
    pub(super) name: Name,
    pub(super) kind: Kind,
    /// Only files have a content.
    pub(super) size: u64,
    pub(super) attributes: Attributes,
}

pub(super) enum Kind {
    File,
    Directory,
    /// Where it leads, which is not checked.
    SymbolicLink(PathBuf),
    HardLink(Name),
}

/// What is kept of an entry beside its content.
#[derive(Clone, Copy)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) modified: u64,
}

/// Reads an archive to its end, in bounded memory, and has all be done that is to be done with its entries.
pub(super) fn each_entry<R: Read>(
    input: R,
    options: &Options,
    mut act: impl FnMut(Item, &mut Entry<'_, Input<R>>) -> Result<(), Error>,
) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    let input = Input::new(input);
    let is_at_end = input.is_at_end.clone();
    let mut archive = Archive::new(input);
    let mut extensions = Extensions::default();
    // The crate reads long names and the like into memory whole, however long they are; so they are read here.
    for entry in archive.entries().map_err(bad_header)?.raw(true) {
        let mut entry = entry.map_err(bad_header)?;
        options.check_cancelled()?;
        options.count_entry(&mut summary)?;
        if extensions.take(&mut entry)? {
            continue;
        }
        let item = std::mem::take(&mut extensions).describe(entry.header())?;
        options.count_bytes(&mut summary, item.size)?;
        act(item, &mut entry)?;
    }
    if is_at_end.get() || !extensions.is_empty() {
        return Err(cut_off());
    }
    // An input that is cut off behind the end mark says so here.
    let mut rest = archive.into_inner().take(PADDING_BYTES_MAX);
    io::copy(&mut rest, &mut io::sink()).map_err(bad_header)?;
    Ok(summary)
}

/// What stands before an entry and belongs to it.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    has_pax: bool,
}

impl Extensions {
    /// Takes an entry that only describes the next one. Returns whether it was one.
    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<bool, Error> {
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

    fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.size.is_none() && !self.has_pax
    }

    /// The entry that follows, with what was told of it.
    fn describe(self, header: &Header) -> Result<Item, Error> {
        let size = header.entry_size().map_err(bad_header)?;
        if self.size.is_some_and(|told| told != size) {
            // Two sizes that differ make programs see different archives in the same bytes.
            return Err(Error::new("the archive has an entry with two sizes"));
        }
        let name = match self.name {
            Some(name) => name,
            None => header.path_bytes().into_owned(),
        };
        let link = self.link;
        let link = link.or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
        let link = || link.ok_or_else(|| Error::new("the archive has a link without a target"));
        let kind = match header.entry_type() {
            // So directories were written before there was a type for them.
            EntryType::Regular if name.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::SymbolicLink(OsString::from_vec(link()?).into()),
            EntryType::Link => Kind::HardLink(Name::parse(&link()?)?),
            other => return Err(refused_kind(other)),
        };
        let name = Name::parse(&name)?;
        if size > 0 && !matches!(kind, Kind::File) {
            let path = name.path();
            return Err(Error::new(format!(
                "{path:?} has a content, and is no file"
            )));
        }
        Ok(Item {
            name,
            kind,
            size,
            attributes: Attributes {
                mode: header.mode().map_err(bad_header)?,
                modified: header.mtime().map_err(bad_header)?,
            },
        })
    }
}

/// What is not a file, a directory or a link: rule 2.
fn refused_kind(kind: EntryType) -> Error {
    match kind {
        EntryType::GNUSparse => sparse(),
        EntryType::Char | EntryType::Block => Error::new("there is a device in the archive"),
        EntryType::Fifo => Error::new("there is a pipe in the archive"),
        other => Error::new(format!(
            "there is something unknown in the archive: {:?}",
            char::from(other.as_byte())
        )),
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
    is_at_end: Rc<Cell<bool>>,
}

impl<R> Input<R> {
    fn new(input: R) -> Input<R> {
        Input {
            input,
            is_at_end: Rc::default(),
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
