//! Which executor gets a task.

use std::time::Duration;

use crate::api::{HOST_RUNTIME, RunConfigTask};

/// What a task requires of an executor.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Requirements {
    /// Empty: any.
    pub(crate) arch: String,
    pub(crate) is_privileged: bool,
    /// It is executed without containers.
    pub(crate) is_on_host: bool,
}

impl Requirements {
    pub(crate) fn of(task: &RunConfigTask) -> Requirements {
        let runtime = task.runtime.as_ref();
        Requirements {
            arch: runtime
                .map(|runtime| runtime.arch.clone())
                .unwrap_or_default(),
            is_privileged: runtime.is_some_and(|runtime| {
                runtime
                    .containers
                    .iter()
                    .any(|container| container.privileged)
            }),
            is_on_host: runtime.is_some_and(|runtime| runtime.kind == HOST_RUNTIME),
        }
    }
}

/// What is known of an executor that may get a task.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) id: String,
    pub(crate) archs: Vec<String>,
    pub(crate) allows_privileged: bool,
    /// It executes tasks without containers, and only those.
    pub(crate) is_host: bool,
    /// 0: no limit.
    pub(crate) active_tasks_limit: u32,
    /// What it has reported, or what it was given if that is more.
    pub(crate) active_tasks: u32,
    /// How long it has not reported.
    pub(crate) silence: Duration,
}

impl Candidate {
    fn fits(&self, required: &Requirements, dead_after: Duration) -> bool {
        self.silence <= dead_after
            && required.is_on_host == self.is_host
            && (!required.is_privileged || self.allows_privileged)
            && (required.arch.is_empty() || self.archs.contains(&required.arch))
            && (self.active_tasks_limit == 0 || self.active_tasks < self.active_tasks_limit)
    }
}

/// The first of the executors that can take a task now.
pub(crate) fn choose_executor<'a>(
    candidates: impl IntoIterator<Item = &'a mut Candidate>,
    required: &Requirements,
    dead_after: Duration,
) -> Option<&'a mut Candidate> {
    let mut candidates = candidates.into_iter();
    candidates.find(|candidate| candidate.fits(required, dead_after))
}
