//! The commands for single entries and listings, and those that look at the store.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::support::{Place, documents};

#[test]
fn entry_is_put_read_and_deleted() {
    let place = Place::new();
    let put = place.dm_with_input(&["put", "user", "bob"], b"{\"admin\":true}\n");
    assert_eq!(put.done(), "");
    assert_eq!(put.stderr(), "dm: committed at 1/1\n");
    assert_eq!(
        place.dm(&["get", "user", "bob"]).done(),
        "{\"admin\":true}\n"
    );
    assert_eq!(
        place.dm(&["delete", "user", "bob", "--json"]).done().len(),
        "{\"epoch\":1,\"seq\":2,\"record\":\"00000000000000000000000000000000\"}\n".len()
    );
    place
        .dm(&["get", "user", "bob"])
        .fails_with(3, &["there is no entry \"bob\" of type \"user\""]);
    place
        .dm(&["delete", "user", "bob"])
        .fails_with(3, &["there is no entry \"bob\" of type \"user\""]);
    assert_eq!(place.dm(&["types"]).done(), "");
}

#[test]
fn stored_bytes_come_back_exactly() {
    let place = Place::new();
    for (id, value) in [
        ("binary", &b"\0\xff\r\n"[..]),
        ("empty", b""),
        ("no line feed", b"1"),
    ] {
        let file = place.file("value", value);
        place
            .dm(&["put", "blob", id, file.to_str().unwrap()])
            .done();
        let mut output = Command::new(env!("CARGO_BIN_EXE_dm"))
            .args(["get", "blob", id, "--store"])
            .arg(place.store())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut read = Vec::new();
        output
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, value, "{id}");
        assert!(output.wait().unwrap().success());
    }
    assert_eq!(
        place.dm(&["get", "blob", "binary", "--json"]).done(),
        "{\"id\":\"binary\",\"data_base64\":\"AP8NCg==\"}\n"
    );
}

#[test]
fn json_of_an_entry_is_one_line_and_keeps_every_digit() {
    let place = Place::new();
    let value = b"{\n  \"n\": 123456789012345678901234567890.50\n}\n";
    place.dm_with_input(&["put", "t", "pretty"], value).done();
    assert_eq!(
        place.dm(&["get", "t", "pretty", "--json"]).done(),
        "{\"id\":\"pretty\",\"data\":{   \"n\": 123456789012345678901234567890.50 } }\n"
    );
}

#[test]
fn scan_gives_the_range_that_is_asked_for() {
    let place = Place::new();
    let input = b"{\"id\":\"a1\"}\n{\"id\":\"a2\"}\n{\"id\":\"a3\"}\n{\"id\":\"b1\"}\n";
    place
        .dm_with_input(&["load", "t", "-", "--id", "id"], input)
        .done();
    place.dm_with_input(&["put", "u", "other"], b"1").done();
    let ids = |options: &[&str]| {
        let arguments = [&["scan", "t", "--ids"], options].concat();
        place.dm(&arguments).done().replace('\n', " ")
    };
    assert_eq!(ids(&[]), "a1 a2 a3 b1 ");
    assert_eq!(ids(&["--prefix", "a"]), "a1 a2 a3 ");
    assert_eq!(ids(&["--start", "a2", "--end", "b1"]), "a2 a3 ");
    assert_eq!(ids(&["--after", "a2"]), "a3 b1 ");
    assert_eq!(ids(&["--limit", "2"]), "a1 a2 ");
    assert_eq!(ids(&["--limit", "0"]), "");
    assert_eq!(
        ids(&["--reverse", "--start", "a3", "--limit", "2"]),
        "a3 a2 "
    );
    assert_eq!(
        place.dm(&["scan", "t", "--limit", "1", "--json"]).done(),
        "{\"id\":\"a1\",\"data\":{\"id\":\"a1\"}}\n"
    );
    assert_eq!(
        place
            .dm(&["scan", "t", "--limit", "1", "--json", "--ids"])
            .done(),
        "{\"id\":\"a1\"}\n"
    );
    assert_eq!(place.dm(&["scan", "absent"]).done(), "");
}

#[test]
fn types_and_counts_are_listed() {
    let place = Place::new();
    place.dm_with_input(&["put", "b", "1"], b"x").done();
    place.dm_with_input(&["put", "a", "1"], b"x").done();
    place.dm_with_input(&["put", "a", "2"], b"x").done();
    assert_eq!(place.dm(&["types"]).done(), "a\nb\n");
    assert_eq!(
        place.dm(&["types", "--json"]).done(),
        "{\"type\":\"a\"}\n{\"type\":\"b\"}\n"
    );
    assert_eq!(place.dm(&["count", "a"]).done(), "2\n");
    assert_eq!(place.dm(&["count", "none"]).done(), "0\n");
    assert_eq!(
        place.dm(&["count", "a", "--json"]).done(),
        "{\"count\":2,\"type\":\"a\"}\n"
    );
}

#[test]
fn store_and_log_are_shown() {
    let place = Place::new();
    let input = documents(1, 25);
    place
        .dm_with_input(&["load", "t", "-", "--batch", "10"], input.as_bytes())
        .done();

    let status = place.dm(&["status"]).done();
    assert!(status.contains("head                 1/3\n"), "{status}");
    let status: serde_json::Value =
        serde_json::from_str(&place.dm(&["status", "--json"]).done()).unwrap();
    assert_eq!(status["position"]["seq"], 3);
    assert_eq!(status["log"], "file");
    assert_eq!(status["memtable_versions"], 25);

    let wal = place.dm(&["wal"]).done();
    assert_eq!(wal.lines().count(), 3);
    assert!(
        wal.lines()
            .last()
            .unwrap()
            .ends_with("1 transaction, 5 writes"),
        "{wal}"
    );
    let wal = place.dm(&["wal", "--from", "3", "--json"]).done();
    let record: serde_json::Value = serde_json::from_str(&wal).unwrap();
    assert_eq!(record["position"]["seq"], 3);
    assert_eq!(record["transactions"][0][4]["id"], "000000000025");

    let verify = place.dm(&["verify"]).done();
    assert!(verify.contains("log records read     3\n"), "{verify}");
    let verify: serde_json::Value =
        serde_json::from_str(&place.dm(&["verify", "--json"]).done()).unwrap();
    assert_eq!(verify["records"], 3);
    assert_eq!(verify["damage"], serde_json::json!([]));
}

#[test]
fn reader_that_stops_is_no_failure() {
    let place = Place::new();
    let input = documents(2, 20_000);
    place
        .dm_with_input(&["load", "t", "-"], input.as_bytes())
        .done();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dm"))
        .args(["scan", "t", "--store"])
        .arg(place.store())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and the pipe is closed
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}
