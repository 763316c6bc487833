//! R24, R27 and R28: jobs that write files, the chain of manifests, and a collector, while jobs are given up.
//!
//! A checkpoint writes what the log has to a file; a merge writes the live files to one. Each installs by creating the next
//! manifest from the newest one that it has read. Any job may be given up in the log at any time, though its process goes on.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use super::{breaks, broken};

const CHECKPOINT: Job = 0;
const MERGE: Job = 1;
const JOBS: usize = 2;
/// A file that is there from the beginning, so that there is something to merge.
const FIRST_FILE: Job = 2;
const FILES: usize = 3;
const TRANSACTIONS_MAX: usize = 2;

#[derive(Clone)]
struct Jobs {
    /// Whether a manifest is only created where none of its number is.
    creates_if_absent: bool,
    /// Whether a job that was given up does not install.
    minds_being_given_up: bool,
    /// Whether the collector asks the newest manifest which jobs were open, and not the log.
    collects_by_manifest: bool,
    /// Whether the collector leaves alone what jobs write that are open, or began later than the manifest.
    spares_open_jobs: bool,
}

const RIGHT: Jobs = Jobs {
    creates_if_absent: true,
    minds_being_given_up: true,
    collects_by_manifest: true,
    spares_open_jobs: true,
};

/// A job, and the file that it writes.
type Job = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    Transaction,
    Begun(Job),
    Ended(Job),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Manifest {
    live: BTreeSet<Job>,
    covered: usize,
    /// How much of the log was there when it was made, and the jobs open then.
    position: usize,
    open: BTreeSet<Job>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    Begun,
    Written,
    /// The manifest to create, and its number.
    Derived(usize, Manifest),
    /// The manifest is there; the log does not say so yet.
    Created,
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    log: Vec<Record>,
    manifests: Vec<Manifest>,
    phases: [Phase; JOBS],
    inputs: BTreeSet<Job>,
    /// Files that are there, with the numbers of the records that they hold.
    files: [Option<BTreeSet<usize>>; FILES],
    /// The newest manifest when the collector looked.
    collector: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Commit,
    Begin(Job),
    Write(Job),
    Derive(Job),
    Create(Job),
    Announce(Job),
    GiveUp(Job),
    Look,
    Remove(Job),
}

impl State {
    fn begun_at(&self, job: Job) -> Option<usize> {
        if job == FIRST_FILE {
            return Some(0);
        }
        let place = self
            .log
            .iter()
            .position(|record| *record == Record::Begun(job));
        place.map(|place| place + 1)
    }

    fn is_open(&self, job: Job) -> bool {
        self.log.contains(&Record::Begun(job)) && !self.log.contains(&Record::Ended(job))
    }

    fn newest(&self) -> &Manifest {
        self.manifests.last().unwrap()
    }

    fn content(&self, live: &BTreeSet<Job>) -> BTreeSet<usize> {
        let files = live.iter().filter_map(|job| self.files[*job].as_ref());
        files.flatten().copied().collect()
    }

    /// What the checkpoint `job` writes: all that the newest manifest does not cover, up to where the job began.
    fn uncovered(&self, job: Job) -> BTreeSet<usize> {
        let begun_at = self.begun_at(job).unwrap();
        let log = (1..).zip(&self.log);
        let transactions = log.filter(|(_, record)| **record == Record::Transaction);
        transactions
            .map(|(number, _)| number)
            .filter(|number| *number > self.newest().covered && *number <= begun_at)
            .collect()
    }

    fn may_remove(&self, job: Job, model: &Jobs) -> bool {
        let Some(manifest) = self.collector.map(|number| &self.manifests[number]) else {
            return false;
        };
        let is_over = if !model.spares_open_jobs {
            true
        } else if model.collects_by_manifest {
            let began_before = self.begun_at(job).is_some_and(|at| at <= manifest.position);
            began_before && !manifest.open.contains(&job)
        } else {
            !self.is_open(job)
        };
        self.files[job].is_some() && !manifest.live.contains(&job) && is_over
    }
}

impl Model for Jobs {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            log: Vec::new(),
            manifests: vec![Manifest {
                live: BTreeSet::from([FIRST_FILE]),
                ..Manifest::default()
            }],
            phases: [Phase::Idle, Phase::Idle],
            inputs: BTreeSet::new(),
            files: [None, None, Some(BTreeSet::new())],
            collector: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let transactions = state.log.iter().filter(|r| **r == Record::Transaction);
        if transactions.count() < TRANSACTIONS_MAX {
            actions.push(Action::Commit);
        }
        for job in 0..JOBS {
            actions.extend(match &state.phases[job] {
                Phase::Idle => Some(Action::Begin(job)),
                Phase::Begun => Some(Action::Write(job)),
                Phase::Written => Some(Action::Derive(job)),
                Phase::Derived(..) => Some(Action::Create(job)),
                Phase::Created => Some(Action::Announce(job)),
                Phase::Done => None,
            });
            if state.is_open(job) {
                actions.push(Action::GiveUp(job));
            }
        }
        let removable = (0..FILES).filter(|file| state.may_remove(*file, self));
        actions.extend(removable.map(Action::Remove));
        actions.push(Action::Look);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Commit => state.log.push(Record::Transaction),
            Action::Begin(job) => {
                state.log.push(Record::Begun(job));
                state.phases[job] = Phase::Begun;
                if job == MERGE {
                    state.inputs = state.newest().live.clone();
                }
            }
            Action::Write(job) => {
                let content = match job {
                    CHECKPOINT => state.uncovered(job),
                    _ => state.content(&state.inputs),
                };
                state.files[job] = Some(content);
                state.phases[job] = Phase::Written;
            }
            Action::Derive(job) => {
                let newest = state.newest().clone();
                let begun_at = state.begun_at(job)?;
                let ended_there = newest.position >= begun_at && !newest.open.contains(&job);
                let given_up = !state.is_open(job) || ended_there;
                let inputs_gone = job == MERGE && !state.inputs.is_subset(&newest.live);
                if (given_up && self.minds_being_given_up)
                    || inputs_gone
                    || state.files[job].is_none()
                {
                    state.phases[job] = Phase::Done;
                    return Some(state);
                }
                let mut next = newest;
                if job == MERGE {
                    next.live.retain(|input| !state.inputs.contains(input));
                } else {
                    next.covered = next.covered.max(begun_at);
                }
                next.live.insert(job);
                next.position = state.log.len();
                next.open = (0..JOBS)
                    .filter(|other| *other != job && state.is_open(*other))
                    .collect();
                state.phases[job] = Phase::Derived(state.manifests.len(), next);
            }
            Action::Create(job) => {
                let Phase::Derived(number, manifest) = state.phases[job].clone() else {
                    return None;
                };
                if number == state.manifests.len() {
                    state.manifests.push(manifest);
                    state.phases[job] = Phase::Created;
                } else if self.creates_if_absent {
                    state.phases[job] = Phase::Written;
                } else {
                    state.manifests.truncate(number);
                    state.manifests.push(manifest);
                    state.phases[job] = Phase::Created;
                    state.collector = None;
                }
            }
            Action::Announce(job) => {
                if state.is_open(job) {
                    state.log.push(Record::Ended(job));
                }
                state.phases[job] = Phase::Done;
            }
            Action::GiveUp(job) => state.log.push(Record::Ended(job)),
            Action::Look => state.collector = Some(state.manifests.len() - 1),
            Action::Remove(job) => state.files[job] = None,
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Jobs>> {
        vec![
            Property::always("live files are there", |_, state: &State| {
                let mut live = state.newest().live.iter();
                live.all(|job| state.files[*job].is_some())
            }),
            Property::always("what is covered is in live files", |_, state: &State| {
                let newest = state.newest();
                let content = state.content(&newest.live);
                let log = (1..).zip(&state.log);
                let mut covered = log.filter(|(number, record)| {
                    **record == Record::Transaction && *number <= newest.covered
                });
                covered.all(|(number, _)| content.contains(&number))
            }),
            Property::sometimes("all jobs install", |_, state: &State| {
                state.manifests.len() > JOBS
            }),
        ]
    }
}

#[test]
fn jobs_that_are_given_up_and_a_collector_lose_no_file() {
    assert_eq!(broken(RIGHT), ["all jobs install"]);
}

#[test]
fn manifests_that_replaced_each_other_would_lose_what_is_covered() {
    let model = Jobs {
        creates_if_absent: false,
        ..RIGHT
    };
    assert!(breaks(model, "what is covered is in live files"));
}

#[test]
fn a_job_that_installed_after_it_was_given_up_would_lose_its_file() {
    let model = Jobs {
        minds_being_given_up: false,
        ..RIGHT
    };
    assert!(breaks(model, "live files are there"));
}

#[test]
fn a_collector_that_asked_the_log_would_remove_what_is_about_to_be_installed() {
    let model = Jobs {
        collects_by_manifest: false,
        ..RIGHT
    };
    assert!(breaks(model, "live files are there"));
}

#[test]
fn a_collector_that_spared_no_open_job_would_remove_its_file() {
    let model = Jobs {
        spares_open_jobs: false,
        ..RIGHT
    };
    assert!(breaks(model, "live files are there"));
}
