//! How an entry is named inside the store.

use bytes::Bytes;

use crate::Error;
use crate::documents::IndexEntryKey;

/// Bytes in a data type's name, at most.
pub const DATA_TYPE_BYTES_MAX: usize = 64;
/// Bytes in an id, at most.
pub const ID_BYTES_MAX: usize = 1024;
/// Bytes in an encoded key, at most; internal types may need more than a user's id does.
pub(crate) const KEY_BYTES_MAX: usize = 4096;

/// The internal type that holds the last position of each change group. No user type begins with `!`.
pub(crate) const GROUP_TYPE: &str = "!group";
/// The internal type of what is known of each document type's indexes.
pub(crate) const CATALOG_TYPE: &str = "!catalog";
/// The internal type of the entries of indexes.
pub(crate) const INDEX_TYPE: &str = "!index";
/// The internal type that holds how far the indexes of each type are rebuilt.
pub(crate) const REBUILD_TYPE: &str = "!rebuild";
/// The internal type that holds what a document was before a change, for listeners; such an entry has always expired.
pub(crate) const PREVIOUS_TYPE: &str = "!previous";

/// The encoded name of an entry: type, a zero byte, id.
///
/// A type has no zero byte and every byte of it is larger than zero, so byte order is (type, id) order.
pub(crate) type EntryKey = Bytes;

/// Refuses a data type that is not 1 to 64 of `[a-z0-9_-]`.
///
/// # Errors
/// `Invalid`, naming it.
pub fn check_data_type(data_type: &str) -> Result<(), Error> {
    let good = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
    };
    if data_type.is_empty() || data_type.len() > DATA_TYPE_BYTES_MAX || !data_type.bytes().all(good)
    {
        return Err(Error::invalid(format!(
            "data type {:?} is not 1 to {DATA_TYPE_BYTES_MAX} of the characters a-z 0-9 _ -",
            shortened(data_type)
        )));
    }
    Ok(())
}

/// Refuses an id that is not 1 to 1024 bytes without a zero byte.
///
/// # Errors
/// `Invalid`, naming it.
pub fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Err(Error::invalid(format!(
            "id {:?} has {} bytes: 1 to {ID_BYTES_MAX} are accepted",
            shortened(id),
            id.len()
        )));
    }
    if memchr::memchr(0, id.as_bytes()).is_some() {
        return Err(Error::invalid(format!(
            "id {:?} has a zero byte",
            shortened(id)
        )));
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 80;
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The key of a user's entry, checked.
pub(crate) fn entry_key(data_type: &str, id: &str) -> Result<EntryKey, Error> {
    check_data_type(data_type)?;
    check_id(id)?;
    Ok(raw_key(data_type, id.as_bytes()))
}

/// The key of any entry, internal types included.
pub(crate) fn raw_key(data_type: &str, id: &[u8]) -> EntryKey {
    let mut key = Vec::with_capacity(data_type.len() + 1 + id.len());
    key.extend_from_slice(data_type.as_bytes());
    key.push(0);
    key.extend_from_slice(id);
    Bytes::from(key)
}

/// The first key after all keys of `data_type`.
pub(crate) fn type_end(data_type: &str) -> EntryKey {
    let mut key = Vec::with_capacity(data_type.len() + 1);
    key.extend_from_slice(data_type.as_bytes());
    key.push(1);
    Bytes::from(key)
}

/// The smallest key that is larger than every key that begins with `prefix`; `None` if there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<EntryKey> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(Bytes::from(end))
}

/// The smallest key that is larger than `key`.
pub(crate) fn successor(key: &[u8]) -> EntryKey {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    Bytes::from(next)
}

/// Splits a key into type and id; `None` if it is not the key of an entry.
pub(crate) fn split_key(key: &[u8]) -> Option<(&str, &[u8])> {
    let zero = key.iter().position(|byte| *byte == 0)?;
    let data_type = std::str::from_utf8(&key[..zero]).ok()?;
    (!data_type.is_empty()).then_some((data_type, &key[zero + 1..]))
}

/// Type and id of a key as text for messages; what stands for the id of an internal entry says what the entry is of.
pub(crate) fn describe_key(key: &[u8]) -> (String, String) {
    let Some((data_type, id)) = split_key(key) else {
        return (String::new(), String::from_utf8_lossy(key).into_owned());
    };
    let described = match data_type {
        INDEX_TYPE => IndexEntryKey::parse(key).map(|entry| entry.to_string()),
        PREVIOUS_TYPE => split_key(id).map(|_| {
            let (data_type, id) = describe_key(id);
            format!("{id:?} of {data_type}")
        }),
        _ => None,
    };
    let id = described.unwrap_or_else(|| String::from_utf8_lossy(id).into_owned());
    (data_type.to_owned(), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_limits_are_refused() {
        assert!(check_data_type("").is_err());
        assert!(check_data_type("User").is_err());
        assert!(check_data_type(&"a".repeat(65)).is_err());
        assert!(check_data_type("a_b-9").is_ok());
        assert!(check_id("").is_err());
        assert!(check_id("a\0b").is_err());
        assert!(check_id(&"é".repeat(513)).is_err());
        assert!(check_id(&"é".repeat(512)).is_ok());
    }

    #[test]
    fn key_order_is_type_then_id() {
        let ordered = [
            ("a", "z"),
            ("a", "zz"),
            ("a-b", "a"),
            ("a0", "a"),
            ("aa", "a"),
            ("b", "\u{1}"),
        ];
        let keys: Vec<_> = ordered
            .iter()
            .map(|(data_type, id)| raw_key(data_type, id.as_bytes()))
            .collect();
        assert!(keys.is_sorted());
        for (key, (data_type, _)) in keys.iter().zip(ordered) {
            assert!(*key < type_end(data_type));
        }
    }

    #[test]
    fn prefix_end_is_past_every_extension() {
        assert_eq!(prefix_end(b"ab").unwrap(), &b"ac"[..]);
        assert_eq!(prefix_end(b"a\xff\xff").unwrap(), &b"b"[..]);
        assert_eq!(prefix_end(b"\xff"), None);
    }
}
