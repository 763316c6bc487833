//! Every read is what the model holds there.

use std::collections::BTreeMap;
use std::fmt;

use super::log::{Log, Place};
use super::model::{Model, State, Version, Writer};
use super::run::{Attempt, Run};
use crate::testing::history::event::{Item, Key, OperationId, Range, Step, Value, ViewPosition};
use crate::testing::history::violation::{Violation, ViolationKind};

/// Checks all operations in the order of the states that they have seen.
pub(super) fn check(run: &Run<'_>, log: &Log<'_>) -> Result<(), Violation> {
    let replay = Replay {
        run,
        log,
        model: Model::new(run, log),
    };
    enum Checked {
        Attempt(usize),
        View(usize),
    }
    let attempts = run.attempts.iter().enumerate().map(|(number, attempt)| {
        let place = log.places[number].unwrap_or(Place::of_view(attempt.view));
        (place, attempt.operation, Checked::Attempt(number))
    });
    let views = run.views.iter().enumerate().map(|(number, view)| {
        let place = Place::of_view(view.view);
        (place, view.operation, Checked::View(number))
    });
    let mut checked: Vec<_> = attempts.chain(views).collect();
    checked.sort_by_key(|(place, operation, _)| (*place, *operation));
    for (_, _, checked) in checked {
        match checked {
            Checked::Attempt(number) => {
                let attempt = &run.attempts[number];
                replay.check_reads(attempt.operation, attempt.steps, attempt.view)?;
                if let Some(place) = log.places[number] {
                    replay.check_commit(attempt, place)?;
                }
            }
            Checked::View(number) => {
                let view = &run.views[number];
                replay.check_reads(view.operation, view.steps, view.view)?;
            }
        }
    }
    Ok(())
}

struct Replay<'r, 'a> {
    run: &'r Run<'a>,
    log: &'r Log<'a>,
    model: Model<'a>,
}

/// The writes of a transaction's steps so far.
type Own<'x> = BTreeMap<&'x Key, Option<&'x Value>>;

/// A read that is not what it has to be.
struct Mismatch<'x> {
    key: &'x Key,
    /// What the read has found there.
    found: Option<&'x Value>,
    /// The record that it was told has written that, if this is what is wrong.
    found_seq: Option<u64>,
    /// What it had to find.
    expected: Option<Version<'x>>,
    /// How it has read.
    how: String,
}

impl<'a> Replay<'_, 'a> {
    /// An operation has read the state of its snapshot.
    fn check_reads(
        &self,
        operation: &OperationId,
        steps: &[Step],
        view: ViewPosition,
    ) -> Result<(), Violation> {
        let state = State::UpTo(Place::of_view(view));
        let Some(mismatch) = self.first_mismatch(steps, state) else {
            return Ok(());
        };
        // A marker that is missing says more than another entry.
        let attempt = self.run.attempt_of_marker(mismatch.key);
        let is_committed = attempt.is_some_and(|number| self.log.places[number].is_some());
        let kind = match mismatch.found {
            None if is_committed => ViolationKind::CommittedIsMissing,
            _ => ViolationKind::SnapshotRead,
        };
        Err(Violation::new(
            kind,
            format!("{operation}, which reads the state at {view}, {mismatch}"),
        ))
    }

    /// A transaction that was committed has read the state just before it, and none of its groups has changed.
    fn check_commit(&self, attempt: &Attempt<'_>, place: Place) -> Result<(), Violation> {
        let operation = attempt.operation;
        if let Some(mismatch) = self.first_mismatch(attempt.steps, State::Before(place)) {
            return Err(Violation::new(
                ViolationKind::NotSerializable,
                format!("{operation} was committed at {place}, but it {mismatch} just before that"),
            ));
        }
        for step in attempt.steps {
            if let Step::Token { epoch, seq, groups } = step {
                let token =
                    format!("{operation} was committed at {place} with a token of {epoch}/{seq}");
                let changed = groups.iter().find_map(|group| {
                    let (last, writer) = self.model.last_commit_to(group, place)?;
                    (last.seq > *seq).then(|| {
                        format!(
                            "{token}, although {writer} had committed to group {group:?} at {last}"
                        )
                    })
                });
                let of_another_epoch = (*epoch != place.epoch).then_some(token);
                if let Some(message) = changed.or(of_another_epoch) {
                    return Err(Violation::new(ViolationKind::ChangeGroup, message));
                }
            }
        }
        Ok(())
    }

    /// The first read of `steps` that is not what `state`, with the writes of the steps before, holds.
    fn first_mismatch<'x>(&'x self, steps: &'x [Step], state: State) -> Option<Mismatch<'x>>
    where
        'a: 'x,
    {
        let mut own = Own::new();
        for step in steps {
            let mismatch = match step {
                Step::Put { key, value } => {
                    own.insert(key, Some(value));
                    None
                }
                Step::Delete { key } => {
                    own.insert(key, None);
                    None
                }
                Step::Get { key, found } => self.check_get(key, found.as_ref(), state, &own),
                Step::Scan {
                    range,
                    found,
                    complete,
                } => {
                    let expected = self.range(range, state, &own);
                    self.compare(&expected, found, *complete, Some(range), state, &own)
                }
                Step::Everything { found } => {
                    let expected: Vec<_> = self.model.everything(state).collect();
                    self.compare(&expected, found, true, None, state, &own)
                }
                Step::Token { .. } | Step::Touch { .. } => None,
            };
            if mismatch.is_some() {
                return mismatch;
            }
        }
        None
    }

    fn look_up<'x>(&'x self, key: &Key, state: State, own: &Own<'x>) -> Option<Version<'x>> {
        match own.get(key) {
            Some(value) => Some(Version::own(*value)),
            None => self.model.get(key, state),
        }
    }

    fn check_get<'x>(
        &'x self,
        key: &'x Key,
        found: Option<&'x Value>,
        state: State,
        own: &Own<'x>,
    ) -> Option<Mismatch<'x>> {
        let expected = self.look_up(key, state, own);
        let value = expected.and_then(|version| version.value);
        (value != found).then(|| Mismatch {
            key,
            found,
            found_seq: None,
            expected,
            how: "by its id".to_owned(),
        })
    }

    /// What a scan of `range` has to find, in its direction.
    fn range<'x>(
        &'x self,
        range: &Range,
        state: State,
        own: &Own<'x>,
    ) -> Vec<(&'x Key, Version<'x>)> {
        let mut entries: BTreeMap<&Key, Version<'_>> = self.model.range(range, state).collect();
        for (key, value) in own {
            if key.data_type == range.data_type && range.contains(&key.id) {
                entries.insert(key, Version::own(*value));
            }
        }
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.retain(|(_, version)| version.value.is_some());
        if range.reverse {
            entries.reverse();
        }
        entries
    }

    /// Compares what was found, entry by entry. One that was not read to its end may lack what follows.
    fn compare<'x>(
        &'x self,
        expected: &[(&'x Key, Version<'x>)],
        found: &'x [Item],
        complete: bool,
        range: Option<&Range>,
        state: State,
        own: &Own<'x>,
    ) -> Option<Mismatch<'x>> {
        let is_reverse = range.is_some_and(|range| range.reverse);
        let comes_first = |one: &Key, other: &Key| (one < other) != is_reverse;
        let how = || match range {
            Some(range) => format!("in {range}"),
            None => "among everything".to_owned(),
        };
        let missing = |key: &'x Key, version| Mismatch {
            key,
            found: None,
            found_seq: None,
            expected: Some(version),
            how: how(),
        };
        for place in 0..expected.len().max(found.len()) {
            let (expected, item) = match (expected.get(place), found.get(place)) {
                (Some((key, version)), Some(item)) if **key == item.key => (Some(*version), item),
                (Some((key, version)), Some(item)) if comes_first(key, &item.key) => {
                    return Some(missing(key, *version));
                }
                (Some((key, version)), None) => {
                    return complete.then(|| missing(key, *version));
                }
                (_, Some(item)) => (self.look_up(&item.key, state, own), item),
                (None, None) => return None,
            };
            let is_value = expected.and_then(|version| version.value) == Some(&item.value);
            let told = expected.and_then(|version| version.writer.seq());
            let wrong_seq = item.seq.filter(|seq| told.is_some_and(|told| told != *seq));
            if !is_value || wrong_seq.is_some() {
                return Some(Mismatch {
                    key: &item.key,
                    found: Some(&item.value),
                    found_seq: wrong_seq,
                    expected,
                    how: how(),
                });
            }
        }
        None
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { key, how, .. } = self;
        match self.found {
            Some(value) => write!(formatter, "found {key} = {value} {how}")?,
            None => write!(formatter, "did not find {key} {how}")?,
        }
        if let Some(seq) = self.found_seq {
            write!(formatter, " as one of record {seq}")?;
        }
        formatter.write_str(", and ")?;
        let Some(version) = self.expected else {
            return formatter.write_str("nobody had written it");
        };
        match (version.value, version.writer) {
            (Some(value), writer) => write!(formatter, "it was {value}, written by {writer}"),
            (None, Writer::Import(place)) => {
                write!(formatter, "it was not among what was imported at {place}")
            }
            (None, writer) => write!(formatter, "it was deleted by {writer}"),
        }
    }
}
