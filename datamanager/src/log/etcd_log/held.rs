//! The records of the log that are not known to be on the object storage.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::{Error, Position, RecordId};

/// A record as it stands in the log.
#[derive(Clone, Debug)]
pub(super) struct HeldRecord {
    pub(super) position: Position,
    pub(super) predecessor: RecordId,
    pub(super) bytes: Bytes,
}

/// What this process would have to save if etcd were lost now (R11).
///
/// # Invariants
/// 1. `records` are consecutive and follow `stored`.
/// 2. Everything up to `stored` is on the object storage.
pub(super) struct Held {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

struct State {
    stored: Position,
    records: VecDeque<(HeldRecord, Duration)>,
    bytes: u64,
    /// Who waits for records to be stored, waits for those up to here.
    wanted_seq: u64,
}

/// How much is held.
pub(super) struct HeldAmount {
    pub(super) bytes: u64,
    /// Since when the oldest record is held, on the steady clock.
    pub(super) oldest_since: Option<Duration>,
    pub(super) is_wanted: bool,
}

impl Held {
    /// The object storage has everything up to `stored`.
    pub(super) fn new(stored: Position) -> Held {
        Held {
            state: Mutex::new(State {
                stored,
                records: VecDeque::new(),
                bytes: 0,
                wanted_seq: 0,
            }),
            changed: watch::Sender::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The last record that is known to stand in the log.
    pub(super) fn last(&self) -> Position {
        self.state().last()
    }

    /// Up to where the object storage has everything.
    pub(super) fn stored(&self) -> Position {
        self.state().stored
    }

    /// The position of the held record at `seq`.
    pub(super) fn at(&self, seq: u64) -> Option<Position> {
        let state = self.state();
        let place = seq.checked_sub(state.stored.seq)?;
        match usize::try_from(place).ok()?.checked_sub(1) {
            None => Some(state.stored),
            Some(place) => state.records.get(place).map(|(record, _)| record.position),
        }
    }

    pub(super) fn amount(&self) -> HeldAmount {
        let state = self.state();
        HeldAmount {
            bytes: state.bytes,
            oldest_since: state.records.front().map(|(_, since)| *since),
            is_wanted: state.wanted_seq > state.stored.seq && !state.records.is_empty(),
        }
    }

    /// Holds a record that stands in the log, if it is the next one. Others are held already, or come again in order.
    pub(super) fn push(&self, record: HeldRecord, now: Duration) {
        let mut state = self.state();
        let last = state.last();
        if record.position.seq != last.seq + 1 || record.predecessor != last.record {
            return;
        }
        state.bytes += record.bytes.len() as u64;
        state.records.push_back((record, now));
        drop(state);
        self.changed.send_replace(());
    }

    /// The object storage has everything up to `position` now.
    ///
    /// # Errors
    /// `Corrupt`: another record is held at that number.
    pub(super) fn note_stored(&self, position: Position) -> Result<(), Error> {
        let mut state = self.state();
        if position.seq <= state.stored.seq {
            return Ok(());
        }
        while let Some((first, _)) = state.records.front()
            && first.position.seq <= position.seq
        {
            if first.position.seq == position.seq && first.position.record != position.record {
                return Err(Error::corrupt(format!(
                    "the object storage has record {} at number {}, and the log in etcd has record {}",
                    position.record, position.seq, first.position.record
                )));
            }
            let bytes = first.bytes.len() as u64;
            state.stored = first.position;
            state.bytes -= bytes;
            state.records.pop_front();
        }
        if position.seq > state.stored.seq {
            state.stored = position;
        }
        drop(state);
        self.changed.send_replace(());
        Ok(())
    }

    /// Gives up the records from number `seq` on.
    pub(super) fn give_up_from(&self, seq: u64) {
        let mut state = self.state();
        while let Some((last, _)) = state.records.back()
            && last.position.seq >= seq
        {
            let bytes = last.bytes.len() as u64;
            state.bytes -= bytes;
            state.records.pop_back();
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Asks for everything up to `seq` to be stored soon.
    pub(super) fn want(&self, seq: u64) {
        let mut state = self.state();
        state.wanted_seq = state.wanted_seq.max(seq);
        drop(state);
        self.changed.send_replace(());
    }

    /// Where the records to be stored next follow, and these records.
    pub(super) fn next(&self, records_max: usize, bytes_max: u64) -> (Position, Vec<HeldRecord>) {
        let state = self.state();
        let mut bytes = 0;
        let records = state.records.iter().take(records_max);
        let records = records.map(|(record, _)| record.clone());
        let records = records.take_while(|record| {
            let fits = bytes == 0 || bytes + record.bytes.len() as u64 <= bytes_max;
            bytes += record.bytes.len() as u64;
            fits
        });
        (state.stored, records.collect())
    }
}

impl State {
    fn last(&self) -> Position {
        match self.records.back() {
            Some((record, _)) => record.position,
            None => self.stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u8) -> HeldRecord {
        HeldRecord {
            position: position(seq),
            predecessor: position(seq - 1).record,
            bytes: Bytes::from(vec![seq; 10]),
        }
    }

    fn position(seq: u8) -> Position {
        Position {
            epoch: 1,
            seq: u64::from(seq),
            record: RecordId::from_bytes([seq; 16]),
        }
    }

    #[test]
    fn what_is_held_is_a_chain_and_what_is_stored_is_let_go() {
        let held = Held::new(position(2));
        for seq in [3, 3, 5, 4, 2, 5] {
            held.push(record(seq), Duration::ZERO);
        }
        assert_eq!(held.last(), position(5));
        assert_eq!(held.amount().bytes, 30);
        assert_eq!(held.next(2, 100).1.len(), 2);
        assert_eq!(held.next(9, 1).1.len(), 1, "a large record goes alone");
        held.note_stored(position(4)).unwrap();
        held.note_stored(position(3)).unwrap();
        assert_eq!((held.stored(), held.last()), (position(4), position(5)));
        let other = Position {
            record: RecordId::NONE,
            ..position(5)
        };
        assert_eq!(
            held.note_stored(other).unwrap_err().kind(),
            crate::ErrorKind::Corrupt
        );
        held.push(record(6), Duration::ZERO);
        held.give_up_from(6);
        assert_eq!((held.last(), held.amount().bytes), (position(5), 10));
        held.note_stored(position(9)).unwrap();
        assert_eq!((held.stored(), held.last()), (position(9), position(9)));
        assert_eq!(held.amount().bytes, 0);
    }
}
