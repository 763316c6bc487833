//! A store in memory that keeps its promises, and writes down what clients see of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::environment::SeededRandom;
use crate::testing::history::History;
use crate::testing::history::event::{
    Answer, CursorPosition, Event, Freshness, Item, Key, MARKER_TYPE, OperationId, Range, Step,
    Value, ViewPosition,
};
use crate::{CommitId, Position, RecordId};

/// Behind a whole record.
pub(super) const WHOLE: u32 = u32::MAX;

type State = BTreeMap<Key, (Value, u64)>;
type Writes = BTreeMap<Key, Option<Value>>;

pub(super) struct Fake {
    pub(super) events: Vec<Event>,
    pub(super) epoch: u32,
    time: u64,
    operations: u64,
    /// The state behind each record.
    states: Vec<State>,
    /// The epoch of each record.
    epochs: Vec<u32>,
    /// What each record holds.
    records: Vec<Vec<(OperationId, Writes)>>,
    /// The last record that committed to a change group.
    groups: BTreeMap<String, u64>,
    /// What each process has seen.
    applied: BTreeMap<String, u64>,
}

/// A transaction on its way.
pub(super) struct Pending {
    pub(super) operation: OperationId,
    pub(super) start: u64,
    pub(super) opened: u64,
    pub(super) view: ViewPosition,
    pub(super) steps: Vec<Step>,
}

/// The name of a record.
pub(super) fn record_id(seq: u64) -> RecordId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seq.to_be_bytes());
    match seq {
        0 => RecordId::NONE,
        _ => RecordId::from_bytes(bytes),
    }
}

/// Where a record stands in a list of all.
fn place(seq: u64) -> usize {
    usize::try_from(seq).unwrap()
}

fn value(text: &str) -> Value {
    Value::from(text.to_owned())
}

impl Fake {
    pub(super) fn new() -> Fake {
        Fake {
            events: Vec::new(),
            epoch: 1,
            time: 0,
            operations: 0,
            states: vec![State::new()],
            epochs: vec![0],
            records: vec![Vec::new()],
            groups: BTreeMap::new(),
            applied: BTreeMap::new(),
        }
    }

    pub(super) fn history(&self) -> History {
        self.events.iter().cloned().collect()
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    pub(super) fn operation(&mut self, process: &str) -> OperationId {
        self.operations += 1;
        OperationId {
            process: process.to_owned(),
            client: "c".to_owned(),
            number: self.operations,
        }
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    pub(super) fn position(&self, seq: u64) -> Position {
        Position {
            epoch: self.epochs[place(seq)],
            seq,
            record: record_id(seq),
        }
    }

    pub(super) fn view_position(&self, seq: u64) -> ViewPosition {
        let epoch = match seq == self.last_seq() {
            true => self.epoch,
            false => self.epochs[place(seq)].max(1),
        };
        ViewPosition {
            epoch,
            position: self.position(seq),
        }
    }

    /// Begins a transaction that reads the state behind record `seq`.
    pub(super) fn begin_at(&mut self, process: &str, seq: u64) -> Pending {
        let (operation, start) = (self.operation(process), self.tick());
        self.saw(process, seq);
        Pending {
            operation,
            start,
            opened: self.tick(),
            view: self.view_position(seq),
            steps: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, process: &str) -> Pending {
        self.begin_at(process, self.last_seq())
    }

    fn saw(&mut self, process: &str, seq: u64) {
        let applied = self.applied.entry(process.to_owned()).or_default();
        *applied = seq.max(*applied);
    }

    pub(super) fn applied(&self, process: &str) -> u64 {
        self.applied.get(process).copied().unwrap_or(0)
    }

    fn look_up(&self, pending: &Pending, key: &Key) -> Option<Value> {
        let state = &self.states[place(pending.view.position.seq)];
        match writes(&pending.steps).get(key) {
            Some(written) => written.clone(),
            None => state.get(key).map(|(value, _)| value.clone()),
        }
    }

    pub(super) fn get(&self, pending: &mut Pending, data_type: &str, id: &str) -> Option<Value> {
        let key = Key::new(data_type, id);
        let found = self.look_up(pending, &key);
        pending.steps.push(Step::Get {
            key,
            found: found.clone(),
        });
        found
    }

    pub(super) fn scan(&self, pending: &mut Pending, range: Range, limit: usize) {
        let state = &self.states[place(pending.view.position.seq)];
        let own = writes(&pending.steps);
        let keys: BTreeSet<&Key> = state.keys().chain(own.keys()).collect();
        let keys = keys
            .into_iter()
            .filter(|key| key.data_type == range.data_type && range.contains(&key.id));
        let mut found: Vec<Item> = keys
            .filter_map(|key| {
                let seq = match own.contains_key(key) {
                    true => None,
                    false => Some(state[key].1),
                };
                Some(Item {
                    key: key.clone(),
                    value: self.look_up(pending, key)?,
                    seq,
                })
            })
            .collect();
        if range.reverse {
            found.reverse();
        }
        let complete = found.len() < limit;
        found.truncate(limit);
        pending.steps.push(Step::Scan {
            range,
            found,
            complete,
        });
    }

    pub(super) fn everything(&self, pending: &mut Pending) {
        let state = &self.states[place(pending.view.position.seq)];
        let found = state.iter().map(|(key, (value, seq))| Item {
            key: key.clone(),
            value: value.clone(),
            seq: Some(*seq),
        });
        pending.steps.push(Step::Everything {
            found: found.collect(),
        });
    }

    pub(super) fn token(&self, pending: &mut Pending, seq: u64, groups: &[&str]) {
        pending.steps.push(Step::Token {
            epoch: self.view_position(seq).epoch,
            seq,
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        });
    }

    /// Ends a snapshot.
    pub(super) fn view(&mut self, pending: Pending, freshness: Freshness) {
        self.events.push(Event::Viewed {
            operation: pending.operation,
            start: pending.start,
            opened: pending.opened,
            freshness,
            view: pending.view,
            steps: pending.steps,
        });
    }

    /// A snapshot of everything that is newest.
    pub(super) fn view_everything(&mut self, process: &str) {
        let mut pending = self.begin(process);
        self.everything(&mut pending);
        self.view(pending, Freshness::Latest);
    }

    /// Hands a transaction over.
    pub(super) fn submit(&mut self, pending: &mut Pending) {
        let marker = pending.operation.to_string();
        pending.put(MARKER_TYPE, &marker, "");
        self.events.push(Event::Submitted {
            operation: pending.operation.clone(),
            start: pending.start,
            opened: pending.opened,
            view: pending.view,
            steps: pending.steps.clone(),
        });
    }

    /// Whether everything is as the transaction has read it, on top of the record under way.
    fn is_valid(&self, pending: &Pending, state: &State, groups: &BTreeMap<String, u64>) -> bool {
        let seen = &self.states[place(pending.view.position.seq)];
        pending.steps.iter().all(|step| match step {
            Step::Get { key, .. } => seen.get(key) == state.get(key),
            Step::Scan { range, .. } => {
                let of = |state: &State| -> Vec<(Key, (Value, u64))> {
                    let entries = state.iter().filter(|(key, _)| {
                        key.data_type == range.data_type && range.contains(&key.id)
                    });
                    entries
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect()
                };
                of(seen) == of(state)
            }
            Step::Token {
                epoch,
                seq,
                groups: names,
            } => {
                *epoch == self.epoch
                    && names
                        .iter()
                        .all(|name| groups.get(name).copied().unwrap_or(0) <= *seq)
            }
            _ => true,
        })
    }

    /// Appends a record with those of `pending` that are valid; gives the index of each, `None` for a conflict.
    pub(super) fn append(&mut self, pending: &[Pending]) -> Vec<Option<u32>> {
        let seq = self.last_seq() + 1;
        let mut state = self.states[place(seq - 1)].clone();
        let mut groups = self.groups.clone();
        let mut record = Vec::new();
        let mut indexes = Vec::new();
        for each in pending {
            if !self.is_valid(each, &state, &groups) {
                indexes.push(None);
                continue;
            }
            indexes.push(Some(u32::try_from(record.len()).unwrap()));
            for (key, value) in writes(&each.steps) {
                match value {
                    Some(value) => drop(state.insert(key, (value, seq))),
                    None => drop(state.remove(&key)),
                }
            }
            for step in &each.steps {
                match step {
                    Step::Token { groups: names, .. } => {
                        groups.extend(names.iter().map(|name| (name.clone(), seq)));
                    }
                    Step::Touch { group } => drop(groups.insert(group.clone(), seq)),
                    _ => {}
                }
            }
            record.push((each.operation.clone(), writes(&each.steps)));
        }
        if !record.is_empty() {
            self.states.push(state);
            self.epochs.push(self.epoch);
            self.records.push(record);
            self.groups = groups;
        }
        indexes
    }

    pub(super) fn answer(&mut self, operation: &OperationId, answer: Answer) {
        if let Answer::Committed { position, .. } = &answer {
            self.saw(&operation.process, position.seq);
        }
        let end = self.tick();
        self.events.push(Event::Answered {
            operation: operation.clone(),
            end,
            answer,
        });
    }

    pub(super) fn refuse(&mut self, operation: &OperationId) {
        let kind = "conflict".to_owned();
        self.answer(operation, Answer::Refused { kind });
    }

    pub(super) fn commit_id(&self, seq: u64, index: u32) -> CommitId {
        CommitId {
            epoch: self.epoch,
            seq,
            record: record_id(seq),
            index,
        }
    }

    /// Commits a transaction in a record of its own, and tells its client.
    pub(super) fn commit(&mut self, mut pending: Pending) -> OperationId {
        self.submit(&mut pending);
        let operation = pending.operation.clone();
        match self.append(&[pending])[0] {
            Some(index) => {
                let position = self.position(self.last_seq());
                self.answer(&operation, Answer::Committed { position, index });
            }
            None => self.refuse(&operation),
        }
        operation
    }

    /// Writes one entry in a transaction of its own.
    pub(super) fn put(
        &mut self,
        process: &str,
        data_type: &str,
        id: &str,
        text: &str,
    ) -> OperationId {
        let mut pending = self.begin(process);
        pending.put(data_type, id, text);
        self.commit(pending)
    }

    pub(super) fn look_up_commit(&mut self, process: &str, id: CommitId, committed: Option<bool>) {
        let (operation, end) = (self.operation(process), self.tick());
        if committed == Some(true) {
            self.saw(process, id.seq);
        }
        self.events.push(Event::LookedUp {
            operation,
            end,
            id,
            committed,
        });
    }

    /// A listener that gets everything behind record `from`, up to the last.
    pub(super) fn listen(&mut self, process: &str, from: u64) -> OperationId {
        let listener = self.operation(process);
        self.events.push(Event::Listening {
            listener: listener.clone(),
            cursor: CursorPosition {
                seq: from,
                delivered: WHOLE,
            },
        });
        for seq in from + 1..=self.last_seq() {
            for (index, (_, writes)) in (0..).zip(self.records[place(seq)].clone()) {
                let at = self.tick();
                self.events.push(Event::Delivered {
                    listener: listener.clone(),
                    at,
                    position: self.position(seq),
                    index,
                    writes: writes.into_iter().collect(),
                });
            }
        }
        self.saw(process, self.last_seq());
        self.events.push(Event::Stopped {
            listener: listener.clone(),
            cursor: CursorPosition {
                seq: self.last_seq(),
                delivered: WHOLE,
            },
        });
        listener
    }

    /// Begins the next epoch on top of a seal, with other content if that is given.
    pub(super) fn begin_epoch(&mut self, content: Option<Vec<Item>>) {
        let mut state = self.states.last().unwrap().clone();
        let seal = self.last_seq() + 1;
        self.epochs.push(self.epoch);
        self.records.push(Vec::new());
        self.epoch += 1;
        let base = Position {
            epoch: self.epoch - 1,
            seq: seal,
            record: record_id(seal),
        };
        if let Some(content) = &content {
            let operation = self.operation("importer");
            let imported = content.iter().cloned();
            state = imported
                .map(|item| (item.key, (item.value, seal)))
                .collect();
            self.events.push(Event::Imported {
                operation: operation.clone(),
                content: content.clone(),
            });
            let end = self.tick();
            self.events.push(Event::ImportAnswered {
                operation,
                end,
                took_effect: Some(true),
                epoch: self.epoch,
                base,
            });
        }
        self.states.push(state);
        self.events.push(Event::Epoch {
            epoch: self.epoch,
            base,
            imported: content.is_some(),
        });
    }
}

impl Pending {
    pub(super) fn put(&mut self, data_type: &str, id: &str, text: &str) {
        self.steps.push(Step::Put {
            key: Key::new(data_type, id),
            value: value(text),
        });
    }

    pub(super) fn delete(&mut self, data_type: &str, id: &str) {
        self.steps.push(Step::Delete {
            key: Key::new(data_type, id),
        });
    }

    pub(super) fn touch(&mut self, group: &str) {
        self.steps.push(Step::Touch {
            group: group.to_owned(),
        });
    }
}

fn writes(steps: &[Step]) -> Writes {
    let mut writes = Writes::new();
    for step in steps {
        match step {
            Step::Put { key, value } => drop(writes.insert(key.clone(), Some(value.clone()))),
            Step::Delete { key } => drop(writes.insert(key.clone(), None)),
            _ => {}
        }
    }
    writes
}

const PROCESSES: [&str; 3] = ["p", "q", "r"];
const GROUPS: [&str; 3] = ["g", "h", "i"];

/// A run of random transactions, snapshots and listeners.
pub(super) fn random_run(random: &mut SeededRandom) -> Fake {
    let mut fake = Fake::new();
    let mut unknown = Vec::new();
    for _ in 0..10 + random.below(20) {
        match random.below(10) {
            0 => random_view(&mut fake, random),
            1 => {
                let from = random.below(fake.states.len()) as u64;
                fake.listen(PROCESSES[random.below(3)], from);
            }
            2 if !unknown.is_empty() => {
                let (id, committed) = unknown[random.below(unknown.len())];
                let told = random.coin().then_some(committed);
                fake.look_up_commit(PROCESSES[random.below(3)], id, told);
            }
            _ => random_record(&mut fake, random, &mut unknown),
        }
    }
    // So that the log has an end that everybody knows, and something to be lost.
    fake.put("p", "a", "0", "last");
    fake.listen("p", 0);
    fake.view_everything("q");
    fake
}

fn random_view(fake: &mut Fake, random: &mut SeededRandom) {
    let process = PROCESSES[random.below(3)];
    let latest = random.coin();
    let newest = fake.last_seq();
    let seq = match latest {
        true => newest,
        false => random_between(random, fake.applied(process), newest),
    };
    let mut pending = fake.begin_at(process, seq);
    for _ in 0..1 + random.below(3) {
        random_read(fake, random, &mut pending);
    }
    let freshness = match latest {
        true => Freshness::Latest,
        false => Freshness::Applied,
    };
    fake.view(pending, freshness);
}

fn random_between(random: &mut SeededRandom, low: u64, high: u64) -> u64 {
    low + random.below(place(high - low + 1)) as u64
}

fn random_read(fake: &Fake, random: &mut SeededRandom, pending: &mut Pending) {
    let data_type = ["a", "b", MARKER_TYPE][random.below(3)];
    let id = random.below(6).to_string();
    if data_type != MARKER_TYPE && random.coin() {
        fake.get(pending, data_type, &id);
        return;
    }
    let mut range = Range::all(data_type);
    if random.below(3) == 0 {
        range = range.start(id);
    }
    if random.below(3) == 0 {
        range = range.end(random.below(6).to_string());
    }
    if random.below(3) == 0 {
        range = range.reverse();
    }
    fake.scan(pending, range, 1 + random.below(8));
}

fn random_record(fake: &mut Fake, random: &mut SeededRandom, unknown: &mut Vec<(CommitId, bool)>) {
    let mut batch = Vec::new();
    for _ in 0..1 + random.below(4) {
        let process = PROCESSES[random.below(3)];
        let seq = random_between(random, fake.applied(process), fake.last_seq());
        let mut pending = fake.begin_at(process, seq);
        for number in 0..1 + random.below(5) {
            let (data_type, id) = (["a", "b"][random.below(2)], random.below(6).to_string());
            let text = format!("{}-{number}", pending.operation);
            match random.below(8) {
                0..=2 => pending.put(data_type, &id, &text),
                3 => pending.delete(data_type, &id),
                4 => pending.touch(GROUPS[random.below(3)]),
                5 => fake.token(&mut pending, seq, &[GROUPS[random.below(3)]]),
                _ => random_read(fake, random, &mut pending),
            }
        }
        fake.submit(&mut pending);
        batch.push(pending);
    }
    // What is never appended: lost on its way, or refused for no reason that a client could see.
    let stray = random.below(6) == 0;
    let lost = stray.then(|| batch.pop()).flatten();
    let before = fake.last_seq();
    let indexes = fake.append(&batch);
    for (pending, index) in batch.iter().zip(indexes) {
        let operation = &pending.operation;
        match (index, random.below(5)) {
            (None, _) => fake.refuse(operation),
            (Some(_), 0) => {}
            (Some(index), 1) => {
                let id = fake.commit_id(before + 1, index);
                unknown.push((id, true));
                fake.answer(operation, Answer::Unknown { id });
            }
            (Some(index), _) => {
                let position = fake.position(before + 1);
                fake.answer(operation, Answer::Committed { position, index });
            }
        }
    }
    if let Some(pending) = lost {
        match random.below(3) {
            0 => {}
            1 => fake.refuse(&pending.operation),
            _ => {
                let mut id = fake.commit_id(before + 1, 0);
                id.record = RecordId::from_bytes([9; 16]);
                unknown.push((id, false));
                fake.answer(&pending.operation, Answer::Unknown { id });
            }
        }
    }
}
