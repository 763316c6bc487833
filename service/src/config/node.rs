//! What a source of the configuration says, as a tree whose scalars are still text.

use std::fmt;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Line { file: String, line: usize },
    Environment(String),
    Flag,
}

impl Place {
    /// Whether keys are folded there, and lists written with commas.
    pub(super) fn is_environment(&self) -> bool {
        matches!(self, Place::Environment(_))
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Place::Line { .. })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line { file, line } => write!(formatter, "{file}, line {line}"),
            Place::Environment(name) => write!(formatter, "environment, {name}"),
            Place::Flag => formatter.write_str("command line"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    /// `plain` is whether it stands without quotes, so that it may be a number.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// A key is there once.
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn map(place: Place) -> Node {
        Node {
            value: Value::Map(Vec::new()),
            place,
        }
    }

    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Puts `node` at `path` below this map. What is there already and no map is replaced.
    pub(super) fn insert(&mut self, path: &[&str], node: Node) {
        let Some((key, below)) = path.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else {
            return;
        };
        let found = entries.iter().position(|(known, _)| known == key);
        let index = found.unwrap_or_else(|| {
            entries.push(((*key).to_owned(), Node::map(node.place.clone())));
            entries.len() - 1
        });
        entries[index].1.insert(below, node);
    }
}

/// What keys of the environment are compared by.
pub(super) fn fold(key: &str) -> String {
    key.chars()
        .filter(|character| *character != '_')
        .flat_map(char::to_lowercase)
        .collect()
}
