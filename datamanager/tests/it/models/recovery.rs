//! R7, R10 and R11: two processes with a log in etcd, which is wiped or goes back to a backup, once or twice. Each commits,
//! flushes, and recovers.
//!
//! A recovery waits for as long as everybody may take to answer; time itself is not in the model.
//!
//! Etcd goes back only to a backup, and only once what the processes have seen is on the object storage: flushing goes on while etcd
//! is being restored, and takes less time. What happens otherwise is the last of the tests.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use super::{breaks, broken};

const PROCESSES: usize = 2;
const TRANSACTIONS_MAX: u8 = 2;

#[derive(Clone)]
struct Recovery {
    losses_max: u8,
    /// Whether who recovers brings what it holds to the object storage before it answers.
    saves_what_is_held: bool,
    waits_for: WaitsFor,
    /// Whether what a watch has told is applied only while nobody recovers the log, or has.
    looks_before_it_applies: bool,
    /// Whether an append compares the registration of its process.
    compares_registration: bool,
    /// Whether the sealed head replaces nothing but the head that was looked at.
    compares_head: bool,
    /// Whether all that processes hold is on the object storage before etcd goes back.
    flushes_before_restores: bool,
}

/// Whose answers there are before the log is ended.
#[derive(Clone, PartialEq, Eq)]
enum WaitsFor {
    Everybody,
    WhoIsRegistered,
    Nobody,
}

const RIGHT: Recovery = Recovery {
    losses_max: 1,
    saves_what_is_held: true,
    waits_for: WaitsFor::Everybody,
    looks_before_it_applies: true,
    compares_registration: true,
    compares_head: true,
    flushes_before_restores: true,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Head {
    Missing,
    /// At the end of the records.
    Open,
    /// Behind so many records of the object storage.
    Sealed(usize),
    /// The next epoch has begun.
    Next,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Etcd {
    head: Head,
    records: Vec<u8>,
    /// Whether the registration of each process is as that left it.
    registered: [bool; PROCESSES],
    /// Counts what has become of the head.
    revision: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Object {
    Record(u8),
    Seal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Good,
    Unchecked,
    /// Has registered, and listed so many objects.
    Listed(usize),
    Lost,
    Answered,
    /// Has looked at the head of this revision.
    Looked(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Process {
    /// All records that it has applied.
    held: Vec<u8>,
    /// What its watch has told last.
    told: Option<Vec<u8>>,
    phase: Phase,
    /// Appended, and not acknowledged yet.
    pending: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    etcd: Etcd,
    backup: Option<Vec<u8>>,
    losses: u8,
    objects: Vec<Object>,
    is_announced: bool,
    answers: [bool; PROCESSES],
    processes: [Process; PROCESSES],
    appended: u8,
    acknowledged: BTreeSet<u8>,
    base: Option<usize>,
    /// A recovery has ended the log of the epoch that had begun.
    is_taken_back: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Append(usize),
    Acknowledge(usize),
    Tell(usize),
    Apply(usize),
    Flush(usize),
    /// Begins anew, with nothing but what the object storage has.
    Die(usize),
    Notice(usize),
    List(usize),
    ReadHead(usize),
    Join(usize),
    Save(usize),
    Look(usize),
    CreateSeal(usize),
    PutHead(usize),
    Begin,
    Backup,
    Wipe,
    Restore,
}

impl State {
    fn has_seal(&self) -> bool {
        self.objects.last() == Some(&Object::Seal)
    }

    fn stored(&self) -> Vec<u8> {
        let records = self.objects.iter().filter_map(|object| match object {
            Object::Record(id) => Some(*id),
            Object::Seal => None,
        });
        records.collect()
    }

    /// Whether etcd's log has all of `known`.
    fn holds(&self, known: &[u8]) -> bool {
        self.etcd.head == Head::Open && self.etcd.records.starts_with(known)
    }

    /// Brings what `number` holds to the object storage, as far as it fits there.
    fn save(&mut self, number: usize, count: usize) {
        let stored = self.stored();
        let held = &self.processes[number].held;
        if !self.has_seal() && held.starts_with(&stored) {
            let next = held.iter().skip(stored.len()).take(count);
            self.objects.extend(next.map(|id| Object::Record(*id)));
        }
    }

    fn is_all_flushed(&self) -> bool {
        let stored = self.stored();
        let processes = self.processes.iter();
        let mut seen = processes.flat_map(|process| [Some(&process.held), process.told.as_ref()]);
        seen.all(|records| records.is_none_or(|records| stored.starts_with(records)))
    }

    /// Whether the object storage or another process has all that is acknowledged.
    fn is_known_without(&self, number: usize) -> bool {
        let stored = self.stored();
        let others = self.processes.iter().enumerate();
        let others = others.filter(|(other, _)| *other != number);
        let held: Vec<u8> = others
            .flat_map(|(_, process)| process.held.iter().copied())
            .collect();
        let mut acknowledged = self.acknowledged.iter();
        acknowledged.all(|id| stored.contains(id) || held.contains(id))
    }

    fn begin_recovery(&mut self, number: usize) {
        self.is_announced = true;
        self.processes[number].phase = Phase::Lost;
    }

    fn lose(&mut self, head: Head, records: Vec<u8>) {
        self.etcd.head = head;
        self.etcd.records = records;
        self.etcd.registered = [false; PROCESSES];
        self.etcd.revision += 1;
        self.losses += 1;
    }
}

impl Recovery {
    fn has_waited(&self, state: &State) -> bool {
        let mut processes = state.answers.iter().zip(state.etcd.registered);
        match self.waits_for {
            WaitsFor::Everybody => processes.all(|(answered, _)| *answered),
            WaitsFor::WhoIsRegistered => {
                processes.all(|(answered, is_registered)| *answered || !is_registered)
            }
            WaitsFor::Nobody => true,
        }
    }

    fn may_apply(&self, state: &State, number: usize) -> bool {
        let is_over = matches!(state.etcd.head, Head::Sealed(_) | Head::Next);
        let is_used = matches!(state.processes[number].phase, Phase::Good);
        !self.looks_before_it_applies || (is_used && !state.is_announced && !is_over)
    }

    fn actions_of(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let process = &state.processes[number];
        let etcd = &state.etcd;
        let is_registered = etcd.registered[number];
        if process.phase == Phase::Good {
            let may_append = is_registered || !self.compares_registration;
            if state.appended < TRANSACTIONS_MAX
                && process.pending.is_none()
                && etcd.head == Head::Open
                && etcd.records == process.held
                && may_append
            {
                actions.push(Action::Append(number));
            }
            if process.pending.is_some() {
                actions.push(Action::Acknowledge(number));
                if state.is_known_without(number) {
                    actions.push(Action::Die(number));
                }
            }
            if state.holds(&process.held) && etcd.records.len() > process.held.len() {
                actions.push(Action::Tell(number));
            }
            if process.held.len() > state.stored().len() {
                actions.push(Action::Flush(number));
            }
            if !is_registered {
                actions.push(Action::Notice(number));
            }
        }
        if process.told.is_some() && self.may_apply(state, number) {
            actions.push(Action::Apply(number));
        }
        if matches!(process.phase, Phase::Good | Phase::Unchecked) && state.is_announced {
            actions.push(Action::Join(number));
        }
        match process.phase {
            Phase::Unchecked if !state.is_announced => actions.push(Action::List(number)),
            Phase::Listed(_) => actions.push(Action::ReadHead(number)),
            Phase::Lost => actions.push(Action::Save(number)),
            Phase::Answered if self.has_waited(state) => actions.push(Action::Look(number)),
            Phase::Looked(_) if state.has_seal() => actions.push(Action::PutHead(number)),
            Phase::Looked(_) => actions.push(Action::CreateSeal(number)),
            _ => {}
        }
    }
}

impl Model for Recovery {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let process = Process {
            held: Vec::new(),
            told: None,
            phase: Phase::Good,
            pending: None,
        };
        vec![State {
            etcd: Etcd {
                head: Head::Open,
                records: Vec::new(),
                registered: [true; PROCESSES],
                revision: 0,
            },
            backup: None,
            losses: 0,
            objects: Vec::new(),
            is_announced: false,
            answers: [false; PROCESSES],
            processes: [process.clone(), process],
            appended: 0,
            acknowledged: BTreeSet::new(),
            base: None,
            is_taken_back: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for number in 0..PROCESSES {
            self.actions_of(state, number, actions);
        }
        if matches!(state.etcd.head, Head::Sealed(_)) {
            actions.push(Action::Begin);
        }
        if state.base.is_some() || state.losses == self.losses_max {
            return;
        }
        actions.push(Action::Wipe);
        if state.etcd.head == Head::Open && state.backup.is_none() {
            actions.push(Action::Backup);
        }
        let may_go_back = state.is_all_flushed() || !self.flushes_before_restores;
        if state.backup.is_some() && may_go_back {
            actions.push(Action::Restore);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Append(number) => {
                let id = state.appended;
                state.appended += 1;
                state.etcd.records.push(id);
                state.etcd.revision += 1;
                state.processes[number].held.push(id);
                state.processes[number].pending = Some(id);
            }
            Action::Acknowledge(number) => {
                let id = state.processes[number].pending.take()?;
                state.acknowledged.insert(id);
            }
            Action::Tell(number) => state.processes[number].told = Some(state.etcd.records.clone()),
            Action::Apply(number) => {
                let process = &mut state.processes[number];
                let told = process.told.take()?;
                if told.starts_with(&process.held) {
                    process.held = told;
                }
            }
            Action::Flush(number) => state.save(number, 1),
            Action::Die(number) => {
                state.processes[number] = Process {
                    held: state.stored(),
                    told: None,
                    phase: Phase::Unchecked,
                    pending: None,
                };
            }
            Action::Notice(number) => state.processes[number].phase = Phase::Unchecked,
            Action::List(number) => {
                state.etcd.registered[number] = true;
                state.processes[number].phase = Phase::Listed(state.objects.len());
            }
            Action::ReadHead(number) => {
                let Phase::Listed(count) = state.processes[number].phase else {
                    return None;
                };
                let stored = state.stored();
                let listed = &stored[..count.min(stored.len())];
                let held = &state.processes[number].held;
                let is_alive = matches!(state.etcd.head, Head::Sealed(_) | Head::Next)
                    || (state.holds(listed) && state.holds(held) && count <= stored.len());
                if is_alive {
                    state.processes[number].phase = Phase::Good;
                } else {
                    state.begin_recovery(number);
                }
            }
            Action::Join(number) => state.begin_recovery(number),
            Action::Save(number) => {
                if self.saves_what_is_held {
                    state.save(number, usize::MAX);
                }
                state.answers[number] = true;
                state.processes[number].phase = Phase::Answered;
                state.processes[number].pending = None;
            }
            Action::Look(number) => {
                let known = [&state.stored(), &state.processes[number].held];
                let is_over = matches!(state.etcd.head, Head::Sealed(_) | Head::Next);
                let lives = !state.has_seal() && known.iter().all(|known| state.holds(known));
                if is_over || lives {
                    state.is_announced = false;
                    state.answers = [false; PROCESSES];
                    state.processes[number].phase = Phase::Unchecked;
                } else {
                    state.processes[number].phase = Phase::Looked(state.etcd.revision);
                }
            }
            Action::CreateSeal(_) => state.objects.push(Object::Seal),
            Action::PutHead(number) => {
                let Phase::Looked(revision) = state.processes[number].phase else {
                    return None;
                };
                if revision == state.etcd.revision || !self.compares_head {
                    state.is_taken_back |= state.etcd.head == Head::Next;
                    state.etcd.head = Head::Sealed(state.objects.len());
                    state.etcd.records.clear();
                    state.etcd.revision += 1;
                }
                state.processes[number].phase = Phase::Answered;
            }
            Action::Begin => {
                let Head::Sealed(base) = state.etcd.head else {
                    return None;
                };
                state.base.get_or_insert(base);
                state.etcd.head = Head::Next;
                state.etcd.revision += 1;
            }
            Action::Backup => state.backup = Some(state.etcd.records.clone()),
            Action::Wipe => state.lose(Head::Missing, Vec::new()),
            Action::Restore => {
                let records = state.backup.clone()?;
                state.lose(Head::Open, records);
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Recovery>> {
        vec![
            Property::always("what is acknowledged is kept", |_, state: &State| {
                let Some(base) = state.base else { return true };
                let kept = &state.objects[..base];
                let mut acknowledged = state.acknowledged.iter();
                acknowledged.all(|id| kept.contains(&Object::Record(*id)))
            }),
            Property::always("what is applied is kept", |_, state: &State| {
                let Some(base) = state.base else { return true };
                let kept = &state.objects[..base];
                let mut applied = state.processes.iter().flat_map(|process| &process.held);
                applied.all(|id| kept.contains(&Object::Record(*id)))
            }),
            Property::always("what has begun goes on", |_, state: &State| {
                !state.is_taken_back
            }),
            Property::sometimes(
                "the next epoch begins with everything",
                |_, state: &State| {
                    state.base.is_some()
                        && state.acknowledged.len() == usize::from(TRANSACTIONS_MAX)
                },
            ),
        ]
    }
}

#[test]
fn a_lost_etcd_loses_nothing_that_processes_hold() {
    assert_eq!(broken(RIGHT), ["the next epoch begins with everything"]);
}

#[test]
fn an_etcd_that_is_lost_twice_loses_nothing_that_processes_hold() {
    let model = Recovery {
        losses_max: 2,
        ..RIGHT
    };
    assert_eq!(broken(model), ["the next epoch begins with everything"]);
}

#[test]
fn who_answered_without_saving_would_lose_what_it_holds() {
    let model = Recovery {
        saves_what_is_held: false,
        ..RIGHT
    };
    assert!(breaks(model, "what is acknowledged is kept"));
}

#[test]
fn who_waited_for_nobody_would_lose_what_others_hold() {
    let model = Recovery {
        waits_for: WaitsFor::Nobody,
        ..RIGHT
    };
    assert!(breaks(model, "what is acknowledged is kept"));
}

/// One that is wiped lists only those who have registered there again.
#[test]
fn who_waited_for_those_that_etcd_lists_would_lose_what_others_hold() {
    let model = Recovery {
        waits_for: WaitsFor::WhoIsRegistered,
        ..RIGHT
    };
    assert!(breaks(model, "what is acknowledged is kept"));
}

#[test]
fn who_applied_what_a_watch_has_told_before_would_show_what_is_lost() {
    let model = Recovery {
        looks_before_it_applies: false,
        ..RIGHT
    };
    assert!(breaks(model, "what is applied is kept"));
}

#[test]
fn an_append_to_an_etcd_that_went_back_would_be_lost() {
    let model = Recovery {
        compares_registration: false,
        ..RIGHT
    };
    assert!(breaks(model, "what is acknowledged is kept"));
}

#[test]
fn of_two_recoveries_the_later_would_take_back_what_has_begun() {
    let model = Recovery {
        compares_head: false,
        ..RIGHT
    };
    assert!(breaks(model, "what has begun goes on"));
}

/// A process that has seen less appends to the restored etcd in good faith, before another notices that it holds more.
#[test]
fn an_etcd_restored_before_processes_have_flushed_would_lose_a_commit() {
    let model = Recovery {
        flushes_before_restores: false,
        ..RIGHT
    };
    assert!(breaks(model, "what is acknowledged is kept"));
}
