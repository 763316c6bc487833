//! Why there is no definition.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The line, from 1; nothing where a program has made what is wrong.
    pub line: Option<usize>,
    /// The way to it, as `runs[0].tasks[2].name`; empty for the whole.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    /// One of the whole definition.
    pub(crate) fn of_all(message: impl Into<String>) -> Fault {
        Fault {
            line: None,
            key: String::new(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.key.as_str()) {
            (Some(line), "") => write!(formatter, "line {line}: ")?,
            (Some(line), key) => write!(formatter, "line {line}, {key}: ")?,
            (None, "") => {}
            (None, key) => write!(formatter, "{key}: ")?,
        }
        formatter.write_str(&self.message)
    }
}

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Mend the definition: see [`Error::faults`].
    Invalid,
    /// Try again later.
    Unavailable,
    /// The program that evaluates cannot be used, or there is a fault in this crate.
    Internal,
}

/// Why there is no definition.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    faults: Vec<Fault>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn invalid(faults: Vec<Fault>) -> Error {
        Error {
            kind: ErrorKind::Invalid,
            message: String::new(),
            faults,
            source: None,
        }
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            message: message.into(),
            faults: Vec::new(),
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Error {
        self.source = Some(Box::new(source));
        self
    }

    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is wrong with the definition, in the order in which it stands there; at least one if the kind is
    /// [`ErrorKind::Invalid`], otherwise none.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// The faults one a line, or what else has happened.
impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.faults.is_empty() {
            return formatter.write_str(&self.message);
        }
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            fault.fmt(formatter)?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
