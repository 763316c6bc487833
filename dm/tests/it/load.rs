//! `load`: what is stored, and what is told of it.

use std::process::{Command, Stdio};

use crate::support::{Place, documents};

#[test]
fn loaded_lines_come_back_byte_for_byte() {
    let place = Place::new();
    let mut input = documents(3, 5_000);
    input.push_str("  {\"spaces\" :  1e2 } \r\n\"text\"\n17\n[1, 2]\n");
    place
        .dm_with_input(&["load", "cities", "-", "--id", "auto"], input.as_bytes())
        .done();
    assert_eq!(place.dm(&["count", "cities"]).done(), "5004\n");
    assert!(place.dm(&["scan", "cities"]).done() == input);
    assert_eq!(
        place
            .dm(&["scan", "cities", "--ids", "--reverse", "--limit", "1"])
            .done(),
        "000000005004\n"
    );
}

#[test]
fn large_array_is_loaded_as_a_stream_with_the_exact_text_of_each_element() {
    let place = Place::new();
    let lines = documents(4, 50_000);
    let elements: Vec<&str> = lines.lines().collect();
    let input = format!("\n[\n  {}\n]\n", elements.join(" ,\n  "));
    let file = place.file("array.json", input);
    let loaded = place.dm(&["load", "t", file.to_str().unwrap(), "--json"]);
    assert_eq!(loaded.done().lines().count(), 50);
    assert!(place.dm(&["scan", "t"]).done() == lines);
}

#[test]
fn each_stored_batch_is_told() {
    let place = Place::new();
    let input = documents(5, 25);
    let loaded = place.dm_with_input(
        &["load", "t", "-", "--batch", "10", "--json"],
        input.as_bytes(),
    );
    assert_eq!(
        loaded.done(),
        "{\"rows\":10,\"first_row\":1,\"last_row\":10,\"seq\":1}\n\
         {\"rows\":10,\"first_row\":11,\"last_row\":20,\"seq\":2}\n\
         {\"rows\":5,\"first_row\":21,\"last_row\":25,\"seq\":3}\n"
    );
    assert!(
        loaded.stderr().contains("loaded 25 rows in 3 batches"),
        "{}",
        loaded.stderr()
    );
}

#[test]
fn ids_are_taken_from_a_field() {
    let place = Place::new();
    let input = documents(6, 3);
    place
        .dm_with_input(&["load", "t", "-", "--id", "row"], input.as_bytes())
        .done();
    assert_eq!(place.dm(&["scan", "t", "--ids"]).done(), "1\n2\n3\n");
    place
        .dm_with_input(
            &["load", "u", "-", "--id", "key"],
            "{\"key\":\"東京 \\u00e9\"}".as_bytes(),
        )
        .done();
    assert_eq!(place.dm(&["scan", "u", "--ids"]).done(), "東京 é\n");
}

#[test]
fn replace_overwrites_and_the_last_of_one_input_stays() {
    let place = Place::new();
    place
        .dm_with_input(&["load", "t", "-"], b"1\n2\n3\n")
        .done();
    place
        .dm_with_input(&["load", "t", "-", "--replace"], b"10\n20\n")
        .done();
    assert_eq!(place.dm(&["scan", "t"]).done(), "10\n20\n3\n");
    let twice = b"{\"id\":\"x\",\"n\":1}\n{\"id\":\"x\",\"n\":2}\n{\"id\":\"x\",\"n\":3}\n";
    for batch in ["1", "2", "100"] {
        place
            .dm_with_input(
                &[
                    "load",
                    "u",
                    "-",
                    "--id",
                    "id",
                    "--replace",
                    "--batch",
                    batch,
                ],
                twice,
            )
            .done();
        assert_eq!(place.dm(&["scan", "u"]).done(), "{\"id\":\"x\",\"n\":3}\n");
    }
}

#[test]
fn empty_input_loads_nothing() {
    let place = Place::new();
    for input in [&b""[..], b"\n \n", b"[]", b" [ ] \n"] {
        place.dm_with_input(&["load", "t", "-"], input).done();
    }
    assert_eq!(place.dm(&["count", "t"]).done(), "0\n");
}

#[test]
fn large_batches_of_scattered_ids_do_not_clash_with_each_other() {
    let place = Place::new();
    // Neighbouring ids fall into different batches: what one batch writes lies between what the next has read.
    let rows: String = (0..60_000)
        .map(|row| format!("{{\"id\":\"{}\"}}\n", (row * 7_919) % 60_000))
        .collect();
    place
        .dm_with_input(
            &["load", "t", "-", "--id", "id", "--batch", "20000"],
            rows.as_bytes(),
        )
        .done();
    assert_eq!(place.dm(&["count", "t"]).done(), "60000\n");
    assert_eq!(place.dm(&["wal"]).done().lines().count(), 3);
}

#[test]
fn batch_of_large_documents_is_cut_by_bytes() {
    let place = Place::new();
    let large = format!("\"{}\"\n", "x".repeat(3 * 1024 * 1024));
    let input = large.repeat(30);
    let loaded = place.dm_with_input(&["load", "t", "-", "--json"], input.as_bytes());
    assert_eq!(loaded.done().lines().count(), 10);
    assert_eq!(place.dm(&["count", "t"]).done(), "30\n");
}

#[test]
fn load_whose_reader_stops_says_what_is_stored() {
    let place = Place::new();
    let input = place.file("input", documents(7, 1_000));
    let mut child = Command::new(env!("CARGO_BIN_EXE_dm"))
        .args(["load", "t", "--json", "--batch", "10", "--store"])
        .args([place.store(), input])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("rows 1 to 10 are stored") && stderr.contains("has been closed"),
        "{stderr}"
    );
    let stored: u64 = place.dm(&["count", "t"]).done().trim().parse().unwrap();
    assert_eq!(stored, 10);
}
