//! YAML as a tree whose scalars are still text and know their line.
//!
//! What a scalar is to be is left to who reads the tree, since only he knows which type he expects. Of two equal keys the last
//! counts. Merge keys (`<<`) are resolved: what a mapping says itself goes before what it merges.

use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

const MERGE_KEY: &str = "<<";

/// How much is read; more of it is an error. What an alias stands for counts each time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nodes within nodes.
    pub depth_max: usize,
    /// Nodes.
    pub nodes_max: usize,
    /// Bytes of scalars.
    pub text_bytes_max: usize,
}

/// Why something is no YAML, or too much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, without the line.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for YamlError {}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// The line, from 1.
    pub line: usize,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A text.
    Scalar {
        /// The text.
        text: String,
        /// Whether it stands without quotes and without the tag of a text, so that it may be a number.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in which each key is there once.
    Map(Vec<(String, Node)>),
}

/// The first document of a text; nothing if there is none. What comes after it is not looked at.
///
/// # Errors
/// It is no YAML, or there is too much of it.
pub fn first_document(text: &str, limits: Limits) -> Result<Option<Node>, YamlError> {
    // What is missing at the end is missing in the last line, and not in one behind it.
    let lines = text.lines().count().max(1);
    read_first(text, limits).map_err(|error| YamlError {
        line: error.line.min(lines),
        ..error
    })
}

fn read_first(text: &str, limits: Limits) -> Result<Option<Node>, YamlError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        limits,
        anchors: HashMap::new(),
        nodes: 0,
        text_bytes: 0,
        line: 1,
    };
    loop {
        match reader.next()? {
            Some((Event::DocumentStart(_), _)) => {
                let first = reader.expect_next()?;
                return reader.node(first, 0).map(Some);
            }
            Some((Event::StreamEnd, _)) | None => return Ok(None),
            Some(_) => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    limits: Limits,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    text_bytes: usize,
    /// Of the last event.
    line: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        let event = self.parser.next().transpose();
        let event = event.map_err(|cause| YamlError {
            line: cause.marker().line(),
            message: format!("this is no YAML: {}", cause.info()),
        })?;
        if let Some((_, span)) = &event {
            self.line = span.start.line();
        }
        Ok(event)
    }

    fn expect_next(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        let event = self.next()?;
        event.ok_or_else(|| self.error("this ends within something"))
    }

    fn error(&self, message: impl Into<String>) -> YamlError {
        YamlError {
            line: self.line,
            message: message.into(),
        }
    }

    fn node(&mut self, (event, span): (Event<'a>, Span), depth: usize) -> Result<Node, YamlError> {
        let line = span.start.line();
        if depth > self.limits.depth_max {
            let depth_max = self.limits.depth_max;
            return Err(self.error(format!("nested more than {depth_max} deep")));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(&text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| self.error("an unknown alias"))?;
                self.count(size(&node))?;
                return Ok(node);
            }
            _ => return Err(self.error("no value where one is expected")),
        };
        let node = Node { value, line };
        let own = match &node.value {
            Value::Scalar { text, .. } => (1, text.len()),
            _ => (1, 0),
        };
        self.count(own)?;
        // Zero stands for no anchor.
        if anchor > 0 {
            self.count(size(&node))?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut nodes = Vec::new();
        loop {
            match self.expect_next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(nodes)),
                event => nodes.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut entries = Entries::default();
        let mut merged = Vec::new();
        loop {
            let key = match self.expect_next()? {
                (Event::MappingEnd, _) => break,
                event => self.node(event, depth + 1)?,
            };
            let (name, plain) = match key.value {
                Value::Scalar { text, plain } => (text, plain),
                Value::Null => (String::new(), true),
                _ => return Err(self.error("a key that is no text")),
            };
            self.count((0, name.len()))?;
            let event = self.expect_next()?;
            let node = self.node(event, depth + 1)?;
            if plain && name == MERGE_KEY {
                merged.push(node);
            } else {
                entries.set(name, node);
            }
        }
        for node in merged {
            self.merge(node, &mut entries)?;
        }
        Ok(Value::Map(entries.list))
    }

    /// Adds what is not there yet. Of several mappings the first goes before the others.
    fn merge(&self, node: Node, into: &mut Entries) -> Result<(), YamlError> {
        let line = node.line;
        let maps = match node.value {
            Value::List(nodes) => nodes,
            _ => vec![node],
        };
        for map in maps {
            let Value::Map(entries) = map.value else {
                let message = format!("{MERGE_KEY} takes a mapping or a list of mappings");
                return Err(YamlError { line, message });
            };
            for (name, node) in entries {
                if !into.places.contains_key(&name) {
                    into.set(name, node);
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, (nodes, text_bytes): (usize, usize)) -> Result<(), YamlError> {
        self.nodes += nodes;
        self.text_bytes += text_bytes;
        let Limits {
            nodes_max,
            text_bytes_max,
            ..
        } = self.limits;
        if self.nodes > nodes_max {
            return Err(self.error(format!("there are more than {nodes_max} values")));
        }
        if self.text_bytes > text_bytes_max {
            let message = format!("the values have more than {text_bytes_max} bytes");
            return Err(self.error(message));
        }
        Ok(())
    }
}

/// The entries of a mapping that is being read.
#[derive(Default)]
struct Entries {
    list: Vec<(String, Node)>,
    /// Where each key stands in the list.
    places: HashMap<String, usize>,
}

impl Entries {
    fn set(&mut self, name: String, node: Node) {
        match self.places.get(&name) {
            Some(place) => self.list[*place].1 = node,
            None => {
                self.places.insert(name.clone(), self.list.len());
                self.list.push((name, node));
            }
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text = tag.is_some_and(|tag| {
        (tag.is_yaml_core_schema() && tag.suffix == "str") || tag.handle.is_empty()
    });
    let plain = style == ScalarStyle::Plain && !is_text;
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar {
        text: text.to_owned(),
        plain,
    }
}

/// Nodes, and bytes of text.
fn size(node: &Node) -> (usize, usize) {
    let (own, below): (usize, Vec<(usize, usize)>) = match &node.value {
        Value::Null => (0, Vec::new()),
        Value::Scalar { text, .. } => (text.len(), Vec::new()),
        Value::List(nodes) => (0, nodes.iter().map(size).collect()),
        Value::Map(entries) => (
            entries.iter().map(|(key, _)| key.len()).sum(),
            entries.iter().map(|(_, node)| size(node)).collect(),
        ),
    };
    below
        .into_iter()
        .fold((1, own), |(nodes, bytes), (more_nodes, more_bytes)| {
            (nodes + more_nodes, bytes + more_bytes)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        depth_max: 8,
        nodes_max: 100,
        text_bytes_max: 1_000,
    };

    /// The tree in one line; texts that are certainly texts in quotes.
    fn shown(node: &Node) -> String {
        let list = |parts: Vec<String>| parts.join(",");
        match &node.value {
            Value::Null => "null".to_owned(),
            Value::Scalar { text, plain: true } => text.clone(),
            Value::Scalar { text, plain: false } => format!("{text:?}"),
            Value::List(nodes) => format!("[{}]", list(nodes.iter().map(shown).collect())),
            Value::Map(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(key, node)| format!("{key}:{}", shown(node)));
                format!("{{{}}}", list(entries.collect()))
            }
        }
    }

    fn read(text: &str) -> String {
        match first_document(text, LIMITS) {
            Ok(Some(node)) => shown(&node),
            Ok(None) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn scalars_keep_their_text_and_say_whether_they_may_be_something_else() {
        for (text, expected) in [
            ("", "nothing"),
            ("~", "null"),
            ("a: 010\nb: '1'\nc:", "{a:010,b:\"1\",c:null}"),
            (
                "[!!str 1, !!int 2, ! 3, \"null\"]",
                "[\"1\",2,\"3\",\"null\"]",
            ),
            ("a: 1\nb: 2\na: 3", "{a:3,b:2}"),
            ("a: 1\n---\n%%% no YAML", "{a:1}"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn merged_mappings_are_overridden_wherever_they_stand() {
        for (text, expected) in [
            (
                "[&a {x: 1, y: 2}, {x: 3, <<: *a}, {<<: *a, y: 4}]",
                "[{x:1,y:2},{x:3,y:2},{y:4,x:1}]",
            ),
            (
                "[&a {x: 1}, &b {x: 2, y: 3}, {<<: [*a, *b]}]",
                "[{x:1},{x:2,y:3},{x:1,y:3}]",
            ),
            ("{'<<': 1}", "{<<:1}"),
            (
                "a: 1\nb:\n  <<: [1]",
                "line 3: << takes a mapping or a list of mappings",
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn there_is_an_end_to_what_is_read() {
        let deep = "[".repeat(10) + &"]".repeat(10);
        assert_eq!(read(&deep), "line 1: nested more than 8 deep");
        let many = format!("[{}]", "1,".repeat(101));
        assert_eq!(read(&many), "line 1: there are more than 100 values");
        // The text is short, but stands for much.
        let long = format!("[&a {}, {}]", "x".repeat(90), "*a,".repeat(12));
        assert_eq!(read(&long), "line 1: the values have more than 1000 bytes");
        let bomb = "- &a [x,x]\n- &b [*a,*a]\n- &c [*b,*b]\n- &d [*c,*c]\n- [*d,*d]";
        assert_eq!(read(bomb), "line 4: there are more than 100 values");
        // Each anchor is a copy of what is below it.
        let anchored = "&a [".repeat(7) + &"1,".repeat(20) + &"]".repeat(7);
        assert_eq!(read(&anchored), "line 1: there are more than 100 values");
    }

    #[test]
    fn errors_and_nodes_have_their_lines() {
        for (text, line) in [
            ("a: 1\nb: {", 2),
            ("a: 1\nb: *c\n", 2),
            ("a: 1\n? [x]\n: 1", 2),
        ] {
            assert_eq!(
                first_document(text, LIMITS).unwrap_err().line,
                line,
                "{text}"
            );
        }
        let node = first_document("a: 1\nb:\n  - x\n  - y", LIMITS);
        let Some(Node {
            value: Value::Map(entries),
            line: 1,
        }) = node.unwrap()
        else {
            panic!("this is no mapping");
        };
        let Value::List(nodes) = &entries[1].1.value else {
            panic!("this is no list");
        };
        assert_eq!(nodes[1].line, 4);
    }
}
