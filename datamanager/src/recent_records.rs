//! The records applied last, for those who follow the store.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Position;
use crate::record::Record;

/// What a record and each of its writes take in memory beside their bytes, about.
const RECORD_OVERHEAD_BYTES: u64 = 256;
const WRITE_OVERHEAD_BYTES: u64 = 80;

/// The newest records, within a bound of memory.
///
/// # Invariant
/// `records` are consecutive, follow `start`, and end with the last one applied.
#[derive(Debug)]
pub(crate) struct RecentRecords {
    state: Mutex<State>,
    bytes_max: u64,
}

#[derive(Debug)]
struct State {
    /// The position before the first record.
    start: Position,
    records: VecDeque<(Arc<Record>, u64)>,
    bytes: u64,
}

/// Where a position lies.
pub(crate) enum Next {
    /// The record after the position.
    Record(Arc<Record>),
    /// The position is that of the newest record.
    NotThere,
    /// The position lies before what is remembered.
    Forgotten,
    /// Another record stands at the position.
    Other,
}

impl RecentRecords {
    pub(crate) fn new(start: Position, bytes_max: u64) -> RecentRecords {
        RecentRecords {
            state: Mutex::new(State {
                start,
                records: VecDeque::new(),
                bytes: 0,
            }),
            bytes_max,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything and goes on after `start`.
    pub(crate) fn restart(&self, start: Position) {
        let mut state = self.state();
        state.start = start;
        state.records.clear();
        state.bytes = 0;
    }

    /// Adds the record that was applied.
    pub(crate) fn push(&self, record: Record) {
        let writes = record.writes().count() as u64;
        let bytes = record.bytes + RECORD_OVERHEAD_BYTES + writes * WRITE_OVERHEAD_BYTES;
        let mut state = self.state();
        state.records.push_back((Arc::new(record), bytes));
        state.bytes += bytes;
        while state.bytes > self.bytes_max
            && let Some((oldest, bytes)) = state.records.pop_front()
        {
            state.bytes -= bytes;
            state.start = oldest.position;
        }
    }

    /// The record after `position`, which may be of the epoch before.
    pub(crate) fn after(&self, position: Position) -> Next {
        let state = self.state();
        let Some(place) = position.seq.checked_sub(state.start.seq) else {
            return Next::Forgotten;
        };
        let Ok(place) = usize::try_from(place) else {
            return Next::NotThere;
        };
        let at = match place.checked_sub(1) {
            None => state.start,
            Some(before) => match state.records.get(before) {
                Some((record, _)) => record.position,
                None => return Next::NotThere,
            },
        };
        if at.record != position.record {
            return Next::Other;
        }
        match state.records.get(place) {
            Some((record, _)) => Next::Record(record.clone()),
            None => Next::NotThere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordId;
    use crate::record::tests::sample_record;

    fn record(seq: u64) -> Record {
        let mut record = sample_record(seq);
        record.position.record = RecordId::from_bytes([u8::try_from(seq).unwrap(); 16]);
        record.bytes = 1_000;
        record
    }

    #[test]
    fn what_was_pushed_last_is_found_and_what_was_forgotten_is_told() {
        let recent = RecentRecords::new(Position::START, 5_000);
        assert!(matches!(recent.after(Position::START), Next::NotThere));
        for seq in 1..=9 {
            recent.push(record(seq));
        }
        assert!(matches!(recent.after(Position::START), Next::Forgotten));
        assert!(matches!(recent.after(record(2).position), Next::Forgotten));
        for seq in 7..9 {
            match recent.after(record(seq).position) {
                Next::Record(next) => assert_eq!(next.position.seq, seq + 1),
                _ => panic!("record {seq} is remembered"),
            }
        }
        assert!(matches!(recent.after(record(9).position), Next::NotThere));
        let other = Position {
            seq: 8,
            ..record(7).position
        };
        assert!(matches!(recent.after(other), Next::Other));
    }
}
