//! The events of a history, sorted by what they belong to.

use std::collections::BTreeMap;

use crate::testing::history::event::{
    Answer, CursorPosition, Event, Freshness, Item, Key, MARKER_TYPE, OperationId, Step, Value,
    ViewPosition,
};
use crate::testing::history::violation::{Violation, ViolationKind};
use crate::{CommitId, Position};

/// Which of the attempts of a run.
pub(super) type AttemptNumber = usize;

/// All that clients did and were told.
#[derive(Default)]
pub(super) struct Run<'a> {
    pub(super) attempts: Vec<Attempt<'a>>,
    pub(super) views: Vec<View<'a>>,
    pub(super) lookups: Vec<Lookup<'a>>,
    pub(super) listeners: Vec<Listener<'a>>,
    pub(super) imports: Vec<Import<'a>>,
    /// When the log was put back to something older.
    pub(super) went_back: Vec<u64>,
    /// By number: where it begins, and whether an import is what it begins with.
    pub(super) epochs: BTreeMap<u32, (Position, bool)>,
    attempts_by_marker: BTreeMap<String, AttemptNumber>,
}

/// A transaction that was handed over for its commit.
pub(super) struct Attempt<'a> {
    pub(super) operation: &'a OperationId,
    pub(super) start: u64,
    pub(super) opened: u64,
    pub(super) view: ViewPosition,
    pub(super) steps: &'a [Step],
    pub(super) answer: Option<(u64, &'a Answer)>,
}

/// A snapshot that was read.
pub(super) struct View<'a> {
    pub(super) operation: &'a OperationId,
    pub(super) start: u64,
    pub(super) opened: u64,
    pub(super) freshness: Freshness,
    pub(super) view: ViewPosition,
    pub(super) steps: &'a [Step],
}

/// What was said of a commit that was unknown.
pub(super) struct Lookup<'a> {
    pub(super) operation: &'a OperationId,
    pub(super) end: u64,
    pub(super) id: CommitId,
    pub(super) committed: Option<bool>,
}

pub(super) struct Listener<'a> {
    pub(super) name: &'a OperationId,
    pub(super) from: CursorPosition,
    pub(super) deliveries: Vec<Delivery<'a>>,
    pub(super) stopped: Option<CursorPosition>,
}

pub(super) struct Delivery<'a> {
    pub(super) at: u64,
    pub(super) position: Position,
    pub(super) index: u32,
    pub(super) writes: &'a [(Key, Option<Value>)],
}

pub(super) struct Import<'a> {
    pub(super) operation: &'a OperationId,
    pub(super) content: &'a [Item],
    pub(super) answer: Option<ImportAnswer>,
}

#[derive(Clone, Copy)]
pub(super) struct ImportAnswer {
    pub(super) end: u64,
    pub(super) took_effect: Option<bool>,
    pub(super) epoch: u32,
    pub(super) base: Position,
}

impl<'a> Run<'a> {
    /// Sorts the events.
    ///
    /// # Errors
    /// `Incomplete` when they contradict each other.
    pub(super) fn collect(events: &'a [Event]) -> Result<Run<'a>, Violation> {
        let mut run = Run::default();
        for event in events {
            run.add_beginning(event)?;
        }
        let attempts = run.attempts.iter().enumerate();
        let attempts: BTreeMap<&OperationId, usize> = attempts
            .map(|(number, attempt)| (attempt.operation, number))
            .collect();
        let listeners = run.listeners.iter().enumerate();
        let listeners: BTreeMap<&OperationId, usize> = listeners
            .map(|(number, listener)| (listener.name, number))
            .collect();
        let imports = run.imports.iter().enumerate();
        let imports: BTreeMap<&OperationId, usize> = imports
            .map(|(number, import)| (import.operation, number))
            .collect();
        if (attempts.len(), listeners.len(), imports.len())
            != (run.attempts.len(), run.listeners.len(), run.imports.len())
        {
            return Err(incomplete("two operations of the history have one name"));
        }
        for event in events {
            match event {
                Event::Answered {
                    operation,
                    end,
                    answer,
                } => {
                    let number = find(&attempts, operation)?;
                    let before = run.attempts[number].answer.replace((*end, answer));
                    if before.is_some() {
                        return Err(incomplete(format!("{operation} was answered twice")));
                    }
                }
                Event::Delivered {
                    listener,
                    at,
                    position,
                    index,
                    writes,
                } => {
                    let listener = &mut run.listeners[find(&listeners, listener)?];
                    listener.deliveries.push(Delivery {
                        at: *at,
                        position: *position,
                        index: *index,
                        writes,
                    });
                }
                Event::Stopped { listener, cursor } => {
                    run.listeners[find(&listeners, listener)?].stopped = Some(*cursor);
                }
                Event::ImportAnswered {
                    operation,
                    end,
                    took_effect,
                    epoch,
                    base,
                } => {
                    run.imports[find(&imports, operation)?].answer = Some(ImportAnswer {
                        end: *end,
                        took_effect: *took_effect,
                        epoch: *epoch,
                        base: *base,
                    });
                }
                _ => {}
            }
        }
        let markers = run.attempts.iter().enumerate();
        run.attempts_by_marker = markers
            .map(|(number, attempt)| (attempt.operation.to_string(), number))
            .collect();
        Ok(run)
    }

    fn add_beginning(&mut self, event: &'a Event) -> Result<(), Violation> {
        match event {
            Event::Submitted {
                operation,
                start,
                opened,
                view,
                steps,
            } => self.attempts.push(Attempt {
                operation,
                start: *start,
                opened: *opened,
                view: *view,
                steps,
                answer: None,
            }),
            Event::Viewed {
                operation,
                start,
                opened,
                freshness,
                view,
                steps,
            } => self.views.push(View {
                operation,
                start: *start,
                opened: *opened,
                freshness: *freshness,
                view: *view,
                steps,
            }),
            Event::LookedUp {
                operation,
                end,
                id,
                committed,
            } => self.lookups.push(Lookup {
                operation,
                end: *end,
                id: *id,
                committed: *committed,
            }),
            Event::Listening { listener, cursor } => self.listeners.push(Listener {
                name: listener,
                from: *cursor,
                deliveries: Vec::new(),
                stopped: None,
            }),
            Event::Imported { operation, content } => self.imports.push(Import {
                operation,
                content,
                answer: None,
            }),
            Event::WentBack { at } => self.went_back.push(*at),
            Event::Epoch {
                epoch,
                base,
                imported,
            } => {
                let known = self.epochs.insert(*epoch, (*base, *imported));
                if known.is_some_and(|known| known != (*base, *imported)) {
                    return Err(incomplete(format!("epoch {epoch} has two beginnings")));
                }
            }
            Event::Answered { .. }
            | Event::Delivered { .. }
            | Event::Stopped { .. }
            | Event::ImportAnswered { .. } => {}
        }
        Ok(())
    }

    /// The attempt whose marker this is.
    pub(super) fn attempt_of_marker(&self, key: &Key) -> Option<AttemptNumber> {
        match key.data_type == MARKER_TYPE {
            true => self.attempts_by_marker.get(&key.id).copied(),
            false => None,
        }
    }
}

impl<'a> Attempt<'a> {
    /// The last write of each entry; `None` for a delete.
    pub(super) fn writes(&self) -> BTreeMap<&'a Key, Option<&'a Value>> {
        let mut writes = BTreeMap::new();
        for step in self.steps {
            match step {
                Step::Put { key, value } => drop(writes.insert(key, Some(value))),
                Step::Delete { key } => drop(writes.insert(key, None)),
                _ => {}
            }
        }
        writes
    }

    /// The change groups that count as committed to by it.
    pub(super) fn groups(&self) -> impl Iterator<Item = &'a str> {
        self.steps
            .iter()
            .flat_map(|step| match step {
                Step::Token { groups, .. } => groups.as_slice(),
                Step::Touch { group } => std::slice::from_ref(group),
                _ => &[],
            })
            .map(String::as_str)
    }
}

/// Whether a step reads something.
pub(super) fn is_read(step: &Step) -> bool {
    matches!(
        step,
        Step::Get { .. } | Step::Scan { .. } | Step::Everything { .. }
    )
}

pub(super) fn incomplete(message: impl Into<String>) -> Violation {
    Violation::new(ViolationKind::Incomplete, message)
}

fn find(known: &BTreeMap<&OperationId, usize>, name: &OperationId) -> Result<usize, Violation> {
    let found = known.get(name).copied();
    found.ok_or_else(|| incomplete(format!("nothing tells how {name} began")))
}
