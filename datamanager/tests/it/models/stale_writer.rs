//! R15 and R16: a writer of a log of objects that is slow, one that is not, manifests, a collector, and the clock.
//!
//! The slow writer's requests take effect at some time, and their answers are looked at at some later time. The other one
//! is always up to date. In between, manifests cover records and the collector removes their objects.

use stateright::{Model, Property};

use super::broken;

const RECORDS_MAX: u8 = 3;
/// How long a confirmation is believed.
const CONFIRM_MAX: u8 = 2;
const TIME_MAX: u8 = 8;

#[derive(Clone)]
struct StaleWriter {
    /// How long a collector has known a manifest before it removes what that covers.
    removal_delay: u8,
    /// Whether the age of the confirmation is looked at when an answer is there.
    checks_age: bool,
    /// Whether a confirmation counts from before the request, and not from when its answer came.
    counts_from_before: bool,
}

const RIGHT: StaleWriter = StaleWriter {
    removal_delay: 2 * CONFIRM_MAX,
    checks_age: true,
    counts_from_before: true,
};

/// Who has stored a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    Slow,
    Quick,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    /// The object of each record, from number 1 on.
    objects: Vec<Option<Record>>,
    /// The records that count.
    chain: Vec<Record>,
    covered: u8,
    manifest_known_since: u8,
    removed_to: u8,
    slow: Slow,
    /// A record was acknowledged that is not in the chain.
    false_acknowledgement: bool,
    /// The slow writer said "nothing newer" though there was when it asked.
    false_latest: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slow {
    applied: u8,
    confirmed_at: u8,
    request: Option<Request>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Request {
    kind: Kind,
    began: u8,
    /// The newest record when the request began.
    head_at_began: u8,
    answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Get,
    Create,
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Absent,
    Found,
    Created,
    Covered(u8),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Tick,
    QuickAppends,
    Cover,
    Collect,
    Ask(Kind),
    TakesEffect,
    LookAtAnswer,
}

impl State {
    fn head(&self) -> u8 {
        u8::try_from(self.chain.len()).unwrap()
    }

    fn object(&mut self, number: u8) -> &mut Option<Record> {
        &mut self.objects[usize::from(number) - 1]
    }

    fn look_at_answer(&mut self, model: &StaleWriter) {
        let Some(request) = self.slow.request.take() else {
            return;
        };
        let is_young = !model.checks_age || self.now - self.slow.confirmed_at < CONFIRM_MAX;
        let confirmed_at = match model.counts_from_before {
            true => request.began,
            false => self.now,
        };
        match request.answer {
            Some(Answer::Found) => self.slow.applied += 1,
            Some(Answer::Absent) if is_young => {
                self.false_latest |= request.head_at_began > self.slow.applied;
                self.slow.confirmed_at = self.slow.confirmed_at.max(confirmed_at);
            }
            Some(Answer::Created) if is_young => {
                let number = self.slow.applied + 1;
                let counts = self.chain.get(usize::from(number) - 1) == Some(&Record::Slow);
                self.false_acknowledgement |= !counts;
                self.slow.applied = number;
            }
            Some(Answer::Covered(covered)) => {
                self.slow.applied = self.slow.applied.max(covered);
                self.slow.confirmed_at = self.slow.confirmed_at.max(confirmed_at);
            }
            // Nothing is known: it has to list.
            _ => {}
        }
    }
}

impl Model for StaleWriter {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            objects: vec![None; usize::from(RECORDS_MAX) + 1],
            chain: Vec::new(),
            covered: 0,
            manifest_known_since: 0,
            removed_to: 0,
            slow: Slow {
                applied: 0,
                confirmed_at: 0,
                request: None,
            },
            false_acknowledgement: false,
            false_latest: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < TIME_MAX {
            actions.push(Action::Tick);
        }
        if state.head() < RECORDS_MAX {
            actions.push(Action::QuickAppends);
        }
        if state.covered < state.head() {
            actions.push(Action::Cover);
        }
        if state.removed_to < state.covered
            && state.now - state.manifest_known_since >= self.removal_delay
        {
            actions.push(Action::Collect);
        }
        match &state.slow.request {
            None => {
                actions.push(Action::Ask(Kind::List));
                if state.slow.applied < RECORDS_MAX {
                    actions.extend([Action::Ask(Kind::Get), Action::Ask(Kind::Create)]);
                }
            }
            Some(Request { answer: None, .. }) => actions.push(Action::TakesEffect),
            Some(_) => actions.push(Action::LookAtAnswer),
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Tick => state.now += 1,
            Action::QuickAppends => {
                // It has applied all, so the place behind the head is known to be free, or the create fails.
                let number = state.head() + 1;
                let object = state.object(number);
                if object.is_some() {
                    return None;
                }
                *object = Some(Record::Quick);
                state.chain.push(Record::Quick);
            }
            Action::Cover => {
                state.covered = state.head();
                state.manifest_known_since = state.now;
            }
            Action::Collect => {
                state.removed_to += 1;
                let number = state.removed_to;
                *state.object(number) = None;
            }
            Action::Ask(kind) => {
                state.slow.request = Some(Request {
                    kind,
                    began: state.now,
                    head_at_began: state.head(),
                    answer: None,
                });
            }
            Action::TakesEffect => {
                let number = state.slow.applied + 1;
                let (head, covered) = (state.head(), state.covered);
                let kind = state.slow.request.as_ref()?.kind;
                let answer = match kind {
                    Kind::List => Answer::Covered(covered),
                    Kind::Get if state.object(number).is_some() => Answer::Found,
                    Kind::Get => Answer::Absent,
                    Kind::Create if state.object(number).is_some() => Answer::Found,
                    Kind::Create => {
                        *state.object(number) = Some(Record::Slow);
                        if number == head + 1 {
                            state.chain.push(Record::Slow);
                        }
                        Answer::Created
                    }
                };
                if let Some(request) = &mut state.slow.request {
                    request.answer = Some(answer);
                }
            }
            Action::LookAtAnswer => state.look_at_answer(self),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<StaleWriter>> {
        vec![
            Property::always("what is acknowledged counts", |_, state: &State| {
                !state.false_acknowledgement
            }),
            Property::always("the newest state is the newest", |_, state: &State| {
                !state.false_latest
            }),
            Property::sometimes("the slow writer commits", |_, state: &State| {
                state.chain.contains(&Record::Slow)
            }),
            Property::sometimes("records are removed", |_, state: &State| {
                state.removed_to > 1
            }),
        ]
    }
}

/// The promises that are broken, without those that are only to show that something happens at all.
fn broken_promises(model: StaleWriter) -> Vec<&'static str> {
    let mut broken = broken(model);
    for happens in ["the slow writer commits", "records are removed"] {
        let place = broken.iter().position(|name| *name == happens);
        broken.remove(place.unwrap_or_else(|| panic!("in no run {happens}")));
    }
    broken
}

#[test]
fn a_stale_writer_acknowledges_nothing_that_does_not_count() {
    assert_eq!(broken_promises(RIGHT), Vec::<&str>::new());
}

#[test]
fn a_collector_that_does_not_wait_would_make_stale_writers_wrong() {
    let model = StaleWriter {
        removal_delay: 0,
        ..RIGHT
    };
    assert_eq!(
        broken_promises(model),
        [
            "the newest state is the newest",
            "what is acknowledged counts"
        ]
    );
}

#[test]
fn a_writer_that_never_looks_at_the_age_of_what_it_knows_would_be_wrong() {
    let model = StaleWriter {
        checks_age: false,
        ..RIGHT
    };
    assert_eq!(
        broken_promises(model),
        [
            "the newest state is the newest",
            "what is acknowledged counts"
        ]
    );
}

#[test]
fn a_confirmation_that_counted_from_its_answer_would_be_believed_for_too_long() {
    let model = StaleWriter {
        counts_from_before: false,
        ..RIGHT
    };
    assert!(!broken_promises(model).is_empty());
}
