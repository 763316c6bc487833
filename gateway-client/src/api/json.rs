//! How fields of JSON are read and left out, for the attributes of `serde`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whether a flag is off, and so left out.
pub(super) fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Reads a name where there may be none: `null` and the empty text count as none.
pub(super) fn optional<'de, D, E>(deserializer: D) -> Result<Option<E>, D::Error>
where
    D: Deserializer<'de>,
    E: From<String>,
{
    let name = Option::<String>::deserialize(deserializer)?;
    Ok(name.filter(|name| !name.is_empty()).map(E::from))
}

/// Reads a value where `null` counts as the default.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Writes `null` for an empty map or list.
pub(super) fn empty_as_null<S, T>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    T: Serialize + Default + PartialEq,
{
    match *value == T::default() {
        true => serializer.serialize_none(),
        false => value.serialize(serializer),
    }
}
