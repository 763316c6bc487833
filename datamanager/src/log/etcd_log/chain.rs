//! The log as far as the object storage has it.

use futures::TryStreamExt;

use super::Inner;
use crate::control::{ControlRecord, Seal};
use crate::manifest::Manifest;
use crate::record::{Record, RecordBody};
use crate::wal_file::ChainStart;
use crate::{Error, ErrorKind, Position, Timestamp};

/// Records in one WAL object, at most.
pub(super) const OBJECT_RECORDS_MAX: u64 = 1_000;

/// The last record that the object storage has.
#[derive(Clone, Debug)]
pub(super) struct ChainEnd {
    pub(super) position: Position,
    pub(super) time: Timestamp,
    /// The seal, if it is one.
    pub(super) seal: Option<Seal>,
}

impl ChainEnd {
    /// Nothing but its position is known of the record.
    fn at(position: Position) -> ChainEnd {
        ChainEnd {
            position,
            time: Timestamp::default(),
            seal: None,
        }
    }

    fn of(record: &Record) -> ChainEnd {
        let seal = match &record.body {
            RecordBody::Control(ControlRecord::Seal(seal)) => Some(seal.clone()),
            _ => None,
        };
        ChainEnd {
            position: record.position,
            time: record.time,
            seal,
        }
    }
}

impl Inner {
    /// The last record on the object storage, by its last object: one LIST and one GET.
    pub(super) async fn chain_end(&self) -> Result<ChainEnd, Error> {
        let stored = self.held.stored();
        let before = stored.seq.saturating_sub(OBJECT_RECORDS_MAX);
        let listed = self.objects.list_after(Some(before)).await?;
        let Some(last) = listed.last() else {
            return Ok(ChainEnd::at(stored));
        };
        let records = self.objects.get(*last, ChainStart::At(*last)).await?;
        let end = records.as_ref().and_then(|records| records.last());
        // It may begin before what data files cover, and end behind it.
        let end = end.filter(|record| record.position.seq > stored.seq);
        Ok(end.map_or_else(|| ChainEnd::at(stored), ChainEnd::of))
    }

    /// Notes that the object storage has everything up to `end`, where an object ends: what is flushed next goes behind it.
    pub(super) fn note_end(&self, end: &ChainEnd) {
        if let Err(error) = self.held.note_stored(end.position) {
            self.suspect(&error.chain());
        }
    }

    /// The end of the unbroken chain behind the newest manifest (R8): reads every record of it.
    ///
    /// # Errors
    /// `Corrupt`: a record is missing before others, or does not follow the one before; names it.
    pub(super) async fn walk_chain(&self) -> Result<ChainEnd, Error> {
        let (manifest, _) = self.newest_manifest().await?;
        let mut end = ChainEnd {
            position: manifest.covered,
            time: manifest.covered_time,
            seal: None,
        };
        let mut records = self.objects.read_from(manifest.covered.seq + 1);
        while let Some(record) = records.try_next().await? {
            if record.position.seq != end.position.seq + 1
                || record.predecessor != end.position.record
            {
                return Err(Error::corrupt(format!(
                    "the object storage lacks record {} of epoch {}: record {} does not follow record {}",
                    end.position.seq + 1,
                    self.epoch,
                    record.position.seq,
                    end.position.seq
                )));
            }
            end = ChainEnd::of(&record);
        }
        Ok(end)
    }

    /// The newest manifest of this log's epoch.
    pub(super) async fn newest_manifest(&self) -> Result<(Manifest, u32), Error> {
        match Manifest::load_newest(&self.ost, self.epoch).await {
            // One that was removed while it was looked for has a successor.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Manifest::load_newest(&self.ost, self.epoch).await
            }
            result => result,
        }
    }
}
