//! What the log tells of the past: which records count, and what epochs that have ended held.

use futures::TryStreamExt;
use futures::stream::BoxStream;
use ost::Ost;

use crate::epoch::EpochFile;
use crate::log::WalObjects;
use crate::recent_records::Next;
use crate::record::Record;
use crate::state::Shared;
use crate::store_id::StoreId;
use crate::{Error, ErrorKind, Outcome, Position, RecordId};

/// Looks into the log of the newest epoch and of those before it.
#[derive(Clone, Debug)]
pub(crate) struct History {
    ost: Ost,
    store: StoreId,
}

impl History {
    pub(crate) fn new(ost: Ost, store: StoreId) -> History {
        History { ost, store }
    }

    /// The epoch after `epoch`.
    pub(crate) async fn next_epoch(&self, epoch: u32) -> Result<EpochFile, Error> {
        EpochFile::load(&self.ost, epoch + 1).await
    }

    /// Where the history of `epoch` begins.
    pub(crate) async fn base(&self, epoch: u32) -> Result<Position, Error> {
        Ok(EpochFile::load(&self.ost, epoch).await?.base)
    }

    /// The log of an epoch that has ended.
    pub(crate) fn ended_log(&self, epoch: u32) -> WalObjects {
        WalObjects::new(self.ost.clone(), self.store, epoch)
    }

    /// Whether the record named by `position` stands at its number, told by what follows it.
    ///
    /// The record itself is not asked: a process that was stopped for long may have stored it where another one had stood and
    /// had been removed (R15).
    pub(crate) async fn decide(
        &self,
        shared: &Shared,
        position: Position,
    ) -> Result<Outcome, Error> {
        let view = shared.view();
        let told_by = |record: RecordId| match record == position.record {
            true => Outcome::Committed,
            false => Outcome::NotCommitted,
        };
        if position.epoch > view.epoch
            || (position.epoch == view.epoch && position.seq > view.position.seq)
        {
            return Ok(Outcome::Undecided);
        }
        let covered = view.files.manifest.covered;
        for known in [view.position, covered] {
            if (known.epoch, known.seq) == (position.epoch, position.seq) {
                return Ok(told_by(known.record));
            }
        }
        if position.epoch < view.epoch {
            let base = self.next_epoch(position.epoch).await?.base;
            match position.seq.cmp(&base.seq) {
                std::cmp::Ordering::Greater => return Ok(Outcome::NotCommitted),
                std::cmp::Ordering::Equal => return Ok(told_by(base.record)),
                std::cmp::Ordering::Less => {}
            }
            let log = self.ended_log(position.epoch);
            let successor = first_of(log.read_from(position.seq + 1)).await?;
            return Ok(decided_by_successor(position, successor, told_by));
        }
        match shared.recent.after(position) {
            Next::Record(_) => return Ok(Outcome::Committed),
            Next::Other => return Ok(Outcome::NotCommitted),
            Next::NotThere | Next::Forgotten => {}
        }
        let open = shared.log();
        let successor = first_of(open.log.read_from(position.seq + 1)).await?;
        Ok(decided_by_successor(position, successor, told_by))
    }
}

/// The first record that is read, if it is still kept by then.
async fn first_of(
    mut records: BoxStream<'_, Result<Record, Error>>,
) -> Result<Option<Record>, Error> {
    match records.try_next().await {
        Err(error) if error.kind() == ErrorKind::Compacted => Ok(None),
        first => first,
    }
}

fn decided_by_successor(
    position: Position,
    successor: Option<Record>,
    told_by: impl Fn(RecordId) -> Outcome,
) -> Outcome {
    match successor {
        Some(next) if next.position.seq == position.seq + 1 => told_by(next.predecessor),
        _ => Outcome::TooOld,
    }
}
