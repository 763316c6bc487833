//! The documents of an input, one by one: lines of NDJSON, or elements of a JSON array.

use std::fmt;
use std::io::{self, BufRead};

use anyhow::{Context, anyhow};
use serde_json::error::Category;

/// Some programs write it at the begin of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where a document begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Counted from 1.
    line: u64,
    /// Counted from 1; 0 if the input is no array.
    element: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}", self.line)?;
        match self.element {
            0 => Ok(()),
            element => write!(formatter, " (element {element})"),
        }
    }
}

impl Place {
    /// Says what is wrong here.
    pub(super) fn error(self, what: impl fmt::Display) -> anyhow::Error {
        anyhow!("{self}: {what}")
    }

    /// Says what is wrong with the JSON of the document that begins here.
    pub(super) fn json_error(self, error: &serde_json::Error) -> anyhow::Error {
        // It counts lines and columns within the document.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let text = error.to_string();
        let what = text.strip_suffix(&place).unwrap_or(&text);
        let line = self.line + (error.line() as u64).saturating_sub(1);
        let place = Place { line, ..self };
        match error.classify() {
            Category::Data => self.error(what),
            _ if self.element == 0 => place.error(format_args!(
                "invalid JSON at column {}: {what}",
                error.column()
            )),
            _ => place.error(format_args!("invalid JSON: {what}")),
        }
    }
}

/// Gives one document after the other, with one in memory at a time.
pub(super) struct Documents<R> {
    input: R,
    document_bytes_max: usize,
    /// Bytes taken from the input.
    offset: u64,
    /// Line feeds taken from the input.
    lines: u64,
    form: Form,
}

enum Form {
    /// Nothing has been read.
    Unknown,
    /// What stands before the first document on its line belongs to it.
    Lines {
        before: Vec<u8>,
    },
    Array {
        elements: u64,
    },
    /// Behind the end of the array.
    Ended,
}

impl<R: BufRead> Documents<R> {
    pub(super) fn new(input: R, document_bytes_max: usize) -> Documents<R> {
        Documents {
            input,
            document_bytes_max,
            offset: 0,
            lines: 0,
            form: Form::Unknown,
        }
    }

    /// Bytes of the input read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends the next document to `text`; `None` behind the last.
    ///
    /// # Errors
    /// The input cannot be read, a document is too long, or the array is no array. Whether a document is JSON is left to
    /// the caller.
    pub(super) fn next(&mut self, text: &mut Vec<u8>) -> anyhow::Result<Option<Place>> {
        if matches!(self.form, Form::Unknown) {
            self.detect_form()?;
        }
        match self.form {
            Form::Array { elements } => self.next_element(text, elements),
            Form::Ended => self.expect_end(),
            Form::Unknown | Form::Lines { .. } => self.next_line(text),
        }
    }

    /// Looks for the first character that is no space.
    fn detect_form(&mut self) -> anyhow::Result<()> {
        self.skip_byte_order_mark()?;
        let mut before = Vec::new();
        loop {
            match self.peek()? {
                Some(b'[') => {
                    self.consume(1);
                    self.form = Form::Array { elements: 0 };
                    return Ok(());
                }
                Some(b'\n') => {
                    self.lines += 1;
                    before.clear();
                }
                Some(byte @ (b' ' | b'\t' | b'\r')) if before.len() < self.document_bytes_max => {
                    before.push(byte);
                }
                _ => break,
            }
            self.consume(1);
        }
        self.form = Form::Lines { before };
        Ok(())
    }

    fn skip_byte_order_mark(&mut self) -> anyhow::Result<()> {
        // A mark that comes in pieces is not recognised, and then is no JSON.
        let buffer = filled(&mut self.input)?;
        if buffer.starts_with(BYTE_ORDER_MARK) {
            self.consume(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    fn next_line(&mut self, text: &mut Vec<u8>) -> anyhow::Result<Option<Place>> {
        let start = text.len();
        if let Form::Lines { before } = &mut self.form {
            text.append(before);
        }
        loop {
            let place = Place {
                line: self.lines + 1,
                element: 0,
            };
            let buffer = filled(&mut self.input)?;
            let at_end = buffer.is_empty();
            let line_feed = buffer.iter().position(|byte| *byte == b'\n');
            let taken = line_feed.unwrap_or(buffer.len());
            text.extend_from_slice(&buffer[..taken]);
            self.consume(taken + usize::from(line_feed.is_some()));
            self.lines += u64::from(line_feed.is_some());
            if text.len() - start > self.document_bytes_max {
                return Err(self.too_long(place));
            }
            if line_feed.is_none() && !at_end {
                continue;
            }
            if !text[start..].iter().all(|byte| is_space(*byte)) {
                return Ok(Some(place));
            }
            text.truncate(start);
            if at_end {
                return Ok(None);
            }
        }
    }

    fn next_element(&mut self, text: &mut Vec<u8>, elements: u64) -> anyhow::Result<Option<Place>> {
        match self.peek_behind_space()? {
            Some(b']') => {
                self.consume(1);
                self.form = Form::Ended;
                return self.expect_end();
            }
            Some(_) if elements == 0 => {}
            // An element ends only before a comma or a bracket, or at the end of the input.
            Some(_) => {
                self.consume(1);
                self.peek_behind_space()?;
            }
            None => return Err(self.not_closed(elements)),
        }
        let place = Place {
            line: self.lines + 1,
            element: elements + 1,
        };
        self.form = Form::Array {
            elements: place.element,
        };
        self.read_element(text, place)?;
        Ok(Some(place))
    }

    /// Appends what stands before the next comma or bracket that is not within a value.
    fn read_element(&mut self, text: &mut Vec<u8>, place: Place) -> anyhow::Result<()> {
        let start = text.len();
        let mut nesting = Nesting::default();
        loop {
            let buffer = filled(&mut self.input)?;
            if buffer.is_empty() {
                return Err(self.not_closed(place.element - 1));
            }
            let mut line_feeds = 0;
            let mut end = None;
            for (index, byte) in buffer.iter().enumerate() {
                line_feeds += u64::from(*byte == b'\n');
                match nesting.step(*byte) {
                    Step::Within => {}
                    Step::End => {
                        end = Some(index);
                        break;
                    }
                    Step::Wrong(what) => {
                        let line = self.lines + 1 + line_feeds - u64::from(*byte == b'\n');
                        return Err(Place { line, ..place }.error(what));
                    }
                }
            }
            let taken = end.unwrap_or(buffer.len());
            text.extend_from_slice(&buffer[..taken]);
            self.consume(taken);
            self.lines += line_feeds;
            if text.len() - start > self.document_bytes_max {
                return Err(self.too_long(place));
            }
            if end.is_some() {
                break;
            }
        }
        while text.len() > start && text.last().is_some_and(|byte| is_space(*byte)) {
            text.pop();
        }
        if text.len() == start {
            return Err(place.error("invalid JSON: an element of the array is missing"));
        }
        Ok(())
    }

    fn expect_end(&mut self) -> anyhow::Result<Option<Place>> {
        match self.peek_behind_space()? {
            None => Ok(None),
            Some(_) => Err(anyhow!(
                "line {}: invalid JSON: something stands behind the end of the array",
                self.lines + 1
            )),
        }
    }

    fn too_long(&self, place: Place) -> anyhow::Error {
        place.error(format_args!(
            "the document has more than {} bytes, the most that an entry may have",
            self.document_bytes_max
        ))
    }

    fn not_closed(&self, elements: u64) -> anyhow::Error {
        anyhow!(
            "line {}: invalid JSON: the input ends within the array, behind element {elements}",
            self.lines + 1
        )
    }

    /// The next byte that is no space, which stays in the input.
    fn peek_behind_space(&mut self) -> anyhow::Result<Option<u8>> {
        loop {
            match self.peek()? {
                Some(byte) if is_space(byte) => {
                    self.lines += u64::from(byte == b'\n');
                    self.consume(1);
                }
                byte => return Ok(byte),
            }
        }
    }

    fn peek(&mut self) -> anyhow::Result<Option<u8>> {
        Ok(filled(&mut self.input)?.first().copied())
    }

    fn consume(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.offset += bytes as u64;
    }
}

/// The input's buffer; empty only at the end.
fn filled<R: BufRead>(input: &mut R) -> anyhow::Result<&[u8]> {
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read the input"),
        }
    }
    input.fill_buf().context("cannot read the input")
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// How deep within the values of an element a byte is.
#[derive(Default)]
struct Nesting {
    depth: u64,
    in_string: bool,
    escaped: bool,
}

enum Step {
    Within,
    /// The element has ended before this byte.
    End,
    Wrong(&'static str),
}

impl Nesting {
    fn step(&mut self, byte: u8) -> Step {
        if self.in_string {
            match byte {
                b'\n' => return Step::Wrong("invalid JSON: the line ends within a string"),
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Step::Within;
        }
        match byte {
            b',' | b']' if self.depth == 0 => return Step::End,
            b'}' if self.depth == 0 => return Step::Wrong("invalid JSON: a brace closes nothing"),
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth -= 1,
            b'"' => self.in_string = true,
            _ => {}
        }
        Step::Within
    }
}

#[cfg(test)]
mod tests;
