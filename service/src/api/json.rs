//! How fields of JSON are read and left out, for the attributes of `serde`.

use std::borrow::Cow;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::UnknownName;

/// Whether a flag is off, and so left out.
pub fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Whether a value is the default, and so left out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a name where there may be none: `null` and the empty text count as none.
///
/// # Errors
/// A text that is none of the names.
pub fn optional<'de, D, E>(deserializer: D) -> Result<Option<E>, D::Error>
where
    D: Deserializer<'de>,
    E: FromStr<Err = UnknownName>,
{
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(name) => name.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

/// Reads a name where `null` and the empty text count as the default.
///
/// # Errors
/// A text that is none of the names.
pub fn name_or_default<'de, D, E>(deserializer: D) -> Result<E, D::Error>
where
    D: Deserializer<'de>,
    E: FromStr<Err = UnknownName> + Default,
{
    Ok(optional(deserializer)?.unwrap_or_default())
}

/// Reads a value where `null` counts as the default.
///
/// # Errors
/// What is no such value.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Writes `null` for an empty map or list, as Go does for one that was never made.
///
/// # Errors
/// Those of the serializer.
pub fn empty_as_null<S, T>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    T: Serialize + Default + PartialEq,
{
    match *value == T::default() {
        true => serializer.serialize_none(),
        false => value.serialize(serializer),
    }
}
