//! WAL files as objects: how every log but the one in files keeps its records, and where a log that has ended is read.

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use ost::{ObjectPath, Ost};

use crate::Error;
use crate::record::Record;
use crate::store_id::StoreId;
use crate::wal_file::{self, ChainStart, WAL_FILE_HEADER_BYTES};

/// Objects that are read at once.
const PARALLEL_READS: usize = 8;
const SUFFIX: &str = ".wal";

/// What all logs are below.
pub(super) const WAL_PREFIX: &str = "wal/";

/// The WAL objects of one epoch.
#[derive(Clone, Debug)]
pub(crate) struct WalObjects {
    pub(super) ost: Ost,
    pub(super) store: StoreId,
    pub(super) epoch: u32,
}

impl WalObjects {
    pub(crate) fn new(ost: Ost, store: StoreId, epoch: u32) -> WalObjects {
        WalObjects { ost, store, epoch }
    }

    fn prefix(&self) -> String {
        format!("{WAL_PREFIX}{:010}/", self.epoch)
    }

    pub(crate) fn key(&self, first_seq: u64) -> String {
        format!("{}{first_seq:020}{SUFFIX}", self.prefix())
    }

    pub(super) fn path(&self, first_seq: u64) -> Result<ObjectPath, Error> {
        Ok(ObjectPath::parse(&self.key(first_seq))?)
    }

    /// The records of the object that begins with number `first_seq`; `None` if there is no such object.
    pub(super) async fn get(
        &self,
        first_seq: u64,
        start: ChainStart,
    ) -> Result<Option<Vec<Record>>, Error> {
        match self.get_bytes(first_seq).await? {
            Some(bytes) => self.decode(first_seq, &bytes, start).map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn get_bytes(&self, first_seq: u64) -> Result<Option<Bytes>, Error> {
        match self.ost.get(&self.path(first_seq)?).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ost::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// # Errors
    /// `Corrupt`: the bytes are no whole records, or do not follow `start`; names path and offset.
    pub(super) fn decode(
        &self,
        first_seq: u64,
        bytes: &Bytes,
        start: ChainStart,
    ) -> Result<Vec<Record>, Error> {
        let key = self.key(first_seq);
        wal_file::check_header(bytes, self.epoch, first_seq)
            .map_err(|fault| fault.into_error(&key))?;
        let records = bytes.slice(WAL_FILE_HEADER_BYTES..);
        let offset = WAL_FILE_HEADER_BYTES as u64;
        let scan = wal_file::scan(&records, offset, &key, self.epoch, self.store, start)?;
        let padding = (scan.valid_bytes < records.len()).then_some("zeros stand there");
        match scan.tear.or(padding) {
            // An object is stored as a whole.
            Some(what) => Err(Error::corrupt(format!(
                "{key:?} at offset {}: {what}",
                offset + scan.valid_bytes as u64
            ))),
            None => Ok(scan.records),
        }
    }

    /// The numbers with which the objects after the one of `after_seq` begin, in order.
    pub(super) async fn list_after(&self, after_seq: Option<u64>) -> Result<Vec<u64>, Error> {
        let prefix = self.prefix();
        let start_after = after_seq.map(|seq| self.key(seq));
        let objects = self.ost.list(&prefix, start_after.as_deref());
        objects
            .map_err(Error::from)
            .try_filter_map(|meta| async move { Ok(first_seq_of(meta.path.as_ref())) })
            .try_collect()
            .await
    }

    /// The objects that hold `seq` and what follows it; the first one may begin before.
    async fn list_from(&self, seq: u64) -> Result<Vec<u64>, Error> {
        let exact = self.list_after(seq.checked_sub(1)).await?;
        if exact.first() == Some(&seq) {
            return Ok(exact);
        }
        let mut all = self.list_after(None).await?;
        let behind = all.partition_point(|first_seq| *first_seq <= seq);
        Ok(all.split_off(behind.saturating_sub(1)))
    }

    /// The records from number `seq` on, or from the oldest that is kept, as far as they are there. One that was removed since
    /// it was listed leaves a gap, and the chain is not checked: see [`chained`](crate::log::chained).
    pub(crate) fn read_from(&self, seq: u64) -> BoxStream<'static, Result<Record, Error>> {
        let objects = self.clone();
        let listed = async move {
            let numbers = objects.list_from(seq).await?;
            let reads = stream::iter(numbers).map(move |first_seq| {
                let objects = objects.clone();
                async move { objects.get(first_seq, ChainStart::At(first_seq)).await }
            });
            let records = reads
                .buffered(PARALLEL_READS)
                .map_ok(|records| stream::iter(records.unwrap_or_default()).map(Ok::<_, Error>))
                .try_flatten();
            Ok::<_, Error>(
                records.try_filter(move |record| std::future::ready(record.position.seq >= seq)),
            )
        };
        stream::once(listed).try_flatten().boxed()
    }
}

/// The number in the name of a WAL object.
pub(super) fn first_seq_of(key: &str) -> Option<u64> {
    key.rsplit('/').next()?.strip_suffix(SUFFIX)?.parse().ok()
}

/// The epoch in the name of a WAL object.
pub(super) fn epoch_of(key: &str) -> Option<u32> {
    key.strip_prefix(WAL_PREFIX)?
        .split('/')
        .next()?
        .parse()
        .ok()
}
