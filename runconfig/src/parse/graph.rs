//! What can be wrong with the dependencies of the tasks of one run.

use std::collections::{BTreeMap, HashMap, HashSet};

use runservice::api;
use runservice::graph::{GraphFault, faults};

use super::walk::{Faults, List};
use crate::definition::Task;

/// `list` is where the tasks stand, in their order.
pub(super) fn check(tasks: &[Task], list: List<'_>, found: &mut Faults) {
    let names: HashSet<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    let mut messages: HashMap<&str, Vec<String>> = HashMap::new();
    for task in tasks {
        let mut seen = HashSet::new();
        for depend in &task.depends {
            let (name, parent) = (task.name.as_str(), depend.task.as_str());
            let message = if !names.contains(parent) {
                format!("task {name:?} depends on task {parent:?}, which is not there")
            } else if !seen.insert(parent) {
                format!("task {name:?} depends on task {parent:?} twice")
            } else {
                continue;
            };
            messages.entry(name).or_default().push(message);
        }
    }
    let mut of_all = Vec::new();
    // The run service calls tasks by their ids, which are the names here.
    for fault in faults(&graph(tasks)) {
        let name = match &fault {
            GraphFault::TooManyTasks { .. } => {
                of_all.push(fault.to_string());
                continue;
            }
            GraphFault::UnknownParent { .. } | GraphFault::OtherParent { .. } => continue,
            GraphFault::Cycle { task, .. } | GraphFault::Redundant { task, .. } => task,
        };
        if let Some(name) = names.get(name.as_str()) {
            messages.entry(name).or_default().push(fault.to_string());
        }
    }
    let mut tasks = tasks.iter();
    list.map(|at| {
        for message in of_all.drain(..) {
            found.add(at, message);
        }
        let name = tasks.next().map(|task| task.name.as_str());
        let messages = name.and_then(|name| messages.remove(name));
        for message in messages.unwrap_or_default() {
            found.add(at, message);
        }
    });
}

fn graph(tasks: &[Task]) -> BTreeMap<String, api::RunConfigTask> {
    let tasks = tasks.iter().map(|task| {
        let depends = task.depends.iter().map(|depend| {
            let depend = api::Depend {
                task_id: depend.task.clone(),
                conditions: Vec::new(),
            };
            (depend.task_id.clone(), depend)
        });
        let node = api::RunConfigTask {
            name: task.name.clone(),
            depends: depends.collect(),
            ..Default::default()
        };
        (task.name.clone(), node)
    });
    tasks.collect()
}
