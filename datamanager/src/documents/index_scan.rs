//! Reading documents in the order of an index.

use std::sync::Arc;

use futures::Stream;

use super::document;
use super::document_type::{DocumentType, TypedDocument};
use super::index_entry::{document_id, index_prefix};
use super::own_documents::OWN_VERSION;
use super::query::{IndexCursor, Query};
use super::reader::Reader;
use crate::entry_key::{EntryKey, raw_key, successor};
use crate::memtable::VersionedEntry;
use crate::merge::Merge;
use crate::{Document, Error, Transaction};

/// Documents in the order of an index, one by one.
///
/// In a transaction what counts as read is the part of the index up to the document that was given last, or to its end once
/// that is reached, and the documents given.
pub struct IndexScan<'a, T> {
    entries: IndexEntries<'a>,
    document_type: Arc<TypedDocument<T>>,
    /// An entry whose document is being read.
    current: Option<VersionedEntry>,
}

impl<'a, T: Document> IndexScan<'a, T> {
    pub(crate) async fn new(
        reader: Reader<'a>,
        document_type: Arc<TypedDocument<T>>,
        query: &Query,
    ) -> Result<IndexScan<'a, T>, Error> {
        Ok(IndexScan {
            entries: IndexEntries::new(reader, document_type.as_ref(), query).await?,
            document_type,
            current: None,
        })
    }

    /// The next document, `None` behind the last.
    ///
    /// # Cancel safety
    /// A call that is dropped has skipped nothing.
    ///
    /// # Errors
    /// `Invalid`, naming it, for a document that cannot be decoded; the next call goes on behind it. `Corrupt` for an entry
    /// of the index whose document is not there.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        let entry = match self.current.take() {
            Some(entry) => Some(entry),
            None => self.entries.next().await?,
        };
        let Some(entry) = entry else {
            return Ok(None);
        };
        // Kept until its document is there, in case this call is dropped meanwhile.
        let (key, value) = (entry.key.clone(), entry.value.clone().unwrap_or_default());
        self.current = Some(entry);
        let id = document_id(&key, &value)?;
        let data_type = self.document_type.definition().data_type;
        let found = self
            .entries
            .reader
            .get(&raw_key(data_type, id.as_bytes()))
            .await;
        self.current = None;
        let found = found?.ok_or_else(|| {
            Error::corrupt(format!(
                "an index of type {data_type:?} names document {id:?}, which is not there"
            ))
        })?;
        document::decode(id, &found).map(Some)
    }

    /// Behind the document given last, for [`Query::after`]; `None` before the first.
    pub fn cursor(&self) -> Option<IndexCursor> {
        self.entries.cursor()
    }

    /// All documents that are left, in memory.
    ///
    /// # Errors
    /// As [`IndexScan::next`], at the first.
    pub async fn collect(mut self) -> Result<Vec<T>, Error> {
        let mut documents = Vec::new();
        while let Some(document) = self.next().await? {
            documents.push(document);
        }
        Ok(documents)
    }

    /// The documents that are left, as a stream. It goes on behind a document that cannot be decoded.
    pub fn into_stream(self) -> impl Stream<Item = Result<T, Error>> + Send + Unpin + use<'a, T> {
        Box::pin(futures::stream::unfold(self, |mut scan| async move {
            scan.next().await.transpose().map(|item| (item, scan))
        }))
    }
}

impl<T> std::fmt::Debug for IndexScan<'_, T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("IndexScan")
            .field("low", &self.entries.low)
            .field("high", &self.entries.high)
            .finish_non_exhaustive()
    }
}

/// The entries of an index within a range.
pub(crate) struct IndexEntries<'a> {
    pub(crate) reader: Reader<'a>,
    data_type: &'static str,
    merge: Merge,
    prefix_len: usize,
    low: EntryKey,
    high: EntryKey,
    reverse: bool,
    left: usize,
    /// The key of the entry given last.
    last: Option<EntryKey>,
    /// Where the range stands in a transaction's read set, once something was read.
    place: Option<usize>,
}

impl<'a> IndexEntries<'a> {
    pub(crate) async fn new(
        mut reader: Reader<'a>,
        document_type: &dyn DocumentType,
        query: &Query,
    ) -> Result<IndexEntries<'a>, Error> {
        let definition = document_type.definition();
        let data_type = definition.data_type;
        let reverse = query.is_descending();
        let index = definition.index(query.index())?;
        for key in query.keys() {
            definition.check_key(index, key)?;
        }
        // The same prefix whatever the build, for the documents of the transaction itself.
        let build = reader.usable_build(definition, index).await?.unwrap_or(0);
        let prefix = index_prefix(data_type, query.index(), build);
        let (low, high) = query.entry_range(data_type, build)?;
        let mut merge = reader.merge(low.clone(), high.clone(), reverse);
        if let (Reader::Transaction(transaction), true) = (&reader, low < high) {
            let own = transaction.own_documents();
            let mut own = own.entries(data_type, query.index(), &prefix, &low, &high);
            if reverse {
                own.reverse();
            }
            merge.add_newest(own);
        }
        Ok(IndexEntries {
            reader,
            data_type,
            merge,
            prefix_len: prefix.len(),
            low,
            high,
            reverse,
            left: query.limit_count(),
            last: None,
            place: None,
        })
    }

    /// The next entry whose document is there, `None` behind the last.
    ///
    /// A call that is dropped has skipped nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<VersionedEntry>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        let time = self.reader.time();
        while let Some(found) = self.merge.next().await? {
            let (start, end) = match self.reverse {
                true => (found.key.clone(), self.high.clone()),
                false => (self.low.clone(), successor(&found.key)),
            };
            self.reader.note_range(&mut self.place, start, end);
            let is_own = found.version == OWN_VERSION;
            if !is_own {
                self.reader.note_expiry(&found);
                let Some(value) = found.value_at(time) else {
                    continue;
                };
                let id = document_id(&found.key, value)?;
                // What the transaction has written itself has other entries, or none.
                if self
                    .reader
                    .has_written(&raw_key(self.data_type, id.as_bytes()))
                {
                    continue;
                }
            }
            self.left -= 1;
            self.last = Some(found.key.clone());
            return Ok(Some(found));
        }
        self.reader
            .note_range(&mut self.place, self.low.clone(), self.high.clone());
        self.left = 0;
        Ok(None)
    }

    fn cursor(&self) -> Option<IndexCursor> {
        let last = self.last.as_ref()?;
        Some(IndexCursor::new(last.get(self.prefix_len..)?.to_vec()))
    }
}

/// How many documents a query means.
pub(crate) async fn count(
    reader: Reader<'_>,
    document_type: &dyn DocumentType,
    query: &Query,
) -> Result<u64, Error> {
    let mut entries = IndexEntries::new(reader, document_type, query).await?;
    let mut count = 0;
    while entries.next().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

impl Transaction {
    /// For the reader alone.
    pub(super) fn has_written(&self, key: &EntryKey) -> bool {
        self.intent().writes.contains_key(key)
    }
}
