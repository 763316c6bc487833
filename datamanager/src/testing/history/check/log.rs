//! What stands in the log, told from everything that was recorded.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::run::{Attempt, AttemptNumber, Import, ImportAnswer, Run, incomplete};
use crate::testing::history::event::{
    Answer, CursorPosition, Item, Key, MARKER_TYPE, OperationId, Range, Step, Value, ViewPosition,
};
use crate::testing::history::violation::{Violation, ViolationKind};
use crate::{CommitId, Position, RecordId};

/// Where something takes effect: its epoch, its record, and which part of the record it is.
///
/// An import takes effect at the base of its epoch, before all records of that epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) epoch: u32,
    pub(super) seq: u64,
    pub(super) index: u32,
}

impl Place {
    /// Behind all that a snapshot shows.
    pub(super) fn of_view(view: ViewPosition) -> Place {
        Place {
            epoch: view.epoch,
            seq: view.position.seq,
            index: u32::MAX,
        }
    }

    fn of_id(id: CommitId) -> Place {
        Place {
            epoch: id.epoch,
            seq: id.seq,
            index: id.index,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}.{}", self.epoch, self.seq, self.index)
    }
}

/// The log as it has to be.
pub(super) struct Log<'a> {
    /// The transactions that stand in it.
    pub(super) transactions: BTreeMap<Place, AttemptNumber>,
    /// Where each attempt stands.
    pub(super) places: Vec<Option<Place>>,
    /// The imports that took effect.
    pub(super) imports: BTreeMap<Place, &'a [Item]>,
    records: BTreeMap<u64, KnownRecord<'a>>,
    /// Those of which only a marker tells the record.
    told_by_markers: BTreeSet<AttemptNumber>,
}

struct KnownRecord<'a> {
    epoch: u32,
    record: RecordId,
    told_by: Source<'a>,
}

/// Who has told of a record.
#[derive(Clone, Copy)]
enum Source<'a> {
    Operation(&'a OperationId),
    Epoch(u32),
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Operation(operation) => operation.fmt(formatter),
            Source::Epoch(epoch) => write!(formatter, "epoch {epoch}"),
        }
    }
}

impl<'a> Log<'a> {
    pub(super) fn find(run: &Run<'a>) -> Result<Log<'a>, Violation> {
        let mut log = Log {
            transactions: BTreeMap::new(),
            places: vec![None; run.attempts.len()],
            imports: BTreeMap::new(),
            records: BTreeMap::new(),
            told_by_markers: BTreeSet::new(),
        };
        log.add_answers(run)?;
        log.add_lookups(run)?;
        log.add_deliveries(run)?;
        log.add_positions(run)?;
        log.check_epochs(run)?;
        log.add_imports(run)?;
        log.add_markers(run)?;
        log.check_lookups(run)?;
        log.check_rest(run)?;
        Ok(log)
    }

    /// The last record that anybody knows of.
    pub(super) fn last_seq(&self) -> u64 {
        self.records.last_key_value().map_or(0, |(seq, _)| *seq)
    }

    fn add_answers(&mut self, run: &Run<'a>) -> Result<(), Violation> {
        for (number, attempt) in run.attempts.iter().enumerate() {
            if let Some((_, Answer::Committed { position, index })) = attempt.answer {
                self.add_record(*position, Source::Operation(attempt.operation))?;
                let place = Place {
                    epoch: position.epoch,
                    seq: position.seq,
                    index: *index,
                };
                self.add_transaction(run, number, place)?;
            }
        }
        Ok(())
    }

    fn add_lookups(&mut self, run: &Run<'a>) -> Result<(), Violation> {
        let unknown = run.attempts.iter().enumerate();
        let unknown = unknown.filter_map(|(number, attempt)| match attempt.answer {
            Some((_, Answer::Unknown { id })) => Some((*id, number)),
            _ => None,
        });
        let unknown: Vec<(CommitId, AttemptNumber)> = unknown.collect();
        for lookup in run
            .lookups
            .iter()
            .filter(|each| each.committed == Some(true))
        {
            let position = Position {
                epoch: lookup.id.epoch,
                seq: lookup.id.seq,
                record: lookup.id.record,
            };
            self.add_record(position, Source::Operation(lookup.operation))?;
            if let Some((_, number)) = unknown.iter().find(|(id, _)| *id == lookup.id) {
                self.add_transaction(run, *number, Place::of_id(lookup.id))?;
            }
        }
        Ok(())
    }

    fn add_deliveries(&mut self, run: &Run<'a>) -> Result<(), Violation> {
        for listener in &run.listeners {
            for delivery in &listener.deliveries {
                self.add_record(delivery.position, Source::Operation(listener.name))?;
                let place = Place {
                    epoch: delivery.position.epoch,
                    seq: delivery.position.seq,
                    index: delivery.index,
                };
                let mut keys = delivery.writes.iter().map(|(key, _)| key);
                let Some(number) = keys.find_map(|key| run.attempt_of_marker(key)) else {
                    return Err(Violation::new(
                        ViolationKind::Foreign,
                        format!(
                            "listener {} got a transaction at {place} that no client has committed",
                            listener.name
                        ),
                    ));
                };
                self.add_transaction(run, number, place)?;
            }
        }
        Ok(())
    }

    /// Notes where an attempt stands.
    fn add_transaction(
        &mut self,
        run: &Run<'a>,
        number: AttemptNumber,
        place: Place,
    ) -> Result<(), Violation> {
        let attempt = &run.attempts[number];
        let operation = attempt.operation;
        if let Some((_, Answer::Refused { kind })) = attempt.answer {
            return Err(refused_is_present(operation, kind, &format!("at {place}")));
        }
        if let Some(known) = self.places[number]
            && known != place
        {
            return Err(Violation::new(
                ViolationKind::Doubled,
                format!("{operation} stands in the log at {known} and at {place}"),
            ));
        }
        self.places[number] = Some(place);
        if let Some(other) = self.transactions.insert(place, number)
            && other != number
        {
            let other = run.attempts[other].operation;
            return Err(Violation::new(
                ViolationKind::Branched,
                format!("{operation} and {other} both stand in the log at {place}"),
            ));
        }
        Ok(())
    }

    /// Notes that a record stands in the log.
    fn add_record(&mut self, position: Position, told_by: Source<'a>) -> Result<(), Violation> {
        if position == Position::START {
            return Ok(());
        }
        let Position { epoch, seq, record } = position;
        match self.records.entry(seq) {
            Entry::Vacant(entry) => {
                entry.insert(KnownRecord {
                    epoch,
                    record,
                    told_by,
                });
                Ok(())
            }
            Entry::Occupied(entry)
                if (entry.get().epoch, entry.get().record) == (epoch, record) =>
            {
                Ok(())
            }
            Entry::Occupied(entry) => {
                let known = entry.get();
                Err(Violation::new(
                    ViolationKind::Branched,
                    format!(
                        "record {seq} is {} of epoch {} for {}, and {record} of epoch {epoch} for {told_by}",
                        known.record, known.epoch, known.told_by
                    ),
                ))
            }
        }
    }

    fn add_positions(&mut self, run: &Run<'a>) -> Result<(), Violation> {
        let attempts = run.attempts.iter().map(|each| (each.view, each.operation));
        let views = run.views.iter().map(|each| (each.view, each.operation));
        for (view, operation) in attempts.chain(views) {
            self.add_record(view.position, Source::Operation(operation))?;
        }
        for (epoch, (base, _)) in &run.epochs {
            self.add_record(*base, Source::Epoch(*epoch))?;
        }
        Ok(())
    }

    /// Epochs rise with the numbers of records, and each begins behind its base.
    fn check_epochs(&self, run: &Run<'a>) -> Result<(), Violation> {
        let mut newest = 0;
        for (seq, known) in &self.records {
            let KnownRecord { epoch, told_by, .. } = known;
            let begins_behind = run.epochs.get(epoch).map(|(base, _)| base.seq);
            let ends_with = run.epochs.get(&(epoch + 1)).map(|(base, _)| base.seq);
            if *epoch < newest
                || begins_behind.is_some_and(|base| *seq <= base)
                || ends_with.is_some_and(|base| *seq > base)
            {
                return Err(Violation::new(
                    ViolationKind::EpochOrder,
                    format!("record {seq}, told by {told_by}, cannot be one of epoch {epoch}"),
                ));
            }
            newest = *epoch;
        }
        Ok(())
    }

    /// Finds the import that each epoch begins with that says so.
    fn add_imports(&mut self, run: &Run<'a>) -> Result<(), Violation> {
        for (epoch, (base, _)) in run.epochs.iter().filter(|(_, (_, imported))| *imported) {
            let import = Self::import_of(run, *epoch, *base)?;
            if let Some(ImportAnswer {
                took_effect: Some(false),
                ..
            }) = import.answer
            {
                let what = format!("as what epoch {epoch} begins with");
                return Err(refused_is_present(import.operation, "it has failed", &what));
            }
            let place = Place {
                epoch: *epoch,
                seq: base.seq,
                index: 0,
            };
            self.imports.insert(place, import.content);
        }
        for import in &run.imports {
            let Some(answer) = import.answer else {
                continue;
            };
            let stands = run.epochs.get(&answer.epoch) == Some(&(answer.base, true));
            if answer.took_effect == Some(true) && !stands {
                return Err(Violation::new(
                    ViolationKind::CommittedIsMissing,
                    format!(
                        "import {} was told that epoch {} begins with it, and it does not",
                        import.operation, answer.epoch
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The import that an epoch begins with: the one that was told so, or that somebody has met in that epoch, or the only
    /// one of which that is not known.
    fn import_of<'r>(
        run: &'r Run<'a>,
        epoch: u32,
        base: Position,
    ) -> Result<&'r Import<'a>, Violation> {
        let told = run.imports.iter().find(|import| {
            let answer = import.answer;
            answer.is_some_and(|answer| answer.epoch == epoch && answer.base == base)
        });
        if let Some(import) = told {
            return Ok(import);
        }
        let views = run.views.iter().map(|view| (view.view, view.steps));
        let attempts = run.attempts.iter().map(|each| (each.view, each.steps));
        let of_epoch = views
            .chain(attempts)
            .filter(|(view, _)| view.epoch == epoch);
        let mut stamps = of_epoch
            .flat_map(|(_, steps)| steps)
            .flat_map(found_markers)
            .filter_map(|marker| std::str::from_utf8(&marker.value.0).ok());
        let met = stamps.find_map(|stamp| {
            let mut imports = run.imports.iter();
            imports.find(|import| import.operation.to_string() == stamp)
        });
        if let Some(import) = met {
            return Ok(import);
        }
        let is_open = |import: &&Import<'_>| {
            let answer = import.answer;
            answer.is_none_or(|answer| answer.took_effect.is_none())
        };
        let mut open = run.imports.iter().filter(is_open);
        match (open.next(), open.next()) {
            (Some(import), None) => Ok(import),
            _ => Err(incomplete(format!(
                "epoch {epoch} begins with an import, and nothing tells with which"
            ))),
        }
    }

    /// Takes from the markers that were read where an attempt stands of which nothing else tells that.
    fn add_markers(&mut self, run: &Run<'a>) -> Result<(), Violation> {
        let views = run
            .views
            .iter()
            .map(|each| (each.operation, each.view, each.steps));
        let attempts = run
            .attempts
            .iter()
            .map(|each| (each.operation, each.view, each.steps));
        // An export does not tell in which record an entry stands, what others have read of the same marker may do so.
        let mut found: Vec<_> = views
            .chain(attempts)
            .flat_map(|(reader, view, steps)| {
                let markers = steps.iter().flat_map(found_markers);
                markers.map(move |marker| (reader, view, marker))
            })
            .collect();
        // In a record transactions are in the order in which they were handed over, which is that of their numbers.
        found.sort_by_key(|(_, _, marker)| {
            (marker.seq.is_none(), run.attempt_of_marker(marker.key))
        });
        for (reader, view, Marker { key, seq, .. }) in found {
            let Some(number) = run.attempt_of_marker(key) else {
                continue;
            };
            let attempt = &run.attempts[number];
            if let Some((_, Answer::Refused { kind })) = attempt.answer {
                let what = format!("in what {reader} has read");
                return Err(refused_is_present(attempt.operation, kind, &what));
            }
            let own = attempt.operation == reader;
            if self.places[number].is_some() || own {
                continue;
            }
            // An entry that was imported has another number. What is imported later says nothing of this one.
            let is_imported = self
                .imports
                .range(..=Place::of_view(view))
                .any(|(_, content)| content.iter().any(|item| item.key == *key));
            if !is_imported {
                let place = self.free_place(run, number, seq)?;
                self.add_transaction(run, number, place)?;
                self.told_by_markers.insert(number);
            }
        }
        Ok(())
    }

    /// A place in the record that a marker names.
    fn free_place(
        &self,
        run: &Run<'a>,
        number: AttemptNumber,
        seq: Option<u64>,
    ) -> Result<Place, Violation> {
        let attempt = &run.attempts[number];
        if let Some((_, Answer::Unknown { id })) = attempt.answer {
            return Ok(Place::of_id(*id));
        }
        let unclear = || {
            incomplete(format!(
                "{} was committed, and nothing tells where",
                attempt.operation
            ))
        };
        let seq = seq.ok_or_else(unclear)?;
        let epoch = self.records.get(&seq).map(|known| known.epoch);
        let epoch = epoch
            .or_else(|| Self::epoch_of(run, seq))
            .ok_or_else(unclear)?;
        let from = Place {
            epoch,
            seq,
            index: 0,
        };
        let to = Place {
            index: u32::MAX,
            ..from
        };
        let mut last = None;
        for (place, other) in self.transactions.range(from..=to) {
            let is_before = self.told_by_markers.contains(other) && *other < number;
            if !is_before && touch_each_other(attempt, &run.attempts[*other]) {
                return Err(unclear());
            }
            last = Some(place.index);
        }
        let index = last.map_or(0, |last| last + 1);
        Ok(Place { index, ..from })
    }

    fn epoch_of(run: &Run<'a>, seq: u64) -> Option<u32> {
        let mut epochs = run.epochs.iter().rev();
        let (epoch, _) = epochs.find(|(_, (base, _))| base.seq < seq)?;
        Some(*epoch)
    }

    /// What was said of commits stays true.
    fn check_lookups(&self, run: &Run<'a>) -> Result<(), Violation> {
        for (number, attempt) in run.attempts.iter().enumerate() {
            let Some((_, Answer::Unknown { id })) = attempt.answer else {
                continue;
            };
            let operation = attempt.operation;
            let place = self.places[number];
            let wrong = |told: String| Err(Violation::new(ViolationKind::WrongOutcome, told));
            if let Some(place) = place
                && place != Place::of_id(*id)
            {
                return wrong(format!(
                    "{operation} was told that it may be {id}, and it stands at {place}"
                ));
            }
            let mut lookups = run.lookups.iter().filter(|lookup| lookup.id == *id);
            if let Some(place) = place
                && let Some(lookup) = lookups.find(|lookup| lookup.committed == Some(false))
            {
                return wrong(format!(
                    "{} says that {operation} is not committed, and it stands at {place}",
                    lookup.operation
                ));
            }
        }
        Ok(())
    }

    /// What stands nowhere has to be known not to stand in the log.
    fn check_rest(&self, run: &Run<'a>) -> Result<(), Violation> {
        let absences = Absences::find(run, self);
        for (number, attempt) in run.attempts.iter().enumerate() {
            let may_stand = match attempt.answer {
                Some((_, Answer::Committed { .. } | Answer::Refused { .. })) => false,
                Some((_, Answer::Unknown { id })) => {
                    let mut lookups = run.lookups.iter();
                    !lookups.any(|each| each.id == *id && each.committed == Some(false))
                }
                None => true,
            };
            if may_stand
                && self.places[number].is_none()
                && let Some(seq) = absences.first_gap(attempt, self.last_seq())
            {
                return Err(incomplete(format!(
                    "nothing tells whether {} was committed: no listener and no snapshot of all markers tells what \
                     record {seq} holds",
                    attempt.operation
                )));
            }
        }
        Ok(())
    }
}

fn refused_is_present(operation: &OperationId, kind: &str, place: &str) -> Violation {
    Violation::new(
        ViolationKind::RefusedIsPresent,
        format!("{operation} was told {kind:?}, and it is there {place}"),
    )
}

/// A marker that was read.
struct Marker<'x> {
    key: &'x Key,
    value: &'x Value,
    /// Its record, where that was told.
    seq: Option<u64>,
}

/// The markers that a step has found.
fn found_markers(step: &Step) -> impl Iterator<Item = Marker<'_>> {
    let (one, many) = match step {
        Step::Get {
            key,
            found: Some(value),
        } => {
            let seq = None;
            (Some(Marker { key, value, seq }), [].as_slice())
        }
        Step::Scan { found, .. } | Step::Everything { found } => (None, found.as_slice()),
        _ => (None, [].as_slice()),
    };
    let many = many.iter().map(|item| Marker {
        key: &item.key,
        value: &item.value,
        seq: item.seq,
    });
    one.into_iter()
        .chain(many)
        .filter(|marker| marker.key.data_type == MARKER_TYPE)
}

/// Whether the order of two transactions in one record makes a difference.
fn touch_each_other(one: &Attempt<'_>, other: &Attempt<'_>) -> bool {
    let touches = |reader: &Attempt<'_>, writer: &Attempt<'_>| {
        let written = writer.writes();
        let own = reader.writes();
        let reads = |step: &Step| match step {
            Step::Get { key, .. } => written.contains_key(key),
            Step::Scan { range, .. } => written
                .keys()
                .any(|key| key.data_type == range.data_type && range.contains(&key.id)),
            _ => false,
        };
        own.keys().any(|key| written.contains_key(*key))
            || reader.steps.iter().any(reads)
            || reader
                .groups()
                .any(|group| writer.groups().any(|other| other == group))
    };
    touches(one, other) || touches(other, one)
}

/// Parts of the log that are known in full, so that what was not met there does not stand there.
struct Absences {
    /// Numbers of records, the first and the last of each part, by rising first.
    parts: Vec<(u64, u64)>,
}

impl Absences {
    fn find(run: &Run<'_>, log: &Log<'_>) -> Absences {
        let mut parts = Vec::new();
        for listener in &run.listeners {
            let last = listener.deliveries.last();
            let reached = last.map_or(0, |last| last.position.seq.saturating_sub(1));
            let stopped = listener.stopped.map_or(0, whole_records);
            let first = match listener.from.delivered {
                u32::MAX => listener.from.seq + 1,
                // What came before in that record is not known.
                0 => listener.from.seq,
                _ => listener.from.seq + 1,
            };
            parts.push((first, reached.max(stopped)));
        }
        for view in &run.views {
            if view.steps.iter().any(shows_all_markers) {
                let imports = log.imports.range(..=Place::of_view(view.view));
                let import = imports.last().map_or(0, |(place, _)| place.seq);
                parts.push((import + 1, view.view.position.seq));
            }
        }
        parts.sort_unstable();
        Absences { parts }
    }

    /// The first record up to `last` that may hold an attempt. It stands above what it has read.
    fn first_gap(&self, attempt: &Attempt<'_>, last: u64) -> Option<u64> {
        let mut next = attempt.view.position.seq + 1;
        for (first, last) in &self.parts {
            if *first <= next {
                next = next.max(*last + 1);
            }
        }
        (next <= last).then_some(next)
    }
}

/// The last record that lies before a cursor as a whole.
fn whole_records(cursor: CursorPosition) -> u64 {
    match cursor.delivered {
        u32::MAX => cursor.seq,
        _ => cursor.seq.saturating_sub(1),
    }
}

fn shows_all_markers(step: &Step) -> bool {
    match step {
        Step::Everything { .. } => true,
        Step::Scan {
            range, complete, ..
        } => {
            *complete
                && *range
                    == Range {
                        reverse: range.reverse,
                        ..Range::all(MARKER_TYPE)
                    }
        }
        _ => false,
    }
}
