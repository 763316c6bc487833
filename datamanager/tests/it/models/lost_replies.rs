//! R2 and R3: two writers, whose appends take effect when they like and whose replies get lost.
//!
//! A request that was given up on may still take effect later. An append is decided only by what stands at its number.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use super::broken;

const WRITERS: usize = 2;
const RECORDS_MAX: usize = 3;
const TRANSACTIONS_MAX: u8 = 2;

#[derive(Clone)]
struct LostReplies {
    /// Whether a writer whose reply was lost sends the same record again, at the same number, until that is decided.
    keeps_to_its_number: bool,
    /// Whether it looks whose record stands there, instead of taking any as another's.
    knows_its_own: bool,
}

const RIGHT: LostReplies = LostReplies {
    keeps_to_its_number: true,
    knows_its_own: true,
};

/// A transaction: its writer, and its number there.
type Transaction = (usize, u8);

/// A create-if-absent on its way: the number in the log, and what is stored there.
type Request = (usize, Transaction);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    log: Vec<Transaction>,
    /// Requests that have not taken effect; those that were given up on among them.
    on_their_way: BTreeSet<Request>,
    writers: [Writer; WRITERS],
    told_committed: BTreeSet<Transaction>,
    told_refused: BTreeSet<Transaction>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Writer {
    applied: usize,
    /// The transaction that is being committed, and the number that its record was sent to.
    trying: Option<(u8, usize)>,
    begun: u8,
    /// Whether the reply to the last request was lost, so that it is open what became of it.
    unclear: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Begin(usize),
    /// The request takes effect, and its answer comes back, or does not.
    TakesEffect(Request, bool),
    /// The writer hears nothing.
    TimesOut(usize),
    /// The writer reads the record behind what it has applied.
    Read(usize),
    SendAgain(usize),
}

impl LostReplies {
    /// The writer learns that a record stands behind what it had applied.
    fn apply(&self, state: &mut State, writer: usize) {
        let place = state.writers[writer].applied;
        let record = state.log[place];
        state.writers[writer].applied += 1;
        let Some((number, sent_to)) = state.writers[writer].trying else {
            return;
        };
        let own = (writer, number);
        if sent_to != place + 1 {
            return;
        }
        if record == own && self.knows_its_own {
            state.told_committed.insert(own);
            state.writers[writer].trying = None;
            state.writers[writer].unclear = false;
        } else {
            // Another's record: the place is lost, and the transaction competes for the next.
            state.writers[writer].trying = Some((number, place + 2));
            state.writers[writer].unclear = false;
            if place + 2 <= RECORDS_MAX {
                state.on_their_way.insert((place + 2, own));
            }
        }
    }
}

impl Model for LostReplies {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            log: Vec::new(),
            on_their_way: BTreeSet::new(),
            writers: Default::default(),
            told_committed: BTreeSet::new(),
            told_refused: BTreeSet::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, writer) in state.writers.iter().enumerate() {
            if writer.trying.is_none()
                && writer.begun < TRANSACTIONS_MAX
                && writer.applied < RECORDS_MAX
            {
                actions.push(Action::Begin(index));
            }
            if writer.applied < state.log.len() {
                actions.push(Action::Read(index));
            }
            if writer.trying.is_some() && !writer.unclear {
                actions.push(Action::TimesOut(index));
            }
            if writer.unclear {
                actions.push(Action::SendAgain(index));
            }
        }
        for request in &state.on_their_way {
            actions.push(Action::TakesEffect(*request, true));
            actions.push(Action::TakesEffect(*request, false));
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Begin(index) => {
                let writer = &mut state.writers[index];
                writer.begun += 1;
                let number = writer.applied + 1;
                writer.trying = Some((writer.begun, number));
                state.on_their_way.insert((number, (index, writer.begun)));
            }
            Action::TakesEffect(request, answered) => {
                state.on_their_way.remove(&request);
                let (number, transaction) = request;
                // Create-if-absent, and nobody sends a record for a place that has no record before it.
                if number == state.log.len() + 1 {
                    state.log.push(transaction);
                }
                let (index, own) = transaction;
                let writer = &state.writers[index];
                let is_awaited = writer.trying == Some((own, number)) && !writer.unclear;
                if answered && is_awaited && writer.applied + 1 == number {
                    if state.log[number - 1] == transaction {
                        // The answer says so; the rest is as if the record had been read.
                        state.told_committed.insert(transaction);
                        state.writers[index].trying = None;
                        state.writers[index].applied = number;
                    } else {
                        self.apply(&mut state, index);
                    }
                }
            }
            Action::TimesOut(index) => {
                state.writers[index].unclear = true;
                if !self.keeps_to_its_number {
                    // As if nothing had been sent: the caller is told that nothing was committed.
                    let (number, _) = state.writers[index].trying.take()?;
                    state.told_refused.insert((index, number));
                    state.writers[index].unclear = false;
                }
            }
            Action::Read(index) => self.apply(&mut state, index),
            Action::SendAgain(index) => {
                let writer = &mut state.writers[index];
                let (number, sent_to) = writer.trying?;
                writer.unclear = false;
                if sent_to <= RECORDS_MAX {
                    state.on_their_way.insert((sent_to, (index, number)));
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<LostReplies>> {
        vec![
            Property::always("nothing is committed twice", |_, state: &State| {
                let different: BTreeSet<_> = state.log.iter().collect();
                different.len() == state.log.len()
            }),
            Property::always("what was told is so", |_, state: &State| {
                let is_there = |transaction: &&Transaction| state.log.contains(transaction);
                state
                    .told_committed
                    .iter()
                    .all(|transaction| is_there(&transaction))
                    && !state
                        .told_refused
                        .iter()
                        .any(|transaction| is_there(&transaction))
            }),
            Property::sometimes("both commit twice", |_, state: &State| {
                state.told_committed.len() == RECORDS_MAX
            }),
        ]
    }
}

fn broken_promises(model: LostReplies) -> Vec<&'static str> {
    let mut broken = broken(model);
    broken.retain(|name| *name != "both commit twice");
    broken
}

#[test]
fn lost_replies_neither_lose_nor_double_a_transaction() {
    assert_eq!(broken(RIGHT), ["both commit twice"]);
}

#[test]
fn a_writer_that_took_its_own_record_for_anothers_would_commit_twice() {
    let model = LostReplies {
        knows_its_own: false,
        ..RIGHT
    };
    assert_eq!(broken_promises(model), ["nothing is committed twice"]);
}

#[test]
fn an_unclear_append_that_was_told_as_refused_would_be_a_lie() {
    let model = LostReplies {
        keeps_to_its_number: false,
        ..RIGHT
    };
    assert!(broken_promises(model).contains(&"what was told is so"));
}
