//! What the store holds at each place of the log, if it keeps its promises.

use std::collections::BTreeMap;
use std::fmt;

use super::log::{Log, Place};
use super::run::Run;
use crate::testing::history::event::{Item, Key, OperationId, Range, Value};

/// All versions of all entries, and all commits to change groups.
pub(super) struct Model<'a> {
    entries: BTreeMap<&'a Key, Vec<Version<'a>>>,
    groups: BTreeMap<&'a str, Vec<(Place, &'a OperationId)>>,
}

/// An entry from one place of the log on.
#[derive(Clone, Copy)]
pub(super) struct Version<'a> {
    place: Place,
    pub(super) value: Option<&'a Value>,
    pub(super) writer: Writer<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Writer<'a> {
    Transaction(&'a OperationId, Place),
    Import(Place),
    /// The transaction that reads it.
    Own,
}

impl Writer<'_> {
    /// The number of the record that an entry names, where it is known.
    pub(super) fn seq(&self) -> Option<u64> {
        match self {
            Writer::Transaction(_, place) => Some(place.seq),
            Writer::Import(_) | Writer::Own => None,
        }
    }
}

impl fmt::Display for Writer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Writer::Transaction(operation, place) => write!(formatter, "{operation} at {place}"),
            Writer::Import(place) => write!(formatter, "the import at {place}"),
            Writer::Own => formatter.write_str("itself"),
        }
    }
}

impl<'a> Version<'a> {
    /// What a transaction has written itself.
    pub(super) fn own(value: Option<&'a Value>) -> Version<'a> {
        Version {
            place: Place {
                epoch: u32::MAX,
                seq: u64::MAX,
                index: u32::MAX,
            },
            value,
            writer: Writer::Own,
        }
    }
}

/// A state of the model.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// With all up to this place.
    UpTo(Place),
    /// With all before this place.
    Before(Place),
}

impl State {
    fn holds(self, place: Place) -> bool {
        match self {
            State::UpTo(last) => place <= last,
            State::Before(next) => place < next,
        }
    }
}

impl<'a> Model<'a> {
    pub(super) fn new(run: &Run<'a>, log: &Log<'a>) -> Model<'a> {
        let mut model = Model {
            entries: BTreeMap::new(),
            groups: BTreeMap::new(),
        };
        let mut imports = log.imports.iter().peekable();
        for (place, number) in &log.transactions {
            while let Some((import, content)) = imports.next_if(|(import, _)| *import < place) {
                model.import(*import, content);
            }
            let attempt = &run.attempts[*number];
            let writer = Writer::Transaction(attempt.operation, *place);
            for (key, value) in attempt.writes() {
                model.write(key, value, *place, writer);
            }
            for group in attempt.groups() {
                let commits = model.groups.entry(group).or_default();
                commits.push((*place, attempt.operation));
            }
        }
        for (import, content) in imports {
            model.import(*import, content);
        }
        model
    }

    fn write(&mut self, key: &'a Key, value: Option<&'a Value>, place: Place, writer: Writer<'a>) {
        let versions = self.entries.entry(key).or_default();
        versions.push(Version {
            place,
            value,
            writer,
        });
    }

    /// Replaces everything.
    fn import(&mut self, place: Place, content: &'a [Item]) {
        let writer = Writer::Import(place);
        for versions in self.entries.values_mut() {
            versions.push(Version {
                place,
                value: None,
                writer,
            });
        }
        for item in content {
            self.write(&item.key, Some(&item.value), place, writer);
        }
    }

    /// The newest version of an entry in a state.
    pub(super) fn get(&self, key: &Key, state: State) -> Option<Version<'a>> {
        newest(self.entries.get(key)?, state)
    }

    /// The entries of a range that are there in a state, in its direction.
    pub(super) fn range(
        &self,
        range: &Range,
        state: State,
    ) -> impl Iterator<Item = (&'a Key, Version<'a>)> {
        let first = Key::new(&range.data_type, "");
        let entries = self.entries.range::<Key, _>(first..);
        let mut found: Vec<(&'a Key, Version<'a>)> = entries
            .take_while(|(key, _)| key.data_type == range.data_type)
            .filter(|(key, _)| range.contains(&key.id))
            .filter_map(|(key, versions)| Some((*key, newest(versions, state)?)))
            .filter(|(_, version)| version.value.is_some())
            .collect();
        if range.reverse {
            found.reverse();
        }
        found.into_iter()
    }

    /// Everything that is there in a state.
    pub(super) fn everything(&self, state: State) -> impl Iterator<Item = (&'a Key, Version<'a>)> {
        let entries = self.entries.iter();
        entries
            .filter_map(move |(key, versions)| Some((*key, newest(versions, state)?)))
            .filter(|(_, version)| version.value.is_some())
    }

    /// The last commit to a change group before a place.
    pub(super) fn last_commit_to(
        &self,
        group: &str,
        before: Place,
    ) -> Option<(Place, &'a OperationId)> {
        let commits = self.groups.get(group)?;
        let count = commits.partition_point(|(place, _)| *place < before);
        commits[..count].last().copied()
    }
}

fn newest<'a>(versions: &[Version<'a>], state: State) -> Option<Version<'a>> {
    let count = versions.partition_point(|version| state.holds(version.place));
    versions[..count].last().copied()
}
