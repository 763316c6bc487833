//! Where the ids of loaded documents come from.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// `--id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdSource {
    /// The row number, 12 digits from 1.
    RowNumber,
    /// A top-level field.
    Field(String),
}

impl FromStr for IdSource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<IdSource, Infallible> {
        Ok(match text {
            "auto" => IdSource::RowNumber,
            field => IdSource::Field(field.to_owned()),
        })
    }
}

impl IdSource {
    /// The id of the document `text` in row `row`; checks on the way that the text is one JSON value.
    ///
    /// A number is taken as it is written.
    pub(super) fn id_of(&self, text: &str, row: u64) -> Result<String, serde_json::Error> {
        match self {
            IdSource::RowNumber => {
                serde_json::from_str::<IgnoredAny>(text)?;
                Ok(format!("{row:012}"))
            }
            IdSource::Field(name) => {
                let mut deserializer = serde_json::Deserializer::from_str(text);
                let id = FieldAsId(name).deserialize(&mut deserializer)?;
                deserializer.end()?;
                Ok(id)
            }
        }
    }
}

/// Finds the field of this name in an object.
struct FieldAsId<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for FieldAsId<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldAsId<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with the id in field {:?}", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<String, A::Error> {
        let mut id = None;
        while let Some(is_id) = fields.next_key_seed(IsName(self.0))? {
            if !is_id {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = fields.next_value::<&RawValue>()?;
            if id.replace(as_id(self.0, value)?).is_some() {
                return Err(A::Error::custom(format!(
                    "the id field {:?} occurs twice",
                    self.0
                )));
            }
        }
        id.ok_or_else(|| A::Error::custom(format!("the id field {:?} is missing", self.0)))
    }
}

fn as_id<E: serde::de::Error>(name: &str, value: &RawValue) -> Result<String, E> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(E::custom),
        Some(b'-' | b'0'..=b'9') => Ok(text.to_owned()),
        _ => Err(E::custom(format!(
            "the id field {name:?} is neither a string nor a number"
        ))),
    }
}

/// Tells whether a key is this one.
struct IsName<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(field: &str, text: &str) -> Result<String, String> {
        IdSource::Field(field.to_owned())
            .id_of(text, 1)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn strings_and_numbers_become_ids_as_they_are_written() {
        assert_eq!(
            id_of("id", r#"{"a":[{"id":1}],"id":"x\u00e9"}"#).unwrap(),
            "xé"
        );
        assert_eq!(id_of("id", r#"{"id": 1.50e3 }"#).unwrap(), "1.50e3");
        assert_eq!(id_of("é", r#"{"\u00e9":-7}"#).unwrap(), "-7");
        let beyond_64_bits = "123456789012345678901234567890";
        assert_eq!(
            id_of("id", &format!("{{\"id\":{beyond_64_bits}}}")).unwrap(),
            beyond_64_bits
        );
    }

    #[test]
    fn other_values_are_no_ids() {
        for (text, expected) in [
            (r#"{"a":1}"#, "missing"),
            (r#"{"id":null}"#, "neither a string nor a number"),
            (r#"{"id":["a"]}"#, "neither a string nor a number"),
            (r#"{"id":1,"id":2}"#, "occurs twice"),
            (r#"["id"]"#, "expected an object with the id in field"),
            (r#"{"id":1} x"#, "trailing"),
        ] {
            let error = id_of("id", text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
