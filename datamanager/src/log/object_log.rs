//! The log of a store that any number of processes share: one created object for each record.

mod confirmation;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use ost::{Create, Ost};

use crate::environment::Environment;
use crate::failpoint;
use crate::log::turns::{Pace, Turns};
use crate::log::wal_objects::{self, WalObjects};
use crate::log::{Append, Log, LogReader, Senders};
use crate::mutation;
use crate::record::Record;
use crate::registry::Registry;
use crate::store_id::StoreId;
use crate::wal_file::{self, ChainStart, WAL_FILE_HEADER_BYTES};
use crate::{Error, Position};

use confirmation::Confirmation;

/// Records found one after the other by asking for each, after which the log is listed instead (R17).
const LAG_BEFORE_LIST: u32 = 4;
/// How often a record is asked for whose absence cannot be believed, because the answers come too late.
const ABSENCE_ATTEMPTS_MAX: u32 = 3;
/// Objects that are read at once when the log is listed.
const PARALLEL_READS: usize = 8;
const PACE: Pace = Pace {
    // Who has lost lists what it lacks, reads it, finds nothing behind it, and only then appends.
    turn_append_times: 4,
    delay_max: Duration::from_secs(1),
};

/// What an [`ObjectLog`] needs to know of the store.
#[derive(Clone, Debug)]
pub(crate) struct ObjectLogOptions {
    pub(crate) instance: String,
    pub(crate) ost: Ost,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) store: StoreId,
    pub(crate) epoch: u32,
    /// Where the epoch starts.
    pub(crate) base: Position,
    /// The number of the newest manifest, and what it covers.
    pub(crate) manifest: (u64, Position),
    /// When that manifest was looked for, on the steady clock.
    pub(crate) confirmed_at: Duration,
    pub(crate) head_confirm_max: Duration,
    pub(crate) probe_interval_min: Duration,
    pub(crate) probe_interval_max: Duration,
    pub(crate) read_only: bool,
}

/// Records as objects `wal/<epoch>/<seq>.wal`, each created if absent.
///
/// # Invariants
/// 1. Nothing is said to be missing, and no record is given out or acknowledged, unless the confirmation was young when the
///    request came back (R15).
/// 2. `appended` is the last record that this handle has appended; the tail goes on behind it.
pub(crate) struct ObjectLog {
    environment: Arc<dyn Environment>,
    options: ObjectLogOptions,
    objects: WalObjects,
    confirmation: Confirmation,
    turns: Turns,
    appended: Mutex<Position>,
}

/// How far a reader has come.
struct Place {
    after: Position,
    /// Records found by asking for one after the other.
    hits: u32,
    /// Objects that were listed and have yet to be read.
    listed: VecDeque<u64>,
    ready: VecDeque<(u64, Bytes)>,
}

impl Place {
    fn after(after: Position) -> Place {
        Place {
            after,
            hits: 0,
            listed: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }
}

impl ObjectLog {
    pub(crate) fn new(environment: Arc<dyn Environment>, options: ObjectLogOptions) -> ObjectLog {
        let ost = options.ost.clone();
        let confirmation = Confirmation::new(
            environment.clone(),
            ost.clone(),
            options.epoch,
            options.head_confirm_max,
            options.manifest,
            options.confirmed_at,
        );
        ObjectLog {
            objects: WalObjects::new(ost, options.store, options.epoch),
            confirmation,
            turns: Turns::new(environment.clone(), options.registry.clone(), PACE),
            appended: Mutex::new(Position::START),
            environment,
            options,
        }
    }

    /// The next record after `place`; `None` when none is there yet.
    async fn next(&self, place: &mut Place) -> Result<Option<Record>, Error> {
        for _ in 0..ABSENCE_ATTEMPTS_MAX {
            if place.ready.is_empty() && place.listed.is_empty() && place.hits >= LAG_BEFORE_LIST {
                self.list(place).await?;
            }
            if place.ready.is_empty() && !place.listed.is_empty() {
                self.read_listed(place).await?;
            }
            let next_seq = place.after.seq + 1;
            let began = self.environment.steady_time();
            let found = match place.ready.pop_front() {
                Some((first_seq, bytes)) if first_seq == next_seq => Some(bytes),
                _ => self.objects.get_bytes(next_seq).await?,
            };
            let was_young = self.confirmation.is_young();
            self.confirmation.ensure(place.after).await?;
            if let Some(bytes) = found {
                return self.decode_next(place, &bytes).map(Some);
            }
            place.hits = 0;
            if was_young {
                self.confirmation.extend(began);
                return Ok(None);
            }
            // What was missing while nothing was known may have been created before the listing: ask once more.
        }
        Err(Error::unavailable(format!(
            "it is not known whether the log goes on behind {}: requests take longer than head_confirm_max = {:?}",
            place.after, self.options.head_confirm_max
        )))
    }

    /// The record behind `place`, whose object holds `bytes`.
    fn decode_next(&self, place: &mut Place, bytes: &Bytes) -> Result<Record, Error> {
        let next_seq = place.after.seq + 1;
        let records = self
            .objects
            .decode(next_seq, bytes, ChainStart::After(place.after))?;
        let mut records = records.into_iter();
        match (records.next(), records.next()) {
            (Some(record), None) => {
                place.after = record.position;
                place.hits += 1;
                Ok(record)
            }
            _ => Err(Error::corrupt(format!(
                "{:?} does not hold one record",
                self.objects.key(next_seq)
            ))),
        }
    }

    /// Lists what stands behind `place`: a record that is missing before others is damage, or covered by a manifest.
    async fn list(&self, place: &mut Place) -> Result<(), Error> {
        let listed = self.objects.list_after(Some(place.after.seq)).await?;
        let next_seq = place.after.seq + 1;
        let is_gap = listed.first().is_some_and(|first| *first != next_seq)
            || listed.windows(2).any(|pair| pair[1] != pair[0] + 1);
        if is_gap {
            self.find_gap(place.after, &listed).await?;
        }
        place.hits = 0;
        place.listed = listed.into();
        Ok(())
    }

    /// Tells a gap in the log, which is damage, from records that were created while the log was being listed, and from those
    /// that a collector has removed.
    async fn find_gap(&self, after: Position, listed: &[u64]) -> Result<(), Error> {
        let mut expected = after.seq + 1;
        for first_seq in listed {
            while expected < *first_seq {
                if self.objects.get_bytes(expected).await?.is_none() {
                    self.confirmation.expire();
                    self.confirmation.ensure(after).await?;
                    return Err(Error::corrupt(format!(
                        "the log lacks record {expected}: {:?} is missing, and {:?} is there",
                        self.objects.key(expected),
                        self.objects.key(*first_seq)
                    )));
                }
                expected += 1;
            }
            expected = first_seq + 1;
        }
        Ok(())
    }

    async fn read_listed(&self, place: &mut Place) -> Result<(), Error> {
        let count = place.listed.len().min(PARALLEL_READS);
        let numbers: Vec<u64> = place.listed.drain(..count).collect();
        let reads = stream::iter(numbers)
            .map(|first_seq| async move { (first_seq, self.objects.get_bytes(first_seq).await) });
        let mut reads = reads.buffered(PARALLEL_READS);
        while let Some((first_seq, bytes)) = reads.next().await {
            // One that is gone already is asked for again when its turn comes.
            if let Some(bytes) = bytes? {
                place.ready.push_back((first_seq, bytes));
            }
        }
        Ok(())
    }

    fn stream(&self, place: Place) -> BoxStream<'_, Result<Record, Error>> {
        stream::try_unfold(place, move |mut place| async move {
            let record = self.next(&mut place).await?;
            Ok(record.map(|record| (record, place)))
        })
        .boxed()
    }

    fn appended(&self) -> Position {
        *self.appended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a record that was just created stands where none had stood before.
    async fn check_created(
        &self,
        began: Duration,
        expected: Position,
        position: Position,
    ) -> Append {
        if self.confirmation.is_young() {
            self.confirmation.extend(began);
        } else if let Err(error) = self.confirmation.ensure(expected).await {
            return match error.kind() {
                crate::ErrorKind::Compacted => Append::Behind,
                _ => Append::Unclear(error),
            };
        }
        *self.appended.lock().unwrap_or_else(PoisonError::into_inner) = position;
        Append::Appended
    }
}

#[async_trait]
impl LogReader for ObjectLog {
    fn read(&self, after: Position) -> BoxStream<'_, Result<Record, Error>> {
        self.stream(Place::after(after))
    }

    fn replay(&self, after: Position) -> BoxStream<'_, Result<Record, Error>> {
        let hits = LAG_BEFORE_LIST;
        self.stream(Place {
            hits,
            ..Place::after(after)
        })
    }

    fn read_from(&self, seq: u64) -> BoxStream<'_, Result<Record, Error>> {
        self.objects.read_from(seq)
    }

    fn tail(&self, after: Position) -> BoxStream<'_, Result<Record, Error>> {
        let delay = self.options.probe_interval_min;
        stream::try_unfold(
            (Place::after(after), delay),
            move |(mut place, mut delay)| async move {
                loop {
                    let appended = self.appended();
                    if appended.seq > place.after.seq {
                        place = Place::after(appended);
                        delay = self.options.probe_interval_min;
                    } else if let Some(record) = self.next(&mut place).await? {
                        return Ok(Some((record, (place, self.options.probe_interval_min))));
                    }
                    self.environment.sleep(delay).await;
                    delay = (delay * 2).min(self.options.probe_interval_max);
                }
            },
        )
        .boxed()
    }
}

#[async_trait]
impl Log for ObjectLog {
    async fn append(
        &self,
        expected: Position,
        position: Position,
        record: Bytes,
        senders: &dyn Senders,
    ) -> Append {
        if self.options.read_only {
            return Append::Refused(Error::invalid("the store is open read-only"));
        }
        let path = match self.objects.path(position.seq) {
            Ok(path) => path,
            Err(error) => return Append::Refused(error),
        };
        let header = wal_file::encode_header(self.options.epoch, position.seq);
        let mut content = BytesMut::with_capacity(WAL_FILE_HEADER_BYTES + record.len());
        content.put_slice(&header);
        content.put_slice(&record);
        self.turns.wait().await;
        if !senders.may_send() {
            return Append::Withdrawn;
        }
        let began = self.environment.steady_time();
        let created = match mutation::is("replace-a-record") {
            true => {
                let put = self.options.ost.put(&path, content.freeze()).await;
                put.map(|()| Create::Created)
            }
            false => self.options.ost.create(&path, content.freeze()).await,
        };
        let append_time = self.environment.steady_time().saturating_sub(began);
        match created {
            Ok(Create::Created) => {
                self.turns.won(append_time);
                self.check_created(began, expected, position).await
            }
            Ok(Create::Exists) => {
                self.turns.lost(append_time);
                self.turns.wait_after_loss().await;
                // A client of object storage sends by itself once more what it got no answer to.
                Append::Lost {
                    told: Vec::new(),
                    is_certain: false,
                }
            }
            Err(error) if error.kind() == ost::ErrorKind::Unknown => Append::Unclear(error.into()),
            Err(error) => Append::Refused(error.into()),
        }
    }

    async fn tidy(&self) {}

    fn absence_is_final(&self) -> bool {
        false
    }

    fn removal_delay(&self) -> Duration {
        match mutation::is("remove-records-early") {
            true => Duration::ZERO,
            false => self.options.head_confirm_max * 2,
        }
    }

    async fn truncate(&self, up_to: Position) -> Result<u64, Error> {
        let ost = &self.options.ost;
        let listed: Vec<ost::ObjectMeta> = ost
            .list(wal_objects::WAL_PREFIX, None)
            .try_collect()
            .await?;
        let mut removed = 0;
        for (place, meta) in listed.iter().enumerate() {
            let next = listed.get(place + 1).map(|next| next.path.as_ref());
            if !self.may_go(meta.path.as_ref(), next, up_to) {
                continue;
            }
            if let Err(error) = ost.delete(&meta.path).await {
                // Records go in order, so that what is left has no gap.
                log::warn!(
                    instance = self.options.instance, path:% = meta.path;
                    "a log object could not be removed: {error}"
                );
                break;
            }
            removed += 1;
            failpoint::pass("log-file-removed");
        }
        Ok(removed)
    }
}

impl ObjectLog {
    /// Whether a WAL object only holds records at or before `up_to`; `next` is the key of the one after it.
    fn may_go(&self, key: &str, next: Option<&str>, up_to: Position) -> bool {
        let parts = wal_objects::epoch_of(key).zip(wal_objects::first_seq_of(key));
        let Some((epoch, first_seq)) = parts else {
            return false;
        };
        if epoch >= self.options.epoch {
            // An object of this log holds one record.
            return epoch == self.options.epoch && first_seq <= up_to.seq;
        }
        let next_first = next
            .filter(|next| wal_objects::epoch_of(next) == Some(epoch))
            .and_then(wal_objects::first_seq_of);
        match next_first {
            Some(next_first) => next_first <= up_to.seq + 1,
            None => up_to.seq >= self.options.base.seq,
        }
    }
}
