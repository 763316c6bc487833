//! What a data file holds: the newest write of each key, within the limits of the format.

use bytes::Bytes;

use crate::Timestamp;

/// Longest key that the format takes.
pub const KEY_BYTES_MAX: usize = 8 * 1024;

/// Longest value that the format takes.
pub const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One key of a data file with the write that stands for it.
///
/// As read from a file, key and value are slices of a decoded block: keeping a small one for long keeps its
/// whole block, and for a cursor up to a whole read-ahead, in memory. Copy what is to stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFileEntry {
    /// Any bytes, up to [`KEY_BYTES_MAX`]. Files are in byte order of the keys.
    pub key: Bytes,
    /// The log position of the write.
    pub seq: u64,
    /// From when on the entry counts as absent, if ever.
    pub expires_at: Option<Timestamp>,
    /// What was written, up to [`VALUE_BYTES_MAX`]; `None` is a tombstone, which hides the key in older files.
    pub value: Option<Bytes>,
}
