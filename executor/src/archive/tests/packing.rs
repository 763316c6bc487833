//! What is packed, and what is not.

use super::*;

#[test]
fn patterns_choose_what_is_packed() {
    let from = tempfile::tempdir().unwrap();
    for file in [
        "a.txt",
        "b.rs",
        "d/c.txt",
        "d/e/f.txt",
        "d/e/g.rs",
        ".hidden",
        "[x]",
    ] {
        write(&from.path().join(file), file);
    }
    for (patterns, expected) in [
        (
            &["**"][..],
            ".hidden [x] a.txt b.rs d d/c.txt d/e d/e/f.txt d/e/g.rs",
        ),
        (&["*"], ".hidden [x] a.txt b.rs d"),
        (&[], ""),
        (&["nothing"], ""),
        (&["a.txt"], "a.txt"),
        (&["./a.txt", "d/"], "a.txt d"),
        (&["**/*.txt"], "a.txt d d/c.txt d/e d/e/f.txt"),
        (&["*.txt"], "a.txt"),
        (&["d/*.txt"], "d d/c.txt"),
        (&["d/**"], "d d/c.txt d/e d/e/f.txt d/e/g.rs"),
        (&["d/**/*.rs"], "d d/e d/e/g.rs"),
        (&["?.{txt,rs}"], "a.txt b.rs"),
        (&["[ab].*"], "a.txt b.rs"),
        (&["[!a].*"], "b.rs"),
        (&["\\[x\\]"], "[x]"),
        (&["/a.txt", "../**"], ""),
        (&["b.rs", "*.rs"], "b.rs"),
    ] {
        let archive = packed(&[source(from.path(), patterns)]);
        let to = tempfile::tempdir().unwrap();
        unpacked(&archive, to.path()).unwrap();
        assert_eq!(names(to.path()), expected, "{patterns:?}");
    }
    for wrong in ["[", "{a", &"x".repeat(5_000)] {
        let mut archive = Vec::new();
        let error = pack(&[source(from.path(), &[wrong])], &mut archive, &options()).unwrap_err();
        assert!(error.to_string().contains("pattern"), "{error}");
    }
    let many = source(from.path(), &["x"; 1_001]);
    assert!(pack(&[many], Vec::new(), &options()).is_err());
}

#[test]
fn several_sources_come_to_their_destinations() {
    let from = tempfile::tempdir().unwrap();
    write(&from.path().join("bin/program"), "p");
    write(&from.path().join("doc/text"), "t");
    let to_place = |directory: &str, destination: &str| Source {
        destination: destination.to_owned(),
        ..source(&from.path().join(directory), &["**"])
    };
    let archive = packed(&[
        to_place("bin", "/usr/bin/"),
        to_place("doc", "."),
        to_place("doc", "a/b"),
    ]);
    let to = tempfile::tempdir().unwrap();
    unpacked(&archive, to.path()).unwrap();
    assert_eq!(
        names(to.path()),
        "a a/b a/b/text text usr usr/bin usr/bin/program"
    );
    for (directory, destination) in [("bin", "../x"), ("bin", "a/../../x"), ("none", "x")] {
        let wrong = to_place(directory, destination);
        assert!(
            pack(&[wrong], Vec::new(), &options()).is_err(),
            "{directory} {destination}"
        );
    }
}

/// Otherwise it would be found only when it is restored.
#[test]
fn a_link_that_leads_out_is_found_when_it_is_packed() {
    let from = tempfile::tempdir().unwrap();
    write(&from.path().join("d/file"), "x");
    let link = from.path().join("d/link");
    for (target, is_right) in [
        ("file", true),
        ("../d", true),
        ("/etc", false),
        ("../../x", false),
        ("a/../..", false),
    ] {
        std::os::unix::fs::symlink(target, &link).unwrap();
        let done = pack(&[source(from.path(), &["**"])], Vec::new(), &options());
        assert_eq!(done.is_ok(), is_right, "{target}");
        // What is not packed does not matter.
        assert!(pack(&[source(from.path(), &["d/file"])], Vec::new(), &options()).is_ok());
        fs::remove_file(&link).unwrap();
    }
    // From the directory itself the same link leads out.
    std::os::unix::fs::symlink("../d", &link).unwrap();
    let error = pack(
        &[source(&from.path().join("d"), &["**"])],
        Vec::new(),
        &options(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("lead out"), "{error}");
}

#[test]
fn links_are_not_followed_and_what_is_no_file_is_left_out() {
    let from = tempfile::tempdir().unwrap();
    let root = from.path().join("root");
    write(&from.path().join("outside/secret"), "secret");
    fs::create_dir(&root).unwrap();
    write(&root.join("file"), "f");
    std::os::unix::fs::symlink("file", root.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let mut archive = Vec::new();
    let summary = pack(&[source(&root, &["**"])], &mut archive, &options()).unwrap();
    assert_eq!(summary.left_out, ["socket"]);
    let to = tempfile::tempdir().unwrap();
    unpacked(&archive, to.path()).unwrap();
    assert_eq!(names(to.path()), "file link");
    // A source that is itself a link is meant.
    std::os::unix::fs::symlink("root", from.path().join("to-root")).unwrap();
    let archive_through_link = packed(&[source(&from.path().join("to-root"), &["**"])]);
    assert_eq!(archive_through_link, archive);
}

#[test]
fn packing_has_bounds_and_tells_when_it_cannot_write() {
    use std::error::Error as _;
    let from = tempfile::tempdir().unwrap();
    write(&from.path().join("a"), &"a".repeat(100_000));
    write(&from.path().join("b"), "b");
    let sources = [source(from.path(), &["**"])];
    for (entries_max, bytes_max, is_right) in
        [(2, 100_001, true), (1, 100_001, false), (2, 100_000, false)]
    {
        let bounds = Options {
            entries_max,
            bytes_max,
            ..options()
        };
        let done = pack(&sources, Vec::new(), &bounds);
        assert_eq!(done.is_ok(), is_right, "{entries_max} {bytes_max}");
    }
    // What is not packed is looked at as well.
    let bounds = Options {
        entries_max: 1,
        ..options()
    };
    assert!(pack(&[source(from.path(), &["b"])], Vec::new(), &bounds).is_err());
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let error = pack(&sources, full, &options()).unwrap_err();
    assert_eq!(error.to_string(), "cannot write the archive");
    let source = error.source().unwrap().to_string();
    assert!(source.contains("No space left"), "{source}");
    let stopped = options();
    stopped.cancelled.cancel();
    let error = pack(&sources, Vec::new(), &stopped).unwrap_err();
    assert_eq!(error.to_string(), "it was stopped");
    let archive = packed(&sources);
    let to = tempfile::tempdir().unwrap();
    let error = unpack(Cursor::new(&archive), to.path(), &stopped).unwrap_err();
    assert_eq!(error.to_string(), "it was stopped");
    assert_eq!(names(to.path()), "");
}
