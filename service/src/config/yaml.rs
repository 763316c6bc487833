//! YAML as nodes.

use super::error;
use super::node::{Node, Place, Value};
use crate::Error;
use crate::yaml::{self, Limits, YamlError};

const LIMITS: Limits = Limits {
    depth_max: 32,
    nodes_max: 10_000,
    text_bytes_max: 16 * 1024 * 1024,
};

/// The first document of a file; an empty map if there is none.
pub(super) fn parse(text: &str, file: &str) -> Result<Node, Error> {
    let place = |line: usize| Place::Line {
        file: file.to_owned(),
        line,
    };
    let root = yaml::first_document(text, LIMITS);
    let root =
        root.map_err(|YamlError { line, message }| error(format!("{}: {message}", place(line))))?;
    match root.map(|node| placed(node, &place)) {
        None => Ok(Node::map(place(1))),
        Some(node) => match node.value {
            Value::Null => Ok(Node::map(place(1))),
            Value::Map(_) => Ok(node),
            _ => Err(error(format!("{file} is no YAML mapping of sections"))),
        },
    }
}

/// A value from the environment or the command line: YAML if it begins as a list or a mapping, plain text otherwise.
pub(super) fn value(text: &str, place: Place) -> Result<Node, Error> {
    if text.starts_with(['[', '{']) {
        let node = yaml::first_document(text, LIMITS);
        let node = node.map_err(|_| error(format!("the value in {place} is no YAML")))?;
        return Ok(match node {
            Some(node) => placed(node, &|_| place.clone()),
            None => Node::map(place),
        });
    }
    Ok(Node {
        value: Value::Scalar {
            text: text.to_owned(),
            plain: true,
        },
        place,
    })
}

fn placed(node: yaml::Node, place: &impl Fn(usize) -> Place) -> Node {
    let value = match node.value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Scalar { text, plain } => Value::Scalar { text, plain },
        yaml::Value::List(nodes) => {
            let nodes = nodes.into_iter();
            Value::List(nodes.map(|node| placed(node, place)).collect())
        }
        yaml::Value::Map(entries) => {
            let entries = entries.into_iter();
            Value::Map(
                entries
                    .map(|(key, node)| (key, placed(node, place)))
                    .collect(),
            )
        }
    };
    Node {
        value,
        place: place(node.line),
    }
}
