//! Archives that are made to do harm, or are broken.

use super::*;

/// A directory in another one, in which nothing may change.
struct Cage {
    outer: tempfile::TempDir,
}

impl Cage {
    fn new() -> Cage {
        let outer = tempfile::tempdir().unwrap();
        write(&outer.path().join("outside"), "untouched");
        fs::create_dir(outer.path().join("root")).unwrap();
        Cage { outer }
    }

    fn root(&self) -> std::path::PathBuf {
        self.outer.path().join("root")
    }

    fn assert_untouched(&self, what: &str) {
        let mut outside = tree(self.outer.path());
        outside.retain(|name, _| !name.starts_with("root/"));
        let expected = "outside root";
        assert_eq!(
            outside.keys().cloned().collect::<Vec<_>>().join(" "),
            expected,
            "{what}"
        );
        assert!(outside["outside"].ends_with(" untouched"), "{what}");
        // And no link leads there.
        for (name, shown) in tree(&self.root()) {
            if shown.starts_with("-> ") {
                let path = self.root().join(&name);
                let Ok(real) = path.canonicalize() else {
                    continue;
                };
                let root = self.root().canonicalize().unwrap();
                assert!(real.starts_with(&root), "{what}: {name} leads to {real:?}");
            }
        }
    }
}

#[test]
fn an_archive_that_breaks_a_rule_is_refused_and_writes_nothing_outside() {
    let device = |kind| Hand::new().entry(kind, b"dev", b"", b"").end();
    let pax = |text: &[u8]| {
        Hand::new()
            .entry(EntryType::XHeader, b"x", b"", text)
            .file("f", "abc")
            .end()
    };
    let outside = "../outside";
    for (what, archive, reason) in [
        (
            "absolute",
            Hand::new().file("/tmp/dm-absolute", "x").end(),
            "absolute name",
        ),
        ("up", Hand::new().file(outside, "x").end(), "name with .."),
        (
            "up in the middle",
            Hand::new().file("a/../../outside", "x").end(),
            "name with ..",
        ),
        (
            "up that stays",
            Hand::new().file("a/../b", "x").end(),
            "name with ..",
        ),
        (
            "up as a directory",
            Hand::new().directory("../new").end(),
            "name with ..",
        ),
        (
            "the root as a file",
            Hand::new().file("./", "x").end(),
            "has a content",
        ),
        (
            "nothing as a file",
            Hand::new().file(".", "x").end(),
            "root is no directory",
        ),
        (
            "absolute link",
            Hand::new().link("l", "/etc/passwd").end(),
            "lead out",
        ),
        ("link up", Hand::new().link("l", outside).end(), "lead out"),
        (
            "link up from below",
            Hand::new().link("a/b/l", "../../../outside").end(),
            "lead out",
        ),
        (
            "link down and up",
            Hand::new().link("l", "a/../../outside").end(),
            "lead out",
        ),
        (
            // By its letters it stays, but its first part leads to the top.
            "link up behind a link",
            Hand::new()
                .directory("a/b")
                .link("a/b/l", "../..")
                .link("a/m", "b/l/..")
                .end(),
            "lead out",
        ),
        (
            "link to nothing",
            Hand::new().link("l", "").end(),
            "without a target",
        ),
        (
            "file below a link",
            Hand::new()
                .directory("d")
                .link("l", "d")
                .file("l/f", "x")
                .end(),
            "no directory",
        ),
        (
            "directory over a link",
            Hand::new()
                .directory("d")
                .link("l", "d")
                .directory("l")
                .end(),
            "no directory",
        ),
        (
            "file below a file",
            Hand::new().file("f", "x").file("f/g", "x").end(),
            "no directory",
        ),
        (
            "link below a link",
            Hand::new().link("l", ".").link("l/m", "..").end(),
            "no directory",
        ),
        (
            "hard link up",
            Hand::new().hard_link("l", outside).end(),
            "name with ..",
        ),
        (
            "absolute hard link",
            Hand::new().hard_link("l", "/etc/passwd").end(),
            "absolute name",
        ),
        (
            // As deep as the first one it leads inside; at the top it would not.
            "hard link to a link",
            Hand::new()
                .directory("a/b")
                .link("a/b/l", "../../a")
                .hard_link("m", "a/b/l")
                .end(),
            "does not lead to a file",
        ),
        (
            "hard link to a directory",
            Hand::new().directory("a").hard_link("m", "a").end(),
            "does not lead to a file",
        ),
        (
            "hard link to itself",
            Hand::new().file("a", "x").hard_link("a", "./a").end(),
            "leads to itself",
        ),
        (
            "hard link to nothing",
            Hand::new().hard_link("a", "b").end(),
            "hard link",
        ),
        (
            "hard link through a link",
            Hand::new()
                .file("d/f", "x")
                .link("l", "d")
                .hard_link("m", "l/f")
                .end(),
            "no directory",
        ),
        ("character device", device(EntryType::Char), "device"),
        ("block device", device(EntryType::Block), "device"),
        ("pipe", device(EntryType::Fifo), "pipe"),
        ("sparse", device(EntryType::GNUSparse), "sparse"),
        ("unknown", device(EntryType::new(b'Z')), "unknown"),
        (
            "content of a link",
            Hand::new()
                .entry(EntryType::Symlink, b"l", b"f", b"x")
                .end(),
            "no file",
        ),
        (
            "content of a directory",
            Hand::new()
                .entry(EntryType::Directory, b"l", b"", b"x")
                .end(),
            "no file",
        ),
        ("pax up", pax(b"19 path=../outside\n"), "name with .."),
        ("pax with NUL", pax(b"12 path=a\0b\n"), "NUL"),
        ("pax with another size", pax(b"10 size=1\n"), "two sizes"),
        ("pax with a bad size", pax(b"11 size=-1\n"), "bad size"),
        (
            "pax twice the same",
            pax(b"10 path=a\n10 path=b\n"),
            "twice",
        ),
        ("pax sparse", pax(b"22 GNU.sparse.major=1\n"), "sparse"),
        ("malformed pax", pax(b"99 path=a\n"), "bad PAX"),
        (
            "two pax headers",
            Hand::new()
                .entry(EntryType::XHeader, b"x", b"", b"10 path=a\n")
                .entry(EntryType::XHeader, b"x", b"", b"10 path=b\n")
                .file("f", "x")
                .end(),
            "twice",
        ),
        (
            "long name up",
            Hand::new()
                .entry(EntryType::GNULongName, b"L", b"", b"../outside\0")
                .file("f", "x")
                .end(),
            "name with ..",
        ),
        (
            "extension of nothing",
            Hand::new()
                .entry(EntryType::GNULongName, b"L", b"", b"a\0")
                .end(),
            "cut off",
        ),
        (
            "too deep",
            Hand::new()
                .entry(
                    EntryType::GNULongName,
                    b"L",
                    b"",
                    "a/".repeat(5_000).as_bytes(),
                )
                .file("f", "x")
                .end(),
            "too deep",
        ),
        ("not tar", vec![b'x'; 2_000], "cannot be read"),
        ("nothing", Vec::new(), "cut off"),
    ] {
        let cage = Cage::new();
        let error = unpacked(&archive, &cage.root());
        let error = error.map(|_| what).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error}: {}", source.unwrap_or_default());
        assert!(told.contains(reason), "{what}: {told}");
        cage.assert_untouched(what);
        assert!(!Path::new("/tmp/dm-absolute").exists());
    }
}

/// Links that were there before, made by whoever worked in the directory.
#[test]
fn links_that_are_in_the_directory_are_not_followed() {
    let cage = Cage::new();
    std::os::unix::fs::symlink("..", cage.root().join("up")).unwrap();
    std::os::unix::fs::symlink("../outside", cage.root().join("file")).unwrap();
    assert!(unpacked(&Hand::new().file("up/outside", "x").end(), &cage.root()).is_err());
    assert!(unpacked(&Hand::new().directory("up/new").end(), &cage.root()).is_err());
    assert!(unpacked(&Hand::new().hard_link("h", "file").end(), &cage.root()).is_err());
    unpacked(&Hand::new().file("file", "x").end(), &cage.root()).unwrap();
    fs::remove_file(cage.root().join("up")).unwrap();
    cage.assert_untouched("links");
}

/// Sizes are believed only as far as they are allowed.
#[test]
fn an_archive_that_is_too_large_is_refused_before_it_is_written() {
    let cage = Cage::new();
    let huge = |kind, size| Hand::new().header(header_of(kind, b"f", b"", size)).end();
    for (archive, reason) in [
        (
            huge(EntryType::Regular, 1 << 60),
            "more than 10000000 bytes",
        ),
        (huge(EntryType::Regular, u64::MAX), "cannot be read"),
        (huge(EntryType::GNULongName, 1 << 40), "too long"),
        (huge(EntryType::GNULongLink, 1 << 40), "too long"),
        (huge(EntryType::XHeader, 1 << 40), "too long"),
        (huge(EntryType::XGlobalHeader, 1 << 40), "too long"),
    ] {
        let error = unpacked(&archive, &cage.root()).unwrap_err();
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    assert_eq!(names(&cage.root()), "");
    let two = Hand::new().file("a", "12345").file("b", "12345").end();
    for (entries_max, bytes_max, is_right) in [(2, 10, true), (1, 10, false), (2, 9, false)] {
        let bounds = Options {
            entries_max,
            bytes_max,
            ..options()
        };
        let done = unpack(Cursor::new(&two), &cage.root(), &bounds);
        assert_eq!(done.is_ok(), is_right, "{entries_max} {bytes_max}");
    }
    // Without an end, but of what is not counted by bytes.
    struct Endless(Vec<u8>, usize);
    impl io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.0.len() - self.1);
            buffer[..count].copy_from_slice(&self.0[self.1..self.1 + count]);
            self.1 = (self.1 + count) % self.0.len();
            Ok(count)
        }
    }
    let mut header = header_of(EntryType::XGlobalHeader, b"g", b"", 0);
    header.set_cksum();
    let endless = Endless(header.as_bytes().to_vec(), 0);
    let error = unpack(endless, &cage.root(), &options()).unwrap_err();
    assert!(
        error.to_string().contains("more than 10000 files"),
        "{error}"
    );
}

/// Field case CI-16 for archives: half of one is not taken for a whole one.
#[test]
fn an_archive_that_is_cut_off_anywhere_is_refused() {
    let archive = Hand::new()
        .file("a", "some content")
        .link("l", "a")
        .entry(
            EntryType::GNULongName,
            b"L",
            b"",
            "n".repeat(200).as_bytes(),
        )
        .file("n", "more")
        .end();
    let end = archive.len() - 1024;
    for length in (0..archive.len())
        .step_by(7)
        .chain([512, 1024, end - 1, end])
    {
        let cage = Cage::new();
        let done = unpacked(&archive[..length], &cage.root());
        // Of the end mark one of two blocks is enough.
        assert_eq!(
            done.is_ok(),
            length >= end + 512,
            "{length} of {}: {done:?}",
            archive.len()
        );
        cage.assert_untouched("cut");
    }
}

#[test]
fn changed_bytes_never_write_outside() {
    let archive = Hand::new()
        .directory("d")
        .file("d/a", "some content")
        .link("d/l", "../d")
        .hard_link("h", "d/a")
        .entry(EntryType::XHeader, b"x", b"", b"10 path=a\n")
        .file("n", "more")
        .end();
    let rounds = std::env::var("DM_SOAK_ROUNDS").ok();
    let rounds: u32 = rounds.map_or(300, |rounds| rounds.parse().unwrap());
    let mut state: u64 = 7;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap()
    };
    let cage = Cage::new();
    for round in 0..rounds {
        let mut changed = archive.clone();
        for _ in 0..=random() % 4 {
            let place = random() % changed.len();
            // Bytes that mean something.
            let bytes = [b'/', b'.', 0, b'0', b'2', b'1', b'x', b'L', b'7', 0xff];
            changed[place] = bytes[random() % bytes.len()];
        }
        // So that the change gets past the checksum.
        for block in changed.chunks_exact_mut(512) {
            if block[257..262] == *b"ustar" {
                let mut header = Header::from_byte_slice(block).clone();
                header.set_cksum();
                block.copy_from_slice(header.as_bytes());
            }
        }
        let _ = unpacked(&changed, &cage.root());
        cage.assert_untouched(&format!("round {round}"));
    }
}
