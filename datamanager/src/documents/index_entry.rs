//! How the entries of indexes are named.
//!
//! Source: `docs/formats.md`, section "Index entry".

use std::fmt;

use bytes::Bytes;

use super::index_key::{EncodedKey, KEY_END, describe_key_fields, key_len};
use crate::Error;
use crate::entry_key::{EntryKey, INDEX_TYPE};

/// The entry of one document in one index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) key: EntryKey,
    /// The id of the document where the key does not have it.
    pub(crate) value: Bytes,
    /// Whether another document may not have this entry's key.
    pub(crate) is_unique: bool,
}

/// What the keys of all entries of one build of an index begin with.
pub(crate) fn index_prefix(data_type: &str, index: &str, build: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(INDEX_TYPE.len() + data_type.len() + index.len() + 64);
    for part in [INDEX_TYPE, data_type, index] {
        key.extend_from_slice(part.as_bytes());
        key.push(0);
    }
    key.extend_from_slice(&build.to_be_bytes());
    key
}

/// What stands behind the prefix: the key's fields, their end, and the id unless the key is unique.
pub(crate) fn index_suffix(key: &EncodedKey, unique: bool, id: &str) -> Vec<u8> {
    let mut suffix = Vec::with_capacity(key.bytes.len() + 1 + id.len());
    suffix.extend_from_slice(&key.bytes);
    suffix.push(KEY_END);
    if !unique || key.has_none {
        suffix.extend_from_slice(id.as_bytes());
    }
    suffix
}

impl IndexEntry {
    pub(crate) fn new(
        data_type: &str,
        index: &str,
        unique: bool,
        build: u32,
        key: &EncodedKey,
        id: &str,
    ) -> IndexEntry {
        let mut full = index_prefix(data_type, index, build);
        full.extend(index_suffix(key, unique, id));
        let is_unique = unique && !key.has_none;
        let value = match is_unique {
            true => Bytes::copy_from_slice(id.as_bytes()),
            false => Bytes::new(),
        };
        IndexEntry {
            key: Bytes::from(full),
            value,
            is_unique,
        }
    }
}

/// The parts of the key of an index entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntryKey<'a> {
    pub(crate) data_type: &'a str,
    pub(crate) index: &'a str,
    pub(crate) build: u32,
    /// The encoded fields.
    pub(crate) fields: &'a [u8],
    /// The id, where the key has it.
    id: &'a [u8],
}

impl<'a> IndexEntryKey<'a> {
    /// Takes a key apart; `None` if it is not that of an index entry.
    pub(crate) fn parse(key: &'a [u8]) -> Option<IndexEntryKey<'a>> {
        let rest = key
            .strip_prefix(INDEX_TYPE.as_bytes())?
            .strip_prefix(&[0])?;
        let (data_type, rest) = split_name(rest)?;
        let (index, rest) = split_name(rest)?;
        let (build, suffix) = rest.split_first_chunk::<4>()?;
        let len = key_len(suffix)?;
        Some(IndexEntryKey {
            data_type,
            index,
            build: u32::from_be_bytes(*build),
            fields: &suffix[..len],
            id: &suffix[len + 1..],
        })
    }

    /// The id of the document: from the key, or else from the entry's value.
    pub(crate) fn document_id(&self, value: &'a [u8]) -> Option<&'a str> {
        let id = if self.id.is_empty() { value } else { self.id };
        std::str::from_utf8(id).ok().filter(|id| !id.is_empty())
    }

    /// The fields as text for messages.
    pub(crate) fn describe(&self) -> String {
        describe_key_fields(self.fields)
    }
}

/// The entry as messages and listings name it: `name#1 of user: "bob"`, with the index's build behind its name, and with
/// `, document "7"` behind it where the key names the document.
impl fmt::Display for IndexEntryKey<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.describe();
        write!(
            formatter,
            "{}#{} of {}: {fields}",
            self.index, self.build, self.data_type
        )?;
        match self.id {
            [] => Ok(()),
            id => write!(formatter, ", document {:?}", String::from_utf8_lossy(id)),
        }
    }
}

fn split_name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let name = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((name, &bytes[end + 1..]))
}

/// The id of the document that a stored index entry names.
///
/// # Errors
/// `Corrupt` if it is no index entry.
pub(crate) fn document_id<'a>(key: &'a [u8], value: &'a [u8]) -> Result<&'a str, Error> {
    IndexEntryKey::parse(key)
        .and_then(|parts| parts.document_id(value))
        .ok_or_else(|| Error::corrupt(format!("an index entry cannot be read: {key:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry_key::{PREVIOUS_TYPE, describe_key, raw_key};

    #[test]
    fn internal_entries_are_named_for_people() {
        let name_of = |key: &[u8]| describe_key(key).1;
        let (bob, red) = (EncodedKey::of(&"bob"), EncodedKey::of(&("red", 7)));
        let unique = IndexEntry::new("user", "name", true, 1, &bob, "1");
        assert_eq!(name_of(&unique.key), r#"name#1 of user: "bob""#);
        let any = IndexEntry::new("user", "team_age", false, 258, &red, "4\u{e9}");
        assert_eq!(
            name_of(&any.key),
            r#"team_age#258 of user: ("red", 7), document "4é""#
        );
        let previous = raw_key(PREVIOUS_TYPE, &raw_key("user", b"1"));
        assert_eq!(name_of(&previous), r#""1" of user"#);
        // What cannot be taken apart is shown as it is.
        assert_eq!(name_of(b"!index\0user"), "user");
        assert_eq!(name_of(b"!previous\0user"), "user");
    }
}
