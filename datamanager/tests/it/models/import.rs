//! R7, R30 and R31: an import, a writer, an operator who toggles maintenance, and a helper that goes on where a seal has no
//! epoch, while the importing process may die at any step.

use stateright::{Model, Property};

use super::{breaks, broken};

const RECORDS_MAX: usize = 6;

#[derive(Clone)]
struct Import {
    /// Whether the seal of an import is only appended if nothing was committed since it began, and it is still open.
    checks_at_the_seal: bool,
    /// Whether maintenance that is switched off by force gives an open import up.
    gives_up_by_force: bool,
    /// Whether an epoch is only created for a log that is sealed.
    waits_for_the_seal: bool,
    /// Whether the first epoch object of a number is the one that counts.
    creates_if_absent: bool,
}

const RIGHT: Import = Import {
    checks_at_the_seal: true,
    gives_up_by_force: true,
    waits_for_the_seal: true,
    creates_if_absent: true,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    Transaction,
    Maintenance(bool),
    ImportBegun,
    GivenUp,
    Seal,
}

/// What the next epoch begins with: the records of the old one up to its base, or what was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Epoch {
    Old(usize),
    Imported,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Importer {
    Idle,
    Reading,
    Sealed,
    Told(bool),
    Dead,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    log: Vec<Record>,
    epoch: Option<Epoch>,
    importer: Importer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Commit,
    SetMaintenance(bool),
    Begin,
    Seal,
    CreateImported,
    Die,
    Help,
}

impl State {
    fn in_maintenance(&self) -> bool {
        let mut newest = self.log.iter().rev();
        let toggled = newest.find(|record| matches!(record, Record::Maintenance(_)));
        toggled == Some(&Record::Maintenance(true))
    }

    fn import_is_open(&self) -> bool {
        let begun = self.log.iter().rposition(|r| *r == Record::ImportBegun);
        let ended = self.log.iter().rposition(|r| *r == Record::GivenUp);
        begun.is_some() && begun > ended
    }

    fn committed_since_import(&self) -> bool {
        let begun = self.log.iter().rposition(|r| *r == Record::ImportBegun);
        begun.is_some_and(|begun| self.log[begun..].contains(&Record::Transaction))
    }

    fn is_sealed(&self) -> bool {
        self.log.contains(&Record::Seal)
    }

    fn create(&mut self, epoch: Epoch, model: &Import) -> bool {
        if self.epoch.is_some() && model.creates_if_absent {
            return self.epoch == Some(epoch);
        }
        self.epoch = Some(epoch);
        true
    }
}

impl Model for Import {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            log: Vec::new(),
            epoch: None,
            importer: Importer::Idle,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let is_open = !state.is_sealed() && state.log.len() < RECORDS_MAX;
        if is_open {
            if !state.in_maintenance() {
                actions.push(Action::Commit);
            }
            actions.push(Action::SetMaintenance(!state.in_maintenance()));
            if state.importer == Importer::Idle && state.in_maintenance() {
                actions.push(Action::Begin);
            }
        }
        match state.importer {
            Importer::Reading => actions.extend([Action::Seal, Action::Die]),
            Importer::Sealed => actions.extend([Action::CreateImported, Action::Die]),
            Importer::Idle | Importer::Told(_) | Importer::Dead => {}
        }
        if state.is_sealed() || !self.waits_for_the_seal {
            actions.push(Action::Help);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Commit => state.log.push(Record::Transaction),
            Action::SetMaintenance(on) => {
                if !on && state.import_is_open() && self.gives_up_by_force {
                    state.log.push(Record::GivenUp);
                }
                state.log.push(Record::Maintenance(on));
            }
            Action::Begin => {
                state.log.push(Record::ImportBegun);
                state.importer = Importer::Reading;
            }
            Action::Seal => {
                let may_seal = state.import_is_open()
                    && state.in_maintenance()
                    && !state.committed_since_import();
                if state.is_sealed() || (self.checks_at_the_seal && !may_seal) {
                    state.importer = Importer::Told(false);
                } else {
                    state.log.push(Record::Seal);
                    state.importer = Importer::Sealed;
                }
            }
            Action::CreateImported => {
                let is_own = state.create(Epoch::Imported, self);
                state.importer = Importer::Told(is_own);
            }
            Action::Die => state.importer = Importer::Dead,
            Action::Help => {
                let base = state.log.len();
                state.create(Epoch::Old(base), self);
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Import>> {
        vec![
            Property::always(
                "no commit behind an import's begin is lost",
                |_, state: &State| {
                    state.epoch != Some(Epoch::Imported) || !state.committed_since_import()
                },
            ),
            Property::always("old data is whole", |_, state: &State| match state.epoch {
                Some(Epoch::Old(base)) => !state.log[base..].contains(&Record::Transaction),
                _ => true,
            }),
            Property::always(
                "the importer is told the truth",
                |_, state: &State| match state.importer {
                    Importer::Told(true) => state.epoch == Some(Epoch::Imported),
                    Importer::Told(false) => state.epoch != Some(Epoch::Imported),
                    _ => true,
                },
            ),
            Property::sometimes("an import succeeds", |_, state: &State| {
                state.importer == Importer::Told(true)
            }),
            Property::sometimes(
                "a dead import is finished by a helper",
                |_, state: &State| state.importer == Importer::Dead && state.epoch.is_some(),
            ),
        ]
    }
}

#[test]
fn an_import_takes_effect_as_a_whole_or_not_at_all() {
    assert_eq!(
        broken(RIGHT),
        [
            "a dead import is finished by a helper",
            "an import succeeds"
        ]
    );
}

#[test]
fn an_import_whose_seal_checked_nothing_would_lose_commits() {
    let model = Import {
        checks_at_the_seal: false,
        ..RIGHT
    };
    assert!(breaks(model, "no commit behind an import's begin is lost"));
}

/// The seal looks for commits too, so giving up is not needed against loss: it is what makes the import end.
#[test]
fn two_checks_stand_between_a_forced_end_of_maintenance_and_loss() {
    let model = Import {
        gives_up_by_force: false,
        ..RIGHT
    };
    assert!(!broken(model).contains(&"no commit behind an import's begin is lost"));
    let model = Import {
        gives_up_by_force: false,
        checks_at_the_seal: false,
        ..RIGHT
    };
    assert!(breaks(model, "no commit behind an import's begin is lost"));
}

#[test]
fn an_epoch_for_a_log_that_is_open_would_lose_commits() {
    let model = Import {
        waits_for_the_seal: false,
        ..RIGHT
    };
    assert!(breaks(model, "old data is whole"));
}

#[test]
fn epochs_that_replaced_each_other_would_make_the_importer_a_liar() {
    let model = Import {
        creates_if_absent: false,
        ..RIGHT
    };
    assert!(breaks(model, "the importer is told the truth"));
}
