//! YAML as nodes.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::error;
use super::node::{Node, Place, Value};
use crate::Error;

/// Nodes within nodes, at most.
const DEPTH_MAX: usize = 32;
/// Nodes of a file, at most, those that aliases stand for included.
const NODES_MAX: usize = 10_000;

/// The first document of a file; an empty map if there is none.
pub(super) fn parse(text: &str, file: &str) -> Result<Node, Error> {
    let place = Place::Line {
        file: file.to_owned(),
        line: 1,
    };
    let mut reader = Reader::new(text, file);
    let root = reader
        .document()?
        .unwrap_or_else(|| Node::map(place.clone()));
    match root.value {
        Value::Null => Ok(Node::map(place)),
        Value::Map(_) => Ok(root),
        _ => Err(error(format!("{file} is no YAML mapping of sections"))),
    }
}

/// A value from the environment or the command line: YAML if it begins as a list or a mapping, plain text otherwise.
pub(super) fn value(text: &str, place: Place) -> Result<Node, Error> {
    if text.starts_with(['[', '{']) {
        let node = Reader::new(text, "").document();
        let node = node.map_err(|_| error(format!("the value in {place} is no YAML")))?;
        return Ok(relocated(
            node.unwrap_or_else(|| Node::map(place.clone())),
            &place,
        ));
    }
    Ok(Node {
        value: Value::Scalar {
            text: text.to_owned(),
            plain: true,
        },
        place,
    })
}

fn relocated(mut node: Node, place: &Place) -> Node {
    node.place = place.clone();
    node.value = match node.value {
        Value::List(nodes) => Value::List(
            nodes
                .into_iter()
                .map(|node| relocated(node, place))
                .collect(),
        ),
        Value::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, node)| (key, relocated(node, place)))
                .collect(),
        ),
        scalar => scalar,
    };
    node
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    file: &'a str,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, file: &'a str) -> Reader<'a> {
        Reader {
            parser: Parser::new_from_str(text),
            file,
            anchors: HashMap::new(),
            nodes: 0,
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Error> {
        loop {
            match self.next()? {
                Some((Event::DocumentStart(_), _)) => {
                    let first = self.expect_next()?;
                    return self.node(first, 0).map(Some);
                }
                Some((Event::StreamEnd, _)) | None => return Ok(None),
                Some(_) => {}
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Error> {
        let event = self.parser.next().transpose();
        event.map_err(|cause| error(format!("{} is no YAML: {cause}", self.file)))
    }

    fn expect_next(&mut self) -> Result<(Event<'a>, Span), Error> {
        let event = self.next()?;
        event.ok_or_else(|| error(format!("{} ends within something", self.file)))
    }

    fn node(&mut self, (event, span): (Event<'a>, Span), depth: usize) -> Result<Node, Error> {
        let place = Place::Line {
            file: self.file.to_owned(),
            line: span.start.line(),
        };
        if depth > DEPTH_MAX {
            return Err(error(format!("{place}: nested more than {DEPTH_MAX} deep")));
        }
        self.count(1)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => (scalar(&text, style), anchor),
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| error(format!("{place}: an unknown alias")))?;
                self.count(size(&node))?;
                return Ok(node);
            }
            _ => return Err(error(format!("{place}: no value where one is expected"))),
        };
        let node = Node { value, place };
        // Zero stands for no anchor.
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Error> {
        let mut nodes = Vec::new();
        loop {
            match self.expect_next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(nodes)),
                event => nodes.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Error> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let key = match self.expect_next()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                event => self.node(event, depth + 1)?,
            };
            let name = match key.value {
                Value::Scalar { text, .. } => text,
                Value::Null => String::new(),
                _ => return Err(error(format!("{}: a key that is no text", key.place))),
            };
            let event = self.expect_next()?;
            let node = self.node(event, depth + 1)?;
            // The last one of several wins.
            entries.retain(|(known, _)| *known != name);
            entries.push((name, node));
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), Error> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(error(format!(
                "{} has more than {NODES_MAX} values",
                self.file
            )));
        }
        Ok(())
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar {
        text: text.to_owned(),
        plain,
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar { .. } => 1,
        Value::List(nodes) => nodes.iter().map(size).sum::<usize>() + 1,
        Value::Map(entries) => entries.iter().map(|(_, node)| size(node)).sum::<usize>() + 1,
    }
}
