//! The tasks that the executor knows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runservice::api::{ExecutorTask, ExecutorTaskPhase, ExecutorTaskSpecData};

use super::task::{StopReason, Task};
use crate::task_directory::TaskDirectory;

/// Tasks that were forgotten are remembered, so many, since a push of one may still be on its way.
const FORGOTTEN_MAX: usize = 10_000;

/// Whether tasks can begin.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    /// Tasks at once; 0: any number.
    pub(super) limit: u32,
    pub(super) is_stopping: bool,
    /// Why none can.
    pub(super) ailment: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    tasks: HashMap<String, Arc<Task>>,
    /// Ids of runs and tasks.
    forgotten: VecDeque<(String, String)>,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done with a task that came: if it is new here, it, and what is to be executed if it is to be.
    pub(super) fn take(
        &self,
        given: ExecutorTask,
        admission: Admission,
        directory: TaskDirectory,
    ) -> Option<(Arc<Task>, Option<Box<ExecutorTaskSpecData>>)> {
        let mut known = self.lock();
        if let Some(task) = known.tasks.get(&given.id) {
            if given.spec.stop {
                task.ask_to_stop(StopReason::Asked);
            }
            // The run service may have lost what it was told.
            if task.has_ended() && !given.status.phase.is_finished() {
                task.report_again();
            }
            return None;
        }
        let mut forgotten = known.forgotten.iter();
        if forgotten.any(|(run, task)| *run == given.spec.run_id && *task == given.id) {
            return None;
        }
        let (task, spec) = match (given.status.phase, given.spec.stop) {
            // It was begun by an executor with this id that has left nothing.
            (ExecutorTaskPhase::Running, _) => (Task::lost(&given, directory), None),
            (ExecutorTaskPhase::NotStarted, true) => (Task::cancelled(&given, directory), None),
            (ExecutorTaskPhase::NotStarted, false) => {
                let limit = admission.limit;
                let is_full = limit > 0 && known.active() >= limit as usize;
                match admission.ailment {
                    // It is found again when there is room, or by the next executor with this data.
                    _ if is_full || admission.is_stopping => return None,
                    // Nobody else will be given it.
                    Some(ailment) => (Task::refused(&given, directory, &ailment), None),
                    None => {
                        let task = Task::new(&given, directory);
                        (task, Some(given.spec.data.unwrap_or_default()))
                    }
                }
            }
            _ => return None,
        };
        let task = Arc::new(task);
        known.tasks.insert(given.id, task.clone());
        Some((task, spec))
    }

    pub(super) fn insert(&self, task: &Arc<Task>) {
        let mut known = self.lock();
        known.tasks.insert(task.id().to_owned(), task.clone());
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Task>> {
        self.lock().tasks.get(id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Task>> {
        self.lock().tasks.values().cloned().collect()
    }

    pub(super) fn remove(&self, task: &Task) {
        let mut known = self.lock();
        if known.tasks.remove(task.id()).is_none() {
            return;
        }
        if known.forgotten.len() >= FORGOTTEN_MAX {
            known.forgotten.pop_front();
        }
        let forgotten = (task.run_id().to_owned(), task.id().to_owned());
        known.forgotten.push_back(forgotten);
    }
}

impl Known {
    fn active(&self) -> usize {
        self.tasks.values().filter(|task| task.is_active()).count()
    }
}
