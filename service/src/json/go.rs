//! JSON as Go's `encoding/json` reads and writes it, where that differs from `serde_json`.

use serde::Serialize;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde_json::Value;

use crate::Error;

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let value = match values.next() {
        None => return Err(Error::bad_request("the body is empty: JSON is expected")),
        Some(Err(cause)) => {
            return Err(Error::bad_request(format!("the body is no JSON: {cause}")));
        }
        Some(Ok(Value::Null)) => {
            return Err(Error::bad_request("the body is null: a value is expected"));
        }
        Some(Ok(value)) => value,
    };
    T::deserialize(AsGo(value))
        .map_err(|cause| Error::bad_request(format!("the body is not what is expected: {cause}")))
}

pub(super) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let body = serde_json::to_vec(value)?;
    let special = |byte: &u8| matches!(byte, b'<' | b'>' | b'&');
    // U+2028 and U+2029 are e2 80 a8 and e2 80 a9.
    if !body.iter().any(|byte| special(byte) || *byte == 0xe2) {
        return Ok(body);
    }
    // All of these stand in strings alone.
    let mut escaped = Vec::with_capacity(body.len() + 64);
    let mut rest = body.as_slice();
    while let Some(first) = rest.first() {
        let (escape, length): (&[u8], usize) = match rest {
            [b'<', ..] => (b"\\u003c", 1),
            [b'>', ..] => (b"\\u003e", 1),
            [b'&', ..] => (b"\\u0026", 1),
            [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
            _ => (std::slice::from_ref(first), 1),
        };
        escaped.extend_from_slice(escape);
        rest = &rest[length..];
    }
    Ok(escaped)
}

/// A value whose keys are matched to the fields of structs as Go does it.
struct AsGo(Value);

impl<'de> IntoDeserializer<'de, serde_json::Error> for AsGo {
    type Deserializer = AsGo;

    fn into_deserializer(self) -> AsGo {
        self
    }
}

impl<'de> Deserializer<'de> for AsGo {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Array(values) => {
                let mut elements = SeqDeserializer::new(values.into_iter().map(AsGo));
                let value = visitor.visit_seq(&mut elements)?;
                elements.end()?;
                Ok(value)
            }
            Value::Object(entries) => {
                let entries = entries.into_iter().map(|(key, value)| (key, AsGo(value)));
                visitor.visit_map(MapDeserializer::new(entries))
            }
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let mut entries = match self.0 {
            Value::Object(entries) => entries,
            // A struct's visitor would take a list of its fields, too.
            other => return other.deserialize_map(visitor),
        };
        entries.retain(|_, value| !value.is_null());
        let mut matched = Vec::new();
        for field in fields {
            let folded = || {
                let mut keys = entries.keys();
                keys.find(|key| key.eq_ignore_ascii_case(field)).cloned()
            };
            let key = match entries.contains_key(*field) {
                true => Some((*field).to_owned()),
                false => folded(),
            };
            if let Some(value) = key.and_then(|key| entries.remove(&key)) {
                matched.push((*field, AsGo(value)));
            }
        }
        visitor.visit_map(MapDeserializer::new(matched.into_iter()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        id: String,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Outer {
        name: String,
        #[serde(rename = "ConfigPath")]
        path: Option<String>,
        parent: Inner,
        list: Vec<Inner>,
        map: BTreeMap<String, Inner>,
        count: u32,
    }

    fn outer(body: &str) -> Outer {
        parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn keys_are_matched_exactly_or_else_without_regard_to_case_at_every_depth() {
        let read = outer(
            r#"{"NAME":"a","configpath":"p","Parent":{"ID":"1"},"LIST":[{"Id":"2"}],"map":{"Key":{"iD":"3"}},"x":1}"#,
        );
        assert_eq!(read.name, "a");
        assert_eq!(read.path.as_deref(), Some("p"));
        assert_eq!(read.parent.id, "1");
        assert_eq!(read.list[0].id, "2");
        assert_eq!(read.map["Key"].id, "3");
        assert_eq!(outer(r#"{"NAME":"b","name":"a","Name":"c"}"#).name, "a");
    }

    #[test]
    fn null_is_absent_and_what_stands_behind_the_first_value_is_not_looked_at() {
        let read =
            outer(r#"{"name":null,"ConfigPath":null,"parent":null,"list":null,"count":null} %"#);
        assert_eq!(read, Outer::default());
        assert_eq!(outer(r#"  {"name":"a"}{"name":"b"}"#).name, "a");
    }

    #[test]
    fn what_does_not_fit_is_a_bad_request() {
        for body in [
            "",
            " ",
            "null",
            "{",
            "[]",
            "1",
            r#"{"name":1}"#,
            r#"{"count":-1}"#,
            "\u{fffd}",
        ] {
            let error = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::BadRequest, "{body}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse::<Outer>(deep.as_bytes()).is_err());
    }

    #[test]
    fn replies_are_escaped_as_go_does_it() {
        let written = write(&["a<b>&c", "é\u{2028}\u{2029}€"]).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(
            written,
            "[\"a\\u003cb\\u003e\\u0026c\",\"é\\u2028\\u2029€\"]"
        );
        assert_eq!(write(&"plain").unwrap(), b"\"plain\"");
    }
}
