//! One writer at a time, and readers beside it.

use crate::support::{Place, documents};

#[test]
fn second_writer_is_refused_and_readers_are_not() {
    let place = Place::new();
    let input = documents(8, 30);
    let lines: Vec<&str> = input.split_inclusive('\n').collect();
    let mut writer = place.start(&["load", "t", "-", "--batch", "10", "--json"]);
    writer.write(lines[..20].concat().as_bytes());
    for _ in 0..2 {
        writer.line().unwrap();
    }

    for arguments in [
        &["put", "t", "x"][..],
        &["delete", "t", "x"],
        &["load", "t", "-"],
    ] {
        place.dm_with_input(arguments, b"1").fails_with(
            1,
            &[
                "another process has",
                "others can read beside it (read-only)",
                "Several writers share a store with log=object",
            ],
        );
    }

    assert_eq!(
        place.dm(&["get", "t", "000000000020"]).done(),
        lines[19].trim_end()
    );
    assert_eq!(place.dm(&["scan", "t"]).done(), lines[..20].concat());
    assert_eq!(place.dm(&["count", "t"]).done(), "20\n");
    assert_eq!(place.dm(&["types"]).done(), "t\n");
    assert!(
        place
            .dm(&["status"])
            .done()
            .contains("head                 1/2\n")
    );
    assert!(
        place
            .dm(&["verify"])
            .done()
            .contains("log records read     2\n")
    );
    assert_eq!(place.dm(&["wal"]).done().lines().count(), 2);

    writer.write(lines[20..].concat().as_bytes());
    writer.line().unwrap();
    assert_eq!(place.dm(&["count", "t"]).done(), "30\n");
    assert_eq!(writer.finish(), 0);
    assert_eq!(place.dm(&["scan", "t"]).done(), input);
    place.dm_with_input(&["put", "t", "x"], b"1").done();
}
