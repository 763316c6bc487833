//! R9: a large record, whose body is a blob, among the records of others, manifests and a collector.
//!
//! The writer puts the blob under the number that its record was first to have. Others may append before it; then it names the
//! same blob again, or puts another one. Its record has to be readable until data files hold it.

use stateright::{Model, Property};

use super::{breaks, broken};

const RECORDS_MAX: u8 = 7;
/// By how much less than this a record's number may be above that of the blob it names.
const DISTANCE: u8 = 2;

#[derive(Clone)]
struct Blobs {
    /// Whether a record names a blob only while its number is near.
    names_near_blobs: bool,
    /// How far behind its number the covered position is when a blob is removed.
    removal_distance: u8,
    /// Whether a record may be covered only once it has been copied to the object storage whole.
    covers_what_is_flushed: bool,
}

const RIGHT: Blobs = Blobs {
    names_near_blobs: true,
    removal_distance: DISTANCE,
    covers_what_is_flushed: true,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    head: u8,
    covered: u8,
    /// The blob that was put last, by the number in its name.
    blob: Option<u8>,
    is_there: bool,
    /// The large record, once it stands.
    record: Option<u8>,
    is_flushed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Put,
    Append,
    OthersAppend,
    Flush,
    Cover,
    Remove,
}

impl Model for Blobs {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            head: 0,
            covered: 0,
            blob: None,
            is_there: false,
            record: None,
            is_flushed: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let next = state.head + 1;
        if next <= RECORDS_MAX {
            actions.push(Action::OthersAppend);
            if state.record.is_none() {
                match state.blob {
                    Some(first) if next - first < DISTANCE || !self.names_near_blobs => {
                        actions.push(Action::Append);
                    }
                    _ => actions.push(Action::Put),
                }
            }
        }
        if state.record.is_some() && state.is_there {
            actions.push(Action::Flush);
        }
        let waits_for_flush = state.record.is_some() && !state.is_flushed;
        if state.covered < state.head && !(waits_for_flush && self.covers_what_is_flushed) {
            actions.push(Action::Cover);
        }
        let is_old = |first: u8| first + self.removal_distance <= state.covered;
        if state.is_there && state.blob.is_some_and(is_old) {
            actions.push(Action::Remove);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Put => {
                state.blob = Some(state.head + 1);
                state.is_there = true;
            }
            Action::Append => {
                state.head += 1;
                state.record = Some(state.head);
            }
            Action::OthersAppend => state.head += 1,
            Action::Flush => state.is_flushed = true,
            Action::Cover => state.covered = state.head,
            Action::Remove => state.is_there = false,
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Blobs>> {
        vec![
            Property::always("a record can be read", |_, state: &State| {
                let is_needed = state.record.is_some_and(|seq| seq > state.covered);
                !is_needed || state.is_flushed || state.is_there
            }),
            Property::always("what is covered was whole", |_, state: &State| {
                let is_covered = state.record.is_some_and(|seq| seq <= state.covered);
                !is_covered || state.is_flushed
            }),
            Property::sometimes("a second blob is needed", |_, state: &State| {
                state.record.is_some() && state.blob.is_some_and(|first| first > 1)
            }),
            Property::sometimes("a blob is removed", |_, state: &State| {
                state.record.is_some() && !state.is_there
            }),
        ]
    }
}

#[test]
fn a_blob_stays_while_its_record_is_needed() {
    assert_eq!(
        broken(RIGHT),
        ["a blob is removed", "a second blob is needed"]
    );
}

#[test]
fn a_record_that_named_an_old_blob_would_lose_its_body() {
    let model = Blobs {
        names_near_blobs: false,
        ..RIGHT
    };
    assert!(breaks(model, "a record can be read"));
}

#[test]
fn a_collector_that_kept_no_distance_would_remove_blobs_too_early() {
    let model = Blobs {
        removal_distance: 0,
        ..RIGHT
    };
    assert!(breaks(model, "a record can be read"));
}

#[test]
fn a_manifest_over_a_record_that_is_in_etcd_alone_would_rest_on_nothing() {
    let model = Blobs {
        covers_what_is_flushed: false,
        ..RIGHT
    };
    assert!(breaks(model, "what is covered was whole"));
}
