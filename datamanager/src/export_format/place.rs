//! Where in an export something stands, for messages.

use std::fmt;

use crate::Error;

/// Characters that a message tells of what is wrong, at most: it may quote the input.
const SHOWN_CHARACTERS_MAX: usize = 300;

/// A part of an export.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// What tells the format, and the header if there is one.
    Beginning,
    /// The entry with this number.
    Entry(u64),
    /// The trailer, and what is behind it.
    End,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Beginning => formatter.write_str("the beginning"),
            Part::Entry(number) => write!(formatter, "entry {number}"),
            Part::End => formatter.write_str("the end"),
        }
    }
}

/// A place in the input, as it is after decompression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Bytes before it.
    pub(super) offset: u64,
    /// Number of the line that it is in; the first is 1.
    pub(super) line: u64,
}

impl Place {
    /// The error for an export that has `what` in the part that begins here.
    pub(super) fn refuse(self, part: Part, what: impl fmt::Display) -> Error {
        let Place { offset, line } = self;
        let mut what = what.to_string();
        if let Some((end, _)) = what.char_indices().nth(SHOWN_CHARACTERS_MAX) {
            what.replace_range(end.., "…");
        }
        Error::invalid(format!(
            "cannot read {part} of the export (line {line}, byte {offset}): {what}"
        ))
    }
}
