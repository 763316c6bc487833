//! Reading types from layers of nodes.

use std::fmt;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};

use super::node::{Node, Place, Value, fold};
use super::{error, yaml};
use crate::Error;

/// What all sources say about one key; what wins stands first.
#[derive(Clone)]
pub(super) struct Layers<'a> {
    nodes: Vec<&'a Node>,
    /// Keys of this mapping that another type reads.
    others: &'static [&'static str],
}

/// What is wrong, with the keys on the way to it, innermost first.
#[derive(Debug)]
pub(super) struct Problem {
    message: String,
    keys: Vec<String>,
    found: Option<(Option<String>, Place)>,
}

impl<'a> Layers<'a> {
    pub(super) fn of(layers: &'a [Node]) -> Layers<'a> {
        Layers::new(layers.iter().collect())
    }

    fn new(nodes: Vec<&'a Node>) -> Layers<'a> {
        Layers { nodes, others: &[] }
    }

    /// The same mapping, part of whose keys `T` reads.
    pub(super) fn beside<T: DeserializeOwned>(mut self) -> Layers<'a> {
        self.others = match T::deserialize(Probe) {
            Err(Found(fields)) => fields,
            Ok(_) => &[],
        };
        self
    }

    /// What is said about a key of this mapping, if anything is.
    pub(super) fn child(&self, key: &str) -> Option<Layers<'a>> {
        let nodes: Vec<&Node> = self
            .entries()
            .filter(|(name, node)| is_key(name, key, &node.place))
            .map(|(_, node)| node)
            .collect();
        (!nodes.is_empty()).then(|| Layers::new(nodes))
    }

    /// The entries of all layers that are mappings, up to the first that is something else.
    fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        let maps = self.nodes.clone().into_iter();
        maps.take_while(|node| matches!(node.value, Value::Map(_)))
            .flat_map(|node| node.entries())
            .map(|(key, node)| (key.as_str(), node))
    }

    /// Reads all of it as `T`; `path` is where it stands.
    pub(super) fn read<T: DeserializeOwned>(self, path: &str) -> Result<T, Error> {
        T::deserialize(self).map_err(|problem| {
            let mut path = path.to_owned();
            for key in problem.keys.iter().rev() {
                let separator = if path.is_empty() || key.starts_with('[') {
                    ""
                } else {
                    "."
                };
                path = format!("{path}{separator}{key}");
            }
            match &problem.found {
                Some((Some(value), place)) => {
                    let value: String = value.chars().take(100).collect();
                    error(format!(
                        "{path} is {value:?} ({place}): {}",
                        problem.message
                    ))
                }
                Some((None, place)) => error(format!("{path} ({place}): {}", problem.message)),
                None => error(format!("{path}: {}", problem.message)),
            }
        })
    }

    fn top(&self) -> Option<&'a Node> {
        self.nodes.first().copied()
    }

    /// Says where a problem was found, unless that is known.
    fn locate(&self, mut problem: Problem) -> Problem {
        if problem.found.is_none()
            && let Some(node) = self.top()
        {
            let text = match &node.value {
                Value::Scalar { text, .. } => Some(text.clone()),
                _ => None,
            };
            problem.found = Some((text, node.place.clone()));
        }
        problem
    }

    fn refuse(&self, message: impl fmt::Display) -> Problem {
        self.locate(de::Error::custom(message))
    }

    /// The text of a scalar and whether it may be a number; empty for a key without a value.
    fn scalar(&self, expected: &str) -> Result<(&'a str, bool), Problem> {
        match self.top().map(|node| &node.value) {
            Some(Value::Scalar { text, plain }) => Ok((text, *plain)),
            Some(Value::Null) | None => Ok(("", true)),
            Some(Value::List(_)) => Err(self.refuse(format!("{expected}, not a list"))),
            Some(Value::Map(_)) => Err(self.refuse(format!("{expected}, not a mapping"))),
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.top().map(|node| &node.value), Some(Value::Null) | None)
    }

    fn integer<N: std::str::FromStr>(&self) -> Result<N, Problem> {
        const EXPECTED: &str = "a whole number in the range of the key is expected, without quotes";
        if self.is_null() {
            return "0".parse().map_err(|_| self.refuse(EXPECTED));
        }
        let (text, plain) = self.scalar(EXPECTED)?;
        let number = text.parse().ok().filter(|_| plain);
        number.ok_or_else(|| self.refuse(EXPECTED))
    }
}

fn is_key(name: &str, key: &str, place: &Place) -> bool {
    name == key || (place.is_environment() && name == fold(key))
}

impl<'de> Deserializer<'de> for Layers<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let Some(node) = self.top() else {
            return visitor.visit_unit();
        };
        match &node.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar { text, plain } => {
                let number = text.parse::<u64>().ok().filter(|_| *plain);
                let value = match number {
                    Some(number) => visitor.visit_u64(number),
                    None => visitor.visit_str(text),
                };
                value.map_err(|problem| self.locate(problem))
            }
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        const EXPECTED: &str = "true or false is expected, without quotes";
        let (text, plain) = self.scalar(EXPECTED)?;
        let value = match text {
            _ if self.is_null() => false,
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if plain => true,
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if plain => {
                false
            }
            _ => return Err(self.refuse(EXPECTED)),
        };
        visitor.visit_bool(value)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let value = visitor.visit_i64(self.integer()?);
        value.map_err(|problem| self.locate(problem))
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let value = visitor.visit_u64(self.integer()?);
        value.map_err(|problem| self.locate(problem))
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let (text, _) = self.scalar("a text is expected")?;
        let value = visitor.visit_str(text);
        value.map_err(|problem| self.locate(problem))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.is_null() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let (text, _) = self.scalar("a text is expected")?;
        let deserializer: StrDeserializer<'_, Problem> = text.into_deserializer();
        let value = visitor.visit_enum(deserializer);
        value.map_err(|_| self.refuse(format!("accepted are {}", listed(variants))))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let Some(node) = self.top() else {
            return visitor.visit_seq(Elements::new(&[]));
        };
        match &node.value {
            Value::Null => visitor.visit_seq(Elements::new(&[])),
            Value::List(nodes) => visitor.visit_seq(Elements::new(nodes)),
            // A list with commas.
            Value::Scalar { text, .. } if !node.place.is_file() => {
                let parts = text.split(',').map(str::trim);
                let parts = parts.filter(|part| !part.is_empty());
                let nodes: Result<Vec<Node>, Error> = parts
                    .map(|part| yaml::value(part, node.place.clone()))
                    .collect();
                let nodes = nodes.map_err(|error| self.refuse(error))?;
                visitor.visit_seq(Elements::new(&nodes))
            }
            Value::Scalar { .. } | Value::Map(_) => Err(self.refuse("a list is expected")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let mut keys: Vec<String> = Vec::new();
        for (key, _) in self.entries() {
            if !keys.iter().any(|known| known == key) {
                keys.push(key.to_owned());
            }
        }
        self.check_mapping()?;
        visitor.visit_map(Fields::new(&self, keys))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.check_mapping()?;
        for (key, node) in self.entries() {
            let mut known = fields.iter().chain(self.others);
            if !known.any(|field| is_key(key, field, &node.place)) {
                let known: Vec<&str> = fields.iter().chain(self.others).copied().collect();
                let mut problem: Problem = de::Error::custom(unknown_key(key, &known));
                problem.keys.push(key.to_owned());
                problem.found = Some((None, node.place.clone()));
                return Err(problem);
            }
        }
        let given = fields.iter().filter(|field| self.child(field).is_some());
        let given = given.map(|field| (*field).to_owned()).collect();
        visitor.visit_map(Fields::new(&self, given))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

impl Layers<'_> {
    fn check_mapping(&self) -> Result<(), Problem> {
        match self.top().map(|node| &node.value) {
            Some(Value::Scalar { .. } | Value::List(_)) => {
                Err(self.refuse("a mapping of keys is expected"))
            }
            _ => Ok(()),
        }
    }
}

/// Says that a key is not known, and which may have been meant.
fn unknown_key(key: &str, fields: &[&str]) -> String {
    const DISTANCE_MAX: usize = 3;
    let near = fields
        .iter()
        .map(|field| (strsim::damerau_levenshtein(&fold(key), &fold(field)), field))
        .filter(|(distance, field)| *distance <= DISTANCE_MAX && *distance < field.len())
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, field)) => format!("there is no such key; is {field:?} meant?"),
        None => format!("there is no such key; known are {}", listed(fields)),
    }
}

fn listed(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    names.join(", ")
}

struct Fields<'l, 'a> {
    layers: &'l Layers<'a>,
    keys: std::vec::IntoIter<String>,
    current: Option<String>,
}

impl<'l, 'a> Fields<'l, 'a> {
    fn new(layers: &'l Layers<'a>, keys: Vec<String>) -> Fields<'l, 'a> {
        Fields {
            layers,
            keys: keys.into_iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_, '_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        let Some(key) = self.keys.next() else {
            return Ok(None);
        };
        let deserializer: StringDeserializer<Problem> = key.clone().into_deserializer();
        self.current = Some(key);
        seed.deserialize(deserializer).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let key = self.current.take().unwrap_or_default();
        let layers = self.layers.child(&key);
        let layers = layers.unwrap_or_else(|| Layers::new(Vec::new()));
        seed.deserialize(layers.clone()).map_err(|problem| {
            let mut problem = layers.locate(problem);
            problem.keys.push(key);
            problem
        })
    }
}

struct Elements<'a> {
    nodes: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'a> Elements<'a> {
    fn new(nodes: &'a [Node]) -> Elements<'a> {
        Elements {
            nodes: nodes.iter().enumerate(),
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        let Some((index, node)) = self.nodes.next() else {
            return Ok(None);
        };
        let layers = Layers::new(vec![node]);
        let element = seed.deserialize(layers.clone()).map_err(|problem| {
            let mut problem = layers.locate(problem);
            problem.keys.push(format!("[{index}]"));
            problem
        });
        element.map(Some)
    }
}

/// Asks a type for its fields.
struct Probe;

/// What a type that was asked answers: not a failure, but what was looked for.
#[derive(Debug)]
struct Found(&'static [&'static str]);

impl<'de> Deserializer<'de> for Probe {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Found> {
        Err(Found(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Found> {
        Err(Found(fields))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the fields of a type")
    }
}

impl std::error::Error for Found {}

impl de::Error for Found {
    fn custom<T: fmt::Display>(_message: T) -> Found {
        Found(&[])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Problem {
        Problem {
            message: message.to_string(),
            keys: Vec::new(),
            found: None,
        }
    }
}
