//! Archives that are copied.

use super::*;

/// An archive of a directory as an engine of containers gives it: below `./`, with links of all kinds.
fn of_directory() -> Vec<u8> {
    Hand::new()
        .directory("./")
        .file("./a.txt", "a")
        .file("./b.rs", "b")
        .directory("./d/")
        .file("./d/c.txt", "c")
        .hard_link("./d/hard.txt", "./a.txt")
        .link("./d/link.txt", "../a.txt")
        .link("./away", "/etc/passwd")
        .end()
}

fn chosen(destination: &str, patterns: &[&str]) -> Result<Vec<u8>, Error> {
    let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
    let mut archive = Vec::new();
    let options = options();
    let mut sifter = Sifter::new(&mut archive, (0, 0), &options);
    sifter.add_chosen(Cursor::new(of_directory()), destination, &patterns)?;
    sifter.add_chosen(Cursor::new(of_directory()), "second", &["b.rs".to_owned()])?;
    sifter.end()?;
    Ok(archive)
}

#[test]
fn what_is_chosen_from_an_archive_is_what_would_be_packed() {
    for (destination, patterns, expected) in [
        (
            "",
            &["**/*.txt"][..],
            "a.txt d d/c.txt d/hard.txt d/link.txt second second/b.rs",
        ),
        (
            "/x/y",
            &["*.txt", "d"],
            "second second/b.rs x x/y x/y/a.txt x/y/d",
        ),
        (".", &["nothing"], "second second/b.rs"),
    ] {
        let to = tempfile::tempdir().unwrap();
        unpacked(&chosen(destination, patterns).unwrap(), to.path()).unwrap();
        assert_eq!(names(to.path()), expected, "{patterns:?}");
    }
    for (destination, patterns, reason) in [
        ("", &["**"][..], "lead out"),
        ("", &["d/*.txt"], "not kept"),
        ("../x", &["*.rs"], "name with .."),
        ("", &["["], "pattern"),
    ] {
        let error = chosen(destination, patterns).unwrap_err();
        assert!(error.to_string().contains(reason), "{patterns:?}: {error}");
    }
}

#[test]
fn an_archive_that_breaks_a_rule_is_not_copied() {
    let copy = |archive: &[u8], options: &Options| {
        let mut sifter = Sifter::new(Vec::new(), (0, 0), options);
        sifter.add(Cursor::new(archive)).and_then(|()| sifter.end())
    };
    let good = Hand::new().file("a", "12345").link("l", "a").end();
    assert_eq!(copy(&good, &options()).unwrap().bytes, 5);
    for (archive, reason) in [
        (Hand::new().file("../a", "x").end(), "name with .."),
        (Hand::new().file("/a", "x").end(), "absolute"),
        (Hand::new().link("l", "..").end(), "lead out"),
        (
            Hand::new().entry(EntryType::Char, b"c", b"", b"").end(),
            "device",
        ),
        (good[..514].to_vec(), "cut off"),
        (good[..good.len() - 1024].to_vec(), "cut off"),
    ] {
        let error = copy(&archive, &options()).unwrap_err();
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    let small = Options {
        bytes_max: 4,
        ..options()
    };
    assert!(copy(&good, &small).is_err());
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let options = options();
    let mut sifter = Sifter::new(full, (0, 0), &options);
    assert!(sifter.add(Cursor::new(&good)).is_err());
}
