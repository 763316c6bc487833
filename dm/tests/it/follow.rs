//! Following a store from another process.

use crate::support::Place;

#[test]
fn follow_prints_each_transaction_of_the_writer_as_soon_as_it_is_there() {
    let place = Place::new();
    place
        .dm_with_input(&["put", "t", "x"], b"{\"a\":1.50}")
        .done();
    let mut follow = place.start(&["follow", "--from", "1"]);
    let first = follow.line().unwrap();
    assert!(first.starts_with("{\"cursor\":\"1/1/"), "{first}");
    assert!(
        first.ends_with("\"writes\":[{\"type\":\"t\",\"id\":\"x\",\"data\":{\"a\":1.50}}]}"),
        "{first}"
    );
    place.dm_with_input(&["put", "t", "y"], b"\xff").done();
    let second = follow.line().unwrap();
    assert!(
        second.ends_with("\"writes\":[{\"type\":\"t\",\"id\":\"y\",\"data_base64\":\"/w==\"}]}"),
        "{second}"
    );
    place.dm(&["delete", "t", "x"]).done();
    let third = follow.line().unwrap();
    assert!(
        third.ends_with("\"writes\":[{\"type\":\"t\",\"id\":\"x\",\"deleted\":true}]}"),
        "{third}"
    );
}

#[test]
fn follow_from_a_record_that_is_not_there_fails() {
    let place = Place::new();
    place.dm_with_input(&["put", "t", "x"], b"1").done();
    place
        .dm(&["follow", "--from", "100"])
        .fails_with(1, &["record 100 is not there"]);
}
