//! What can be wrong with a graph of tasks.

use std::collections::BTreeMap;
use std::fmt;

use super::Tasks;

/// How many tasks a run may have.
pub const TASKS_MAX: usize = 2_000;

/// Something that is wrong with a graph. Tasks are called by their names, or by their ids if they have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphFault {
    /// There are more than [`TASKS_MAX`].
    TooManyTasks {
        /// How many there are.
        count: usize,
    },
    /// A task depends on one that is not there.
    UnknownParent {
        /// The task.
        task: String,
        /// The id of the other.
        parent: String,
    },
    /// A dependency stands under the key of another task than the one that it names.
    OtherParent {
        /// The task.
        task: String,
        /// The key.
        key: String,
        /// The id that the dependency names.
        parent: String,
    },
    /// A task depends on itself.
    Cycle {
        /// The task.
        task: String,
        /// A task on which it depends, and which depends on it directly.
        needed_by: String,
    },
    /// A task depends on another directly, and through one of its parents too.
    Redundant {
        /// The task.
        task: String,
        /// Its parent.
        parent: String,
        /// The task that both depend on.
        shared: String,
    },
}

impl fmt::Display for GraphFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GraphFault::TooManyTasks { count } => {
                write!(
                    formatter,
                    "there are {count} tasks, and at most {TASKS_MAX} are accepted"
                )
            }
            GraphFault::UnknownParent { task, parent } => write!(
                formatter,
                "task {task:?} depends on {parent:?}, which is not there"
            ),
            GraphFault::OtherParent { task, key, parent } => write!(
                formatter,
                "task {task:?} depends on {parent:?} under the key {key:?}"
            ),
            GraphFault::Cycle { task, needed_by } => write!(
                formatter,
                "task {task:?} depends on itself: it is needed by {needed_by:?}"
            ),
            GraphFault::Redundant {
                task,
                parent,
                shared,
            } => write!(
                formatter,
                "task {task:?} and its parent {parent:?} both depend on {shared:?}"
            ),
        }
    }
}

/// All that is wrong with a graph. Of redundancies nothing is said where there are cycles, and of nothing else where there
/// are too many tasks.
pub fn faults(tasks: &Tasks) -> Vec<GraphFault> {
    if tasks.len() > TASKS_MAX {
        let count = tasks.len();
        return vec![GraphFault::TooManyTasks { count }];
    }
    let mut faults = wrong_parents(tasks);
    let graph = Numbered::new(tasks);
    let reaches = graph.closure();
    let cycles = graph.cycles(&reaches);
    match cycles.is_empty() {
        true => faults.extend(graph.redundancies(&reaches)),
        false => faults.extend(cycles),
    }
    faults
}

/// The same as setup errors of a run: all faults of one kind in one.
pub fn setup_errors(tasks: &Tasks) -> Vec<String> {
    let mut texts: Vec<(std::mem::Discriminant<GraphFault>, String)> = Vec::new();
    for fault in faults(tasks) {
        let kind = std::mem::discriminant(&fault);
        match texts.last_mut().filter(|(last, _)| *last == kind) {
            Some((_, text)) => {
                text.push_str(", ");
                text.push_str(&fault.to_string());
            }
            None => texts.push((kind, fault.to_string())),
        }
    }
    texts.into_iter().map(|(_, text)| text).collect()
}

fn wrong_parents(tasks: &Tasks) -> Vec<GraphFault> {
    let (mut unknown, mut other) = (Vec::new(), Vec::new());
    for (id, task) in tasks {
        let name = || name(tasks, id).to_owned();
        for (key, depend) in &task.depends {
            if !tasks.contains_key(key) {
                unknown.push(GraphFault::UnknownParent {
                    task: name(),
                    parent: key.clone(),
                });
            } else if !depend.task_id.is_empty() && depend.task_id != *key {
                other.push(GraphFault::OtherParent {
                    task: name(),
                    key: key.clone(),
                    parent: depend.task_id.clone(),
                });
            }
        }
    }
    unknown.append(&mut other);
    unknown
}

fn name<'a>(tasks: &'a Tasks, id: &'a str) -> &'a str {
    match tasks.get(id) {
        Some(task) if !task.name.is_empty() => &task.name,
        _ => id,
    }
}

/// A graph whose tasks are numbers.
struct Numbered<'a> {
    names: Vec<&'a str>,
    parents: Vec<Vec<usize>>,
}

impl<'a> Numbered<'a> {
    fn new(tasks: &'a Tasks) -> Numbered<'a> {
        let numbers: BTreeMap<&str, usize> = tasks
            .keys()
            .enumerate()
            .map(|(number, id)| (id.as_str(), number))
            .collect();
        let parents = tasks.values().map(|task| {
            let known = task
                .depends
                .keys()
                .filter_map(|id| numbers.get(id.as_str()));
            known.copied().collect()
        });
        Numbered {
            names: tasks.keys().map(|id| name(tasks, id)).collect(),
            parents: parents.collect(),
        }
    }

    fn name(&self, number: usize) -> String {
        self.names
            .get(number)
            .copied()
            .unwrap_or_default()
            .to_owned()
    }

    /// The ancestors of each task.
    fn closure(&self) -> Vec<BitSet> {
        let count = self.parents.len();
        let mut reaches: Vec<BitSet> = self
            .parents
            .iter()
            .map(|parents| BitSet::of(count, parents))
            .collect();
        // Warshall's algorithm, a row at once.
        for through in 0..count {
            let row = reaches[through].clone();
            for from in &mut reaches {
                if from.contains(through) {
                    from.add_all(&row);
                }
            }
        }
        reaches
    }

    fn cycles(&self, reaches: &[BitSet]) -> Vec<GraphFault> {
        let on_cycle = |number: &usize| reaches[*number].contains(*number);
        let report = |number: usize| {
            let needs = |other: &usize| self.parents[*other].contains(&number);
            let others = 0..self.parents.len();
            let needed_by = others
                .filter(|other| reaches[number].contains(*other))
                .find(needs);
            GraphFault::Cycle {
                task: self.name(number),
                needed_by: self.name(needed_by.unwrap_or(number)),
            }
        };
        (0..self.parents.len())
            .filter(on_cycle)
            .map(report)
            .collect()
    }

    fn redundancies(&self, reaches: &[BitSet]) -> Vec<GraphFault> {
        let mut faults = Vec::new();
        for (number, parents) in self.parents.iter().enumerate() {
            for shared in parents {
                // One report for each is enough to mend it.
                let through = parents
                    .iter()
                    .find(|parent| reaches[**parent].contains(*shared));
                if let Some(parent) = through {
                    faults.push(GraphFault::Redundant {
                        task: self.name(number),
                        parent: self.name(*parent),
                        shared: self.name(*shared),
                    });
                }
            }
        }
        faults
    }
}

/// A set of small numbers.
#[derive(Clone)]
struct BitSet(Vec<u64>);

impl BitSet {
    fn of(size: usize, members: &[usize]) -> BitSet {
        let mut words = vec![0; size.div_ceil(64)];
        for member in members {
            words[member / 64] |= 1 << (member % 64);
        }
        BitSet(words)
    }

    fn contains(&self, number: usize) -> bool {
        self.0[number / 64] & (1 << (number % 64)) != 0
    }

    fn add_all(&mut self, other: &BitSet) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}
