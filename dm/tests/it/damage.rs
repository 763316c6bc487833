//! Places that are no store, stores of a newer version, and stores that are damaged.

use std::fs;
use std::path::PathBuf;

use crate::support::{Place, documents};

const READERS: [&[&str]; 6] = [
    &["get", "t", "x"],
    &["scan", "t"],
    &["types"],
    &["count", "t"],
    &["status"],
    &["wal"],
];

#[test]
fn place_without_a_store_is_not_found_and_left_alone() {
    let place = Place::new();
    for arguments in READERS.iter().chain([&["verify"][..]].iter()) {
        place.dm(arguments).fails_with(3, &["there is no store in"]);
    }
    assert!(!place.store().exists());
}

#[test]
fn directory_of_something_else_is_refused_and_left_alone() {
    let place = Place::new();
    fs::create_dir(place.store()).unwrap();
    fs::write(place.store().join("letter.txt"), "dear").unwrap();
    place
        .dm_with_input(&["put", "t", "x"], b"1")
        .fails_with(1, &["is no store and holds \"letter.txt\""]);
    place
        .dm_with_input(&["load", "t", "-"], b"1")
        .fails_with(1, &["is no store and holds \"letter.txt\""]);
    for arguments in READERS {
        place.dm(arguments).fails_with(3, &["there is no store in"]);
    }
    assert_eq!(fs::read_dir(place.store()).unwrap().count(), 1);
}

#[test]
fn file_in_the_place_of_the_store_is_refused() {
    let place = Place::new();
    fs::write(place.store(), "dear").unwrap();
    let shown = place.store().display().to_string();
    place
        .dm_with_input(&["put", "t", "x"], b"1")
        .fails_with(1, &[&shown]);
    assert_eq!(fs::read(place.store()).unwrap(), b"dear");
}

#[test]
fn store_of_a_newer_format_is_refused() {
    let place = Place::new();
    place.dm_with_input(&["put", "t", "x"], b"1").done();
    let path = place.store().join("store.json");
    let content = fs::read_to_string(&path).unwrap();
    let json = content.lines().next().unwrap();
    let newer = format!("{}\n", json.replace("\"format\":1", "\"format\":99"));
    assert_ne!(newer.trim_end(), json);
    let checksum = crc32c::crc32c(newer.as_bytes());
    fs::write(&path, format!("{newer}crc32c={checksum:08x}\n")).unwrap();

    let message = ["\"store.json\" has format 99, which is newer than 1"];
    for arguments in READERS {
        place.dm(arguments).fails_with(1, &message);
    }
    place
        .dm_with_input(&["put", "t", "x"], b"2")
        .fails_with(1, &message);
    let verify = place.dm(&["verify"]);
    assert!(verify.stdout().contains(message[0]), "{}", verify.stdout());
    verify.fails_with(1, &["the store is damaged: 1 fault found"]);
}

/// A store with 30 rows in three records, and the path of its log.
fn store_with_log(place: &Place) -> PathBuf {
    let input = documents(9, 30);
    place
        .dm_with_input(&["load", "t", "-", "--batch", "10"], input.as_bytes())
        .done();
    let directory = place.store().join("wal/0000000001");
    let segments: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(segments.len(), 1, "{segments:?}");
    segments.into_iter().next().unwrap()
}

/// Where the last of the three records begins.
fn last_record_offset(place: &Place, log_bytes: usize) -> usize {
    let last = place.dm(&["wal", "--from", "3", "--json"]).done();
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    log_bytes - usize::try_from(last["bytes"].as_u64().unwrap()).unwrap()
}

#[test]
fn altered_log_is_named_by_path_and_offset_and_nothing_is_changed() {
    let place = Place::new();
    let path = store_with_log(&place);
    let mut content = fs::read(&path).unwrap();
    let first_record = 32;
    content[first_record + 200] ^= 1;
    fs::write(&path, &content).unwrap();

    let shown = path.display().to_string();
    let message = [
        shown.as_str(),
        "at offset 32",
        "a whole record stands behind it at offset",
    ];
    for arguments in READERS {
        place.dm(arguments).fails_with(1, &message);
    }
    for arguments in [
        &["put", "t", "x"][..],
        &["delete", "t", "x"],
        &["load", "t", "-"],
    ] {
        place.dm_with_input(arguments, b"1").fails_with(1, &message);
    }
    let verify = place.dm(&["verify"]);
    for part in message {
        assert!(verify.stdout().contains(part), "{}", verify.stdout());
    }
    verify.fails_with(1, &["the store is damaged"]);
    let verify = place.dm(&["verify", "--json"]).stdout();
    let verify: serde_json::Value = serde_json::from_str(&verify).unwrap();
    assert_eq!(verify["damage"].as_array().unwrap().len(), 1);
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn append_that_was_cut_off_is_left_out_and_kept_aside() {
    let place = Place::new();
    let path = store_with_log(&place);
    let content = fs::read(&path).unwrap();
    let offset = last_record_offset(&place, content.len());
    fs::write(&path, &content[..content.len() - 5]).unwrap();

    assert_eq!(place.dm(&["count", "t"]).done(), "20\n");
    assert_eq!(place.dm(&["verify", "--json"]).code(), 0);
    // The next writer says what it cuts off, and where the bytes are.
    let put = place.dm_with_input(&["put", "t", "x"], b"1");
    put.done();
    let warning = put.stderr();
    assert!(
        warning.contains(&path.display().to_string())
            && warning.contains(&format!("offset={offset}")),
        "{warning}"
    );
    assert_eq!(place.dm(&["count", "t"]).done(), "21\n");
    let verify = place.dm(&["verify"]).done();
    assert!(
        verify.contains("cut off and kept     wal/0000000001/"),
        "{verify}"
    );
}

#[test]
fn missing_manifest_or_epoch_is_damage() {
    for part in ["manifests", "epochs"] {
        let place = Place::new();
        store_with_log(&place);
        fs::remove_dir_all(place.store().join(part)).unwrap();
        place.dm(&["count", "t"]).failed(1);
        let verify = place.dm(&["verify"]);
        assert_eq!(verify.code(), 1, "{part}: {}", verify.stdout());
    }
}
