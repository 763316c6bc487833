//! One entry of an export, and the names that it may have.

use std::sync::Arc;

use bytes::Bytes;

use super::ExportFormat;
use crate::entry_key::{KEY_BYTES_MAX, check_data_type, check_id};
use crate::{Error, Timestamp};

/// What the name of every internal type begins with.
const INTERNAL_PREFIX: char = '!';

/// An entry that is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryRef<'a> {
    pub(crate) data_type: &'a str,
    /// UTF-8, except where the type is an internal one.
    pub(crate) id: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) expires_at: Option<Timestamp>,
}

/// An entry that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodedEntry {
    /// Shared with the entry before if that has the same type.
    pub(crate) data_type: Arc<str>,
    /// UTF-8, except where the type is an internal one.
    pub(crate) id: Bytes,
    pub(crate) value: Bytes,
    pub(crate) expires_at: Option<Timestamp>,
    /// How many entries of the input this one makes; the first has 1.
    pub(crate) number: u64,
}

pub(super) fn is_internal(data_type: &str) -> bool {
    data_type.starts_with(INTERNAL_PREFIX)
}

/// Refuses a type that an export of this format does not hold.
///
/// # Errors
/// `Invalid`, naming it.
pub(super) fn check_export_type(format: ExportFormat, data_type: &str) -> Result<(), Error> {
    match (format, data_type.strip_prefix(INTERNAL_PREFIX)) {
        (_, None) => check_data_type(data_type),
        (ExportFormat::Native, Some(name)) => check_data_type(name),
        (ExportFormat::Agola, Some(_)) => Err(Error::invalid(format!(
            "data type {data_type:?} is internal: an export of format agola holds none"
        ))),
    }
}

/// Refuses an id that an entry of this type, which was checked, cannot have.
///
/// # Errors
/// `Invalid`, naming it.
pub(super) fn check_export_id(data_type: &str, id: &[u8]) -> Result<(), Error> {
    if !is_internal(data_type) {
        let id = std::str::from_utf8(id).map_err(|error| {
            Error::invalid(format!("an id of type {data_type:?} is not UTF-8")).with_source(error)
        })?;
        return check_id(id);
    }
    let key_bytes = data_type.len() + 1 + id.len();
    if key_bytes > KEY_BYTES_MAX {
        return Err(Error::invalid(format!(
            "an id of type {data_type:?} makes a key of {key_bytes} bytes: {KEY_BYTES_MAX} are accepted"
        )));
    }
    Ok(())
}
