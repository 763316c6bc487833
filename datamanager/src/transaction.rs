//! Reading and writing as one step.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::commit_ticket::CommitTicket;
use crate::committer::{CommitRequest, Committed, to_be_tried_again};
use crate::conflict::ReadSet;
use crate::data_manager::DataManager;
use crate::documents::{
    Before, CatalogChange, Cost, Intent, OwnDocuments, PendingWrite, WriteKind,
};
use crate::entry_key::{EntryKey, GROUP_TYPE, entry_key, raw_key, successor};
use crate::memtable::{Version, VersionedEntry};
use crate::merge::Merge;
use crate::mutation;
use crate::record::WriteRef;
use crate::scan::{Entry, ScanOptions, ScanRange};
use crate::token::{Token, check_group};
use crate::{Conflict, Error, Position, Snapshot, Timestamp};

/// How often a caller works out what its transaction takes for indexes, where that is too much for the committer.
const EXPANSIONS_MAX: u32 = 8;

/// A unit of work that is committed as a whole or not at all.
///
/// It reads one snapshot and its own writes. What it has read, ranges found empty too, is checked at commit: if any of
/// it was written since, the commit fails with `Conflict`, so transactions are strictly serializable. A transaction
/// that has read nothing never conflicts; one that has written nothing is not checked at all.
///
/// Dropping a transaction abandons it.
#[derive(Debug)]
pub struct Transaction {
    store: DataManager,
    snapshot: Snapshot,
    reads: ReadSet,
    tokens: Vec<Token>,
    intent: Intent,
    own_documents: OwnDocuments,
    write_bytes: usize,
    lender: Option<Lender>,
}

/// Where a transaction goes when it is dropped that was lent to a function.
pub(crate) type Lender = Arc<Mutex<Option<Transaction>>>;

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(lender) = self.lender.take() {
            let transaction = Transaction {
                store: self.store.clone(),
                snapshot: self.snapshot.clone(),
                reads: std::mem::take(&mut self.reads),
                tokens: std::mem::take(&mut self.tokens),
                intent: std::mem::take(&mut self.intent),
                own_documents: std::mem::take(&mut self.own_documents),
                write_bytes: self.write_bytes,
                lender: None,
            };
            *lender.lock().unwrap_or_else(PoisonError::into_inner) = Some(transaction);
        }
    }
}

impl Transaction {
    pub(crate) fn new(store: DataManager, snapshot: Snapshot) -> Transaction {
        Transaction {
            store,
            snapshot,
            reads: ReadSet::default(),
            tokens: Vec::new(),
            intent: Intent::default(),
            own_documents: OwnDocuments::default(),
            write_bytes: 0,
            lender: None,
        }
    }

    /// The transaction goes to `lender` when it is dropped.
    pub(crate) fn lend(mut self, lender: Lender) -> Transaction {
        self.lender = Some(lender);
        self
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(crate) fn intent(&self) -> &Intent {
        &self.intent
    }

    pub(crate) fn own_documents(&self) -> &OwnDocuments {
        &self.own_documents
    }

    pub(crate) fn own_documents_mut(&mut self) -> &mut OwnDocuments {
        &mut self.own_documents
    }

    /// The position whose state the transaction reads.
    pub fn position(&self) -> Position {
        self.snapshot.position()
    }

    /// The stored bytes of an entry, `None` if it is not there.
    ///
    /// # Cancel safety
    /// A call that is dropped may count as a read.
    ///
    /// # Errors
    /// `Invalid` for a type or id outside the limits.
    pub async fn get_raw(&mut self, data_type: &str, id: &str) -> Result<Option<Bytes>, Error> {
        self.get_key(&entry_key(data_type, id)?).await
    }

    /// The stored bytes under a key of any type, which count as read.
    pub(crate) async fn get_key(&mut self, key: &EntryKey) -> Result<Option<Bytes>, Error> {
        if let Some(write) = self.intent.writes.get(key) {
            return Ok(write.value.clone());
        }
        let found = self.snapshot.view().get(key).await?;
        if let Some(entry) = &found {
            self.note_expiry(entry.expires_at);
        }
        if found.is_some() || !mutation::is("ignore-reads-of-nothing") {
            self.note_point(key.clone());
        }
        Ok(found.and_then(|entry| entry.value_at(self.snapshot.time()).cloned()))
    }

    /// Counts an entry as read.
    pub(crate) fn note_point(&mut self, key: EntryKey) {
        self.reads
            .add_point(key, self.store.settings().read_points_max);
    }

    /// Counts an entry that was met as there, or as expired.
    pub(crate) fn note_expiry(&mut self, expires_at: Option<Timestamp>) {
        self.reads.note_expiry(expires_at, self.snapshot.time());
    }

    /// Counts `[start, end)` as read, instead of what stood in the same place of the read set before.
    pub(crate) fn note_range(&mut self, place: &mut Option<usize>, start: EntryKey, end: EntryKey) {
        match *place {
            Some(place) => self.reads.set_range(place, start, end),
            None => *place = Some(self.reads.add_range(start, end)),
        }
    }

    /// The entries of a type in order, with the transaction's own writes among them.
    ///
    /// What counts as read is the range up to the entry that was given last, or to its end once that is reached.
    ///
    /// # Errors
    /// `Invalid` for a type outside the limits.
    pub fn scan_raw(
        &mut self,
        data_type: &str,
        options: &ScanOptions,
    ) -> Result<TransactionScan<'_>, Error> {
        let range = options.range(data_type)?;
        let mut merge =
            self.snapshot
                .view()
                .merge(range.low.clone(), range.high.clone(), range.reverse);
        if range.low < range.high {
            let mut own: Vec<VersionedEntry> = self
                .intent
                .writes
                .range(range.low.clone()..range.high.clone())
                .map(|(key, write)| VersionedEntry {
                    key: key.clone(),
                    version: Version::end_of(u64::MAX),
                    value: write.value.clone(),
                    expires_at: write.expires_at,
                })
                .collect();
            if range.reverse {
                own.reverse();
            }
            merge.add_newest(own);
        }
        let left = range.limit;
        Ok(TransactionScan {
            transaction: self,
            merge,
            range,
            place: None,
            left,
        })
    }

    /// Writes an entry, replacing what is there.
    ///
    /// # Errors
    /// `Invalid` for a type, id or value outside the limits, or a transaction that has become too large.
    pub fn put_raw(
        &mut self,
        data_type: &str,
        id: &str,
        value: impl Into<Bytes>,
    ) -> Result<(), Error> {
        self.write_raw(data_type, id, Some(value.into()), None)
    }

    /// Writes an entry that is gone from `expires_at` on.
    ///
    /// # Errors
    /// As [`Transaction::put_raw`].
    pub fn put_raw_expiring(
        &mut self,
        data_type: &str,
        id: &str,
        value: impl Into<Bytes>,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        self.write_raw(data_type, id, Some(value.into()), Some(expires_at))
    }

    /// Deletes an entry, whether it is there or not.
    ///
    /// # Errors
    /// `Invalid` for a type or id outside the limits, or a transaction that has become too large.
    pub fn delete_raw(&mut self, data_type: &str, id: &str) -> Result<(), Error> {
        self.write_raw(data_type, id, None, None)
    }

    /// Lets raw writes to a type that has indexes mark these stale. Without it such a transaction is refused at commit, since
    /// raw writes do not keep indexes up to date.
    ///
    /// Queries by a stale index are `Unavailable` until a program that knows the type has built it anew, which it does by
    /// itself.
    pub fn allow_stale_indexes(&mut self) {
        self.intent.may_mark_stale = true;
    }

    fn write_raw(
        &mut self,
        data_type: &str,
        id: &str,
        value: Option<Bytes>,
        expires_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        let key = entry_key(data_type, id)?;
        self.write(key, value, expires_at, WriteKind::Raw)?;
        if !self.intent.raw_types.contains(data_type) {
            self.intent.raw_types.insert(data_type.to_owned());
        }
        Ok(())
    }

    pub(crate) fn change_catalog(&mut self, change: CatalogChange) {
        self.intent.catalog_changes.push(change);
    }

    pub(crate) fn write(
        &mut self,
        key: EntryKey,
        value: Option<Bytes>,
        expires_at: Option<Timestamp>,
        kind: WriteKind,
    ) -> Result<(), Error> {
        let settings = self.store.settings();
        let value_bytes = value.as_ref().map_or(0, Bytes::len);
        if value_bytes > settings.entry_bytes_max {
            let (data_type, id) = crate::entry_key::describe_key(&key);
            return Err(Error::invalid(format!(
                "entry {id:?} of type {data_type:?} has {value_bytes} bytes: {} are accepted",
                settings.entry_bytes_max
            )));
        }
        let writes = &mut self.intent.writes;
        let replaced = writes
            .get(&key)
            .map_or(0, |write| pending_bytes(&key, write));
        let write = PendingWrite {
            value,
            expires_at,
            kind,
        };
        let write_bytes = self.write_bytes - replaced + pending_bytes(&key, &write);
        if write_bytes > settings.transaction_bytes_max {
            return Err(Error::invalid(format!(
                "the transaction has {write_bytes} bytes: {} are accepted",
                settings.transaction_bytes_max
            )));
        }
        if replaced == 0 && writes.len() >= settings.transaction_writes_max {
            return Err(Error::invalid(format!(
                "the transaction has more than {} writes, the most that are accepted",
                settings.transaction_writes_max
            )));
        }
        self.write_bytes = write_bytes;
        writes.insert(key, write);
        Ok(())
    }

    /// Makes the commit fail if any group of `token` was committed to since the token was taken, and count as a commit
    /// to all of them otherwise.
    pub fn check_token(&mut self, token: Token) -> Result<(), Error> {
        for name in &token.groups {
            self.touch_group(name)?;
        }
        self.tokens.push(token);
        Ok(())
    }

    /// Makes the commit count as one to a change group, without a check.
    ///
    /// # Errors
    /// `Invalid` for a name that is empty or longer than 256 bytes.
    pub fn touch_group(&mut self, name: &str) -> Result<(), Error> {
        check_group(name)?;
        self.write(
            raw_key(GROUP_TYPE, name.as_bytes()),
            Some(Bytes::new()),
            None,
            WriteKind::Raw,
        )
    }

    /// Commits all writes as one step.
    ///
    /// # Durability
    /// After `Ok` the transaction is in the log and survives a crash of the host. A transaction without writes is `Ok`
    /// with the position that it has read.
    ///
    /// # Cancel safety
    /// Dropping the call takes the transaction back if it has not reached the log; otherwise it goes on and its
    /// outcome is not told.
    ///
    /// # Errors
    /// - `Conflict`: something read, or a token's group, was written since; [`Error::conflict`] names it. Nothing was
    ///   written; read again and retry.
    /// - `Unavailable`: nothing was written; retry later.
    /// - `Unknown`: look [`Error::commit_id`] up with [`DataManager::outcome`] before trying again.
    /// - `NotUnique`: a document would have a key that a unique index allows once; [`Error::violation`] names it. Nothing was
    ///   written.
    pub async fn commit(mut self) -> Result<Committed, Error> {
        if self.lender.is_some() {
            return Err(Error::invalid(
                "a transaction that was lent to a function is committed when the function has returned",
            ));
        }
        let nothing = Committed {
            position: self.snapshot.position(),
            index: 0,
        };
        if self.intent.is_empty() {
            return Ok(nothing);
        }
        let intent = Arc::new(std::mem::take(&mut self.intent));
        let mut attempt = 1;
        loop {
            // What it takes on top of the newest state, so that the committer need not work it out.
            let newest = self.store.snapshot();
            let before = Before {
                view: newest.view(),
                batch: None,
                time: newest.time(),
            };
            let expansion = intent.expand(before, self.store.settings()).await;
            let expansion = expansion.map_err(to_be_tried_again)?;
            if expansion.body.writes.is_empty() {
                return Ok(nothing);
            }
            let is_last = attempt == EXPANSIONS_MAX || expansion.cost == Cost::Small;
            let (reply, answer) = oneshot::channel();
            let ticket = Arc::new(CommitTicket::new());
            let request = CommitRequest {
                epoch: self.snapshot.view().epoch,
                lineage: self.snapshot.view().lineage,
                snapshot_seq: self.snapshot.position().seq,
                reads: match is_last {
                    true => std::mem::take(&mut self.reads),
                    false => self.reads.clone(),
                },
                tokens: self.tokens.clone(),
                intent: intent.clone(),
                expanded_at: Some(newest.position().seq),
                expansion,
                cost_max: if is_last { Cost::Large } else { Cost::Small },
                ticket: ticket.clone(),
                room: None,
                reply,
            };
            match self.store.submit(request, ticket, answer).await {
                Err(error) if !is_last && error.conflict() == Some(&Conflict::Indexes) => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}

fn pending_bytes(key: &[u8], write: &PendingWrite) -> usize {
    WriteRef {
        key,
        value: write.value.as_deref(),
        expires_at: write.expires_at,
    }
    .encoded_len()
}

/// A scan within a transaction; see [`Transaction::scan_raw`].
pub struct TransactionScan<'a> {
    transaction: &'a mut Transaction,
    merge: Merge,
    range: ScanRange,
    /// Where the range stands in the read set, once something was read.
    place: Option<usize>,
    left: usize,
}

impl TransactionScan<'_> {
    /// The next entry, `None` behind the last.
    ///
    /// # Cancel safety
    /// A call that is dropped has skipped nothing.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        let time = self.transaction.snapshot.time();
        while let Some(found) = self.merge.next().await? {
            self.mark_read_to(Some(&found.key));
            let own = self.transaction.intent.writes.contains_key(&found.key);
            if !own {
                self.transaction.note_expiry(found.expires_at);
            }
            let present = if own {
                found.value.is_some()
            } else {
                found.value_at(time).is_some()
            };
            if present {
                self.left -= 1;
                return Ok(Entry::from_versioned(found));
            }
        }
        self.mark_read_to(None);
        self.left = 0;
        Ok(None)
    }

    /// All entries that are left, in memory.
    pub async fn collect(mut self) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        while let Some(entry) = self.next().await? {
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Notes that the range has been read up to and with `key`, or to its end.
    fn mark_read_to(&mut self, key: Option<&EntryKey>) {
        let (start, end) = match key {
            None => (self.range.low.clone(), self.range.high.clone()),
            Some(key) if self.range.reverse => (key.clone(), self.range.high.clone()),
            Some(key) => (self.range.low.clone(), successor(key)),
        };
        self.transaction.note_range(&mut self.place, start, end);
    }
}

impl std::fmt::Debug for TransactionScan<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TransactionScan")
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}
