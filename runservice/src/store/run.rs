//! Runs and what they are made of.

use datamanager::{Document, Indexes, Transaction};
use serde::{Deserialize, Serialize};

use super::PendingEventDocument;
use crate::Error;
use crate::api::{Run, RunConfig, RunPhase, RunResult};

/// A run.
///
/// # Invariant
/// Whoever creates or removes an executor task of a run writes the run in the same transaction. So a transaction that has read
/// the run knows, when it is committed, which executor tasks there are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunDocument {
    pub(crate) id: String,
    /// How many events there were of it.
    pub(crate) events: u32,
    pub(crate) run: Run,
}

impl Document for RunDocument {
    const TYPE: &'static str = "run";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<RunDocument> {
        Indexes::<RunDocument>::new()
            .index("archived", |document| {
                (document.run.archived, document.id.clone())
            })
            .index("phase", |document| {
                (document.run.phase.as_str(), document.id.clone())
            })
            .index("result", |document| {
                (document.run.result.as_str(), document.id.clone())
            })
            .index("group", |document| {
                (with_slash(&document.run.group), document.id.clone())
            })
            .index("phase_group", |document| {
                let run = &document.run;
                (
                    run.phase.as_str(),
                    with_slash(&run.group),
                    document.id.clone(),
                )
            })
            .index("root", |document| {
                (
                    root_group(&document.run.group).to_owned(),
                    document.id.clone(),
                )
            })
            .index("root_counter", |document| {
                let run = &document.run;
                (root_group(&run.group).to_owned(), run.counter)
            })
    }
}

/// A group as it stands in indexes: with a slash at the end, so that what lies below it begins with it.
pub(crate) fn with_slash(group: &str) -> String {
    format!("{}/", group.trim_end_matches('/'))
}

/// The second element of a group: what its runs are counted by.
pub(crate) fn root_group(group: &str) -> &str {
    group.split('/').nth(2).unwrap_or_default()
}

impl RunDocument {
    /// Whether its group is `group` or lies below it.
    pub(crate) fn is_within(&self, group: &str) -> bool {
        with_slash(&self.run.group).starts_with(&with_slash(group))
    }

    /// Writes down that the run has come to a phase and a result.
    pub(crate) fn note_event(
        &mut self,
        transaction: &mut Transaction,
        phase: RunPhase,
        result: RunResult,
    ) -> Result<(), Error> {
        self.events += 1;
        transaction.put(&PendingEventDocument::new(
            &self.id,
            self.events,
            phase,
            result,
        ))?;
        Ok(())
    }
}

/// What a run is made of. It is written with the run, and never again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunConfigDocument {
    pub(crate) id: String,
    pub(crate) config: RunConfig,
}

impl Document for RunConfigDocument {
    const TYPE: &'static str = "runconfig";

    fn id(&self) -> &str {
        &self.id
    }
}
