//! What a waiting caller and the committer tell each other about one commit.

use std::sync::{Mutex, PoisonError};

use crate::CommitId;

/// The state of one commit, from the queue to its answer.
#[derive(Debug)]
pub(crate) struct CommitTicket {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In no record that was sent: the caller may still take it back.
    Queued,
    /// In a record that is being appended.
    InFlight(CommitId),
    /// In a record that is being appended, and its caller has gone: if the record loses its place, the commit is dropped,
    /// since the caller knows it by that record alone.
    Leaving(CommitId),
    /// Taken back by the caller.
    TakenBack,
}

impl CommitTicket {
    pub(crate) fn new() -> CommitTicket {
        CommitTicket {
            state: Mutex::new(State::Queued),
        }
    }

    pub(crate) fn is_taken_back(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::TakenBack)
    }

    /// The record that holds the commit is sent, perhaps once more; `false` if the caller has taken it back.
    pub(crate) fn put_in_flight(&self, id: CommitId) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::TakenBack => return false,
            State::Queued => *state = State::InFlight(id),
            State::InFlight(_) | State::Leaving(_) => {}
        }
        true
    }

    /// The record has lost its place: the commit waits for another.
    pub(crate) fn put_back(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match *state {
            State::Queued | State::InFlight(_) => State::Queued,
            State::Leaving(_) | State::TakenBack => State::TakenBack,
        };
    }

    /// Takes the commit back, or says in which record it already is.
    pub(crate) fn take_back(&self) -> Result<(), CommitId> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::InFlight(id) | State::Leaving(id) => {
                *state = State::Leaving(id);
                Err(id)
            }
            State::Queued | State::TakenBack => {
                *state = State::TakenBack;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordId;

    const ID: CommitId = CommitId {
        epoch: 1,
        seq: 7,
        record: RecordId::NONE,
        index: 0,
    };

    /// A caller that was told of record 7 must not be committed by record 8 behind its back.
    #[test]
    fn a_commit_whose_caller_has_gone_moves_to_no_other_record() {
        let ticket = CommitTicket::new();
        assert!(ticket.put_in_flight(ID));
        assert_eq!(ticket.take_back(), Err(ID));
        ticket.put_back();
        assert!(!ticket.put_in_flight(ID));
    }

    #[test]
    fn a_commit_that_lost_its_place_waits_for_another_and_can_be_taken_back() {
        let ticket = CommitTicket::new();
        assert!(ticket.put_in_flight(ID));
        ticket.put_back();
        assert!(ticket.put_in_flight(ID));
        ticket.put_back();
        assert_eq!(ticket.take_back(), Ok(()));
        assert!(!ticket.put_in_flight(ID));
    }
}
