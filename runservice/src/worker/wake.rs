//! What the worker can be asked to do.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::Next;
use crate::Error;
use crate::actions::Actions;

/// Something that may have to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Duty {
    /// Numbers events, so that they can be followed.
    Publish,
    /// Brings a run as far as it goes.
    Run(String),
    /// Starts the oldest queued run of a group.
    Group(String),
    /// Looks whether an executor is gone.
    Executor(String),
    /// Brings logs and archives of a task to the object storage.
    Collect { run_id: String, task_id: String },
    /// Removes old caches.
    CleanCaches,
    /// Removes old workspace archives.
    CleanArchives,
}

impl Duty {
    /// Whether it moves many bytes or objects, and may take long.
    pub(super) fn is_transfer(&self) -> bool {
        matches!(
            self,
            Duty::Collect { .. } | Duty::CleanCaches | Duty::CleanArchives
        )
    }

    pub(super) async fn perform(self, actions: &Actions) -> Result<Next, Error> {
        match self {
            Duty::Publish => actions.publish_events().await,
            Duty::Run(id) => actions.pass(&id).await,
            Duty::Group(group) => actions.start_queued(&group).await,
            Duty::Executor(id) => actions.look_after_executor(&id).await,
            Duty::Collect { run_id, task_id } => actions.collect(&run_id, &task_id).await,
            Duty::CleanCaches => actions.clean_caches().await,
            Duty::CleanArchives => actions.clean_archives().await,
        }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Duty::Publish => formatter.write_str("publishing events"),
            Duty::Run(id) => write!(formatter, "scheduling run {id:?}"),
            Duty::Group(group) => write!(formatter, "starting a run of group {group:?}"),
            Duty::Executor(id) => write!(formatter, "looking after executor {id:?}"),
            Duty::Collect { run_id, task_id } => {
                write!(
                    formatter,
                    "collecting from task {task_id:?} of run {run_id:?}"
                )
            }
            Duty::CleanCaches => formatter.write_str("removing old caches"),
            Duty::CleanArchives => formatter.write_str("removing old workspace archives"),
        }
    }
}

/// Tells the worker what is due because of what this process has done. Each duty is told once until it is taken.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    duties: Mutex<BTreeSet<Duty>>,
    added: Notify,
}

impl Wake {
    pub(crate) fn add(&self, duty: Duty) {
        let mut duties = self.duties.lock().unwrap_or_else(PoisonError::into_inner);
        if duties.insert(duty) {
            self.added.notify_one();
        }
    }

    /// All that was added; waits until there is something.
    pub(super) async fn take(&self) -> BTreeSet<Duty> {
        loop {
            let mut duties =
                std::mem::take(&mut *self.duties.lock().unwrap_or_else(PoisonError::into_inner));
            if !duties.is_empty() {
                return std::mem::take(&mut duties);
            }
            self.added.notified().await;
        }
    }
}
