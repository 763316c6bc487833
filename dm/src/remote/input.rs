//! What is read from files and from standard input.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use service::yaml::{Limits, Node, Value, first_document};

use crate::exit::Reason;

/// Bytes of a file with secrets or variables.
const YAML_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where something is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    StandardInput,
    File(PathBuf),
}

impl Source {
    /// A path, where `-` is standard input.
    pub(super) fn of(path: &Path) -> Source {
        match path == Path::new("-") {
            true => Source::StandardInput,
            false => Source::File(path.to_owned()),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::StandardInput => formatter.write_str("standard input"),
            Source::File(path) => path.display().fmt(formatter),
        }
    }
}

/// Everything that is there, which has to be `bytes_max` at most.
pub(super) fn read(source: &Source, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let bytes = match source {
        Source::StandardInput => read_all(io::stdin().lock(), bytes_max),
        Source::File(path) => File::open(path).and_then(|file| read_all(file, bytes_max)),
    };
    let bytes = bytes.with_context(|| format!("cannot read {source}"))?;
    if bytes.len() as u64 > bytes_max {
        let message = format!("{source} has more than {bytes_max} bytes");
        return Err(Reason::failed(message).into());
    }
    Ok(bytes)
}

/// The same, as text.
pub(super) fn read_text(source: &Source, bytes_max: u64) -> anyhow::Result<String> {
    let bytes = read(source, bytes_max)?;
    let text = String::from_utf8(bytes);
    text.map_err(|_| Reason::failed(format!("{source} is no text in UTF-8")).into())
}

fn read_all(input: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An error with all its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // Some libraries repeat the cause in the message.
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

/// A YAML mapping from names to texts. Numbers and the like are texts as they are written.
pub(super) fn read_texts(source: &Source) -> anyhow::Result<BTreeMap<String, String>> {
    let fault =
        |message: String| anyhow::Error::from(Reason::failed(format!("{source}: {message}")));
    let expected = "a mapping from names to texts is expected";
    let Some(document) = read_yaml(source)? else {
        return Err(fault(expected.to_owned()));
    };
    let Value::Map(entries) = document.value else {
        return Err(fault(format!("line {}: {expected}", document.line)));
    };
    let texts = entries.into_iter().map(|(name, node)| match node.value {
        // The text is not in the message: it may be a secret.
        Value::Scalar { text, .. } => Ok((name, text)),
        _ => Err(fault(format!("line {}: {name} is no text", node.line))),
    });
    texts.collect()
}

/// The first document of a file, if there is one.
pub(super) fn read_yaml(source: &Source) -> anyhow::Result<Option<Node>> {
    let text = read_text(source, YAML_BYTES_MAX)?;
    let limits = Limits {
        depth_max: 20,
        nodes_max: 100_000,
        text_bytes_max: 4 * 1024 * 1024,
    };
    let document = first_document(&text, limits);
    document.map_err(|error| Reason::failed(format!("{source}: {error}")).into())
}
