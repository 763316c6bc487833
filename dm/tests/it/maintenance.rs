//! The commands that keep a store in order.

use crate::support::{Place, documents};

#[test]
fn checkpoint_and_compact_move_entries_to_data_files_and_change_nothing() {
    let place = Place::new();
    let input = documents(1, 500);
    let load = ["load", "cities", "-", "--id", "auto"];
    place.dm_with_input(&load, input.as_bytes()).done();
    place.dm(&["checkpoint"]).done();
    let status = place.dm(&["status"]).done();
    assert!(
        status.contains("run at level 0") && status.contains("500 entries"),
        "{status}"
    );
    assert!(status.contains("versions in memory   0\n"), "{status}");
    place.dm(&["delete", "cities", "000000000001"]).done();
    place
        .dm_with_input(&["put", "cities", "000000000002"], b"changed")
        .done();
    let before = place.dm(&["scan", "cities"]).done();
    let report = place.dm(&["compact", "--json"]).done();
    assert!(report.contains("\"runs\":1"), "{report}");
    assert!(place.dm(&["status"]).done().contains("499 entries"));
    assert_eq!(place.dm(&["scan", "cities"]).done(), before);
    assert!(place.dm(&["verify"]).done().contains("entries read"));
}

#[test]
fn gc_says_what_it_would_remove_and_then_removes_what_nothing_needs() {
    let place = Place::new();
    for round in ["1", "2"] {
        place
            .dm_with_input(&["put", "t", "a"], round.as_bytes())
            .done();
        place.dm(&["checkpoint"]).done();
    }
    // Everything is younger than the retention.
    assert_eq!(place.dm(&["gc", "--dry-run"]).done(), "");
    assert_eq!(place.dm(&["gc"]).done(), "");
    let leftover = place
        .store()
        .join("data/0000000001-00000000000000000001-00000000000000000000000000.data");
    std::fs::write(&leftover, "left by a job that died").unwrap();
    let key = "data/0000000001-00000000000000000001-00000000000000000000000000.data\n";
    assert!(place.dm(&["verify"]).done().contains(key));
    assert_eq!(place.dm(&["gc", "--dry-run"]).done(), key);
    assert!(leftover.exists());
    assert_eq!(place.dm(&["gc"]).done(), key);
    assert!(!leftover.exists());
}

#[test]
fn pins_are_listed_until_they_are_removed() {
    let place = Place::new();
    place.dm_with_input(&["put", "t", "a"], b"1").done();
    place.dm(&["pin", "backup", "--for", "7d"]).done();
    assert!(
        place
            .dm(&["pins"])
            .done()
            .starts_with("backup  manifests/0000000001/00000000000000000001.json  until 20")
    );
    place.dm(&["unpin", "backup"]).done();
    assert_eq!(place.dm(&["pins"]).done(), "");
    place
        .dm(&["unpin", "backup"])
        .fails_with(3, &["there is no pin \"backup\""]);
    assert_eq!(place.dm(&["pin", "backup", "--for", "soon"]).code(), 2);
    place.dm(&["pin", "a/b"]).failed(2);
}

#[test]
fn delete_prefix_and_drop_delete_no_more_than_they_are_told() {
    let place = Place::new();
    for (data_type, id) in [("t", "a1"), ("t", "a2"), ("t", "b1"), ("u", "a1")] {
        place.dm_with_input(&["put", data_type, id], b"1").done();
    }
    assert_eq!(
        place.dm(&["delete-prefix", "t", "a", "--json"]).done(),
        "{\"deleted\":2}\n"
    );
    assert_eq!(place.dm(&["scan", "t", "--ids"]).done(), "b1\n");
    assert_eq!(
        place.dm(&["drop", "t", "--json"]).done(),
        "{\"deleted\":1}\n"
    );
    assert_eq!(place.dm(&["types"]).done(), "u\n");
}

#[test]
fn a_name_that_is_refused_makes_no_store() {
    let place = Place::new();
    place
        .dm_with_input(&["put", "BAD", "a"], b"1")
        .fails_with(2, &["\"BAD\""]);
    place
        .dm_with_input(&["load", "BAD", "-"], b"{}")
        .fails_with(2, &["\"BAD\""]);
    assert!(!place.store().exists());
}
