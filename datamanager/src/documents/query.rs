//! What is looked for in an index.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::index_key::{EncodedKey, IndexKey, key_len};
use crate::Error;
use crate::entry_key::{EntryKey, ID_BYTES_MAX, prefix_end, successor};

use super::index_entry::index_prefix;
use super::index_key::INDEX_KEY_BYTES_MAX;

/// Which documents of a type are given, in the order of one of its indexes.
///
/// A key that is given to it may have fewer values than the index: then it stands for all keys that begin with them.
/// Documents with equal keys are in the order of their ids.
///
/// ```
/// use datamanager::Query;
///
/// // Of the team "red" those of 18 to 65, the oldest first.
/// let query = Query::by("team_age").range((Some("red"), 18)..=(Some("red"), 65)).descending().limit(10);
/// # let _ = query;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    index: String,
    low: Bound<EncodedKey>,
    high: Bound<EncodedKey>,
    /// The beginning of a string, which ends all that is given.
    string_prefix: Option<EncodedKey>,
    after: Option<IndexCursor>,
    descending: bool,
    limit: usize,
}

impl Query {
    /// All documents, in the order of `index`.
    pub fn by(index: &str) -> Query {
        Query {
            index: index.to_owned(),
            low: Bound::Unbounded,
            high: Bound::Unbounded,
            string_prefix: None,
            after: None,
            descending: false,
            limit: usize::MAX,
        }
    }

    /// Only those whose key is `key`, or begins with its values.
    pub fn equal<K: IndexKey>(mut self, key: K) -> Query {
        let key = EncodedKey::of(&key);
        self.low = Bound::Included(key.clone());
        self.high = Bound::Included(key);
        self
    }

    /// Only those whose key begins with the values of `key`, the last of which is the beginning of a string.
    pub fn starts_with<K: IndexKey>(mut self, key: K) -> Query {
        self.string_prefix = Some(EncodedKey::of(&key));
        self
    }

    /// Only those whose key lies in `range`.
    pub fn range<K: IndexKey>(mut self, range: impl RangeBounds<K>) -> Query {
        self.low = range.start_bound().map(EncodedKey::of);
        self.high = range.end_bound().map(EncodedKey::of);
        self
    }

    /// Goes from the largest key to the smallest.
    pub fn descending(mut self) -> Query {
        self.descending = true;
        self
    }

    /// Gives at most `limit` documents.
    pub fn limit(mut self, limit: usize) -> Query {
        self.limit = limit;
        self
    }

    /// Begins behind `cursor`: how a query that was left off is resumed, in the same direction.
    pub fn after(mut self, cursor: IndexCursor) -> Query {
        self.after = Some(cursor);
        self
    }

    pub(crate) fn index(&self) -> &str {
        &self.index
    }

    pub(crate) fn is_descending(&self) -> bool {
        self.descending
    }

    pub(crate) fn limit_count(&self) -> usize {
        self.limit
    }

    /// The keys that the query is made of, to be compared with the kinds of the index.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &EncodedKey> {
        let bounds = [&self.low, &self.high].into_iter();
        let bounds = bounds.filter_map(|bound| match bound {
            Bound::Included(key) | Bound::Excluded(key) => Some(key),
            Bound::Unbounded => None,
        });
        bounds.chain(&self.string_prefix)
    }

    /// The keys `[low, high)` of the entries that are meant, in one build of the index.
    ///
    /// # Errors
    /// `Invalid` if the beginning of a string is none.
    pub(crate) fn entry_range(
        &self,
        data_type: &str,
        build: u32,
    ) -> Result<(EntryKey, EntryKey), Error> {
        let prefix = index_prefix(data_type, &self.index, build);
        let with = |bytes: &[u8]| EntryKey::from([prefix.as_slice(), bytes].concat());
        // Never without one: the prefix begins with the name of a type.
        let end_of = |bytes: &[u8]| prefix_end(&with(bytes)).unwrap_or_default();
        let mut low = match &self.low {
            Bound::Unbounded => with(b""),
            Bound::Included(key) => with(&key.bytes),
            Bound::Excluded(key) => end_of(&key.bytes),
        };
        let mut high = match &self.high {
            Bound::Unbounded => end_of(b""),
            Bound::Included(key) => end_of(&key.bytes),
            Bound::Excluded(key) => with(&key.bytes),
        };
        if let Some(beginning) = &self.string_prefix {
            let open = beginning.open_string().ok_or_else(|| {
                Error::invalid(format!(
                    "a query of index {:?} begins with a value that is no string",
                    self.index
                ))
            })?;
            low = low.max(with(open));
            high = high.min(end_of(open));
        }
        if let Some(cursor) = &self.after {
            let place = with(&cursor.suffix);
            if self.descending {
                high = high.min(place);
            } else {
                low = low.max(successor(&place));
            }
        }
        Ok((low, high))
    }
}

/// A place in the order of an index: behind one document.
///
/// It is small, can be sent through clients as text, and stays valid whatever is written, also when the index is built
/// anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexCursor {
    /// What stands behind the prefix in the key of the document's entry.
    suffix: Vec<u8>,
}

impl IndexCursor {
    pub(crate) fn new(suffix: Vec<u8>) -> IndexCursor {
        IndexCursor { suffix }
    }
}

impl fmt::Display for IndexCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(&self.suffix))
    }
}

impl FromStr for IndexCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<IndexCursor, Error> {
        let invalid =
            || Error::invalid("the cursor of an index is not one that this store has given");
        let suffix = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| invalid().with_source(error))?;
        let fits = suffix.len() <= INDEX_KEY_BYTES_MAX + 1 + ID_BYTES_MAX;
        match key_len(&suffix) {
            Some(_) if fits => Ok(IndexCursor { suffix }),
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_from_text_and_bad_ones_are_refused() {
        let mut suffix = EncodedKey::of(&("ü\0", -7)).bytes;
        suffix.push(0);
        suffix.extend(b"id");
        let cursor = IndexCursor::new(suffix);
        assert_eq!(cursor.to_string().parse::<IndexCursor>().unwrap(), cursor);
        for bad in ["", "AAAA=", "____", "YWJj"] {
            assert!(bad.parse::<IndexCursor>().is_err(), "{bad}");
        }
    }
}
