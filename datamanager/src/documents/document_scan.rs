//! Reading documents in the order of their ids.

use std::marker::PhantomData;

use futures::Stream;

use super::document;
use crate::scan::Scan;
use crate::{Document, Error, TransactionScan};

/// Documents in the order of their ids, one by one.
pub struct DocumentScan<'a, T> {
    entries: Entries<'a>,
    documents: PhantomData<fn() -> T>,
}

enum Entries<'a> {
    Snapshot(Scan),
    Transaction(TransactionScan<'a>),
}

impl<'a, T: Document> DocumentScan<'a, T> {
    pub(crate) fn of_snapshot(scan: Scan) -> DocumentScan<'a, T> {
        DocumentScan {
            entries: Entries::Snapshot(scan),
            documents: PhantomData,
        }
    }

    pub(crate) fn in_transaction(scan: TransactionScan<'a>) -> DocumentScan<'a, T> {
        DocumentScan {
            entries: Entries::Transaction(scan),
            documents: PhantomData,
        }
    }

    /// The next document, `None` behind the last.
    ///
    /// # Cancel safety
    /// A call that is dropped has skipped nothing.
    ///
    /// # Errors
    /// `Invalid`, naming it, for a document that cannot be decoded; the next call goes on behind it.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        let entry = match &mut self.entries {
            Entries::Snapshot(scan) => scan.next().await?,
            Entries::Transaction(scan) => scan.next().await?,
        };
        let Some(entry) = entry else {
            return Ok(None);
        };
        document::decode(&entry.id, &entry.value).map(Some)
    }

    /// All documents that are left, in memory.
    ///
    /// # Errors
    /// As [`DocumentScan::next`], at the first.
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

impl<T> std::fmt::Debug for DocumentScan<'_, T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DocumentScan")
            .finish_non_exhaustive()
    }
}
