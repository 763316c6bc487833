//! What an executor does with a task.

/// How a task ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    #[default]
    Success,
    /// The last step ends with status 1.
    Failed,
    /// The first step runs until it is released, or stopped.
    Held,
    /// It was stopped; nothing for scripts.
    Stopped,
}

/// What an executor does with a task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) ending: Ending,
    /// The log of each step, if not a line that names task and step.
    pub(crate) log: Option<Vec<u8>>,
    /// Whether the begin of each step is told, and not only the begin and the end of the task.
    pub(crate) reports_each_step: bool,
    /// Whether it goes on when it is to stop.
    pub(crate) ignores_stop: bool,
}

impl From<Ending> for Script {
    fn from(ending: Ending) -> Script {
        Script {
            ending,
            ..Script::default()
        }
    }
}

impl Script {
    pub(crate) fn failed() -> Script {
        Ending::Failed.into()
    }

    pub(crate) fn held() -> Script {
        Ending::Held.into()
    }
}
