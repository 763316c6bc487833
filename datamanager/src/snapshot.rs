//! A consistent view of the store that stays as it is.

use std::sync::Arc;

use bytes::Bytes;

use crate::documents::DocumentTypes;
use crate::entry_key::{entry_key, type_end};
use crate::read_view::ReadView;
use crate::scan::{Entry, Scan, ScanOptions};
use crate::{Error, Position, Timestamp};

/// The store as it was at one position, while writes go on.
///
/// Cheap to clone. Position and time are fixed when it is taken: what expires later stays visible in it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    view: Arc<ReadView>,
    time: Timestamp,
    types: Arc<DocumentTypes>,
}

impl Snapshot {
    pub(crate) fn new(view: Arc<ReadView>, time: Timestamp, types: Arc<DocumentTypes>) -> Snapshot {
        Snapshot { view, time, types }
    }

    /// The document types of the program.
    pub(crate) fn document_types(&self) -> &DocumentTypes {
        &self.types
    }

    pub(crate) fn view(&self) -> &ReadView {
        &self.view
    }

    /// The position whose state this is.
    pub fn position(&self) -> Position {
        self.view.position
    }

    /// The time at which entries count as expired or not.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The stored bytes of an entry, `None` if it is not there.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a type or id outside the limits.
    pub async fn get_raw(&self, data_type: &str, id: &str) -> Result<Option<Bytes>, Error> {
        let found = self.view.get(&entry_key(data_type, id)?).await?;
        Ok(found.and_then(|entry| entry.value_at(self.time).cloned()))
    }

    /// The entry with its position and expiry, `None` if it is not there.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a type or id outside the limits.
    pub async fn get_entry(&self, data_type: &str, id: &str) -> Result<Option<Entry>, Error> {
        let found = self.view.get(&entry_key(data_type, id)?).await?;
        Ok(found
            .filter(|entry| entry.value_at(self.time).is_some())
            .and_then(Entry::from_versioned))
    }

    /// The stored bytes of several entries, in the order of `ids`.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a type or id outside the limits.
    pub async fn get_many_raw(
        &self,
        data_type: &str,
        ids: &[&str],
    ) -> Result<Vec<Option<Bytes>>, Error> {
        let mut values = Vec::with_capacity(ids.len());
        for id in ids {
            values.push(self.get_raw(data_type, id).await?);
        }
        Ok(values)
    }

    /// The entries of a type, in order.
    ///
    /// # Errors
    /// `Invalid` for a type outside the limits.
    pub fn scan_raw(&self, data_type: &str, options: &ScanOptions) -> Result<Scan, Error> {
        let range = options.range(data_type)?;
        Ok(Scan::new(
            self.view.merge(range.low, range.high, range.reverse),
            self.time,
            range.limit,
        ))
    }

    /// How many entries of a type there are. Reads all of them.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a type outside the limits.
    pub async fn count(&self, data_type: &str) -> Result<u64, Error> {
        let mut scan = self.scan_raw(data_type, &ScanOptions::new())?;
        let mut count = 0;
        while scan.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// The data types that have entries, in order. Reads about one entry of each.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    pub async fn types(&self) -> Result<Vec<String>, Error> {
        let mut types = Vec::new();
        // Internal types begin with `!`; no user type sorts before `-`.
        let mut from = Bytes::from_static(b"-");
        let end = Bytes::from_static(b"\x7f");
        while from < end {
            let mut merge = self.view.merge(from.clone(), end.clone(), false);
            let Some(entry) = merge.next().await? else {
                break;
            };
            let Some((data_type, _)) = crate::entry_key::split_key(&entry.key) else {
                return Err(Error::corrupt(format!(
                    "a stored key has no type: {:?}",
                    entry.key
                )));
            };
            from = type_end(data_type);
            let mut scan = self.scan_raw(data_type, &ScanOptions::new().limit(1))?;
            if scan.next().await?.is_some() {
                types.push(data_type.to_owned());
            }
        }
        Ok(types)
    }
}
