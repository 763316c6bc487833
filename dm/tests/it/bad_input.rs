//! Bad input is refused by line, and the batches before it stay.

use crate::support::Place;

/// Loads `input` in batches of two, and gives what is stored afterwards.
fn load_fails(arguments: &[&str], input: &[u8], message: &[&str]) -> String {
    let place = Place::new();
    let arguments = [&["load", "t", "-", "--batch", "2"], arguments].concat();
    place
        .dm_with_input(&arguments, input)
        .fails_with(1, message);
    assert_eq!(place.dm(&["verify", "--json"]).code(), 0);
    place.dm(&["scan", "t"]).done()
}

#[test]
fn invalid_json_is_named_by_line() {
    let stored = load_fails(
        &[],
        b"1\n2\n\n3\n{\"a\":}\n4\n",
        &[
            "standard input",
            "rows 1 to 2 are stored, later ones are not",
            "line 5: invalid JSON at column 6",
        ],
    );
    assert_eq!(stored, "1\n2\n");
    load_fails(
        &[],
        b"{} {}\n",
        &["line 1: invalid JSON at column 4: trailing characters"],
    );
    load_fails(&[], b"1\n\"\xff\"\n", &["line 2: not UTF-8"]);
    load_fails(&[], b"{\"a\":\n1}\n", &["line 1: invalid JSON", "EOF"]);
}

#[test]
fn invalid_array_is_named_by_line_and_element() {
    let stored = load_fails(
        &[],
        b"[\n 1,\n 2,\n 3,\n {\"a\":\n  x}\n]",
        &["rows 1 to 2 are stored", "line 6 (element 4): invalid JSON"],
    );
    assert_eq!(stored, "1\n2\n");
    load_fails(
        &[],
        b"[1,2",
        &["line 1: invalid JSON: the input ends within the array"],
    );
}

#[test]
fn missing_id_is_named_by_line() {
    let stored = load_fails(
        &["--id", "id"],
        b"{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{\"no\":4}\n",
        &[
            "rows 1 to 2 are stored",
            "line 4: the id field \"id\" is missing",
        ],
    );
    assert_eq!(stored, "{\"id\":1}\n{\"id\":2}\n");
    load_fails(
        &["--id", "id"],
        b"{\"id\":true}",
        &["line 1: the id field \"id\" is neither a string nor a number"],
    );
    load_fails(
        &["--id", "id"],
        b"7",
        &[
            "line 1: invalid type",
            "an object with the id in field \"id\"",
        ],
    );
}

#[test]
fn duplicate_id_is_named_by_both_lines() {
    let stored = load_fails(
        &["--id", "id"],
        b"{\"id\":1}\n{\"id\":2}\n\n{\"id\":\"x\"}\n{\"id\":\"x\"}\n",
        &[
            "rows 1 to 2 are stored",
            "line 5: id \"x\" occurs twice, first in line 4",
        ],
    );
    assert_eq!(stored, "{\"id\":1}\n{\"id\":2}\n");
}

#[test]
fn id_of_an_earlier_batch_is_already_present() {
    let stored = load_fails(
        &["--id", "id"],
        b"{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{\"id\":1}\n",
        &[
            "line 4: id \"1\" of type \"t\" is already present",
            "--replace overwrites",
        ],
    );
    assert_eq!(stored, "{\"id\":1}\n{\"id\":2}\n");
}

#[test]
fn id_that_is_already_stored_is_refused() {
    let place = Place::new();
    place
        .dm_with_input(&["put", "t", "000000000003"], b"old")
        .done();
    place
        .dm_with_input(&["load", "t", "-", "--batch", "2"], b"1\n2\n3\n")
        .fails_with(
            1,
            &["line 3: id \"000000000003\" of type \"t\" is already present"],
        );
    assert_eq!(place.dm(&["scan", "t"]).done(), "1\n2\nold\n");
}

#[test]
fn first_of_several_faults_is_named() {
    let error = ["line 1: id", "has 1025 bytes"];
    let input = format!("{{\"id\":\"{}\"}}\nnonsense\n", "x".repeat(1025));
    load_fails(&["--id", "id"], input.as_bytes(), &error);
}

#[test]
fn ids_outside_the_limits_are_named_by_line() {
    let too_long = format!("{{\"id\":\"a\"}}\n{{\"id\":\"{}\"}}\n", "é".repeat(513));
    load_fails(
        &["--id", "id"],
        too_long.as_bytes(),
        &["line 2: id", "has 1026 bytes: 1 to 1024 are accepted"],
    );
    load_fails(
        &["--id", "id"],
        b"{\"id\":\"\"}",
        &["line 1: id \"\" has 0 bytes"],
    );
    load_fails(
        &["--id", "id"],
        b"{\"id\":\"a\\u0000b\"}",
        &["line 1: id", "zero byte"],
    );
}

#[test]
fn entries_above_the_limit_are_named_by_line() {
    const LIMIT: usize = 16 * 1024 * 1024;
    let message = ["has more than 16777216 bytes"];
    let value = "x".repeat(LIMIT);
    let place = Place::new();
    let too_long = format!("1\n\"{value}\"\n");
    place
        .dm_with_input(&["load", "t", "-"], too_long.as_bytes())
        .fails_with(1, &["line 2: the document", message[0]]);
    let array = format!("[1,\n\"{value}\"]\n");
    place
        .dm_with_input(&["load", "t", "-"], array.as_bytes())
        .fails_with(1, &["line 2 (element 2): the document", message[0]]);
    place
        .dm_with_input(&["put", "t", "x"], too_long.as_bytes())
        .fails_with(1, &["standard input", message[0]]);
    // The largest that is accepted.
    let longest = format!("\"{}\"", "x".repeat(LIMIT - 2));
    place
        .dm_with_input(&["load", "t", "-"], longest.as_bytes())
        .done();
    assert_eq!(place.dm(&["count", "t"]).done(), "1\n");
}

#[test]
fn input_that_cannot_be_read_makes_no_store() {
    let place = Place::new();
    place
        .dm(&["load", "t", "/no/such/file"])
        .fails_with(1, &["cannot read \"/no/such/file\"", "No such file"]);
    place
        .dm(&["put", "t", "x", "/no/such/file"])
        .fails_with(1, &["cannot read \"/no/such/file\"", "No such file"]);
    place
        .dm(&["load", "t", "/"])
        .fails_with(1, &["cannot read \"/\"", "is a directory"]);
    assert!(!place.store().exists());
}
