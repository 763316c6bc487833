use std::io::BufReader;

use super::*;

/// Reads all documents through buffers of several sizes, and gives text and line of each, or the error.
fn read(input: &[u8]) -> Result<Vec<(String, u64)>, String> {
    let results: Vec<_> = [1, 2, 3, 7, 64 * 1024]
        .map(|buffer_bytes| read_through(input, buffer_bytes))
        .into();
    assert!(
        results.windows(2).all(|pair| pair[0] == pair[1]),
        "{results:?}"
    );
    results.into_iter().next().unwrap()
}

fn read_through(input: &[u8], buffer_bytes: usize) -> Result<Vec<(String, u64)>, String> {
    let document_bytes_max = 20;
    let mut documents = Documents::new(
        BufReader::with_capacity(buffer_bytes, input),
        document_bytes_max,
    );
    let mut found = Vec::new();
    loop {
        let mut text = Vec::new();
        match documents
            .next(&mut text)
            .map_err(|error| error.to_string())?
        {
            Some(place) => found.push((String::from_utf8(text).unwrap(), place.line)),
            None => break,
        }
    }
    assert_eq!(documents.offset(), input.len() as u64);
    Ok(found)
}

fn expected(documents: &[(&str, u64)]) -> Result<Vec<(String, u64)>, String> {
    Ok(documents
        .iter()
        .map(|(text, line)| ((*text).to_owned(), *line))
        .collect())
}

#[test]
fn lines_are_kept_byte_for_byte_and_blank_ones_are_counted() {
    assert_eq!(
        read(b"\n \n  {\"a\":1} \r\n\n\t\n[2]\n3"),
        expected(&[("  {\"a\":1} \r", 3), ("[2]", 6), ("3", 7)])
    );
    assert_eq!(read(b""), expected(&[]));
    assert_eq!(read(b" \n\r\n  "), expected(&[]));
}

#[test]
fn elements_keep_their_exact_text() {
    assert_eq!(
        read(b"\n[ {\"a\" : [1, 2]} ,\n\"]},\\\"[\", 1e5\n,{\n\"b\":{}\n}\n]\n \n"),
        expected(&[
            ("{\"a\" : [1, 2]}", 2),
            ("\"]},\\\"[\"", 3),
            ("1e5", 3),
            ("{\n\"b\":{}\n}", 4),
        ])
    );
    assert_eq!(read(b"[]"), expected(&[]));
    assert_eq!(read(b" [\n] "), expected(&[]));
}

#[test]
fn arrays_that_are_none_name_the_line() {
    for (input, message) in [
        (
            &b"[1,\n2"[..],
            "line 2: invalid JSON: the input ends within the array, behind element 1",
        ),
        (
            b"[1,\n\n,2]",
            "line 3 (element 2): invalid JSON: an element of the array is missing",
        ),
        (
            b"[1,2,]",
            "line 1 (element 3): invalid JSON: an element of the array is missing",
        ),
        (
            b"[1]\n[2]",
            "line 2: invalid JSON: something stands behind the end of the array",
        ),
        (
            b"[\n1}\n]",
            "line 2 (element 1): invalid JSON: a brace closes nothing",
        ),
        (
            b"[\n\"a\nb\"]",
            "line 2 (element 1): invalid JSON: the line ends within a string",
        ),
        (
            b"[",
            "line 1: invalid JSON: the input ends within the array, behind element 0",
        ),
    ] {
        assert_eq!(read(input), Err(message.to_owned()), "{input:?}");
    }
}

#[test]
fn documents_above_the_limit_are_refused_without_reading_on() {
    let long = "x".repeat(21);
    let message = "the document has more than 20 bytes, the most that an entry may have";
    let lines = format!("1\n{long}\n");
    assert_eq!(read(lines.as_bytes()), Err(format!("line 2: {message}")));
    let array = format!("[1,\n{long}]");
    assert_eq!(
        read(array.as_bytes()),
        Err(format!("line 2 (element 2): {message}"))
    );
}

#[test]
fn byte_order_mark_is_no_part_of_the_first_document() {
    let input = "\u{feff}{\"a\":1}\n".as_bytes();
    assert_eq!(
        read_through(input, 64 * 1024),
        expected(&[("{\"a\":1}", 1)])
    );
}
