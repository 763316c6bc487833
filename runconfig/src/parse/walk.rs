//! Walking through the tree of a text: places, faults, and values of the expected kind.

use std::fmt;

use service::yaml::{Node, Value};

use super::scalar::Scalar;
use crate::error::Fault;

/// Faults that are told, at most.
const FAULTS_MAX: usize = 100;

/// The way to a node.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    parent: Option<&'a Key<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Root,
    Name(&'a str),
    Index(usize),
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(formatter)?;
        }
        let is_first = self
            .parent
            .is_none_or(|parent| matches!(parent.part, Part::Root));
        match self.part {
            Part::Root => Ok(()),
            Part::Name(name) if is_first => formatter.write_str(name),
            Part::Name(name) => write!(formatter, ".{name}"),
            Part::Index(index) => write!(formatter, "[{index}]"),
        }
    }
}

/// A node and the way to it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) node: &'a Node,
    pub(super) key: Key<'a>,
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node) -> At<'a> {
        At {
            node,
            key: Key {
                parent: None,
                part: Part::Root,
            },
        }
    }

    pub(super) fn is_null(self) -> bool {
        self.node.value == Value::Null
    }

    /// The text of a scalar that is one without being converted.
    pub(super) fn as_text(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, plain: true } => match Scalar::of(text) {
                Scalar::Text(text) => Some(text),
                _ => None,
            },
            Value::Scalar { text, plain: false } => Some(text),
            _ => None,
        }
    }

    /// What is there, in words.
    fn kind(self) -> &'static str {
        match &self.node.value {
            Value::Null => "nothing",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar { plain: false, .. } => "a text",
            Value::Scalar { text, plain: true } => match Scalar::of(text) {
                Scalar::Bool(_) => "a boolean",
                Scalar::Integer(_) | Scalar::Float(_) => "a number",
                Scalar::Text(_) => "a text",
            },
        }
    }
}

/// What has been found wrong so far.
pub(super) struct Faults {
    pub(super) list: Vec<Fault>,
    /// Whether the lines are those of the author.
    has_lines: bool,
    left_out: usize,
}

impl Faults {
    pub(super) fn new(has_lines: bool) -> Faults {
        Faults {
            list: Vec::new(),
            has_lines,
            left_out: 0,
        }
    }

    pub(super) fn add(&mut self, at: At<'_>, message: impl Into<String>) {
        if self.list.len() >= FAULTS_MAX {
            self.left_out += 1;
            return;
        }
        self.list.push(Fault {
            line: self.has_lines.then_some(at.node.line),
            key: at.key.to_string(),
            message: message.into(),
        });
    }

    /// How many there are, those that are not told included.
    pub(super) fn count(&self) -> usize {
        self.list.len() + self.left_out
    }

    pub(super) fn finish(mut self) -> Vec<Fault> {
        // Some are found only once all of a run has been read. The sort keeps the order within a line.
        self.list.sort_by_key(|fault| fault.line);
        if self.left_out > 0 {
            let message = format!("and {} more", self.left_out);
            self.list.push(Fault::of_all(message));
        }
        self.list
    }

    fn expected(&mut self, at: At<'_>, what: &str) {
        self.add(
            at,
            format!("{what} is expected, and there is {}", at.kind()),
        );
    }

    /// A text as it stands; empty if there is nothing.
    pub(super) fn text(&mut self, at: Option<At<'_>>) -> String {
        let Some(at) = at.filter(|at| !at.is_null()) else {
            return String::new();
        };
        let text = at.as_text().map(ToOwned::to_owned);
        text.unwrap_or_else(|| {
            self.expected(at, "a text (in quotes, if it looks like something else)");
            String::new()
        })
    }

    /// A text, which numbers and booleans are made to.
    pub(super) fn any_text(&mut self, at: Option<At<'_>>) -> String {
        match at.map(|at| &at.node.value) {
            Some(Value::Scalar { text, plain: true }) => Scalar::of(text).to_text(),
            _ => self.text(at),
        }
    }

    /// A boolean; `default` if there is nothing.
    pub(super) fn boolean(&mut self, at: Option<At<'_>>, default: bool) -> bool {
        let Some(at) = at.filter(|at| !at.is_null()) else {
            return default;
        };
        if let Value::Scalar { text, plain: true } = &at.node.value
            && let Scalar::Bool(value) = Scalar::of(text)
        {
            return value;
        }
        self.expected(at, "a boolean");
        default
    }

    /// A whole number.
    pub(super) fn integer(&mut self, at: Option<At<'_>>) -> Option<i128> {
        let at = at.filter(|at| !at.is_null())?;
        if let Value::Scalar { text, plain: true } = &at.node.value {
            match Scalar::of(text) {
                Scalar::Integer(value) => return Some(value),
                // JSON knows no difference. The range is that of numbers that are whole for sure.
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "it has no fraction and is small"
                )]
                Scalar::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                    return Some(value as i128);
                }
                _ => {}
            }
        }
        self.expected(at, "a whole number");
        None
    }

    /// What a list has; nothing if there is none.
    pub(super) fn list<'a>(&mut self, at: Option<At<'a>>) -> List<'a> {
        let nodes = match at.filter(|at| !at.is_null()) {
            None => None,
            Some(at) => match &at.node.value {
                Value::List(nodes) => Some((nodes.as_slice(), at.key)),
                _ => {
                    self.expected(at, "a list");
                    None
                }
            },
        };
        List { nodes }
    }

    /// The fields of a mapping; nothing, with a fault, if it is none.
    pub(super) fn fields<'a>(&mut self, at: At<'a>) -> Option<Fields<'a>> {
        match &at.node.value {
            Value::Map(entries) => Some(Fields {
                entries,
                key: at.key,
            }),
            _ => {
                self.expected(at, "a mapping");
                None
            }
        }
    }

    /// The fields of a mapping; none if there is nothing.
    pub(super) fn optional_fields<'a>(&mut self, at: Option<At<'a>>) -> Option<Fields<'a>> {
        self.fields(at.filter(|at| !at.is_null())?)
    }
}

/// The nodes of a list.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    nodes: Option<(&'a [Node], Key<'a>)>,
}

impl<'a> List<'a> {
    pub(super) fn len(self) -> usize {
        self.nodes.map_or(0, |(nodes, _)| nodes.len())
    }

    /// Calls `each` with every node of it, and collects what it makes.
    pub(super) fn map<T>(self, mut each: impl FnMut(At<'_>) -> T) -> Vec<T> {
        let Some((nodes, key)) = &self.nodes else {
            return Vec::new();
        };
        let nodes = nodes.iter().enumerate().map(|(index, node)| {
            each(At {
                node,
                key: Key {
                    parent: Some(key),
                    part: Part::Index(index),
                },
            })
        });
        nodes.collect()
    }
}

/// The entries of a mapping.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) entries: &'a [(String, Node)],
    key: Key<'a>,
}

impl<'a> Fields<'a> {
    /// The field with this name, or else one whose name differs in the case of letters only.
    pub(super) fn get(&'a self, name: &str) -> Option<At<'a>> {
        self.exactly(name).or_else(|| {
            let mut entries = self.entries.iter().rev();
            entries
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|entry| self.at(entry))
        })
    }

    /// The field with this name.
    pub(super) fn exactly(&'a self, name: &str) -> Option<At<'a>> {
        let mut entries = self.entries.iter();
        entries
            .find(|(known, _)| known == name)
            .map(|entry| self.at(entry))
    }

    /// The name and the value of the only field.
    pub(super) fn only(&'a self) -> Option<(&'a str, At<'a>)> {
        match self.entries {
            [entry] => Some((&entry.0, self.at(entry))),
            _ => None,
        }
    }

    /// All fields.
    pub(super) fn all(&'a self) -> impl Iterator<Item = (&'a str, At<'a>)> {
        self.entries
            .iter()
            .map(|entry| (entry.0.as_str(), self.at(entry)))
    }

    fn at(&'a self, (name, node): &'a (String, Node)) -> At<'a> {
        At {
            node,
            key: Key {
                parent: Some(&self.key),
                part: Part::Name(name),
            },
        }
    }
}
