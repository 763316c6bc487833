//! What is no export is refused, and the message says where and why.

use super::*;

const HEADER: &str = "{\"format\":\"datamanager-export\",\"version\":1,\"store\":\"s\",\
    \"position\":{\"epoch\":1,\"seq\":2,\"record\":\"8d1f0a4be1a94ac2a5b2f65b0f6f5c1e\"},\"time\":3}\n";
const GOOD: &str = "{\"type\":\"city\",\"id\":\"a\",\"data\":\"QQ==\"}\n";

#[track_caller]
fn assert_refused(bytes: impl AsRef<[u8]>, parts: &[&str]) {
    let bytes = bytes.as_ref();
    for result in [
        decode(bytes),
        decode_from(Trickle(bytes)),
        decode(&zstd(bytes)),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part:?} in: {error}");
        }
    }
}

/// Refused as the second entry of a native export.
#[track_caller]
fn assert_native_refused(line: &str, what: &str) {
    let text = format!("{HEADER}{GOOD}{line}\n{GOOD}");
    let place = format!("(line 3, byte {})", HEADER.len() + GOOD.len());
    assert_refused(text, &["entry 2", &place, what]);
}

/// Refused as the second entry of an agola export.
#[track_caller]
fn assert_agola_refused(object: &str, what: &str) {
    let text = format!("{{\"id\":\"a\",\n\"data_type\":\"city\",\"data\":\"\"}} {object}\n");
    assert_refused(text, &["entry 2 of the export (line 2, byte 41)", what]);
}

/// Ends what `lines` are as a native export that is whole.
fn sealed(lines: &str, entries: u64) -> String {
    let checksum = crc32c::crc32c(lines.as_bytes());
    format!("{lines}{{\"end\":{{\"entries\":{entries},\"crc32c\":\"{checksum:08x}\"}}}}\n")
}

/// Field case IE-01: random bytes, an HTML page and a JSON array were taken for exports.
#[test]
fn what_is_no_export_is_refused() {
    assert_refused("", &["the input is empty", "format agola"]);
    assert_refused(" \n\t\r\n", &["the input is empty"]);
    assert_refused("[{\"id\":\"a\"}]", &["a JSON array begins here"]);
    assert_refused("<!DOCTYPE html><html>", &["this looks like HTML"]);
    assert_refused([0x7f, 0x45, 0x4c, 0x46, 2, 1], &["begins with \"\\x7f\""]);
    assert_refused("\u{feff}{}", &["begins with \"\\xef\""]);
    assert_refused("null", &["begins with \"n\""]);
    assert_refused("{", &["cut off within it"]);
    assert_refused("{}", &["neither the header of format native nor"]);
    assert_refused(
        "{\"id\":\"a\"}",
        &["neither the header of format native nor"],
    );
    assert_refused(
        "{this is no JSON}",
        &["line 1, byte 0", "not a JSON object"],
    );
    assert_refused("{\"data_type\":\"\u{7}\"}", &["not a JSON object"]);
    assert_refused(
        b"{\"data_type\":\"\xff\"}",
        &["field \"data_type\": invalid unicode"],
    );
}

/// Nothing panics, nothing hangs, and nothing is taken for an export.
#[test]
fn random_bytes_are_refused() {
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(9);
        state.to_be_bytes()[0]
    };
    for first in ["", "{", "(\u{b5}/\u{fd}", HEADER, GOOD] {
        for len in 1..200 {
            let mut bytes = first.as_bytes().to_vec();
            bytes.extend(std::iter::repeat_with(&mut next).take(len));
            assert_eq!(decode(&bytes).unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd];
    bytes.extend(std::iter::repeat_with(&mut next).take(200));
    assert_eq!(decode(&bytes).unwrap_err().kind(), ErrorKind::Invalid);
}

/// Field case IE-11: an export of a newer version was misread by an older one.
#[test]
fn a_header_that_is_not_of_this_version_is_refused() {
    let with = |from: &str, to: &str| sealed(&HEADER.replace(from, to), 0);
    assert!(decode(sealed(HEADER, 0).as_bytes()).unwrap().is_empty());
    let newer = with("\"version\":1", "\"version\":2,\"colour\":\"red\"");
    assert_refused(newer, &["version 2, which is newer than 1,"]);
    assert_refused(with("\"version\":1", "\"version\":0"), &["version 0"]);
    assert_refused(
        with("\"version\":1", "\"version\":\"1\""),
        &["expected u64"],
    );
    assert_refused(with("\"version\":1,", ""), &["names no version"]);
    assert_refused(
        with("datamanager-export", "dump"),
        &["\"dump\"", "\"datamanager-export\""],
    );
    assert_refused(with("\"store\":\"s\",", ""), &["missing field `store`"]);
    assert_refused(
        with("\"time\":3", "\"time\":3,\"time\":3"),
        &["duplicate field `time`"],
    );
    assert_refused(
        with("\"time\"", "\"colour\":1,\"time\""),
        &["unknown field `colour`"],
    );
    assert_refused(with("8d1f0a", "8d1f0x"), &["is not a record id"]);
    assert_refused(with("{\"format\"", "{\n\"format\""), &["is not one line"]);
    assert_refused(
        with("{\"format\"", " {\"format\""),
        &["white space stands before the header"],
    );
    assert_refused(HEADER.replace('\n', GOOD), &["is not one line"]);
}

/// Field case IE-11: an unknown field of an entry was dropped.
#[test]
fn lines_that_are_no_native_entries_are_refused() {
    assert_native_refused("", "not a JSON object");
    assert_native_refused("<html>", "not a JSON object");
    assert_native_refused("[]", "expected an object");
    assert_native_refused(
        "{\"type\":\"city\",\"id\":\"a\",\"data\":\"\"",
        "not a JSON object",
    );
    assert_native_refused(
        "{\"type\":\"city\",\"id\":\"a\",\"data\":\"\"}{}",
        "trailing characters",
    );
    assert_native_refused("{\"id\":\"a\",\"data\":\"\"}", "field \"type\" is missing");
    assert_native_refused(
        "{\"type\":\"city\",\"data\":\"\"}",
        "field \"id\" is missing",
    );
    assert_native_refused(
        "{\"type\":\"city\",\"id\":\"a\"}",
        "field \"data\" is missing",
    );
    assert_native_refused(
        "{\"type\":\"city\",\"id\":\"a\",\"data\":null}",
        "field \"data\": invalid type: null",
    );
    assert_native_refused(
        "{\"type\":\"city\",\"id\":\"a\",\"id\":\"a\",\"data\":\"\"}",
        "field \"id\" is there twice",
    );
    assert_native_refused(
        "{\"type\":\"city\",\"id\":7,\"data\":\"\"}",
        "field \"id\": invalid type: integer",
    );
    assert_native_refused(
        "{\"type\":\"city\",\"id\":\"a\",\"colour\":1,\"data\":\"\"}",
        "field \"colour\" is not known: the file may be of a newer version",
    );
    assert_native_refused(
        "{\"id\":\"a\",\"data_type\":\"city\",\"data\":\"\"}",
        "field \"data_type\" is not known",
    );
    for time in ["-1", "1.5", "\"1\"", "null", "18446744073709551616"] {
        let line =
            format!("{{\"type\":\"city\",\"id\":\"a\",\"data\":\"\",\"expires_at\":{time}}}");
        assert_native_refused(&line, "field \"expires_at\": invalid");
    }
}

#[test]
fn names_that_an_entry_cannot_have_are_refused() {
    let native =
        |data_type: &str, id: &str| format!("{{\"type\":\"{data_type}\",{id},\"data\":\"\"}}");
    assert_native_refused(&native("City", "\"id\":\"a\""), "data type \"City\" is not");
    assert_native_refused(&native("", "\"id\":\"a\""), "data type \"\" is not");
    assert_native_refused(&native("!", "\"id\":\"a\""), "data type \"\" is not");
    assert_native_refused(&native("city", "\"id\":\"\""), "id \"\" has 0 bytes");
    assert_native_refused(&native("city", "\"id\":\"a\\u0000\""), "has a zero byte");
    let long = format!("\"id\":\"{}\"", "a".repeat(1025));
    assert_native_refused(&native("city", &long), "has 1025 bytes");
    assert_native_refused(
        &native("city", "\"id_base64\":\"QQ==\""),
        "is for internal types",
    );
    let both = "\"id_base64\":\"QQ==\",\"id\":\"A\"";
    assert_native_refused(&native("!index", both), "are both there");
    let bad = "\"id_base64\":\"QQ=\"";
    assert_native_refused(&native("!index", bad), "field \"id_base64\" is not base64");
    let long = format!("\"id\":\"{}\"", "a".repeat(4090));
    assert_native_refused(&native("!index", &long), "a key of 4097 bytes");
}

#[test]
fn data_that_is_not_strict_base64_is_refused() {
    for data in [
        "Q", "QQ", "QQ=", "QR==", "QQ===", "QQ==QQ==", "QQ==\\n", "Q Q=", "Q-Q_", "=", "é",
    ] {
        let what = "field \"data\" is not base64 with padding";
        assert_native_refused(
            &format!("{{\"type\":\"city\",\"id\":\"a\",\"data\":\"{data}\"}}"),
            what,
        );
        assert_agola_refused(
            &format!("{{\"id\":\"b\",\"data_type\":\"city\",\"data\":\"{data}\"}}"),
            what,
        );
    }
}

#[test]
fn what_is_no_agola_entry_is_refused() {
    assert_agola_refused("[]", "a JSON array begins here");
    assert_agola_refused(",{}", "begins with \",\"");
    assert_agola_refused("{} ", "field \"data_type\" is missing");
    assert_agola_refused(
        "{\"data_type\":\"city\",\"data\":\"\"}",
        "field \"id\" is missing",
    );
    assert_agola_refused(
        "{\"id\":\"b\",\"data_type\":\"city\"}",
        "field \"data\" is missing",
    );
    assert_agola_refused(
        "{\"id\":\"b\",\"data_type\":\"city\",\"data\":null}",
        "field \"data\": invalid type: null",
    );
    assert_agola_refused(
        "{\"id\":\"b\",\"data_type\":\"city\",\"data\":\"\",\"x\":{\"y\":1}}",
        "field \"x\" is not known",
    );
    assert_agola_refused(
        "{\"id\":\"b\",\"data_type\":\"city\",\"data\":\"\",\"type\":\"a\"}",
        "field \"type\" is not known",
    );
    assert_agola_refused(
        "{\"id\":\"b\",\"id\":\"b\",\"data_type\":\"city\",\"data\":\"\"}",
        "field \"id\" is there twice",
    );
    assert_agola_refused(
        "{\"id\":\"b\",\"data_type\":\"!group\",\"data\":\"\"}",
        "\"!group\" is internal",
    );
    assert_agola_refused(
        "{\"id\":\"b\",\"data_type\":\"city\",\"data\":\"",
        "cut off within it",
    );
    assert_agola_refused(HEADER.trim(), "field \"format\" is not known");
}

#[test]
fn a_trailer_that_does_not_fit_is_refused() {
    let lines = format!("{HEADER}{GOOD}");
    assert_eq!(decode(sealed(&lines, 1).as_bytes()).unwrap().len(), 1);
    assert_refused(&lines, &["the end", "line 3", "cut off: it has no trailer"]);
    assert_refused(
        sealed(&lines, 2),
        &["1 entries stand before a trailer that counts 2"],
    );
    let altered = sealed(&lines, 1).replace("QQ==", "Qg==");
    assert_refused(altered, &["the end", "the export was altered"]);
    let unknown = sealed(&lines, 1).replace("{\"entries\"", "{\"colour\":1,\"entries\"");
    assert_refused(
        unknown,
        &["the trailer is not valid: unknown field `colour`"],
    );
    let spaced = sealed(&lines, 1).replace("{\"end\"", "{ \"end\"");
    assert_refused(spaced, &["entry 2", "field \"end\" is not known"]);
    let behind = format!("{}\n x", sealed(&lines, 1));
    assert_refused(behind, &["line 5", "data behind the trailer"]);
    assert_refused(sealed(&lines, 1).trim_end(), &["cut off within it"]);
}

#[test]
fn the_encoder_refuses_what_the_format_cannot_hold() {
    let mut encoder = ExportEncoder::new(ExportFormat::Agola, false, &header()).unwrap();
    let refused = |encoder: &mut ExportEncoder, sample: Sample| {
        let error = encoder.add(sample.entry()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    };
    let internal = refused(&mut encoder, Sample::new("!group", "a", ""));
    assert!(internal.contains("format agola holds none"), "{internal}");
    let binary = refused(&mut encoder, Sample::new("city", [0xff], ""));
    assert!(binary.contains("is not UTF-8"), "{binary}");
    refused(&mut encoder, Sample::new("City", "a", ""));
    refused(&mut encoder, Sample::new("city", "", ""));
    encoder.add(Sample::new("city", "a", "A").entry()).unwrap();
    let bytes = encoder.finish().unwrap();
    assert_eq!(
        decode(&bytes).unwrap().len(),
        1,
        "refused entries leave nothing behind"
    );
}

#[test]
fn damaged_compression_is_refused() {
    let mut bytes = zstd(sealed(HEADER, 0).as_bytes());
    bytes.extend_from_slice(b"garbage");
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("cannot decompress"), "{error}");
}

struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::Error::other("the line is dead")))
    }
}

#[test]
fn a_failed_reader_is_told_apart_from_a_bad_export() {
    use tokio::io::AsyncReadExt;
    for bytes in [HEADER.as_bytes(), &zstd(HEADER.as_bytes()), b""] {
        let error = decode_from(bytes.chain(Broken)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.chain().ends_with("the line is dead"), "{error:?}");
    }
}

/// Fails once, before its last byte.
struct Interrupted<'a> {
    rest: Trickle<'a>,
    has_failed: bool,
}

impl AsyncRead for Interrupted<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.rest.0.len() == 1 && !self.has_failed {
            self.has_failed = true;
            return Poll::Ready(Err(std::io::Error::other("the line is dead")));
        }
        Pin::new(&mut self.rest).poll_read(context, buffer)
    }
}

/// Even if the reader goes on, so that a caller that overlooks an error never comes to a good end.
#[test]
fn after_an_error_nothing_more_is_given() {
    let text = sealed(HEADER, 0);
    let reader = Interrupted {
        rest: Trickle(text.as_bytes()),
        has_failed: false,
    };
    futures::executor::block_on(async {
        let mut decoder = ExportDecoder::open(reader, LIMITS).await.unwrap();
        let error = decoder.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        for _ in 0..3 {
            let error = decoder.next().await.unwrap_err();
            assert!(error.to_string().contains("has failed before"), "{error}");
        }
    });
}
