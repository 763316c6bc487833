//! The JSON of one entry, taken apart without copying what need not be copied.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::{DecodeSliceError, Engine};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use super::base64_engine::base64_engine;
use super::entry::{check_export_id, check_export_type, is_internal};
use super::{DecodedEntry, ExportFormat};
use crate::Timestamp;

/// The fields of an entry's object, as they stand there.
#[derive(Default)]
pub(super) struct EntryFields<'a> {
    pub(super) data_type: Option<Text<'a>>,
    pub(super) id: Option<Text<'a>>,
    pub(super) id_base64: Option<Text<'a>>,
    pub(super) data: Option<Text<'a>>,
    pub(super) expires_at: Option<u64>,
}

impl<'a> EntryFields<'a> {
    /// Parses one object; refuses a field that the format does not have, and one that is there twice.
    pub(super) fn parse(
        format: ExportFormat,
        object: &'a [u8],
    ) -> Result<EntryFields<'a>, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(object);
        let fields = FieldsOf { format }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(fields)
    }

    /// Makes the entry with this number, or says what is wrong with it. A type that is not `last_type` takes its place.
    pub(super) fn into_entry(
        self,
        format: ExportFormat,
        value_bytes_max: usize,
        last_type: &mut Arc<str>,
        number: u64,
    ) -> Result<DecodedEntry, String> {
        let type_field = match format {
            ExportFormat::Native => "type",
            ExportFormat::Agola => "data_type",
        };
        let data_type = required(self.data_type, type_field)?;
        if data_type != **last_type {
            check_export_type(format, &data_type).map_err(|error| error.to_string())?;
            *last_type = Arc::from(data_type);
        }
        let id = decode_id(last_type, self.id, self.id_base64)?;
        check_export_id(last_type, &id).map_err(|error| error.chain())?;
        let data = required(self.data, "data")?;
        Ok(DecodedEntry {
            data_type: Arc::clone(last_type),
            id,
            value: decode_value(&data, value_bytes_max)?,
            expires_at: self.expires_at.map(Timestamp::from_millis),
            number,
        })
    }
}

/// A JSON string, borrowed unless it has escapes. (A `Cow` within an `Option` is never borrowed by serde.)
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'a, 'de: 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// Deserializes the fields that entries of one format have.
struct FieldsOf {
    format: ExportFormat,
}

impl<'de> DeserializeSeed<'de> for FieldsOf {
    type Value = EntryFields<'de>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<EntryFields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsOf {
    type Value = EntryFields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EntryFields<'de>, A::Error> {
        use ExportFormat::{Agola, Native};
        let mut fields = EntryFields::default();
        while let Some(Text(name)) = map.next_key()? {
            match (self.format, name.as_ref()) {
                (Native, "type") | (Agola, "data_type") => {
                    set(&mut fields.data_type, &name, &mut map)?;
                }
                (_, "id") => set(&mut fields.id, &name, &mut map)?,
                (Native, "id_base64") => set(&mut fields.id_base64, &name, &mut map)?,
                (_, "data") => set(&mut fields.data, &name, &mut map)?,
                (_, "expires_at") => set(&mut fields.expires_at, &name, &mut map)?,
                (Native, _) => {
                    return Err(A::Error::custom(format_args!(
                        "field {name:?} is not known: the file may be of a newer version"
                    )));
                }
                (Agola, _) => {
                    return Err(A::Error::custom(format_args!(
                        "field {name:?} is not known in format agola"
                    )));
                }
            }
        }
        Ok(fields)
    }
}

fn set<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    field: &mut Option<T>,
    name: &str,
    map: &mut A,
) -> Result<(), A::Error> {
    if field.is_some() {
        return Err(A::Error::custom(format_args!(
            "field {name:?} is there twice"
        )));
    }
    let value = map
        .next_value()
        .map_err(|error| A::Error::custom(format_args!("field {name:?}: {error}")))?;
    *field = Some(value);
    Ok(())
}

/// What is wrong with the JSON, without the line and column, which count from where the piece begins.
pub(super) fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    match error.classify() {
        serde_json::error::Category::Data => what.to_owned(),
        _ => format!("not a JSON object: {what}"),
    }
}

fn required<'a>(field: Option<Text<'a>>, name: &str) -> Result<Cow<'a, str>, String> {
    field
        .map(|Text(text)| text)
        .ok_or_else(|| format!("field {name:?} is missing"))
}

fn decode_id(
    data_type: &str,
    id: Option<Text<'_>>,
    id_base64: Option<Text<'_>>,
) -> Result<Bytes, String> {
    let Some(Text(encoded)) = id_base64 else {
        let id = required(id, "id")?;
        return Ok(Bytes::from(id.into_owned()));
    };
    if id.is_some() {
        return Err("fields \"id\" and \"id_base64\" are both there".to_owned());
    }
    if !is_internal(data_type) {
        return Err(format!(
            "field \"id_base64\" is for internal types, and {data_type:?} is none"
        ));
    }
    decode_base64(&encoded, "id_base64")
}

fn decode_value(encoded: &str, bytes_max: usize) -> Result<Bytes, String> {
    let bytes = decoded_len(encoded);
    if bytes > bytes_max {
        return Err(format!(
            "the value has {bytes} bytes: {bytes_max} are allowed"
        ));
    }
    decode_base64(encoded, "data")
}

/// The bytes that valid base64 stands for.
fn decoded_len(encoded: &str) -> usize {
    let padding = encoded
        .bytes()
        .rev()
        .take(2)
        .take_while(|byte| *byte == b'=');
    (encoded.len().div_ceil(4) * 3).saturating_sub(padding.count())
}

fn decode_base64(encoded: &str, field: &str) -> Result<Bytes, String> {
    let mut decoded = vec![0; decoded_len(encoded)];
    let len = base64_engine()
        .decode_slice(encoded, &mut decoded)
        .map_err(|error| {
            let why = match error {
                DecodeSliceError::DecodeError(error) => error.to_string(),
                DecodeSliceError::OutputSliceTooSmall => "its padding is wrong".to_owned(),
            };
            format!("field {field:?} is not base64 with padding: {why}")
        })?;
    decoded.truncate(len);
    Ok(Bytes::from(decoded))
}
