//! Packing.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rustix::fs::OFlags;
use tar::{Builder, EntryType, Header};

use super::name::Name;
use super::{Error, Options, Summary};

/// Of what was left out, so many are named.
const LEFT_OUT_MAX: usize = 10;
const PATTERN_BYTES_MAX: usize = 4096;
const PATTERNS_MAX: usize = 1000;

/// Files below one directory.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// It must be there.
    pub(crate) directory: PathBuf,
    /// Where they come to in the archive. A `/` at the beginning is the archive's root.
    pub(crate) destination: String,
    /// Which ones: paths relative to the directory, with `*` and `?` within a part, `**` for any number of parts, `[a-z]`,
    /// `{a,b}`, and `\` before a character that stands for itself. A directory that fits is packed without what is in it.
    pub(crate) patterns: Vec<String>,
}

/// Writes an archive of files. The entries of a directory are in the order of their names, so that equal directories give
/// equal archives. Symbolic links are packed as such.
///
/// # Errors
/// A pattern that is none, a directory that is missing, a file that cannot be read or changes, a link that [`unpack`] would
/// refuse, more than the options allow, an output that fails.
///
/// [`unpack`]: super::unpack
pub(crate) fn pack(
    sources: &[Source],
    output: impl Write,
    options: &Options,
) -> Result<Summary, Error> {
    let mut packer = Packer {
        builder: Builder::new(output),
        options,
        summary: Summary::default(),
    };
    for source in sources {
        packer.pack(source)?;
    }
    let output = packer.builder.into_inner();
    let written = output.and_then(|mut output| output.flush());
    written.map_err(cannot_write)?;
    Ok(packer.summary)
}

struct Packer<'a, W: Write> {
    builder: Builder<W>,
    options: &'a Options,
    summary: Summary,
}

/// A directory on the way down.
struct Place<'a> {
    dir: &'a Dir,
    /// Relative to the source.
    path: PathBuf,
    name: Name,
}

impl<W: Write> Packer<'_, W> {
    fn pack(&mut self, source: &Source) -> Result<(), Error> {
        let patterns = patterns(&source.patterns)?;
        if patterns.is_empty() {
            return Ok(());
        }
        let dir = Dir::open_ambient_dir(&source.directory, ambient_authority());
        let dir = dir.map_err(|error| Error::io("open the directory", &source.directory, error))?;
        let place = Place {
            dir: &dir,
            path: PathBuf::new(),
            name: Name::of_destination(&source.destination)?,
        };
        self.pack_below(&place, &patterns)
    }

    /// As deep as names may be, so the stack is bounded.
    fn pack_below(&mut self, place: &Place<'_>, patterns: &GlobSet) -> Result<(), Error> {
        let names = self.entries(place);
        let names = names.map_err(|error| Error::io("read the directory", &place.path, error))?;
        for entry in names {
            self.options.check_cancelled()?;
            self.options.count_entry(&mut self.summary)?;
            let path = place.path.join(&entry);
            let name = place.name.join(&entry)?;
            let fail = |error| Error::io("read", &path, error);
            let metadata = place.dir.symlink_metadata(&entry).map_err(fail)?;
            if patterns.is_match(&path) {
                self.pack_entry(place.dir, &entry, &path, &name, &metadata)?;
            }
            if metadata.is_dir() {
                let dir = place.dir.open_dir(&entry).map_err(fail)?;
                let place = Place {
                    dir: &dir,
                    path,
                    name,
                };
                self.pack_below(&place, patterns)?;
            }
        }
        Ok(())
    }

    /// Sorted. Not more than the options allow are held.
    fn entries(&self, place: &Place<'_>) -> io::Result<Vec<OsString>> {
        let left = self
            .options
            .entries_max
            .saturating_sub(self.summary.entries);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let entries = place.dir.entries()?.take(left.saturating_add(1));
        let names: io::Result<Vec<OsString>> =
            entries.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names?;
        names.sort_unstable();
        Ok(names)
    }

    fn pack_entry(
        &mut self,
        dir: &Dir,
        entry: &OsString,
        path: &Path,
        name: &Name,
        metadata: &Metadata,
    ) -> Result<(), Error> {
        let fail = |error| Error::io("read", path, error);
        let mut header = header(metadata);
        if metadata.is_dir() {
            header.set_entry_type(EntryType::Directory);
            let packed = self
                .builder
                .append_data(&mut header, name.path(), io::empty());
            return packed.map_err(cannot_write);
        }
        if metadata.is_symlink() {
            let target = dir.read_link_contents(entry).map_err(fail)?;
            name.check_link(&target)?;
            header.set_entry_type(EntryType::Symlink);
            let packed = self.builder.append_link(&mut header, name.path(), target);
            return packed.map_err(cannot_write);
        }
        if !metadata.is_file() {
            self.leave_out(path);
            return Ok(());
        }
        // What may have come here meanwhile is neither followed nor waited for.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let mut how = OpenOptions::new();
        how.read(true).custom_flags(flags.cast_signed());
        let file = dir.open_with(entry, &how).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err(changed(path));
        }
        self.options
            .count_bytes(&mut self.summary, metadata.len())?;
        header.set_size(metadata.len());
        let mut content = Content {
            file,
            left: metadata.len(),
            failure: None,
            options: self.options,
        };
        let packed = self
            .builder
            .append_data(&mut header, name.path(), &mut content);
        match (packed, content.failure, content.left) {
            (_, Some(error), _) => Err(fail(error)),
            _ if self.options.cancelled.is_cancelled() => Err(Error::cancelled()),
            (Err(error), None, _) => Err(cannot_write(error)),
            (Ok(()), None, 0) => Ok(()),
            (Ok(()), None, _) => Err(changed(path)),
        }
    }

    fn leave_out(&mut self, path: &Path) {
        if self.summary.left_out.len() < LEFT_OUT_MAX {
            self.summary.left_out.push(path.display().to_string());
        }
    }
}

fn changed(path: &Path) -> Error {
    Error::new(format!("{path:?} was changed while it was read"))
}

pub(super) fn cannot_write(error: io::Error) -> Error {
    Error::of_source("cannot write the archive".to_owned(), error)
}

fn header(metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(0);
    header.set_mode(metadata.mode() & 0o777);
    header.set_uid(0);
    header.set_gid(0);
    let modified = metadata.modified().ok().map(|time| time.into_std());
    let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    header.set_mtime(since.unwrap_or_default().as_secs());
    header
}

/// The content of a file, as long as it was when it was opened.
struct Content<'a> {
    file: File,
    left: u64,
    failure: Option<io::Error>,
    options: &'a Options,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        if self.options.cancelled.is_cancelled() {
            return Err(io::Error::other("it was stopped"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        match self.file.read(&mut buffer[..most]) {
            Ok(count) => {
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let again = io::Error::new(error.kind(), "the file cannot be read");
                self.failure = Some(error);
                Err(again)
            }
        }
    }
}

pub(super) fn patterns(texts: &[String]) -> Result<GlobSet, Error> {
    if texts.len() > PATTERNS_MAX {
        return Err(Error::new(format!(
            "there are more than {PATTERNS_MAX} patterns"
        )));
    }
    let mut set = GlobSetBuilder::new();
    for text in texts {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(Error::new(format!(
                "a pattern has more than {PATTERN_BYTES_MAX} bytes"
            )));
        }
        let bare = text.trim_start_matches("./").trim_end_matches('/');
        let glob = GlobBuilder::new(bare)
            .literal_separator(true)
            .backslash_escape(true)
            .empty_alternates(true)
            .build();
        set.add(glob.map_err(|error| Error::new(format!("a pattern is wrong: {error}")))?);
    }
    let set = set.build();
    set.map_err(|error| Error::new(format!("the patterns cannot be used: {error}")))
}
