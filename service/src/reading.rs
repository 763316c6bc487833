//! Reading from a snapshot or in a transaction, whichever it is.

use datamanager::{Document, Error, IndexKey, Query, Snapshot, Transaction};

/// One state of the store that is read from. In a transaction what is read is checked at commit, so that a change rests on
/// nothing that another change has taken away.
pub trait Reading: Send {
    /// The document with an id; none if no document can have that id.
    ///
    /// # Errors
    /// A store that cannot be read, a document that cannot be decoded.
    fn get<T: Document>(
        &mut self,
        id: &str,
    ) -> impl Future<Output = Result<Option<T>, Error>> + Send;

    /// The document with a key in a unique index.
    ///
    /// # Errors
    /// As [`Reading::get`]; `Unavailable` while the index is being built.
    fn find<T: Document>(
        &mut self,
        index: &str,
        key: impl IndexKey + Send,
    ) -> impl Future<Output = Result<Option<T>, Error>> + Send;

    /// The documents that a query means.
    ///
    /// # Errors
    /// As [`Reading::find`].
    fn list<T: Document>(
        &mut self,
        query: &Query,
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send;
}

impl Reading for Transaction {
    async fn get<T: Document>(&mut self, id: &str) -> Result<Option<T>, Error> {
        match is_id(id) {
            true => Transaction::get(self, id).await,
            false => Ok(None),
        }
    }

    async fn find<T: Document>(
        &mut self,
        index: &str,
        key: impl IndexKey + Send,
    ) -> Result<Option<T>, Error> {
        Transaction::find(self, index, key).await
    }

    async fn list<T: Document>(&mut self, query: &Query) -> Result<Vec<T>, Error> {
        self.query(query).await?.collect().await
    }
}

impl Reading for Snapshot {
    async fn get<T: Document>(&mut self, id: &str) -> Result<Option<T>, Error> {
        match is_id(id) {
            true => Snapshot::get(self, id).await,
            false => Ok(None),
        }
    }

    async fn find<T: Document>(
        &mut self,
        index: &str,
        key: impl IndexKey + Send,
    ) -> Result<Option<T>, Error> {
        Snapshot::find(self, index, key).await
    }

    async fn list<T: Document>(&mut self, query: &Query) -> Result<Vec<T>, Error> {
        self.query(query).await?.collect().await
    }
}

/// Whether a document can have this id: what a caller gives as one may be anything.
fn is_id(id: &str) -> bool {
    datamanager::check_id(id).is_ok()
}
