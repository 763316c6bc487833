//! What is stored: document types that nobody outside sees, with their indexes.
//!
//! Runs and their configurations are stored in the form of the API, which is that of agola's exports too and never changes;
//! what the service alone needs stands beside it.
//!
//! Source: `docs/formats.md`, section "runservice".

mod event;
mod executor;
mod run;
mod sequence;
mod types;

pub(crate) use event::{EventDocument, PendingEventDocument};
pub(crate) use executor::{
    AssignmentDocument, ExecutorDocument, ExecutorReportDocument, ExecutorTaskDocument,
};
pub(crate) use run::{RunConfigDocument, RunDocument, root_group, with_slash};
pub(crate) use sequence::{
    CounterDocument, EVENT_SEQUENCE, RUN_SEQUENCE, SequenceDocument, SequenceId,
};
pub(crate) use service::{Database, Reading};
pub(crate) use types::{STORED_TYPES, declare_types, wait_for_indexes};
