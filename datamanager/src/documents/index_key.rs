//! Keys of indexes: tuples of values, encoded so that byte order is value order.
//!
//! Source: `docs/formats.md`, section "Index key".

use std::borrow::Cow;

use crate::Timestamp;

/// Bytes of an encoded key, at most.
pub(crate) const INDEX_KEY_BYTES_MAX: usize = 2048;

/// Ends a key; less than every tag, so that of two keys the one with fewer fields comes first.
pub(crate) const KEY_END: u8 = 0x00;
const TAG_NONE: u8 = 0x02;
const TAG_FALSE: u8 = 0x10;
const TAG_TRUE: u8 = 0x11;
/// Zero; the integers of one to sixteen bytes lie around it.
const TAG_ZERO: u8 = 0x30;
const TAG_TIME: u8 = 0x50;
const TAG_STRING: u8 = 0x60;
/// Follows a zero byte of a string.
const STRING_ZERO: u8 = 0xff;
/// Follows the zero byte that ends a string; less than [`STRING_ZERO`], so that "a" comes before "a\0".
const STRING_END: u8 = 0x01;

/// What kind of values a field of an index has.
///
/// Text form: `string`, `integer`, `bool`, `time`, with a `?` behind it where the value may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldKind {
    name: &'static str,
    optional: bool,
}

impl FieldKind {
    const KINDS: [&str; 4] = ["string", "integer", "bool", "time"];

    const fn of(name: &'static str) -> FieldKind {
        FieldKind {
            name,
            optional: false,
        }
    }

    const fn optional(self) -> FieldKind {
        FieldKind {
            optional: true,
            ..self
        }
    }

    /// Whether a value of kind `other` can be looked for in a field of this kind.
    fn accepts(self, other: FieldKind) -> bool {
        self.name == other.name && (self.optional || !other.optional)
    }
}

impl std::fmt::Display for FieldKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let optional = if self.optional { "?" } else { "" };
        write!(formatter, "{}{optional}", self.name)
    }
}

impl serde::Serialize for FieldKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for FieldKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<FieldKind, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (name, optional) = match text.strip_suffix('?') {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        let known = FieldKind::KINDS.iter().find(|kind| **kind == name);
        let name = known
            .ok_or_else(|| serde::de::Error::custom(format!("unknown kind of field {text:?}")))?;
        Ok(FieldKind { name, optional })
    }
}

/// Takes the fields of a key, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyEncoder {
    bytes: Vec<u8>,
    has_none: bool,
}

impl KeyEncoder {
    fn push_none(&mut self) {
        self.has_none = true;
        self.bytes.push(TAG_NONE);
    }

    fn push_bool(&mut self, value: bool) {
        self.bytes.push(if value { TAG_TRUE } else { TAG_FALSE });
    }

    fn push_integer(&mut self, value: i128) {
        let magnitude = value.unsigned_abs();
        let zeros = (magnitude.leading_zeros() / 8) as usize;
        let bytes = magnitude.to_be_bytes();
        let significant = bytes.get(zeros..).unwrap_or_default();
        // At most 16, as many as a 128-bit number has.
        #[expect(clippy::cast_possible_truncation, reason = "it is at most 16")]
        let len = significant.len() as u8;
        if value < 0 {
            self.bytes.push(TAG_ZERO - len);
            self.bytes.extend(significant.iter().map(|byte| !byte));
        } else {
            self.bytes.push(TAG_ZERO + len);
            self.bytes.extend(significant);
        }
    }

    fn push_time(&mut self, value: Timestamp) {
        self.bytes.push(TAG_TIME);
        self.bytes.extend(value.as_millis().to_be_bytes());
    }

    fn push_string(&mut self, value: &str) {
        self.bytes.push(TAG_STRING);
        for part in value.split_inclusive('\0') {
            self.bytes.extend(part.as_bytes());
            if part.ends_with('\0') {
                self.bytes.push(STRING_ZERO);
            }
        }
        self.bytes.extend([0, STRING_END]);
    }
}

/// The fields of one key, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncodedKey {
    pub(crate) bytes: Vec<u8>,
    /// Whether a field has no value; such keys are not unique.
    pub(crate) has_none: bool,
    pub(crate) fields: Vec<FieldKind>,
}

impl EncodedKey {
    pub(crate) fn of<K: IndexKey>(key: &K) -> EncodedKey {
        let mut encoder = KeyEncoder::default();
        key.encode(&mut encoder);
        EncodedKey {
            bytes: encoder.bytes,
            has_none: encoder.has_none,
            fields: K::fields(),
        }
    }

    /// Whether this can be looked for in an index with these fields: it has the kinds of the first of them.
    pub(crate) fn fits(&self, fields: &[FieldKind]) -> bool {
        self.fields.len() <= fields.len()
            && fields
                .iter()
                .zip(&self.fields)
                .all(|(field, own)| field.accepts(*own))
    }

    /// The key without the end of its last field, which must be a string: what all strings begin with that it begins.
    pub(crate) fn open_string(&self) -> Option<&[u8]> {
        let is_string = self.fields.last().is_some_and(|kind| kind.name == "string");
        let open = self.bytes.strip_suffix(&[0, STRING_END]);
        open.filter(|_| is_string)
    }
}

/// One value of an index key.
///
/// For types of your own, encode what they hold:
///
/// ```
/// use datamanager::{FieldKind, IndexField, KeyEncoder};
///
/// struct TeamId(u64);
///
/// impl IndexField for TeamId {
///     const KIND: FieldKind = <u64 as IndexField>::KIND;
///
///     fn encode_field(&self, encoder: &mut KeyEncoder) {
///         self.0.encode_field(encoder);
///     }
/// }
/// ```
pub trait IndexField {
    /// What kind of values these are. Integers of all sizes are one kind, and equal if their values are.
    const KIND: FieldKind;

    /// Appends the value to a key.
    fn encode_field(&self, encoder: &mut KeyEncoder);
}

impl IndexField for str {
    const KIND: FieldKind = FieldKind::of("string");

    fn encode_field(&self, encoder: &mut KeyEncoder) {
        encoder.push_string(self);
    }
}

impl IndexField for String {
    const KIND: FieldKind = <str as IndexField>::KIND;

    fn encode_field(&self, encoder: &mut KeyEncoder) {
        encoder.push_string(self);
    }
}

impl IndexField for Cow<'_, str> {
    const KIND: FieldKind = <str as IndexField>::KIND;

    fn encode_field(&self, encoder: &mut KeyEncoder) {
        encoder.push_string(self);
    }
}

impl IndexField for bool {
    const KIND: FieldKind = FieldKind::of("bool");

    fn encode_field(&self, encoder: &mut KeyEncoder) {
        encoder.push_bool(*self);
    }
}

impl IndexField for Timestamp {
    const KIND: FieldKind = FieldKind::of("time");

    fn encode_field(&self, encoder: &mut KeyEncoder) {
        encoder.push_time(*self);
    }
}

macro_rules! integer_fields {
    ($($integer:ty),*) => {$(
        impl IndexField for $integer {
            const KIND: FieldKind = FieldKind::of("integer");

            fn encode_field(&self, encoder: &mut KeyEncoder) {
                encoder.push_integer(i128::from(*self));
            }
        }
    )*};
}

integer_fields!(u8, u16, u32, u64, i8, i16, i32, i64, i128);

impl<F: IndexField + ?Sized> IndexField for &F {
    const KIND: FieldKind = F::KIND;

    fn encode_field(&self, encoder: &mut KeyEncoder) {
        (**self).encode_field(encoder);
    }
}

/// A missing value comes before all others.
impl<F: IndexField> IndexField for Option<F> {
    const KIND: FieldKind = F::KIND.optional();

    fn encode_field(&self, encoder: &mut KeyEncoder) {
        match self {
            Some(value) => value.encode_field(encoder),
            None => encoder.push_none(),
        }
    }
}

/// A key of an index: one value, or a tuple of up to six.
///
/// Keys are ordered by their first values, then by their second ones, and so on: strings by their UTF-8 bytes, integers and
/// times by size, `false` before `true`, a missing value before all others.
pub trait IndexKey {
    /// The kinds of the values.
    fn fields() -> Vec<FieldKind>;

    /// Appends the values.
    fn encode(&self, encoder: &mut KeyEncoder);
}

impl<F: IndexField> IndexKey for F {
    fn fields() -> Vec<FieldKind> {
        vec![F::KIND]
    }

    fn encode(&self, encoder: &mut KeyEncoder) {
        self.encode_field(encoder);
    }
}

macro_rules! tuple_keys {
    ($($field:ident $place:tt),+) => {
        impl<$($field: IndexField),+> IndexKey for ($($field,)+) {
            fn fields() -> Vec<FieldKind> {
                vec![$($field::KIND),+]
            }

            fn encode(&self, encoder: &mut KeyEncoder) {
                $(self.$place.encode_field(encoder);)+
            }
        }
    };
}

tuple_keys!(A 0);
tuple_keys!(A 0, B 1);
tuple_keys!(A 0, B 1, C 2);
tuple_keys!(A 0, B 1, C 2, D 3);
tuple_keys!(A 0, B 1, C 2, D 3, E 4);
tuple_keys!(A 0, B 1, C 2, D 3, E 4, F 5);

/// The length of the fields at the start of `bytes`, up to their [`KEY_END`]; `None` if that is no key.
pub(crate) fn key_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match field_len(bytes.get(at..)?)? {
            0 => return Some(at),
            len => at += len,
        }
    }
}

/// The length of the field at the start of `bytes`, 0 at the end of the key.
fn field_len(bytes: &[u8]) -> Option<usize> {
    let len = match *bytes.first()? {
        KEY_END => return Some(0),
        TAG_NONE | TAG_FALSE | TAG_TRUE => 1,
        TAG_TIME => 9,
        tag @ 0x20..=0x40 => 1 + usize::from(tag.abs_diff(TAG_ZERO)),
        TAG_STRING => return string_len(bytes),
        _ => return None,
    };
    (len <= bytes.len()).then_some(len)
}

/// The length of the string field at the start of `bytes`, its end included.
fn string_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0)?;
        match *bytes.get(at + 1)? {
            STRING_ZERO => at += 2,
            STRING_END => return Some(at + 2),
            _ => return None,
        }
    }
}

/// The fields of an encoded key as text for messages: one value, or several in parentheses.
pub(crate) fn describe_key_fields(mut bytes: &[u8]) -> String {
    let mut fields = Vec::new();
    while let Some(len) = field_len(bytes).filter(|len| *len > 0) {
        fields.push(describe_field(&bytes[..len]));
        bytes = &bytes[len..];
    }
    match fields.as_slice() {
        [field] => field.clone(),
        _ => format!("({})", fields.join(", ")),
    }
}

fn describe_field(field: &[u8]) -> String {
    let number = |bytes: &[u8], invert: bool| {
        bytes.iter().fold(0u128, |number, byte| {
            number << 8 | u128::from(if invert { !byte } else { *byte })
        })
    };
    match field[0] {
        TAG_NONE => "none".to_owned(),
        TAG_FALSE => "false".to_owned(),
        TAG_TRUE => "true".to_owned(),
        TAG_TIME => format!("{} ms", number(&field[1..], false)),
        TAG_STRING => {
            let text = &field[1..field.len().saturating_sub(2).max(1)];
            let mut unescaped = Vec::with_capacity(text.len());
            let mut after_zero = false;
            for byte in text {
                if !after_zero {
                    unescaped.push(*byte);
                }
                after_zero = *byte == 0 && !after_zero;
            }
            format!("{:?}", String::from_utf8_lossy(&unescaped))
        }
        tag if tag < TAG_ZERO => format!("-{}", number(&field[1..], true)),
        _ => number(&field[1..], false).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded<K: IndexKey>(key: K) -> Vec<u8> {
        EncodedKey::of(&key).bytes
    }

    type Sample = (Option<String>, i64, bool, u64, Option<i128>);

    fn sample() -> impl Strategy<Value = Sample> {
        // Few values, so that keys agree in their first fields; and strings that are beginnings of each other.
        let string = proptest::option::of("[a\u{0}\u{1}ü\u{10ffff}]{0,3}");
        let integer = prop_oneof![Just(i64::MIN), -300i64..300, Just(i64::MAX)];
        let wide = proptest::option::of(prop_oneof![-70_000i128..70_000, any::<i128>()]);
        (string, integer, any::<bool>(), 0u64..3, wide)
    }

    fn sample_key(sample: &Sample) -> Vec<u8> {
        let (string, integer, bool, time, wide) = sample;
        encoded((
            string.as_deref(),
            *integer,
            *bool,
            Timestamp::from_millis(*time),
            *wide,
        ))
    }

    proptest! {
        #[test]
        fn byte_order_is_value_order(left in sample(), right in sample()) {
            let (left_key, right_key) = (sample_key(&left), sample_key(&right));
            prop_assert_eq!(left_key.cmp(&right_key), left.cmp(&right));
        }

        #[test]
        fn a_key_ends_where_its_last_field_does(sample in sample(), rest in any::<Vec<u8>>()) {
            let mut bytes = sample_key(&sample);
            let len = bytes.len();
            bytes.push(KEY_END);
            bytes.extend(rest);
            prop_assert_eq!(key_len(&bytes), Some(len));
        }

        #[test]
        fn any_bytes_can_be_asked_for_a_key(bytes in any::<Vec<u8>>()) {
            if let Some(len) = key_len(&bytes) {
                prop_assert!(len < bytes.len());
            }
            describe_key_fields(&bytes);
        }

        #[test]
        fn strings_that_begin_with_a_prefix_are_those_whose_keys_do(
            prefix in "[a\u{0}b]{0,2}",
            string in "[a\u{0}b]{0,4}",
        ) {
            let prefix_key = EncodedKey::of(&prefix);
            let open = prefix_key.open_string().expect("the key of a string");
            prop_assert_eq!(encoded(&string).starts_with(open), string.starts_with(&prefix));
        }
    }

    #[test]
    fn integers_of_all_sizes_with_one_value_are_equal() {
        assert_eq!(encoded(7u8), encoded(7i128));
        assert_eq!(encoded(u64::MAX), encoded(i128::from(u64::MAX)));
        assert!(encoded(i128::MIN) < encoded(i64::MIN) && encoded(i64::MIN) < encoded(-1));
    }

    #[test]
    fn keys_are_shown_as_people_write_them() {
        let key = encoded(("a\0\"b", -258, None::<bool>, true));
        assert_eq!(describe_key_fields(&key), r#"("a\0\"b", -258, none, true)"#);
        assert_eq!(describe_key_fields(&encoded("bob")), r#""bob""#);
        assert_eq!(describe_key_fields(&encoded(0)), "0");
    }

    #[test]
    fn a_key_fits_an_index_that_begins_with_its_kinds() {
        let fields = <(Option<String>, u32)>::fields();
        assert!(EncodedKey::of(&"a").fits(&fields));
        assert!(EncodedKey::of(&(None::<&str>, 7i64)).fits(&fields));
        assert!(!EncodedKey::of(&7).fits(&fields));
        assert!(!EncodedKey::of(&("a", 7, 7)).fits(&fields));
        assert!(!EncodedKey::of(&("a", Some(7))).fits(&fields));
    }
}
