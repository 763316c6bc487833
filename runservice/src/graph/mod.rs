//! The graph that tasks make by depending on each other: what follows from it, and what is wrong with it.
//!
//! A task's *parents* are the tasks that it depends on directly, its *ancestors* those that it depends on at all, and it is
//! a *descendant* of these. Dependencies on tasks that are not there are no edges.

mod faults;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::api::RunConfigTask;

pub use faults::{GraphFault, TASKS_MAX, faults, setup_errors};

/// Tasks by their ids.
pub type Tasks = BTreeMap<String, RunConfigTask>;

/// The parents of a task that are there, in the order of their ids.
pub fn parents<'a>(
    tasks: &'a Tasks,
    task: &'a RunConfigTask,
) -> impl Iterator<Item = (&'a str, &'a RunConfigTask)> {
    let parents = task.depends.keys();
    parents.filter_map(|id| {
        tasks
            .get_key_value(id)
            .map(|(id, task)| (id.as_str(), task))
    })
}

/// The ancestors of a task. One that is part of a cycle is among them itself.
pub fn ancestors<'a>(tasks: &'a Tasks, id: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&RunConfigTask> = tasks.get(id).into_iter().collect();
    while let Some(task) = next.pop() {
        for (id, parent) in parents(tasks, task) {
            if found.insert(id) {
                next.push(parent);
            }
        }
    }
    found
}

/// These tasks and all their descendants.
pub fn with_descendants<'a>(
    tasks: &'a Tasks,
    ids: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, task) in tasks {
        for (parent, _) in parents(tasks, task) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = ids.into_iter().collect();
    while let Some(id) = next.pop() {
        if found.insert(id) {
            next.extend(children.get(id).into_iter().flatten());
        }
    }
    found
}

/// The level of each task: 0 if it has no parents, or else one more than the highest of theirs. None if there is a cycle.
pub fn levels(tasks: &Tasks) -> Option<BTreeMap<&str, u32>> {
    let mut waits_for: BTreeMap<&str, usize> = BTreeMap::new();
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, task) in tasks {
        let mut count = 0;
        for (parent, _) in parents(tasks, task) {
            children.entry(parent).or_default().push(id);
            count += 1;
        }
        waits_for.insert(id, count);
    }
    let roots = waits_for.iter().filter(|(_, count)| **count == 0);
    let mut current: Vec<&str> = roots.map(|(id, _)| *id).collect();
    let mut levels = BTreeMap::new();
    let mut level = 0;
    while !current.is_empty() {
        let mut following = Vec::new();
        for id in current {
            levels.insert(id, level);
            for child in children.get(id).into_iter().flatten() {
                if let Some(count) = waits_for.get_mut(child) {
                    *count -= 1;
                    // The last parent is one of the highest.
                    if *count == 0 {
                        following.push(*child);
                    }
                }
            }
        }
        current = following;
        level += 1;
    }
    (levels.len() == tasks.len()).then_some(levels)
}
