//! Keys of caches, which are templates.
//!
//! ```text
//! go-{{ arch }}-{{ sha256sum "go.sum" }}
//! ```
//!
//! Between `{{` and `}}` stands a function with its arguments, which are strings in `"` or in backquotes. A `-` at the inside of
//! the braces takes the white space beside them away. That is the part of Go's templates which keys need: there are no
//! variables, pipes or conditions.
//!
//! | function | result |
//! |---|---|
//! | `md5sum "FILE"`, `sha256sum "FILE"` | the checksum of a file of at most 1 MiB, in hexadecimal |
//! | `env "NAME"` | a variable of the environment, or nothing |
//! | `os`, `arch` | the platform, as Go calls it: `linux`, `amd64` |
//! | `year`, `month`, `day` | the date in UTC, with 4, 2 and 2 digits |
//! | `unixtime` | nanoseconds since 1970 |
//!
//! A template is read first and expanded later, since the files may have to be fetched from somewhere in between.

mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use md5::Md5;
use sha2::{Digest, Sha256};

/// A file whose checksum is part of a key has at most so many bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 1024 * 1024;
const TEMPLATE_BYTES_MAX: usize = 16 * 1024;

/// A template that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Call(Function),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Function {
    Md5Sum(String),
    Sha256Sum(String),
    Env(String),
    Os,
    Arch,
    Year,
    Month,
    Day,
    UnixTime,
}

/// What a template is expanded with.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    /// The contents of [`Template::files`], by their names there.
    pub(crate) files: &'a BTreeMap<String, Vec<u8>>,
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// As Go calls it.
    pub(crate) os: &'a str,
    /// As Go calls it.
    pub(crate) arch: &'a str,
    pub(crate) now: Timestamp,
}

/// A template that is none, or that cannot be expanded: a sentence for the log of the step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateError(String);

impl std::fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong, with the part where it is.
    pub(crate) fn parse(text: &str) -> Result<Template, TemplateError> {
        if text.len() > TEMPLATE_BYTES_MAX {
            let message = format!("the key has more than {TEMPLATE_BYTES_MAX} bytes");
            return Err(TemplateError(message));
        }
        parse::pieces(text).map(|pieces| Template { pieces })
    }

    /// The files whose contents are needed, as they are named: relative to the working directory of the task.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Call(Function::Md5Sum(file) | Function::Sha256Sum(file)) => Some(file.as_str()),
            _ => None,
        })
    }

    /// The key.
    ///
    /// # Errors
    /// A file that is needed is not among the facts, or too large.
    pub(crate) fn expand(&self, facts: &Facts<'_>) -> Result<String, TemplateError> {
        let mut key = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Call(function) => function.write(&mut key, facts)?,
            }
        }
        Ok(key)
    }
}

impl Function {
    fn write(&self, key: &mut String, facts: &Facts<'_>) -> Result<(), TemplateError> {
        let date = facts.now.to_zoned_datetime(TimeZone::UTC);
        let written = match self {
            Function::Md5Sum(file) => write_hex(key, &Md5::digest(facts.file(file)?)),
            Function::Sha256Sum(file) => write_hex(key, &Sha256::digest(facts.file(file)?)),
            Function::Env(name) => {
                key.push_str(facts.environment.get(name).map_or("", String::as_str));
                Ok(())
            }
            Function::Os => key.write_str(facts.os),
            Function::Arch => key.write_str(facts.arch),
            Function::Year => write!(key, "{:04}", date.year()),
            Function::Month => write!(key, "{:02}", date.month()),
            Function::Day => write!(key, "{:02}", date.day()),
            Function::UnixTime => write!(key, "{}", facts.now.as_nanosecond()),
        };
        written.map_err(|_| TemplateError("the key cannot be written".to_owned()))
    }
}

impl Facts<'_> {
    fn file(&self, name: &str) -> Result<&[u8], TemplateError> {
        let content = self.files.get(name);
        let content =
            content.ok_or_else(|| TemplateError(format!("the file {name:?} is not there")))?;
        match content.len() as u64 > FILE_BYTES_MAX {
            true => Err(TemplateError(format!(
                "the file {name:?} has more than {FILE_BYTES_MAX} bytes"
            ))),
            false => Ok(content),
        }
    }
}

fn write_hex(key: &mut String, digest: &[u8]) -> std::fmt::Result {
    digest.iter().try_for_each(|byte| write!(key, "{byte:02x}"))
}

/// The platform of this program, as Go calls it.
pub(crate) fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc64" => "ppc64",
        other => other,
    }
}
