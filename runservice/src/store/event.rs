//! Changes of phases and results of runs, for those who follow them.

use datamanager::Document;
use serde::{Deserialize, Serialize};

use crate::api::{RunEvent, RunPhase, RunResult};

/// An event without a place among those of other runs. It is written in the transaction of the change; its number is given to
/// it in another one, so that changes of different runs do not clash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PendingEventDocument {
    /// The run's, a dot, and which of its events it is: those of one run are in their order.
    id: String,
    run_id: String,
    phase: RunPhase,
    result: RunResult,
}

impl Document for PendingEventDocument {
    const TYPE: &'static str = "pendingevent";

    fn id(&self) -> &str {
        &self.id
    }
}

impl PendingEventDocument {
    pub(super) fn new(
        run_id: &str,
        number: u32,
        phase: RunPhase,
        result: RunResult,
    ) -> PendingEventDocument {
        PendingEventDocument {
            id: format!("{run_id}.{number:010}"),
            run_id: run_id.to_owned(),
            phase,
            result,
        }
    }

    pub(crate) fn with_sequence(self, sequence: String) -> EventDocument {
        EventDocument {
            id: sequence,
            run_id: self.run_id,
            phase: self.phase,
            result: self.result,
        }
    }
}

/// An event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EventDocument {
    /// Its place among all events.
    pub(crate) id: String,
    run_id: String,
    phase: RunPhase,
    result: RunResult,
}

impl Document for EventDocument {
    const TYPE: &'static str = "runevent";

    fn id(&self) -> &str {
        &self.id
    }
}

impl EventDocument {
    pub(crate) fn to_api(&self) -> RunEvent {
        RunEvent {
            sequence: self.id.clone(),
            run_id: self.run_id.clone(),
            phase: self.phase,
            result: self.result,
        }
    }
}
