//! R8, R12 and R16: two processes that copy one log to the object storage, any number of records to an object, while data
//! files cover them, a collector removes what they cover, processes begin anew or stand still, answers are lost, and at last
//! etcd is lost with all that was not copied.
//!
//! A request that was sent has its effect before what it creates is removed by a collector: requests end sooner than that.

use std::collections::BTreeMap;

use stateright::{Model, Property};

use super::{breaks, broken};

const RECORDS_MAX: u8 = 4;
const FLUSHERS: usize = 2;

#[derive(Clone)]
struct Flush {
    /// Whether a flusher that finds an object reads it, and goes on behind what it holds.
    reads_what_is_there: bool,
    /// Whether a flusher that begins looks where the object storage's chain ends, and not only what data files cover.
    looks_for_the_end: bool,
    /// Whether objects are created only where there are none.
    creates_if_absent: bool,
    /// Whether a manifest is created only once what it covers, and all that its maker has applied, is on the object storage.
    flushes_before_manifests: bool,
    /// Whether a flusher that has stood still looks where the chain ends before it creates an object.
    knows_the_end: bool,
    /// Whether a collector waits until nobody relies on an end that he knew before data files covered what is behind it.
    collects_late: bool,
}

const RIGHT: Flush = Flush {
    reads_what_is_there: true,
    looks_for_the_end: true,
    creates_if_absent: true,
    flushes_before_manifests: true,
    knows_the_end: true,
    collects_late: true,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Flusher {
    applied: u8,
    /// Up to where it believes the object storage to have the log.
    stored: u8,
    /// It has believed so for too long to rely on it.
    is_late: bool,
    /// The object that it is creating, first and last record, and whether that has come about.
    request: Option<(u8, u8, Option<bool>)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    head: u8,
    /// The last record of each object, by the first.
    objects: BTreeMap<u8, u8>,
    /// Up to where the object storage has had the log.
    copied: u8,
    covered: u8,
    flushers: [Flusher; FLUSHERS],
    /// Where the next epoch begins, once etcd is lost.
    base: Option<u8>,
    /// Two objects have held one record, or an object was replaced by a shorter one.
    is_doubled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Append,
    Read(usize),
    Send(usize),
    TakesEffect(usize),
    LookAtAnswer(usize),
    LoseAnswer(usize),
    BeginAnew(usize),
    StandStill(usize),
    LookForTheEnd(usize),
    Cover(usize),
    /// The object that begins with this record.
    Remove(u8),
    LoseEtcd,
}

impl State {
    /// The end of the unbroken chain behind what data files cover: the object with the next record is the last of those that
    /// begin no later.
    fn chain_end(&self) -> u8 {
        let mut end = self.covered;
        while let Some((_, last)) = self.objects.range(..=end + 1).next_back()
            && *last > end
        {
            end = *last;
        }
        end
    }
}

impl Flush {
    fn may_remove(&self, state: &State, first: u8, last: u8) -> bool {
        let relies_on_an_older_end = |flusher: &Flusher| {
            let may_create = match flusher.request {
                Some((other, _, effect)) => effect.is_none() && other <= last,
                None => false,
            };
            may_create || (self.collects_late && !flusher.is_late && flusher.stored < first)
        };
        last <= state.covered && !state.flushers.iter().any(relies_on_an_older_end)
    }
}

impl Model for Flush {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            head: 0,
            objects: BTreeMap::new(),
            copied: 0,
            covered: 0,
            flushers: [Flusher::default(); FLUSHERS],
            base: None,
            is_doubled: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.base.is_some() {
            return;
        }
        if state.head < RECORDS_MAX {
            actions.push(Action::Append);
        }
        for (number, flusher) in state.flushers.iter().enumerate() {
            if flusher.applied < state.head {
                actions.push(Action::Read(number));
            }
            actions.extend([Action::BeginAnew(number), Action::StandStill(number)]);
            match flusher.request {
                None if flusher.is_late && self.knows_the_end => {
                    actions.push(Action::LookForTheEnd(number));
                }
                None if flusher.stored < flusher.applied => actions.push(Action::Send(number)),
                None => {}
                Some((_, _, None)) => actions.push(Action::TakesEffect(number)),
                Some(_) => {
                    actions.extend([Action::LookAtAnswer(number), Action::LoseAnswer(number)]);
                }
            }
            let is_flushed = flusher.stored >= flusher.applied;
            if state.covered < flusher.applied && (is_flushed || !self.flushes_before_manifests) {
                actions.push(Action::Cover(number));
            }
        }
        for (first, last) in &state.objects {
            if self.may_remove(state, *first, *last) {
                actions.push(Action::Remove(*first));
            }
        }
        actions.push(Action::LoseEtcd);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Append => state.head += 1,
            Action::Read(number) => state.flushers[number].applied = state.head,
            Action::Send(number) => {
                let flusher = &mut state.flushers[number];
                flusher.request = Some((flusher.stored + 1, flusher.applied, None));
            }
            Action::TakesEffect(number) => {
                let (first, last, _) = state.flushers[number].request?;
                let is_created = !state.objects.contains_key(&first) || !self.creates_if_absent;
                if is_created {
                    let covers = |(other, end): (&u8, &u8)| *other <= last && *end >= first;
                    state.is_doubled |= state.objects.iter().any(covers);
                    state.objects.insert(first, last);
                    if first <= state.copied + 1 {
                        state.copied = state.copied.max(last);
                    }
                }
                state.flushers[number].request = Some((first, last, Some(is_created)));
            }
            Action::LookAtAnswer(number) => {
                let (first, last, is_created) = state.flushers[number].request.take()?;
                let end = match is_created? {
                    // One that has been removed meanwhile tells nothing.
                    false if self.reads_what_is_there => *state.objects.get(&first).unwrap_or(&0),
                    _ => last,
                };
                let flusher = &mut state.flushers[number];
                flusher.stored = flusher.stored.max(end);
            }
            Action::LoseAnswer(number) => state.flushers[number].request = None,
            Action::BeginAnew(number) => {
                let stored = match self.looks_for_the_end {
                    true => state.chain_end(),
                    false => state.covered,
                };
                state.flushers[number] = Flusher {
                    applied: state.head,
                    stored,
                    is_late: false,
                    request: None,
                };
            }
            Action::StandStill(number) => state.flushers[number].is_late = true,
            Action::LookForTheEnd(number) => {
                let end = state.chain_end();
                let flusher = &mut state.flushers[number];
                flusher.stored = flusher.stored.max(end);
                flusher.is_late = false;
            }
            Action::Cover(number) => state.covered = state.flushers[number].applied,
            Action::Remove(first) => {
                state.objects.remove(&first);
            }
            Action::LoseEtcd => state.base = Some(state.chain_end()),
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Flush>> {
        vec![
            Property::always("no record stands in two objects", |_, state: &State| {
                !state.is_doubled
            }),
            Property::always("what is believed stored is there", |_, state: &State| {
                let end = state.chain_end();
                state.flushers.iter().all(|flusher| flusher.stored <= end)
            }),
            Property::always(
                "no manifest covers what etcd alone has",
                |_, state: &State| state.covered <= state.copied,
            ),
            Property::sometimes("a manifest covers everything", |_, state: &State| {
                state.covered == RECORDS_MAX
            }),
        ]
    }
}

#[test]
fn flushers_leave_one_unbroken_chain_and_manifests_rest_on_it() {
    assert_eq!(broken(RIGHT), ["a manifest covers everything"]);
}

#[test]
fn a_flusher_that_took_any_object_for_its_own_would_leave_a_gap() {
    let model = Flush {
        reads_what_is_there: false,
        ..RIGHT
    };
    assert!(breaks(model, "what is believed stored is there"));
}

#[test]
fn a_flusher_that_began_where_data_files_end_would_double_records() {
    let model = Flush {
        looks_for_the_end: false,
        ..RIGHT
    };
    assert!(breaks(model, "no record stands in two objects"));
}

#[test]
fn flushers_that_replaced_objects_would_double_records() {
    let model = Flush {
        creates_if_absent: false,
        ..RIGHT
    };
    assert!(breaks(model, "no record stands in two objects"));
}

#[test]
fn a_manifest_created_before_the_flush_would_cover_what_etcd_alone_has() {
    let model = Flush {
        flushes_before_manifests: false,
        ..RIGHT
    };
    assert!(breaks(model, "no manifest covers what etcd alone has"));
}

/// What it would create was there before, and is covered and removed: nobody would look there for what comes behind it.
#[test]
fn a_flusher_that_stood_still_and_went_on_would_write_where_nobody_looks() {
    let model = Flush {
        knows_the_end: false,
        ..RIGHT
    };
    assert!(breaks(model.clone(), "no record stands in two objects"));
    assert!(breaks(model, "what is believed stored is there"));
}

#[test]
fn a_collector_that_did_not_wait_would_have_others_write_where_nobody_looks() {
    let model = Flush {
        collects_late: false,
        ..RIGHT
    };
    assert!(breaks(model, "what is believed stored is there"));
}
