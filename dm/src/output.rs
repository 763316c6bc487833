//! Standard output: data, and nothing else.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde::de::IgnoredAny;

const BUFFER_BYTES: usize = 256 * 1024;

/// Whoever read standard output has stopped: there is nobody left to write for.
#[derive(Debug)]
pub(crate) struct OutputClosed;

impl fmt::Display for OutputClosed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("standard output has been closed")
    }
}

impl StdError for OutputClosed {}

/// Buffered standard output. What is not flushed is lost: [`Output::finish`] is the last call.
pub(crate) struct Output {
    writer: BufWriter<Stdout>,
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Output {
        Output {
            writer: BufWriter::with_capacity(BUFFER_BYTES, io::stdout()),
            json,
        }
    }

    /// Whether `--json` was given: then every line is one JSON value.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.writer.get_ref().is_terminal()
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        written(self.writer.write_all(bytes.as_ref()))
    }

    /// Writes bytes and a line feed.
    pub(crate) fn line(&mut self, line: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.bytes(line.as_ref())?;
        self.bytes(b"\n")
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        self.json_value(value)?;
        self.bytes(b"\n")
    }

    /// Writes an entry as one line of JSON: `{"id","data"}`, or `{"id","data_base64"}` if the bytes are not JSON.
    ///
    /// JSON is given as it is stored, so that no digit of a number is lost; only line feeds, which JSON has nowhere but
    /// between its parts, become spaces.
    pub(crate) fn json_entry(&mut self, id: &str, value: &[u8]) -> anyhow::Result<()> {
        self.bytes(b"{\"id\":")?;
        self.json_value(id)?;
        self.json_data(value)?;
        self.bytes(b"}\n")
    }

    /// Writes a value as JSON, with nothing behind it.
    pub(crate) fn json_value(&mut self, value: &(impl Serialize + ?Sized)) -> anyhow::Result<()> {
        written(serde_json::to_writer(&mut self.writer, value).map_err(io::Error::from))
    }

    /// Writes stored bytes as the next part of a JSON object: `,"data":…`, or `,"data_base64":…`, as
    /// [`Output::json_entry`] does.
    pub(crate) fn json_data(&mut self, value: &[u8]) -> anyhow::Result<()> {
        if is_json(value) {
            self.bytes(b",\"data\":")?;
            if value.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
                let one_line: Vec<u8> = value
                    .iter()
                    .map(|byte| match byte {
                        b'\n' | b'\r' => b' ',
                        byte => *byte,
                    })
                    .collect();
                return self.bytes(&one_line);
            }
            return self.bytes(value);
        }
        self.bytes(b",\"data_base64\":\"")?;
        self.bytes(BASE64.encode(value).as_bytes())?;
        self.bytes(b"\"")
    }

    /// Hands on what has been written so far.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        written(self.writer.flush())
    }

    /// Hands on all that is left.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.flush()
    }
}

fn is_json(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        result => result.context("cannot write to standard output"),
    }
}

/// Writes one line for people to standard error.
pub(crate) fn note(message: impl fmt::Display) {
    let message = message.to_string();
    // Without standard error there is nobody to tell, and the work itself goes on.
    let _ = writeln!(io::stderr(), "dm: {}", printable(&message));
}

/// A text in one line that does nothing to a terminal: what would is written as its number, as `\u{1b}`.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match is_unprintable(character) {
            true => printable.extend(character.escape_default()),
            false => printable.push(character),
        }
    }
    Cow::Owned(printable)
}

/// Control characters, line separators, and characters that turn the direction of a text around.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A number with the name of what was counted, in the plural if need be.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let (stem, plural) = match thing.strip_suffix('y') {
        _ if number == 1 => (thing, ""),
        Some(stem) => (stem, "ies"),
        None if thing.ends_with("ch") => (thing, "es"),
        None => (thing, "s"),
    };
    format!("{number} {stem}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_a_terminal_is_written_as_its_number() {
        for (text, shown) in [
            ("plain, ä 東京 🏙️", "plain, ä 東京 🏙️"),
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
