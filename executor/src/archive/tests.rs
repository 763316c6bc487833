//! Tests of archives.

mod hostile;
mod packing;
mod sifting;

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};
use tokio_util::sync::CancellationToken;

use super::*;

fn options() -> Options {
    Options {
        entries_max: 10_000,
        bytes_max: 10_000_000,
        cancelled: CancellationToken::new(),
    }
}

fn source(directory: &Path, patterns: &[&str]) -> Source {
    Source {
        directory: directory.to_owned(),
        destination: String::new(),
        patterns: patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect(),
    }
}

fn packed(sources: &[Source]) -> Vec<u8> {
    let mut archive = Vec::new();
    pack(sources, &mut archive, &options()).unwrap();
    archive
}

fn unpacked(archive: &[u8], directory: &Path) -> Result<Summary, Error> {
    unpack(Cursor::new(archive), directory, &options())
}

/// All that is below a directory: mode and content of files, targets of links.
fn tree(directory: &Path) -> BTreeMap<String, String> {
    fn add(root: &Path, directory: &Path, tree: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let shown = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                add(root, &path, tree);
                format!("{mode:o} directory")
            } else {
                format!(
                    "{mode:o} {}",
                    String::from_utf8_lossy(&fs::read(&path).unwrap())
                )
            };
            let name = path.strip_prefix(root).unwrap().as_os_str();
            tree.insert(name.to_string_lossy().into_owned(), shown);
        }
    }
    let mut found = BTreeMap::new();
    add(directory, directory, &mut found);
    found
}

fn names(directory: &Path) -> String {
    let tree = tree(directory);
    tree.into_keys().collect::<Vec<_>>().join(" ")
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// An archive that is written by hand, also with what the crate would not write.
struct Hand {
    builder: Builder<Vec<u8>>,
}

impl Hand {
    fn new() -> Hand {
        Hand {
            builder: Builder::new(Vec::new()),
        }
    }

    fn entry(mut self, kind: EntryType, name: &[u8], link: &[u8], content: &[u8]) -> Hand {
        let mut header = header_of(kind, name, link, content.len() as u64);
        header.set_cksum();
        self.builder.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: &str) -> Hand {
        self.entry(EntryType::Regular, name.as_bytes(), b"", content.as_bytes())
    }

    fn directory(self, name: &str) -> Hand {
        self.entry(EntryType::Directory, name.as_bytes(), b"", b"")
    }

    fn link(self, name: &str, target: &str) -> Hand {
        self.entry(EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Hand {
        self.entry(EntryType::Link, name.as_bytes(), target.as_bytes(), b"")
    }

    /// A header alone, whatever it says about what follows.
    fn header(mut self, mut header: Header) -> Hand {
        use std::io::Write;
        header.set_cksum();
        self.builder.get_mut().write_all(header.as_bytes()).unwrap();
        self
    }

    fn end(self) -> Vec<u8> {
        self.builder.into_inner().unwrap()
    }
}

fn header_of(kind: EntryType, name: &[u8], link: &[u8], size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(1_000_000_000);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..name.len()].copy_from_slice(name);
    gnu.linkname[..link.len()].copy_from_slice(link);
    header
}

#[test]
fn what_is_packed_is_unpacked_as_it_was() {
    use std::os::unix::ffi::OsStrExt;
    let from = tempfile::tempdir().unwrap();
    let root = from.path();
    write(&root.join("file"), "content");
    write(&root.join("empty"), "");
    write(&root.join("dir/program"), "#!/bin/sh\n");
    fs::set_permissions(root.join("dir/program"), fs::Permissions::from_mode(0o755)).unwrap();
    write(&root.join("dir/secret"), "s");
    fs::set_permissions(root.join("dir/secret"), fs::Permissions::from_mode(0o4600)).unwrap();
    fs::create_dir_all(root.join("dir/no files/none")).unwrap();
    fs::set_permissions(root.join("dir/no files"), fs::Permissions::from_mode(0o511)).unwrap();
    std::os::unix::fs::symlink("../file", root.join("dir/link")).unwrap();
    std::os::unix::fs::symlink("nothing/there", root.join("broken")).unwrap();
    let long = root.join("l".repeat(200)).join("m".repeat(200));
    write(&long.join("ü"), "deep");
    std::os::unix::fs::symlink("n".repeat(150), long.join("to")).unwrap();
    let not_utf8 = std::ffi::OsStr::from_bytes(b"not \xff utf-8");
    fs::write(root.join(not_utf8), "x").unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
    let set_time = |path: &str| {
        fs::File::open(root.join(path))
            .unwrap()
            .set_modified(time)
            .unwrap()
    };
    set_time("file");
    set_time("dir");

    let archive = packed(&[source(root, &["**"])]);
    let to = tempfile::tempdir().unwrap();
    let directory = to.path().join("made/here");
    let summary = unpacked(&archive, &directory).unwrap();
    assert_eq!(summary.bytes, 7 + 10 + 1 + 4 + 1);
    let mut expected = tree(root);
    // No special bits; and whoever owns a directory can work in it.
    expected.insert("dir/secret".to_owned(), "600 s".to_owned());
    expected.insert("dir/no files".to_owned(), "711 directory".to_owned());
    assert_eq!(tree(&directory), expected);
    for kept in ["file", "dir"] {
        let modified = fs::metadata(directory.join(kept))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(modified, time, "{kept}");
    }
    // The same files give the same bytes.
    fs::set_permissions(root.join("dir/secret"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(root.join("dir/no files"), fs::Permissions::from_mode(0o711)).unwrap();
    assert_eq!(
        packed(&[source(&directory, &["**"])]),
        packed(&[source(root, &["**"])])
    );
    // Again on top of itself.
    unpacked(&archive, &directory).unwrap();
    assert_eq!(tree(&directory), expected);
}

#[test]
fn what_stands_at_a_place_is_replaced_and_the_rest_stays() {
    let to = tempfile::tempdir().unwrap();
    let root = to.path();
    write(&root.join("a"), "a longer content");
    write(&root.join("stays"), "s");
    std::os::unix::fs::symlink("stays", root.join("link")).unwrap();
    fs::hard_link(root.join("stays"), root.join("hard")).unwrap();
    let archive = Hand::new()
        .file("a", "new")
        .file("link", "l")
        .file("hard", "h")
        .file("./d/e", "e")
        .end();
    unpacked(&archive, root).unwrap();
    assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "new");
    assert_eq!(fs::read_to_string(root.join("link")).unwrap(), "l");
    assert_eq!(fs::read_to_string(root.join("hard")).unwrap(), "h");
    assert_eq!(fs::read_to_string(root.join("stays")).unwrap(), "s");
    assert_eq!(names(root), "a d d/e hard link stays");
    // A directory is not replaced by a file.
    let error = unpacked(&Hand::new().file("d", "x").end(), root).unwrap_err();
    assert!(error.to_string().contains("replace"), "{error}");
}

/// What other programs write: PAX headers, global ones too, old directories, links between files.
#[test]
fn archives_of_other_programs_are_unpacked() {
    let record = |key: &str, value: &str| {
        // The length counts itself.
        let length = key.len() + value.len() + 3;
        let length = length + (length + 2).to_string().len();
        format!("{length} {key}={value}\n")
    };
    let long = format!("{}/{}", "p".repeat(120), "q".repeat(120));
    let pax = record("path", &long)
        + &record("mtime", "1.5")
        + &record("size", "3")
        + &record("SCHILY.xattr.user.x", "y");
    let link = record("path", "to-long") + &record("linkpath", &long);
    let archive = Hand::new()
        .entry(
            EntryType::XGlobalHeader,
            b"pax_global_header",
            b"",
            record("comment", "abc").as_bytes(),
        )
        .entry(EntryType::XHeader, b"x", b"", pax.as_bytes())
        .file("short", "abc")
        .entry(EntryType::XHeader, b"x", b"", link.as_bytes())
        .link("short", "short")
        .file("old/", "")
        .directory("./")
        .file("./old//file", "f")
        .hard_link("hard", "./old/file")
        .end();
    let to = tempfile::tempdir().unwrap();
    unpacked(&archive, to.path()).unwrap();
    assert_eq!(fs::read_to_string(to.path().join(&long)).unwrap(), "abc");
    assert_eq!(
        fs::read_to_string(to.path().join("to-long")).unwrap(),
        "abc"
    );
    assert_eq!(fs::read_to_string(to.path().join("hard")).unwrap(), "f");
    assert_eq!(
        names(to.path()),
        format!("hard old old/file {} {long} to-long", "p".repeat(120))
    );
}
