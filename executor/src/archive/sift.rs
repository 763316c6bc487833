//! Copying archives, entry by entry: for files that are not in directories of this machine.

use std::io::{self, Read, Write};

use tar::{Builder, EntryType, Header};

use super::input::{Item, Kind, bad_header, cut_off, each_entry};
use super::name::Name;
use super::pack::{cannot_write, patterns};
use super::{Error, Options, Summary};

/// Writes one archive from others, with the rules of this module but the fifth: where the archive is unpacked is not known here.
pub(crate) struct Sifter<'a, W: Write> {
    builder: Builder<W>,
    options: &'a Options,
    /// User and group of what is written.
    owner: (u64, u64),
    /// What was written.
    summary: Summary,
}

impl<'a, W: Write> Sifter<'a, W> {
    pub(crate) fn new(output: W, owner: (u64, u64), options: &'a Options) -> Sifter<'a, W> {
        Sifter {
            builder: Builder::new(output),
            options,
            owner,
            summary: Summary::default(),
        }
    }

    /// Adds all that an archive has, to be unpacked by somebody who does not know the rules.
    ///
    /// # Errors
    /// As [`unpack`](super::unpack); an output that fails.
    pub(crate) fn add(&mut self, input: impl Read) -> Result<(), Error> {
        self.copy(input, |name| Ok(Some(name.clone())))
    }

    /// Adds what fits one of the patterns of an archive that has all files of a directory: does as [`pack`](super::pack) does
    /// with the directory.
    ///
    /// # Errors
    /// As [`Sifter::add`]; a pattern that is none; a link that would lead out.
    pub(crate) fn add_chosen(
        &mut self,
        input: impl Read,
        destination: &str,
        texts: &[String],
    ) -> Result<(), Error> {
        let patterns = patterns(texts)?;
        let destination = Name::of_destination(destination)?;
        self.copy(input, |name| match patterns.is_match(name.path()) {
            true => destination.below(name).map(Some),
            false => Ok(None),
        })
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// An output that fails.
    pub(crate) fn end(self) -> Result<Summary, Error> {
        let output = self.builder.into_inner();
        let written = output.and_then(|mut output| output.flush());
        written.map_err(cannot_write)?;
        Ok(self.summary)
    }

    fn copy(
        &mut self,
        input: impl Read,
        rename: impl Fn(&Name) -> Result<Option<Name>, Error>,
    ) -> Result<(), Error> {
        // The root has no name that could be written.
        let rename = |name: &Name| match name.parts().is_empty() {
            true => Ok(None),
            false => rename(name),
        };
        let options = self.options;
        // What is passed over does not count.
        let of_input = Options {
            bytes_max: u64::MAX,
            ..options.clone()
        };
        each_entry(input, &of_input, |item, entry| {
            let Some(name) = rename(&item.name)? else {
                return Ok(());
            };
            options.count_entry(&mut self.summary)?;
            options.count_bytes(&mut self.summary, item.size)?;
            self.write(item, &name, entry, &rename)
        })?;
        Ok(())
    }

    fn write(
        &mut self,
        item: Item,
        name: &Name,
        entry: &mut impl Read,
        rename: &impl Fn(&Name) -> Result<Option<Name>, Error>,
    ) -> Result<(), Error> {
        let mut header = Header::new_gnu();
        header.set_size(item.size);
        header.set_mode(item.attributes.mode & 0o777);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(item.attributes.modified);
        let path = name.path();
        let builder = &mut self.builder;
        let written = match item.kind {
            Kind::File => return self.write_file(header, name, item.size, entry),
            Kind::Directory => {
                header.set_entry_type(EntryType::Directory);
                builder.append_data(&mut header, path, io::empty())
            }
            Kind::SymbolicLink(to) => {
                name.check_link(&to)?;
                header.set_entry_type(EntryType::Symlink);
                builder.append_link(&mut header, path, to)
            }
            Kind::HardLink(original) => {
                let original = rename(&original)?.ok_or_else(|| {
                    Error::new(format!("{path:?} is a link to a file that is not kept"))
                })?;
                header.set_entry_type(EntryType::Link);
                builder.append_link(&mut header, path, original.path())
            }
        };
        written.map_err(cannot_write)
    }

    fn write_file(
        &mut self,
        mut header: Header,
        name: &Name,
        size: u64,
        entry: &mut impl Read,
    ) -> Result<(), Error> {
        header.set_entry_type(EntryType::Regular);
        let mut content = Content {
            entry,
            left: size,
            failure: None,
        };
        let written = self
            .builder
            .append_data(&mut header, name.path(), &mut content);
        match (written, content.failure, content.left) {
            (_, Some(error), _) => Err(bad_header(error)),
            (Err(error), None, _) => Err(cannot_write(error)),
            (Ok(()), None, 0) => Ok(()),
            (Ok(()), None, _) => Err(cut_off()),
        }
    }
}

/// The content of an entry. A failure to read it is told from one to write it.
struct Content<'a, R> {
    entry: &'a mut R,
    left: u64,
    failure: Option<io::Error>,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.entry.read(buffer) {
            Ok(count) => {
                self.left = self.left.saturating_sub(count as u64);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let again = io::Error::new(error.kind(), "the archive cannot be read");
                self.failure = Some(error);
                Err(again)
            }
        }
    }
}
